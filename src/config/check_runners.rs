//! Contradictions among the settings of runners that are made of settings.

use std::collections::BTreeSet;

use url::Url;

use super::check::{Findings, is_loopback};
use super::runners::{HttpRunner, SubprocessRunner};
use super::settings::Settings;

/// Names that runners of other kinds have.
const TAKEN: [&str; 3] = ["agents", "local", "tuxsuite"];

/// Looks for contradictions among the settings of these runners.
pub(super) fn runners(settings: &Settings, found: &mut Findings) {
    let mut names = BTreeSet::new();
    let lease_s = settings.runs.lease_s;
    for runner in &settings.runners.http {
        common("http", &runner.name, runner.kinds.len(), (runner.timeout_s, lease_s), &mut names, found);
        secret_names("http", &runner.name, &runner.secrets, found);
        http(runner, found);
    }
    for runner in &settings.runners.subprocess {
        common("subprocess", &runner.name, runner.kinds.len(), (runner.timeout_s, lease_s), &mut names, found);
        secret_names("subprocess", &runner.name, &runner.secrets, found);
        subprocess(runner, found);
    }
    found.warn_if(
        !settings.runners.http.is_empty() && settings.server.public_url.is_none(),
        "server.public_url is not set: runners are told to call back at the address listened on; one that cannot reach it \
         is only polled",
    );
}

fn common<'a>(
    kind: &str,
    name: &'a str,
    kinds: usize,
    (timeout_s, lease_s): (u64, u64),
    names: &mut BTreeSet<&'a str>,
    found: &mut Findings,
) {
    let is_name = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    found.problem_if(
        !is_name(name),
        format!("runners.{kind}: `{name}` is no name for a runner: want 1 to 64 small letters, digits, - and _"),
    );
    found.problem_if(
        TAKEN.contains(&name),
        format!("runners.{kind}: there is a runner `{name}` already: give this one another name"),
    );
    found.problem_if(!names.insert(name), format!("runners.{kind}: the name `{name}` stands twice: rename one"));
    found.problem_if(kinds == 0, format!("runners.{kind}: `{name}` takes no kinds of runs: leave `kinds` out for all"));
    found.problem_if(timeout_s == 0, format!("runners.{kind}: timeout_s of `{name}` is 0: give at least 1"));
    // An operation may be two calls: a job that cannot be stopped is asked about, a log follows results.
    found.problem_if(
        timeout_s.saturating_mul(2) >= lease_s,
        format!(
            "runs.lease_s must be longer than twice the timeout_s of the runner `{name}`: else another worker repeats a call \
             that is still under way"
        ),
    );
}

fn secret_names(kind: &str, runner: &str, secrets: &std::collections::BTreeMap<String, String>, found: &mut Findings) {
    let is_name = |text: &str| {
        text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    for (secret, name) in secrets {
        found.problem_if(
            !is_name(secret) || !is_name(name),
            format!(
                "runners.{kind}: `{runner}`: secrets: want a name and the name that holds it in the environment, both of \
                 letters, digits and _, as in lab = \"LAB_TOKEN\""
            ),
        );
    }
}

fn http(runner: &HttpRunner, found: &mut Findings) {
    let name = &runner.name;
    if let Err(faults) = runner.plan() {
        for fault in faults {
            found.problem(fault);
        }
    }
    found.problem_if(
        runner.max_answer_bytes == 0,
        format!("runners.http: max_answer_bytes of `{name}` is 0: give at least 1"),
    );
    found.warn_if(
        !runner.idempotent && runner.find.is_none() && runner.submit.answer.as_ref().unwrap_or(&runner.answer).uid.is_some(),
        format!(
            "runners.http: `{name}` has no `find` and is not `idempotent`: a run whose submission has no clear answer waits \
             for a callback until its deadline"
        ),
    );
    let calls = [Some(&runner.submit), Some(&runner.poll)].into_iter().flatten();
    let more = [&runner.find, &runner.cancel, &runner.collect, &runner.log].into_iter().flatten();
    let is_open = |text: &str| {
        let literal = text.split('{').next().unwrap_or_default();
        Url::parse(literal).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
    };
    found.warn_if(
        !runner.secrets.is_empty() && calls.chain(more).any(|call| is_open(&call.url)),
        format!("runners.http: `{name}` is asked over http: its secrets travel in the clear"),
    );
}

fn subprocess(runner: &SubprocessRunner, found: &mut Findings) {
    let name = &runner.name;
    found.problem_if(
        runner.argv.first().is_none_or(|program| program.trim().is_empty()),
        format!("runners.subprocess: `{name}` has no program: argv is a list of a program and its arguments"),
    );
    found.problem_if(
        runner.argv.iter().chain(runner.environment.values()).any(|word| word.contains('\0')),
        format!("runners.subprocess: `{name}`: arguments and environment cannot hold a NUL character"),
    );
    found.problem_if(
        runner.environment.keys().any(|key| key.is_empty() || key.contains(['=', '\0'])),
        format!("runners.subprocess: `{name}`: environment: a name is empty or holds = or a NUL character"),
    );
    for key in runner.environment.keys().filter(|key| runner.secrets.contains_key(*key)) {
        found.problem(format!("runners.subprocess: `{name}`: `{key}` is in environment and in secrets: leave one out"));
    }
    for (limit, value) in [("max_jobs", runner.max_jobs), ("max_answer_bytes", runner.max_answer_bytes)] {
        found.problem_if(value == 0, format!("runners.subprocess: {limit} of `{name}` is 0: give at least 1"));
    }
    found.warn_if(
        runner.work_dir.as_ref().is_some_and(|folder| !folder.is_absolute()),
        format!(
            "runners.subprocess: the work_dir of `{name}` is a relative path: it depends on where the service starts"
        ),
    );
}

#[cfg(test)]
#[path = "check_runners_tests.rs"]
mod tests;
