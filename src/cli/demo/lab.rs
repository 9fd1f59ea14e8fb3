//! The demo's lab: what is to be run, and the agents that run it.

use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::{Child, Command};

use crate::cli::demo::stage::Stage;
use crate::cli::demo::{LOOK, Talk, text};

/// The job whose agent is killed.
pub(super) const LONG: &str = "spec::bulk";

/// What the lab has of its own: a resource that every machine tells, and a report that needs a machine with enough of it.
pub(super) const UNITS: &str = "\
id: machine
plugin: resource
command: echo \"cores: $(getconf _NPROCESSORS_ONLN)\"
estimated_duration: 1

id: report
plugin: shell
command: echo written by $(uname -n)
after: spec::bulk
requires: int(machine.cores) > 0
estimated_duration: 1
";

/// The names of the agents.
const AGENTS: [&str; 2] = ["lab-1", "lab-2"];

/// An id that says what the spec is.
fn id(name: &str) -> String {
    hex::encode(Sha256::digest(name))
}

/// The tests of the library as specs: `wrap` and `bulk` run once `put_get` has passed; `capacity` fails, so that `huge` cannot
/// run; `misuse` crashes, and is left out.
pub(super) fn specs(stage: &Stage) -> Value {
    let builds = stage.builds.display().to_string().replace('\'', r"'\''");
    let spec = |name: &str, before: &str, on: &[&str], keyword: &str| {
        let command = format!("{before}exec '{builds}'/\"${{TESTYARD_KERNEL_IMAGE_URL#local:}}\"/source/build/{name}");
        let dependencies: Vec<Value> = on.iter().map(|name| json!({"id": id(name), "when": "success"})).collect();
        json!({
            "id": id(name), "file_path": format!("tests/{name}.c"), "keywords": [keyword], "dependencies": dependencies,
            "attributes": {"command": command, "slots": {"bench": 1}},
        })
    };
    json!([
        spec("put_get", "", &[], "quick"),
        spec("wrap", "", &["put_get"], "quick"),
        // Long enough for its agent to be killed meanwhile.
        spec("bulk", "sleep 2; ", &["put_get"], "long"),
        spec("capacity", "", &[], "quick"),
        spec("huge", "", &["capacity"], "quick"),
        spec("misuse", "", &[], "crash"),
    ])
}

/// The agents of the lab: processes, which end with it.
pub(super) struct Lab {
    agents: Vec<(&'static str, Child)>,
}

impl Lab {
    /// Starts the agents, each with a registration token of its own, and waits until they are known.
    pub(super) async fn open(stage: &Stage, talk: &Talk) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's path is not known")?;
        let mut agents = Vec::new();
        for name in AGENTS {
            let folder = stage.folder().join(name);
            std::fs::create_dir_all(&folder)?;
            let made = talk.post(&stage.service, "/api/v1/agents/tokens", &json!({"name": name})).await?;
            std::fs::write(folder.join("token"), text(&made, "/token")?)?;
            let mut command = Command::new(&program);
            command.args(["agent", "--name", name, "--label", "site=demo", "--allow-root", "--server"]);
            command.arg(stage.service.as_str()).arg("--token-file").arg(folder.join("token"));
            command.arg("--work-dir").arg(folder.join("work"));
            let log = std::fs::File::create(folder.join("log"))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
            agents.push((name, command.spawn().context("an agent cannot be started")?));
        }
        let lab = Self { agents };
        while talk.get(&stage.service, "/api/v1/agents").await?["items"].as_array().map_or(0, Vec::len) < AGENTS.len() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(lab)
    }

    /// Kills the agent that has this job in its hands; its name.
    pub(super) async fn kill_who_runs(
        &mut self,
        stage: &Stage,
        talk: &Talk,
        job: &str,
    ) -> anyhow::Result<&'static str> {
        loop {
            let listed = talk.get(&stage.service, "/api/v1/agents").await?;
            for shown in listed["items"].as_array().into_iter().flatten() {
                let Some(run) = shown["lease"]["run"].as_str() else { continue };
                let run = talk.get(&stage.service, &format!("/api/v1/runs/{run}")).await?;
                if run["tests"].as_array().is_none_or(|tests| tests.iter().all(|test| test != job)) {
                    continue;
                }
                let name = shown["name"].as_str().unwrap_or_default();
                let Some((name, agent)) = self.agents.iter_mut().find(|(known, _)| *known == name) else {
                    bail!("the agent `{name}` is none of this lab's");
                };
                agent.kill().await.context("the agent cannot be killed")?;
                return Ok(name);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the agents.
    pub(super) async fn close(mut self) {
        for (_, agent) in &mut self.agents {
            // One is dead already.
            let _ = agent.kill().await;
        }
    }
}
