//! What TuxSuite tells of a job: the object that a callback carries as `status` and that a poll answers with.
//!
//! Which members a failed, errored or canceled job lacks is not documented. So only its uid and one word about its state
//! are demanded; everything else is taken when it is there and has the right type. `state` rules where it is given, and
//! only `finished` ends a job: words that we do not know mean that it still runs.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use serde_json::Value;

use crate::domain::observation::{BuildFacts, Observation, Phase, Subject, TestOutcome};
use crate::domain::status::Status;
use crate::domain::tuxsuite::request::BOOT;
use crate::domain::tuxsuite::{Malformed, without_number};
use crate::domain::words::words;

words!(
    /// What a callback is about, in TuxSuite's words.
    CallbackKind, "callback kind", {
        /// A kernel build.
        Build = "build",
        /// A kernel build, in an older word.
        Kbuild = "kbuild",
        /// A build of a whole distribution with `BitBake`.
        Oebuild = "oebuild",
        /// A job of tests.
        Test = "test",
        /// A plan: a container of the others, which concludes nothing itself.
        Plan = "plan",
    }
);

/// A callback's body.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// What it is about.
    pub kind: CallbackKind,
    /// TuxSuite's id of the job or the plan.
    pub uid: String,
    /// What it tells. `None` for a plan.
    pub observation: Option<Observation>,
}

/// The longest uid that is taken. TuxSuite's are of 27 letters.
const MAX_UID: usize = 128;

/// The number of repetitions after which TuxSuite gives a build up that ends in an error.
const RETRIES: i64 = 2;

/// Reads a callback's body: `{"kind": …, "status": {…}}`.
///
/// # Errors
///
/// A body of another shape, a kind that is not in [`CallbackKind`], and what [`observe_build`] refuses.
pub fn read_callback(value: &Value) -> Result<Callback, Malformed> {
    let body = value.as_object().ok_or_else(|| Malformed::new("", "a callback must be an object"))?;
    let kind: CallbackKind = body
        .get("kind")
        .and_then(Value::as_str)
        .ok_or_else(|| Malformed::new("/kind", "want what the callback is about: `build`, `test`, …"))?
        .parse()
        .map_err(|error| Malformed::new("/kind", format!("{error}")))?;
    let status = body
        .get("status")
        .filter(|status| status.is_object())
        .ok_or_else(|| Malformed::new("/status", "want the object that the callback is about"))?;
    let observed = match kind {
        CallbackKind::Build | CallbackKind::Kbuild | CallbackKind::Oebuild => observe_build(status).map(Ok),
        CallbackKind::Test => observe_test(status).map(Ok),
        CallbackKind::Plan => read_uid(status).map(Err),
    };
    match observed {
        Ok(Ok(observation)) => Ok(Callback { kind, uid: observation.uid.clone(), observation: Some(observation) }),
        Ok(Err(uid)) => Ok(Callback { kind, uid, observation: None }),
        Err(error) => Err(Malformed::new(format!("/status{}", error.pointer), error.message)),
    }
}

/// Reads the object of a build.
///
/// # Errors
///
/// What is not an object, has no usable `uid`, or no word about its state.
pub fn observe_build(object: &Value) -> Result<Observation, Malformed> {
    let uid = read_uid(object)?;
    let word = concluded(object, &["build_status", "result"]);
    let will_be_repeated = word == Some(Status::Error) && will_be_repeated(object);
    let broken = text(object, "tuxbuild_status") == Some("error");
    let phase = match phase(object, word.is_some() || broken)? {
        Phase::Finished if will_be_repeated => Phase::Running,
        phase => phase,
    };
    let verdict = (phase == Phase::Finished).then(|| word.or(broken.then_some(Status::Error))).flatten();
    let download_url = download_url(object);
    let artifact = |name: &str| download_url.as_ref().map(|folder| format!("{folder}{name}"));
    // A build that came to an end of its own has left its log and its configuration.
    let ended = matches!(verdict, Some(Status::Pass | Status::Fail));
    let facts = BuildFacts {
        architecture: owned(object, "target_arch"),
        compiler: object
            .pointer("/tuxmake_metadata/compiler/version_full")
            .and_then(Value::as_str)
            .filter(|version| !version.is_empty())
            .map(str::to_owned)
            .or_else(|| owned(object, "toolchain")),
        command: object.pointer("/tuxmake_metadata/build/reproducer_cmdline").and_then(command_line),
        kernel_version: owned(object, "kernel_version"),
        git_commit_hash: text(object, "git_sha").and_then(commit_hash),
        git_commit_name: owned(object, "git_describe"),
        git_short_log: owned(object, "git_short_log"),
        kernel_image_url: text(object, "kernel_image_name").and_then(artifact),
        modules_url: text(object, "modules").and_then(artifact),
        config_url: artifact("config").filter(|_| ended),
        log_url: artifact("build.log").filter(|_| ended || verdict == Some(Status::Error)),
        errors_count: count(object, "errors_count"),
        warnings_count: count(object, "warnings_count"),
    };
    Ok(Observation {
        uid,
        subject: Subject::Build,
        phase,
        verdict,
        message: owned(object, "status_message").or_else(|| owned(object, "retry_message")).map(|words| short(&words)),
        started_at: started_at(object),
        duration_s: duration(object),
        download_url,
        device: None,
        build: Some(facts),
        tests: BTreeMap::new(),
    })
}

/// Reads the object of a job of tests.
///
/// # Errors
///
/// What is not an object, has no usable `uid`, or no word about its state.
pub fn observe_test(object: &Value) -> Result<Observation, Malformed> {
    let uid = read_uid(object)?;
    let word = concluded(object, &["result"]);
    let phase = phase(object, word.is_some())?;
    let finished = phase == Phase::Finished;
    let in_vain = if finished { waited_in_vain(object) } else { None };
    let verdict = match &in_vain {
        Some(_) => Some(Status::Miss),
        None => word.filter(|_| finished),
    };
    let tests = if finished { told_tests(object, verdict, in_vain.as_deref()) } else { BTreeMap::new() };
    let last_retry = object.get("retries_messages").and_then(Value::as_array).and_then(|messages| messages.last());
    let message = in_vain
        .or_else(|| owned(object, "status_message"))
        .or_else(|| last_retry.and_then(Value::as_str).filter(|message| !message.is_empty()).map(str::to_owned))
        .map(|words| short(&words));
    Ok(Observation {
        uid,
        subject: Subject::Tests,
        phase,
        verdict,
        message,
        started_at: started_at(object),
        duration_s: duration(object),
        download_url: download_url(object),
        device: owned(object, "device"),
        build: None,
        tests,
    })
}

fn read_uid(object: &Value) -> Result<String, Malformed> {
    if !object.is_object() {
        return Err(Malformed::new("", "want the object of a job"));
    }
    text(object, "uid")
        .filter(|uid| uid.len() <= MAX_UID && uid.chars().all(|letter| letter.is_ascii_graphic()))
        .map(str::to_owned)
        .ok_or_else(|| Malformed::new("/uid", "want TuxSuite's id of the job: 1 to 128 visible ASCII characters"))
}

/// How far the job is. Where no `state` is given, a job that has a conclusion is over.
fn phase(object: &Value, concluded: bool) -> Result<Phase, Malformed> {
    match text(object, "state") {
        Some("finished") => Ok(Phase::Finished),
        Some("queued" | "waiting") => Ok(Phase::Waiting),
        Some(_) => Ok(Phase::Running),
        None if concluded || text(object, "tuxbuild_status") == Some("complete") => Ok(Phase::Finished),
        None if ["build_status", "result", "tuxbuild_status"].iter().any(|key| text(object, key).is_some()) => {
            Ok(Phase::Running)
        }
        None => Err(Malformed::new("/state", "want how far the job is: `state`, or at least its result")),
    }
}

/// The first conclusion among the members called `keys`.
fn concluded(object: &Value, keys: &[&str]) -> Option<Status> {
    keys.iter().filter_map(|key| text(object, key)).find_map(|word| match word {
        "pass" => Some(Status::Pass),
        "fail" => Some(Status::Fail),
        "error" => Some(Status::Error),
        "canceled" => Some(Status::Miss),
        _ => None,
    })
}

/// Whether TuxSuite repeats a build that ended in an error by itself: it says how often it did, and stops at
/// [`RETRIES`]. Where it says nothing of repetitions there are none.
fn will_be_repeated(object: &Value) -> bool {
    let flag = |key: &str| object.get(key).and_then(Value::as_bool);
    count(object, "retry").is_some_and(|retry| retry < RETRIES)
        && flag("auto_retry") != Some(false)
        && flag("is_canceling") != Some(true)
}

/// Why a job never ran that waited for another one. It has no results then, and its `result` may say `fail`.
fn waited_in_vain(object: &Value) -> Option<String> {
    let awaited = text(object, "waiting_for")?;
    let results = object.get("results").and_then(Value::as_object)?;
    let (kind, uid) = awaited.split_once('#').unwrap_or(("job", awaited));
    results.is_empty().then(|| format!("it never ran: the {} {uid} that it waited for failed", kind.to_lowercase()))
}

/// What is told of each test by name, the boot among them. A test that was asked for and has no word is missed; where
/// there is no list of words at all, only what the verdict of the whole implies is told.
fn told_tests(object: &Value, verdict: Option<Status>, in_vain: Option<&str>) -> BTreeMap<String, TestOutcome> {
    let mut planned: Vec<&str> = object
        .get("tests")
        .and_then(Value::as_array)
        .map(|tests| tests.iter().filter_map(Value::as_str).map(without_number).collect())
        .unwrap_or_default();
    let never_ran = matches!(verdict, Some(Status::Error | Status::Miss));
    let reason = match (in_vain, verdict) {
        (Some(reason), _) => reason,
        (None, Some(Status::Miss)) => "TuxSuite canceled the job before it gave a result",
        (None, Some(Status::Error)) => "TuxSuite's job ended in an error before it gave a result",
        (None, _) => "TuxSuite's job ended without a result of it",
    };
    let mut told = BTreeMap::new();
    match object.get("results").and_then(Value::as_object) {
        Some(results) => {
            told.extend(results.iter().map(|(name, word)| (without_number(name).to_owned(), outcome(word))));
        }
        None if !never_ran => {
            let boot = verdict.filter(|verdict| *verdict == Status::Pass || planned.iter().all(|test| *test == BOOT));
            return boot.map(|status| (BOOT.to_owned(), TestOutcome::bare(status))).into_iter().collect();
        }
        None => {}
    }
    if never_ran {
        planned.push(BOOT);
    }
    for test in planned {
        told.entry(test.to_owned())
            .or_insert_with(|| TestOutcome { reason: Some(reason.to_owned()), ..TestOutcome::bare(Status::Miss) });
    }
    told
}

/// TuxSuite's word for one test.
fn outcome(word: &Value) -> TestOutcome {
    let because = |status, reason: String| TestOutcome { reason: Some(reason), ..TestOutcome::bare(status) };
    match word.as_str() {
        Some("pass") => TestOutcome::bare(Status::Pass),
        Some("fail") => TestOutcome::bare(Status::Fail),
        Some("skip") => TestOutcome::bare(Status::Skip),
        Some("error") => TestOutcome::bare(Status::Error),
        Some("unknown") => because(Status::Error, "TuxSuite does not know its result".to_owned()),
        Some("canceled") => because(Status::Miss, "TuxSuite canceled it".to_owned()),
        Some(word) => {
            let word: String = word.chars().take(80).collect();
            because(Status::Error, format!("`{word}` is not a result that we know"))
        }
        None => because(Status::Error, "TuxSuite gives no word for its result".to_owned()),
    }
}

/// The member's text, where it has one that is not empty.
fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Words that go into the reason of every test of a job are bounded.
fn short(words: &str) -> String {
    words.chars().take(2_000).collect()
}

fn owned(object: &Value, key: &str) -> Option<String> {
    text(object, key).map(str::to_owned)
}

fn count(object: &Value, key: &str) -> Option<i64> {
    object.get(key).and_then(Value::as_i64).filter(|count| *count >= 0)
}

fn download_url(object: &Value) -> Option<String> {
    text(object, "download_url").map(|url| format!("{}/", url.trim_end_matches('/')))
}

fn started_at(object: &Value) -> Option<DateTime<Utc>> {
    time(object, "running_time").or_else(|| time(object, "provisioning_time"))
}

/// The job's duration in seconds: as told, else from its times.
fn duration(object: &Value) -> Option<f64> {
    let told = object.get("duration").and_then(Value::as_f64);
    let measured = || {
        let took = time(object, "finished_time")? - time(object, "running_time")?;
        Some(took.as_seconds_f64())
    };
    told.or_else(measured).filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
}

/// A time. TuxSuite writes its times in UTC and names no zone; a zone that is named counts.
fn time(object: &Value, key: &str) -> Option<DateTime<Utc>> {
    read_time(text(object, key)?)
}

/// Reads a time of TuxSuite's: ISO 8601 with or without a fraction; without a zone it is UTC. Cut to microseconds.
#[must_use]
pub fn read_time(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    let naive = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .map(|time| time.and_utc())
    };
    zoned.ok().or_else(naive).map(|time| time.trunc_subsecs(6))
}

fn commit_hash(text: &str) -> Option<String> {
    (text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// A command line of its words, quoted for a POSIX shell where they need it.
fn command_line(words: &Value) -> Option<String> {
    let words: Vec<_> = words.as_array()?.iter().map(|word| word.as_str().map(quoted)).collect::<Option<_>>()?;
    (!words.is_empty()).then(|| words.join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
#[path = "callback_tests.rs"]
mod tests;
