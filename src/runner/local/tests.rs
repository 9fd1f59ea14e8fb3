//! The runner with real programs: the example under `examples/ring`, from a git repository made on the spot, and small
//! shells that wait, fail and linger. A named pipe tells the tests when a program has begun and when its whole group is
//! gone, so nothing here sleeps.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::routing::post;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::*;
use crate::clock::ManualClock;
use crate::domain::observation::BuildFacts;
use crate::ids::RunId;
use crate::runner::Signatures;

const PATIENCE: Duration = Duration::from_mins(1);

/// A tree, a work folder, and a door for callbacks.
struct Yard {
    folder: TempDir,
    callback_url: Url,
    callbacks: UnboundedReceiver<Bytes>,
}

#[derive(Clone)]
struct Door {
    seen: UnboundedSender<Bytes>,
    answers: Arc<std::sync::Mutex<Vec<StatusCode>>>,
}

/// Answers with what is left of its list, then with 204; passes on what it answered 2xx to.
async fn take(Shared(door): Shared<Door>, body: Bytes) -> StatusCode {
    let answer = door.answers.lock().unwrap().pop().unwrap_or(StatusCode::NO_CONTENT);
    if answer.is_success() {
        door.seen.send(body).unwrap();
    }
    answer
}

fn sh(dir: &Path, script: &str) {
    let done = Command::new("sh").args(["-ec", script]).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Yard {
    /// With a copy of `examples/ring` as the tree.
    async fn new() -> Self {
        Self::answering(&[]).await
    }

    async fn answering(answers: &[StatusCode]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ring = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ring");
        sh(
            folder.path(),
            &format!(
                "cp -R '{ring}' tree; cd tree; rm -rf build; git init -q -b main; git add .
                git -c user.name=t -c user.email=t@example.org commit -q -m 'A ring buffer'"
            ),
        );
        let (seen, callbacks) = unbounded_channel();
        let door = Door { seen, answers: Arc::new(std::sync::Mutex::new(answers.to_vec())) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callback_url = format!("http://{}/cb?cap=x", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().route("/cb", post(take)).with_state(door);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { folder, callback_url, callbacks }
    }

    fn tree(&self) -> String {
        self.folder.path().join("tree").display().to_string()
    }

    fn recipe(&self, build: &[&[&str]], tests: &[(&str, &[&str])]) -> Recipe {
        let test = |(name, command): &(&str, &[&str])| TestRecipe { name: (*name).to_owned(), command: argv(command) };
        Recipe {
            name: "ring".to_owned(),
            trees: vec![self.tree()],
            build: build.iter().map(|command| argv(command)).collect(),
            compiler: argv(&["cc", "--version"]),
            tests: tests.iter().map(test).collect(),
            timeout: PATIENCE,
            max_output_bytes: 1 << 20,
        }
    }

    fn open(&self, recipe: Recipe, max_jobs: usize) -> Result<LocalRunner, LocalError> {
        let options = LocalOptions { work_dir: self.folder.path().join("work"), recipes: vec![recipe], max_jobs };
        let clock = ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap());
        LocalRunner::new(options, Arc::new(clock), Client::new(Vec::new()).unwrap())
    }

    fn job(&self, token: u128, request: RunRequest) -> Job {
        Job {
            run: RunId(Uuid::from_u128(token)),
            client_token: Uuid::from_u128(token),
            callback_url: self.callback_url.clone(),
            request,
            uid: None,
            first_asked_at: DateTime::UNIX_EPOCH,
        }
    }

    fn build_job(&self, token: u128) -> Job {
        let request = BuildRequest {
            tree: self.tree(),
            branch: "main".to_owned(),
            toolchain: "ring".to_owned(),
            kconfig: None,
            fragments: Vec::new(),
            architecture: "riscv".to_owned(),
        };
        self.job(token, RunRequest::Build(request))
    }

    fn tests_job(&self, token: u128, build: &str, tests: &[&str]) -> Job {
        let request = TestsRequest {
            kernel_image_url: format!("{BUILD_PREFIX}{build}"),
            modules_url: None,
            device: "host".to_owned(),
            collection: "ring".to_owned(),
            tests: argv(tests),
        };
        self.job(token, RunRequest::Tests(request))
    }

    async fn callback(&mut self) -> Observation {
        let body = tokio::time::timeout(PATIENCE, self.callbacks.recv()).await.unwrap().unwrap();
        read_callback(&body).unwrap()
    }

    /// Submits and waits for the callback.
    async fn through(&mut self, runner: &LocalRunner, job: &Job) -> Observation {
        let uid = runner.submit(job).await.unwrap();
        let observation = self.callback().await;
        assert_eq!((observation.uid.as_str(), observation.phase), (uid.as_str(), Phase::Finished));
        observation
    }

    /// A pipe, of which `begun` tells when a program opened it and `gone` when all that had it open are gone.
    fn pipe(&self) -> (String, impl Future<Output = ()> + use<>, impl Future<Output = ()> + use<>) {
        sh(self.folder.path(), "mkfifo pipe");
        let path = self.folder.path().join("pipe");
        let name = path.display().to_string();
        let (opened, begun) = tokio::sync::oneshot::channel();
        let (closed, gone) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut pipe = File::open(path).unwrap();
            opened.send(()).unwrap();
            std::io::copy(&mut pipe, &mut std::io::sink()).unwrap();
            closed.send(()).unwrap();
        });
        let begun = async move { tokio::time::timeout(PATIENCE, begun).await.unwrap().unwrap() };
        let gone = async move { tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap() };
        (name, begun, gone)
    }
}

fn submitted(job: Job, uid: &str) -> Job {
    Job { uid: Some(uid.to_owned()), ..job }
}

#[tokio::test]
async fn the_ring_is_built_and_tested() {
    use Status::{Error, Fail, Miss, Pass, Skip};
    let mut yard = Yard::new().await;
    let programs = ["put_get", "wrap", "bulk", "capacity", "huge", "misuse"];
    let paths = programs.map(|name| format!("build/{name}"));
    let commands: Vec<[&str; 1]> = paths.iter().map(|path| [path.as_str()]).collect();
    let tests: Vec<(&str, &[&str])> = programs.into_iter().zip(commands.iter().map(<[&str; 1]>::as_slice)).collect();
    let runner = yard.open(yard.recipe(&[&["make", "all"]], &tests), 2).unwrap();

    let build = yard.through(&runner, &yard.build_job(1)).await;
    assert_eq!((build.verdict, build.subject, build.message), (Some(Pass), Subject::Build, None));
    assert_eq!(build.started_at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    let facts = build.build.unwrap();
    let hash = Command::new("git").args(["-C", &yard.tree(), "rev-parse", "HEAD"]).output().unwrap().stdout;
    assert_eq!(facts.git_commit_hash.as_deref(), Some(String::from_utf8(hash).unwrap().trim()));
    assert!(facts.git_short_log.unwrap().ends_with("A ring buffer"));
    assert_eq!((facts.errors_count, facts.warnings_count), (Some(0), Some(0)));
    assert!(facts.compiler.is_some() && facts.command.as_deref() == Some("make all"));
    assert_eq!(facts.kernel_image_url, Some(format!("local:{}", build.uid)));

    let asked = ["put_get", "wrap", "bulk", "capacity", "huge", "misuse", "no_such_test"];
    let job = submitted(yard.tests_job(2, &build.uid, &asked), &Uuid::from_u128(2).simple().to_string());
    let told = yard.through(&runner, &job).await;
    assert_eq!((told.verdict, told.subject), (Some(Fail), Subject::Tests));
    let statuses: BTreeMap<&str, Status> = told.tests.iter().map(|(name, it)| (name.as_str(), it.status)).collect();
    let expected = BTreeMap::from([
        ("put_get", Pass),
        ("wrap", Pass),
        ("bulk", Pass),
        ("capacity", Fail),
        ("huge", Skip),
        ("misuse", Error),
        ("no_such_test", Miss),
    ]);
    assert_eq!(statuses, expected);
    let misuse = &told.tests["misuse"];
    assert!(misuse.reason.as_deref().unwrap().starts_with("killed by signal 6 (SIGABRT)"), "{misuse:?}");
    let cases: Vec<_> = misuse.cases.iter().map(|case| (case.name.as_str(), case.status)).collect();
    assert_eq!(cases, [("the smallest ring holds one byte", Pass), ("2", Miss), ("3", Miss)]);
    assert!(misuse.log_excerpt.as_deref().unwrap().contains("the storage is not NULL"));
    assert_eq!(told.tests["huge"].reason.as_deref(), Some("needs a machine with 64 GiB of memory"));
    assert_eq!(told.tests["capacity"].cases[1].reason.as_deref(), Some("got 7, want 8"));
    assert_eq!(told.tests["no_such_test"].reason.as_deref(), Some("recipe `ring` has no such test"));

    assert_eq!(runner.poll(&job).await.unwrap(), told);
    assert_eq!(runner.find(&job).await.unwrap(), Some(told.uid.clone()));
    let collected = runner.collect(&job, &told).await.unwrap();
    assert_eq!(collected.tests, told.tests);
    assert!(collected.log_excerpt.unwrap().contains("$ build/misuse"));
    // No name means all of them.
    let all = yard.through(&runner, &yard.tests_job(3, &build.uid, &[])).await;
    assert_eq!(all.tests.len(), programs.len());
}

#[tokio::test]
async fn what_is_not_in_the_settings_is_refused() {
    let yard = Yard::new().await;
    let runner = yard.open(yard.recipe(&[], &[]), 1).unwrap();
    let build = |change: &dyn Fn(&mut BuildRequest)| {
        let mut job = yard.build_job(1);
        if let RunRequest::Build(request) = &mut job.request {
            change(request);
        }
        job
    };
    let boot = |job: Job| match job.request {
        RunRequest::Tests(request) => Job { request: RunRequest::Boot(request), ..job },
        _ => job,
    };
    let table = [
        (build(&|request| request.toolchain = "gcc-12".to_owned()), "no recipe `gcc-12`"),
        (build(&|request| request.toolchain = "gcc-12".to_owned()), "want one of ring"),
        (build(&|request| request.tree = "https://example.org/evil".to_owned()), "does not build this tree"),
        (build(&|request| request.tree.push_str("/../work")), "does not build this tree"),
        (build(&|request| request.branch = "--upload-pack=id".to_owned()), "not the name of a branch"),
        (yard.tests_job(1, "../../etc", &[]), "name one as `local:"),
        (yard.tests_job(1, &Uuid::from_u128(9).simple().to_string(), &[]), "no such build"),
        (boot(yard.tests_job(1, "x", &[])), "boots nothing"),
    ];
    for (job, why) in table {
        let Err(RunnerError::Refused(message)) = runner.submit(&job).await else { panic!("{why}: not refused") };
        assert!(message.contains(why), "{message}");
        assert_eq!(runner.find(&job).await, Ok(None));
        assert!(matches!(runner.poll(&job).await, Err(RunnerError::Unknown(_))));
        assert!(matches!(runner.cancel(&job).await, Err(RunnerError::Unknown(_))));
    }
    let mut twice = yard.recipe(&[], &[("a", &["x"]), ("a", &["y"])]);
    assert!(matches!(yard.open(twice.clone(), 1), Err(LocalError::Recipe(_))));
    twice.tests = vec![TestRecipe { name: "a".to_owned(), command: Vec::new() }];
    assert!(matches!(yard.open(twice, 1), Err(LocalError::Recipe(_))));
}

#[tokio::test]
async fn a_build_that_fails_says_how() {
    let table: &[(&[&str], Status, &str)] = &[
        (&["make", "no-such-target"], Status::Fail, "`make no-such-target`: exit status 2"),
        (&["sh", "-c", "kill -9 $$"], Status::Error, "killed by signal 9 (SIGKILL)"),
        (&["./no-such-program"], Status::Error, "could not be started"),
        (&["sh", "-c", "echo 'a.c:1:2: error: x' >&2; exit 1"], Status::Fail, "exit status 1"),
    ];
    for (command, status, why) in table {
        let mut yard = Yard::new().await;
        let runner = yard.open(yard.recipe(&[command, &["touch", "../went-on"]], &[]), 1).unwrap();
        let told = yard.through(&runner, &yard.build_job(1)).await;
        assert_eq!(told.verdict, Some(*status), "{command:?}");
        assert!(told.message.as_deref().unwrap().contains(why), "{:?}", told.message);
        let BuildFacts { kernel_image_url, errors_count, .. } = told.build.clone().unwrap();
        assert_eq!((kernel_image_url, errors_count), (None, Some(i64::from(command.join(" ").contains("echo")))));
        let folder = yard.folder.path().join("work").join(&told.uid);
        assert!(!folder.join("went-on").exists());
        assert!(std::fs::read_to_string(folder.join("build.log")).unwrap().contains(&command.join(" ")));
        let tests = runner.submit(&yard.tests_job(2, &told.uid, &[])).await;
        assert!(matches!(tests, Err(RunnerError::Refused(why)) if why.contains("did not pass")));
    }
    let mut yard = Yard::new().await;
    let runner = yard.open(yard.recipe(&[], &[]), 1).unwrap();
    let mut job = yard.build_job(1);
    if let RunRequest::Build(request) = &mut job.request {
        request.branch = "no-such-branch".to_owned();
    }
    let told = yard.through(&runner, &job).await;
    assert_eq!(told.verdict, Some(Status::Error));
    assert!(told.message.as_deref().unwrap().contains("Remote branch no-such-branch not found"), "{:?}", told.message);
}

#[tokio::test]
async fn a_test_that_takes_too_long_dies_with_its_group() {
    let mut yard = Yard::new().await;
    let (pipe, begun, gone) = yard.pipe();
    let slow = format!("echo 1..2; echo ok 1 - a; sleep 1000 >'{pipe}' & wait");
    let mut recipe = yard.recipe(&[], &[("slow", &["sh", "-c", &slow]), ("next", &["true"])]);
    let build = {
        let runner = yard.open(recipe.clone(), 1).unwrap();
        let build = yard.through(&runner, &yard.build_job(1)).await;
        runner.shutdown().await;
        build
    };
    recipe.timeout = Duration::from_secs(2);
    let runner = yard.open(recipe, 1).unwrap();
    let told = yard.through(&runner, &yard.tests_job(2, &build.uid, &[])).await;
    begun.await;
    gone.await;
    let slow = &told.tests["slow"];
    assert_eq!(slow.status, Status::Error);
    assert!(slow.reason.as_deref().unwrap().starts_with("took longer than 2 s and was killed"), "{slow:?}");
    let cases: Vec<_> = slow.cases.iter().map(|case| case.status).collect();
    assert_eq!(cases, [Status::Pass, Status::Miss]);
    assert_eq!(told.tests["next"].status, Status::Pass);
}

#[tokio::test]
async fn what_a_test_leaves_running_dies_with_it() {
    let mut yard = Yard::new().await;
    let (pipe, begun, gone) = yard.pipe();
    // The shell itself opens the pipe, so that it is open when the shell ends, however late the daemon starts.
    let daemon = format!("exec 3>'{pipe}'; sleep 1000 >&3 2>&1 & exec 3>&-; echo 1..1; echo ok");
    let flood = "yes | head -c 3000000; echo; echo 1..1; echo ok";
    let recipe = yard.recipe(&[], &[("daemon", &["sh", "-c", &daemon]), ("flood", &["sh", "-c", flood])]);
    let runner = yard.open(recipe, 1).unwrap();
    let build = yard.through(&runner, &yard.build_job(1)).await;
    let told = yard.through(&runner, &yard.tests_job(2, &build.uid, &[])).await;
    begun.await;
    gone.await;
    assert_eq!(told.tests["daemon"].status, Status::Pass);
    // What comes after the limit is not read, and not hidden either.
    let flood = &told.tests["flood"];
    assert!(flood.reason.as_deref().unwrap_or_default().contains("went over the limit"), "{flood:?}");
}

#[tokio::test]
async fn the_same_token_starts_one_job() {
    let mut yard = Yard::new().await;
    let recipe = yard.recipe(&[&["sh", "-c", "echo built >>../count; env >../env"]], &[]);
    let runner = yard.open(recipe.clone(), 2).unwrap();
    let job = yard.build_job(7);
    let (one, two) = tokio::join!(runner.submit(&job), runner.submit(&job));
    let uid = one.unwrap();
    assert_eq!(two.unwrap(), uid);
    let told = yard.callback().await;
    assert_eq!(runner.submit(&job).await, Ok(uid.clone()));
    assert!(runner.submit_is_idempotent(&job));
    assert!(matches!(yard.open(recipe.clone(), 2), Err(LocalError::Busy(_))));
    runner.shutdown().await;
    drop(runner);

    let runner = yard.open(recipe, 2).unwrap();
    assert_eq!(runner.submit(&job).await, Ok(uid.clone()));
    assert_eq!(runner.poll(&submitted(job.clone(), &uid)).await, Ok(told));
    let other = submitted(job.clone(), "0198c1a20b7c7d3e9f00112233445566");
    assert!(matches!(runner.poll(&other).await, Err(RunnerError::Unknown(_))));
    runner.shutdown().await;
    assert!(yard.callbacks.try_recv().is_err());
    let folder = yard.folder.path().join("work").join(&uid);
    assert_eq!(std::fs::read_to_string(folder.join("count")).unwrap(), "built\n");
    let env = std::fs::read_to_string(folder.join("env")).unwrap();
    let names: Vec<&str> = env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(
        names.iter().all(|name| ["PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"].contains(name)),
        "{names:?}"
    );
    let intent = std::fs::read_to_string(folder.join("job.json")).unwrap();
    assert!(!intent.contains("cap"), "the callback's capability is in a file: {intent}");
}

#[tokio::test]
async fn a_job_that_the_process_did_not_live_to_end_is_run_again() {
    let mut yard = Yard::new().await;
    let (pipe, begun, gone) = yard.pipe();
    let script = format!("[ -e ../again ] && exit 0; touch ../again; exec sleep 1000 >'{pipe}'");
    let recipe = yard.recipe(&[&["sh", "-c", &script]], &[]);
    let runner = yard.open(recipe.clone(), 1).unwrap();
    let job = yard.build_job(1);
    let uid = runner.submit(&job).await.unwrap();
    let job = submitted(job, &uid);
    begun.await;
    assert_eq!(runner.poll(&job).await.unwrap().phase, Phase::Running);
    assert!(matches!(
        runner.collect(&job, &canceled(uid.clone(), Subject::Build)).await,
        Err(RunnerError::Unavailable { .. })
    ));
    let tests = yard.tests_job(2, &uid, &[]);
    assert!(matches!(runner.submit(&tests).await, Err(RunnerError::Unavailable { .. })));
    let waiting = yard.build_job(3);
    let waiting = submitted(waiting.clone(), &runner.submit(&waiting).await.unwrap());
    assert_eq!(runner.poll(&waiting).await.unwrap().phase, Phase::Waiting, "one job at a time");
    runner.shutdown().await;
    gone.await;
    assert!(matches!(runner.submit(&yard.build_job(4)).await, Err(RunnerError::Unavailable { .. })));
    drop(runner);

    let runner = yard.open(recipe, 1).unwrap();
    assert_ne!(runner.poll(&job).await.unwrap().phase, Phase::Finished);
    let told = yard.callback().await;
    assert_eq!((told.uid, told.verdict), (uid, Some(Status::Pass)));
}

#[tokio::test]
async fn a_canceled_job_dies_with_its_group() {
    let mut yard = Yard::new().await;
    let (pipe, begun, gone) = yard.pipe();
    let script = format!("sleep 1000 >'{pipe}' & wait");
    let recipe = yard.recipe(&[&["sh", "-c", &script]], &[]);
    let runner = yard.open(recipe, 1).unwrap();
    let job = yard.build_job(1);
    let job = submitted(job.clone(), &runner.submit(&job).await.unwrap());
    begun.await;
    runner.cancel(&job).await.unwrap();
    gone.await;
    let told = runner.poll(&job).await.unwrap();
    assert_eq!((told.phase, told.verdict, told.message.as_deref()), (Phase::Finished, None, Some("canceled")));
    runner.cancel(&job).await.unwrap();
    runner.shutdown().await;
    assert!(yard.callbacks.try_recv().is_err(), "nobody waits for a canceled job");
}

#[tokio::test]
async fn a_callback_must_come_to_the_url_of_the_run() {
    let mut yard = Yard::new().await;
    let runner = yard.open(yard.recipe(&[], &[]), 1).unwrap();
    runner.submit(&yard.build_job(1)).await.unwrap();
    let body = tokio::time::timeout(PATIENCE, yard.callbacks.recv()).await.unwrap().unwrap();
    let signatures = Signatures::default();
    let arrival = Arrival { body: &body, signatures, by_capability: true, now: DateTime::UNIX_EPOCH };
    assert_eq!(runner.authenticate(&arrival), Ok(false), "nothing is signed");
    assert_eq!(runner.read_callback(&body, Subject::Build).unwrap().verdict, Some(Status::Pass));
    let elsewhere = Arrival { by_capability: false, ..arrival };
    assert!(runner.authenticate(&elsewhere).unwrap_err().contains("the URL of the run"));
    assert!(runner.read_callback(b"{", Subject::Build).unwrap_err().contains("not a callback of the local runner"));
}

#[tokio::test]
async fn a_callback_is_tried_again_when_that_may_help() {
    let mut yard = Yard::answering(&[StatusCode::SERVICE_UNAVAILABLE]).await;
    let runner = yard.open(yard.recipe(&[], &[]), 1).unwrap();
    assert_eq!(yard.through(&runner, &yard.build_job(1)).await.verdict, Some(Status::Pass));

    let mut yard = Yard::answering(&[StatusCode::NO_CONTENT, StatusCode::FORBIDDEN]).await;
    let runner = yard.open(yard.recipe(&[], &[]), 1).unwrap();
    runner.submit(&yard.build_job(1)).await.unwrap();
    runner.0.tasks.close();
    runner.0.tasks.wait().await;
    assert!(yard.callbacks.try_recv().is_err(), "a refused callback was sent again");
}
