//! The work itself: check out and build, or run the tests of a build.
//!
//! A failure of the code is FAIL. What is not the code's fault is not called so: a tree that cannot be checked out, a
//! command that is missing, is killed or takes too long is ERROR (a test that could not even be started is MISS).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::folder::Folder;
use super::outcome::judge;
use super::recipe::{Recipe, TestRecipe};
use crate::domain::observation::{BuildFacts, TestOutcome};
use crate::domain::run::BuildRequest;
use crate::domain::status::Status;
use crate::runner::process::{End, Output, Spec, run};

/// What is to be done, checked against the recipes.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Build { recipe: Recipe, request: BuildRequest },
    Tests { recipe: Recipe, source: PathBuf, asked: Vec<String> },
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) verdict: Option<Status>,
    pub(super) message: Option<String>,
    pub(super) build: Option<BuildFacts>,
    pub(super) tests: BTreeMap<String, TestOutcome>,
    pub(super) log_excerpt: Option<String>,
}

/// Does it, in the job's folder, with programs found in `path`.
pub(super) async fn work(task: &Task, folder: &Folder, uid: &str, path: &OsString) -> Done {
    let home = folder.path().as_os_str().to_owned();
    let env = vec![("PATH".into(), path.clone()), ("HOME".into(), home), ("LANG".into(), "C".into())];
    match task {
        Task::Build { recipe, request } => {
            let mut bench = Bench { recipe, folder, env, log: Output::new(recipe.max_output_bytes) };
            let mut done = bench.build(request, uid).await;
            bench.keep_log("build.log").await;
            done.log_excerpt = bench.log.excerpt();
            done
        }
        Task::Tests { recipe, source, asked } => {
            let mut bench = Bench { recipe, folder, env, log: Output::new(recipe.max_output_bytes) };
            let tests = bench.tests(source, asked).await;
            bench.keep_log("tests.log").await;
            let verdict = Status::roll_up(tests.values().map(|outcome| outcome.status));
            Done { verdict, tests, log_excerpt: bench.log.excerpt(), ..Done::default() }
        }
    }
}

/// Where a job is worked on.
struct Bench<'a> {
    recipe: &'a Recipe,
    folder: &'a Folder,
    env: Vec<(OsString, OsString)>,
    log: Output,
}

impl Bench<'_> {
    async fn build(&mut self, request: &BuildRequest, uid: &str) -> Done {
        let failed = |status, message| Done { verdict: Some(status), message: Some(message), ..Done::default() };
        let source = self.folder.source();
        if let Err(why) = self.check_out(request, &source).await {
            return failed(Status::Error, format!("the checkout failed: {why}"));
        }
        let mut facts = self.facts(&source).await;
        for argv in &self.recipe.build {
            let end = self.step(argv, &source).await;
            if !end.is_success() {
                let status = if matches!(end, End::Exit(_)) { Status::Fail } else { Status::Error };
                self.count(&mut facts);
                return Done { build: Some(facts), ..failed(status, format!("`{}`: {end}", argv.join(" "))) };
            }
        }
        self.count(&mut facts);
        facts.kernel_image_url = Some(format!("{}{uid}", super::BUILD_PREFIX));
        Done { verdict: Some(Status::Pass), build: Some(facts), ..Done::default() }
    }

    /// Clones the tree anew. What an earlier life of the service may have left running works in a folder that is gone.
    async fn check_out(&mut self, request: &BuildRequest, source: &Path) -> Result<(), String> {
        match tokio::fs::remove_dir_all(source).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        let branch = format!("--branch={}", request.branch);
        // Without `--no-local` a clone by path ignores `--depth`, and links files that it does not own.
        let mut argv: Vec<String> =
            ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--depth=1", "--no-local"]
                .map(str::to_owned)
                .to_vec();
        argv.extend([branch, "--".to_owned(), request.tree.clone(), "source".to_owned()]);
        let env = self.env.len();
        let quiet = [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"),
            ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        ];
        self.env.extend(quiet.map(|(name, value)| (name.into(), value.into())));
        let folder = self.folder.path().to_owned();
        let end = self.step(&argv, &folder).await;
        self.env.truncate(env);
        if end.is_success() {
            return Ok(());
        }
        let log = self.log.text();
        let said = log.lines().rev().find(|line| line.starts_with("fatal:")).unwrap_or_default();
        Err(format!("{end}; {said}").trim_end_matches("; ").to_owned())
    }

    /// Runs a command with its line in the log.
    async fn step(&mut self, argv: &[String], dir: &Path) -> End {
        self.log.push(format!("$ {}\n", argv.join(" ")).as_bytes());
        let spec = Spec { argv, dir, env: &self.env, input: b"", timeout: self.recipe.timeout };
        let end = run(&spec, &mut self.log, &mut Output::new(0)).await;
        if !end.is_success() {
            self.log.push(format!("{end}\n").as_bytes());
        }
        end
    }

    /// The first line that a command prints, where it succeeds. Leaves no trace in the log.
    async fn ask(&self, argv: &[&str], dir: &Path) -> Option<String> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let spec = Spec { argv: &argv, dir, env: &self.env, input: b"", timeout: self.recipe.timeout };
        let mut stdout = Output::new(4096);
        let end = run(&spec, &mut Output::new(0), &mut stdout).await;
        let text = stdout.text();
        let line = text.lines().next().map(str::trim).filter(|line| !line.is_empty());
        line.filter(|_| end.is_success()).map(str::to_owned)
    }

    async fn facts(&self, source: &Path) -> BuildFacts {
        let compiler: Vec<&str> = self.recipe.compiler.iter().map(String::as_str).collect();
        let commands: Vec<String> = self.recipe.build.iter().map(|argv| argv.join(" ")).collect();
        BuildFacts {
            // Recipes build for the machine itself, whatever architecture the request names.
            architecture: Some(std::env::consts::ARCH.to_owned()),
            compiler: if compiler.is_empty() { None } else { self.ask(&compiler, source).await },
            command: (!commands.is_empty()).then(|| commands.join(" && ")),
            git_commit_hash: self.ask(&["git", "rev-parse", "HEAD"], source).await.filter(|hash| hash.len() == 40),
            git_commit_name: self.ask(&["git", "describe", "--always", "--tags"], source).await,
            git_short_log: self.ask(&["git", "log", "-1", "--format=%h %s"], source).await,
            ..BuildFacts::default()
        }
    }

    /// Counts what the compiler complained of, as GCC and Clang write it.
    fn count(&self, facts: &mut BuildFacts) {
        let log = self.log.text();
        let lines = |words: &[&str]| {
            let said = log.lines().filter(|line| !line.starts_with("$ "));
            i64::try_from(said.filter(|line| words.iter().any(|word| line.contains(word))).count()).ok()
        };
        facts.errors_count = lines(&[": error: ", ": fatal error: "]);
        facts.warnings_count = lines(&[": warning: "]);
    }

    async fn tests(&mut self, source: &Path, asked: &[String]) -> BTreeMap<String, TestOutcome> {
        let recipe = self.recipe;
        let mut outcomes = BTreeMap::new();
        for name in asked.iter().filter(|name| recipe.tests.iter().all(|test| test.name != **name)) {
            let reason = Some(format!("recipe `{}` has no such test", recipe.name));
            outcomes.insert(name.clone(), TestOutcome { reason, ..TestOutcome::bare(Status::Miss) });
        }
        for test in recipe.tests.iter().filter(|test| asked.is_empty() || asked.contains(&test.name)) {
            outcomes.insert(test.name.clone(), self.test(test, source).await);
        }
        outcomes
    }

    async fn test(&mut self, test: &TestRecipe, source: &Path) -> TestOutcome {
        let limit = self.recipe.max_output_bytes;
        let (mut log, mut stdout) = (Output::new(limit), Output::new(limit));
        let spec = Spec { argv: &test.command, dir: source, env: &self.env, input: b"", timeout: self.recipe.timeout };
        let began = Instant::now();
        let end = run(&spec, &mut log, &mut stdout).await;
        let duration_s = began.elapsed().as_secs_f64();
        self.log.push(format!("$ {}\n{}", test.command.join(" "), log.text()).as_bytes());
        if !end.is_success() {
            self.log.push(format!("{end}\n").as_bytes());
        }
        judge(&end, &stdout, &log, duration_s)
    }

    async fn keep_log(&self, name: &str) {
        let mut text = self.log.text();
        if self.log.dropped() > 0 {
            text = format!("{text}\n… and {} bytes more\n", self.log.dropped());
        }
        if let Err(error) = self.folder.keep_log(name, &text).await {
            tracing::warn!(%error, "a job's log could not be kept");
        }
    }
}
