//! The adapter with real programs: small shells, and the one of `examples/lab`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::DateTime;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use super::*;
use crate::domain::observation::Phase;
use crate::domain::run::TestsRequest;
use crate::domain::status::Status;
use crate::ids::RunId;

const PATIENCE: Duration = Duration::from_mins(1);

fn job(uid: Option<&str>) -> Job {
    Job {
        run: RunId(Uuid::from_u128(1)),
        client_token: Uuid::from_u128(2),
        callback_url: Url::parse("https://yard.example.org/api/v1/callbacks/bench/cap_1").unwrap(),
        request: RunRequest::Tests(TestsRequest {
            kernel_image_url: "https://files.example.org/Image".to_owned(),
            modules_url: None,
            device: "board \"1\"\n\"token\":\"x\"".to_owned(),
            collection: "ltp".to_owned(),
            tests: vec!["a".to_owned()],
        }),
        uid: uid.map(str::to_owned),
        first_asked_at: DateTime::UNIX_EPOCH,
    }
}

fn program(argv: &[&str], more: &str) -> Subprocess {
    let text = format!("name = \"bench\"\nargv = {}\ntimeout_s = 60\n{more}", serde_json::to_string(argv).unwrap());
    let mut settings: SubprocessRunner = toml::from_str(&text).unwrap();
    settings.known.0.insert("LAB_TOKEN".to_owned(), "s3cret".into());
    Subprocess::new(settings, std::env::var_os("PATH").unwrap())
}

fn sh(script: &str) -> Subprocess {
    program(&["sh", "-c", script], "")
}

#[tokio::test]
async fn the_program_is_told_the_job_and_nothing_of_our_environment() {
    let folder = TempDir::new().unwrap();
    let here = folder.path().display();
    let bench = program(
        &["sh", "-c", "cat >question; env >env; echo '{\"uid\": \"7\"}'"],
        &format!("work_dir = \"{here}\"\nenvironment = {{ LAB = \"x y\" }}"),
    );
    assert_eq!(bench.submit(&job(None)).await, Ok("7".to_owned()));
    let question: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("question")).unwrap()).unwrap();
    assert_eq!((&question["operation"], &question["job"]["request"]["tests"][0]), (&"submit".into(), &"a".into()));
    assert_eq!(question["job"]["token"], Uuid::from_u128(2).to_string());
    assert_eq!(question["job"]["uid"], serde_json::Value::Null);
    let env = fs::read_to_string(folder.path().join("env")).unwrap();
    let mut names: Vec<&str> = env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LAB", "LAB_TOKEN", "LANG", "PATH"]);
    assert!(env.contains("LAB=x y\n") && env.contains("LAB_TOKEN=s3cret\n"));
}

#[tokio::test]
async fn the_end_of_the_program_says_what_to_do() {
    let table = [
        ("echo '{\"retry_after_s\": 30}'; echo full >&2; exit 75", "Unavailable", "exit status 75: full"),
        ("echo no such board >&2; exit 3", "Refused", "exit status 3: no such board"),
        ("exit 3", "Refused", "it gives no reason"),
        ("kill -KILL $$", "Unclear", "SIGKILL"),
        ("echo nonsense", "Unclear", "line 1"),
        ("true", "Unclear", "there is no `uid`"),
        ("echo '{\"uid\": null}'", "Unclear", "must have a `uid`"),
        ("echo '{\"uid\": \"\"}'", "Unclear", "its uid is empty"),
        ("head -c 9000000 /dev/zero", "Unclear", "more than 8388608 bytes"),
    ];
    for (script, kind, words) in table {
        let error = sh(script).submit(&job(None)).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind) && error.to_string().contains(words), "{script}: {error:?}");
        let wait = if script.contains("retry") { Some(TimeDelta::seconds(30)) } else { None };
        assert_eq!(error.retry_after(), wait, "{script}");
    }
    let away = program(&["/nonexistent/lab"], "").submit(&job(None)).await.unwrap_err();
    assert!(
        matches!(away, RunnerError::Unavailable { .. }) && away.to_string().contains("could not be started"),
        "{away}"
    );
    let killed = sh("kill -KILL $$").poll(&job(Some("7"))).await.unwrap_err();
    assert!(matches!(killed, RunnerError::Unavailable { .. }), "a question may be asked again: {killed:?}");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_that_it_started() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // The pipe has an end as soon as nobody of the group holds it.
    let script = format!("exec 9>'{}'; sleep 600 & cat >/dev/null; sleep 600", pipe.display());
    let bench = program(&["sh", "-c", &script], "").settings;
    let bench = Subprocess::new(SubprocessRunner { timeout_s: 1, ..bench }, std::env::var_os("PATH").unwrap());
    let about = job(None);
    let (error, left) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(bench.submit(&about), tokio::fs::read(&pipe)) })
            .await
            .unwrap();
    assert!(matches!(error, Err(RunnerError::Unclear(_))), "{error:?}");
    assert_eq!(left.unwrap(), b"");
}

#[tokio::test]
async fn answers_tell_of_the_job_that_was_asked_about() {
    let about = job(Some("7"));
    let poll =
        sh("echo '{\"phase\": \"finished\", \"verdict\": \"FAIL\"}'; echo '{\"test\": \"a\", \"status\": \"FAIL\"}'");
    let seen = poll.poll(&about).await.unwrap();
    assert_eq!(
        (seen.uid.as_str(), seen.phase, seen.verdict, seen.tests.len()),
        ("7", Phase::Finished, Some(Status::Fail), 1)
    );
    let other = sh("echo '{\"uid\": \"8\", \"phase\": \"running\"}'").poll(&about).await.unwrap_err();
    assert!(matches!(other, RunnerError::Unclear(_)) && other.to_string().contains("told of 8"), "{other}");
    assert!(matches!(sh("echo '{\"uid\": null}'").poll(&about).await, Err(RunnerError::Unknown(_))));
    assert_eq!(sh("echo '{\"uid\": null}'").find(&about).await, Ok(None));
    assert!(matches!(sh("true").find(&about).await, Err(RunnerError::Unclear(_))), "silence is no answer");
    assert_eq!(sh("true").cancel(&about).await, Ok(()));
    assert_eq!(sh("true").collect(&about, &seen).await, Ok(Collected::default()));
    let told = sh("echo '{\"test\": \"boot\", \"status\": \"PASS\"}'; echo '{\"log_excerpt\": \"Linux\"}'");
    let told = told.collect(&about, &seen).await.unwrap();
    assert_eq!((told.boot.unwrap().status, told.log_excerpt.as_deref()), (Status::Pass, Some("Linux")));
}

#[tokio::test]
async fn callbacks_are_read_like_answers_and_come_to_the_url_of_the_run() {
    let bench = sh("true");
    let told = bench.read_callback(b"{\"uid\": \"7\", \"phase\": \"running\"}\n", Subject::Tests).unwrap();
    assert_eq!((told.uid.as_str(), told.phase), ("7", Phase::Running));
    assert!(bench.read_callback(b"{\"phase\": \"running\"}", Subject::Tests).unwrap_err().contains("uid"));
    let signatures = crate::runner::Signatures::default();
    let arrival = Arrival { body: b"", signatures, by_capability: true, now: DateTime::UNIX_EPOCH };
    assert_eq!(bench.authenticate(&arrival), Ok(false));
    assert!(bench.authenticate(&Arrival { by_capability: false, ..arrival }).is_err());
}

#[tokio::test]
async fn what_the_example_starts_outlives_it() {
    let lab = TempDir::new().unwrap();
    let pipe = lab.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let start = lab.path().join("start");
    // It goes on only once somebody reads the pipe, which is after the program has ended.
    fs::write(&start, format!("#!/bin/sh\necho PASS >\"$1/verdict\"\necho over >'{}'\n", pipe.display())).unwrap();
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755)).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lab/lab.sh");
    let folder = lab.path().display();
    let bench = program(&[path.to_str().unwrap()], &format!("environment = {{ LAB = \"{folder}\" }}"));
    let uid = bench.submit(&job(None)).await.unwrap();
    assert_eq!(uid, Uuid::from_u128(2).to_string(), "no caller's words pass for our token");
    let told = tokio::time::timeout(PATIENCE, tokio::fs::read_to_string(&pipe)).await.unwrap().unwrap();
    assert_eq!(told, "over\n");
    let seen = bench.poll(&job(Some(&uid))).await.unwrap();
    assert_eq!((seen.phase, seen.verdict), (Phase::Finished, Some(Status::Pass)));
}
