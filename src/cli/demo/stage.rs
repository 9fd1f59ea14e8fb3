//! What the demo plays on: a tree, two services and a folder for all of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

use crate::clock::SystemClock;
use crate::config::{Pool, Recipe, Settings};
use crate::lifecycle::{Ending, Lifecycle};
use crate::server::Server;

/// The name of the recipe.
pub(super) const RECIPE: &str = "ring";

/// The collection that the tests belong to.
pub(super) const COLLECTION: &str = "ring";

/// The library, as it lies under `examples/`.
const TREE: [(&str, &str); 12] = [
    (".gitignore", include_str!("../../../examples/ring/.gitignore")),
    ("Makefile", include_str!("../../../examples/ring/Makefile")),
    ("README.md", include_str!("../../../examples/ring/README.md")),
    ("include/ring.h", include_str!("../../../examples/ring/include/ring.h")),
    ("src/ring.c", include_str!("../../../examples/ring/src/ring.c")),
    ("tests/bulk.c", include_str!("../../../examples/ring/tests/bulk.c")),
    ("tests/capacity.c", include_str!("../../../examples/ring/tests/capacity.c")),
    ("tests/huge.c", include_str!("../../../examples/ring/tests/huge.c")),
    ("tests/misuse.c", include_str!("../../../examples/ring/tests/misuse.c")),
    ("tests/put_get.c", include_str!("../../../examples/ring/tests/put_get.c")),
    ("tests/tap.h", include_str!("../../../examples/ring/tests/tap.h")),
    ("tests/wrap.c", include_str!("../../../examples/ring/tests/wrap.c")),
];

/// The stage, set.
pub(super) struct Stage {
    /// Where the service is.
    pub(super) service: Url,
    /// Where its sink is.
    pub(super) sink: Url,
    /// The git repository.
    pub(super) tree: String,
    /// Where the builds of the local runner lie.
    pub(super) builds: PathBuf,
    serving: [tokio::task::JoinHandle<Ending>; 2],
    folder: TempDir,
}

impl Stage {
    /// Makes the folder and the repository and starts both services.
    pub(super) async fn set(lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("testyard-demo-").tempdir().context("no temporary folder")?;
        let tree = folder.path().join("ring");
        make_repository(&tree).await?;
        let tree = tree.to_str().context("the temporary folder's path is not text")?.to_owned();

        let mut settings = quiet(folder.path(), "sink")?;
        "sink".clone_into(&mut settings.kcidb.origin);
        let (sink, sink_serving) = start(settings, lifecycle).await?;

        let mut settings = quiet(folder.path(), "service")?;
        "demo".clone_into(&mut settings.kcidb.origin);
        settings.kcidb.submit_url = Some(sink.join("submit")?);
        let builds = folder.path().join("local");
        settings.local.work_dir = Some(builds.clone());
        settings.agents.heartbeat_s = 1;
        settings.agents.lease_s = 3;
        settings.agents.poll_max_s = 5;
        settings.queue.pools =
            vec![Pool { runner: "agents".into(), name: "bench".into(), slots: Some(2), ids: Vec::new() }];
        settings.local.recipes = vec![recipe(&tree)];
        let (service, serving) = start(settings, lifecycle).await?;
        Ok(Self { service, sink, tree, builds, serving: [serving, sink_serving], folder })
    }

    /// The folder that all of it lies in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops both services; the folder goes with it.
    pub(super) async fn strike(self, lifecycle: &Lifecycle) {
        lifecycle.soft().cancel();
        for serving in self.serving {
            // How a service ends does not change what the demo has shown.
            let _ = serving.await;
        }
    }
}

fn quiet(folder: &Path, name: &str) -> anyhow::Result<Settings> {
    let mut settings = Settings::default();
    settings.server.listen = "127.0.0.1:0".parse()?;
    folder.clone_into(&mut settings.server.state_dir);
    settings.server.shutdown_timeout_s = 5;
    let database = folder.join(format!("{name}.sqlite"));
    settings.database.url = format!("sqlite:{}", database.display()).into();
    Ok(settings)
}

async fn start(settings: Settings, lifecycle: &Lifecycle) -> anyhow::Result<(Url, tokio::task::JoinHandle<Ending>)> {
    // Each service ends by itself; both end with the demo.
    let own = Lifecycle::new();
    let server = Server::bind(settings, Arc::new(SystemClock), own.clone()).await?;
    let url = Url::parse(&format!("http://{}", server.address()?))?;
    let all = lifecycle.soft().clone();
    tokio::spawn(async move {
        all.cancelled().await;
        own.soft().cancel();
    });
    Ok((url, tokio::spawn(server.run())))
}

/// The operator's word on what may be done with the tree.
fn recipe(tree: &str) -> Recipe {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Recipe {
        name: RECIPE.to_owned(),
        trees: vec![tree.to_owned()],
        build: vec![words(&["make", "all"])],
        compiler: words(&["cc", "--version"]),
        test: Vec::new(),
        timeout_s: 60,
        max_output_bytes: 1 << 20,
    }
}

async fn make_repository(tree: &Path) -> anyhow::Result<()> {
    for (name, content) in TREE {
        let path = tree.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, content)?;
    }
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "--all"],
        &["-c", "user.name=Demo", "-c", "user.email=demo@localhost", "commit", "--quiet", "--message=A ring buffer"],
    ] {
        git(tree, arguments).await?;
    }
    Ok(())
}

async fn git(tree: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let run = Command::new("git")
        .args(arguments)
        .current_dir(tree)
        // The user's own settings (signing, hooks, templates) have no part in this.
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(20), run)
        .await
        .context("git takes too long")?
        .context("the demo needs `git`, `make` and `cc` on this machine")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), words.trim());
    Ok(())
}
