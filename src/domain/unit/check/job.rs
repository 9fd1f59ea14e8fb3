//! Jobs and setup jobs.

use super::issue::{Flaw, Issues};
use super::subject::{Said, Subject};
use super::{Plugins, check_id, shell, siblings};
use crate::domain::program::{Program, parse_imports};
use crate::domain::unit::FieldValue;
use crate::domain::unit::duration;
use crate::domain::unit::words::{flag_list, word_list};

/// How jobs may run.
const PLUGINS: [&str; 7] =
    ["shell", "resource", "attachment", "manual", "user-interact", "user-verify", "user-interact-verify"];
/// How they could once.
const OLDER_PLUGINS: [&str; 2] = ["local", "qml"];
const SHELLS: [&str; 2] = ["sh", "bash"];
const CERTIFICATION_STATUSES: [&str; 2] = ["blocker", "non-blocker"];
const AUTO_RETRIES: [&str; 2] = ["unspecified", "no"];
/// What does nothing in a job without a command.
const FOR_COMMANDS: [&str; 3] = ["user", "environ", "shell"];
/// What instructs people in place of a description.
const INSTRUCTIONS: [&str; 3] = ["purpose", "steps", "verification"];
/// The longest summary that lists show whole.
const MAX_SUMMARY: usize = 80;

pub(super) fn check(subject: &Subject<'_>, plugins: Plugins, issues: &mut Issues) {
    check_id(subject, issues);
    if !subject.has("id") && subject.has("name") {
        issues.warn("name", Flaw::Deprecated, "want `id` in its place");
    }
    check_summary(subject, issues);
    let plugin = check_plugin(subject, plugins, issues);
    check_command(subject, plugin, issues);
    check_instructions(subject, plugin, issues);
    check_common(subject, issues);
    siblings::check(subject, issues);
}

pub(super) fn check_setup(subject: &Subject<'_>, issues: &mut Issues) {
    check_id(subject, issues);
    check_summary(subject, issues);
    match subject.said("plugin") {
        // The only one there is need not be said.
        Said::Nothing | Said::Varies | Said::Text("shell") => {}
        Said::Text(_) | Said::Other => issues.error("plugin", Flaw::Wrong, "want `shell`, the only one of setup jobs"),
    }
    check_command(subject, Said::Text("shell"), issues);
    check_common(subject, issues);
    check_manifest(subject, issues);
}

fn check_plugin<'a>(subject: &Subject<'a>, plugins: Plugins, issues: &mut Issues) -> Said<'a> {
    let is_simple = subject.said("flags").text().is_some_and(|flags| flag_list(flags).any(|flag| flag == "simple"));
    let plugin = match subject.said("plugin") {
        Said::Nothing if is_simple => Said::Text("shell"),
        said => said,
    };
    let want = || format!("want one of {}", PLUGINS.join(", "));
    match plugin {
        // Two issues, as measured.
        Said::Nothing => {
            issues.error("plugin", Flaw::Missing, format!("a job needs a plugin: {}", want()));
            issues.error("plugin", Flaw::Wrong, want());
        }
        Said::Text(word) if PLUGINS.contains(&word) => {}
        Said::Text(word) if plugins == Plugins::Older && OLDER_PLUGINS.contains(&word) => {}
        Said::Text(word) => issues.error("plugin", Flaw::Wrong, format!("`{word}` is no plugin: {}", want())),
        Said::Other => issues.error("plugin", Flaw::Wrong, want()),
        Said::Varies => {}
    }
    plugin
}

fn check_command(subject: &Subject<'_>, plugin: Said<'_>, issues: &mut Issues) {
    let is_without = matches!(plugin, Said::Text("manual" | "qml"));
    match subject.said("command") {
        Said::Nothing if !is_without && plugin != Said::Varies => {
            issues.error("command", Flaw::Missing, "a job that is not manual needs a command");
        }
        Said::Nothing | Said::Varies => {}
        Said::Text(command) => {
            if is_without {
                issues.warn("command", Flaw::Useless, "nothing runs the command of a manual job");
            }
            if let Err(error) = shell::check_quotes(command) {
                issues.error("command", Flaw::SyntaxError, error.to_string());
            }
        }
        Said::Other => issues.error("command", Flaw::Wrong, "want a text"),
    }
}

fn check_instructions(subject: &Subject<'_>, plugin: Said<'_>, issues: &mut Issues) {
    if subject.has("description") || INSTRUCTIONS.iter().any(|field| subject.has(field)) {
        return;
    }
    let missing = "a job that people do needs a `description`, or `purpose`, `steps` and `verification`";
    match plugin {
        Said::Text("manual") => issues.error("description", Flaw::Missing, missing),
        Said::Text("user-interact" | "user-verify" | "user-interact-verify") => {
            issues.warn("description", Flaw::Missing, missing);
        }
        _ => {}
    }
}

fn check_summary(subject: &Subject<'_>, issues: &mut Issues) {
    match subject.said("summary") {
        Said::Nothing => issues.advise("summary", Flaw::Missing, "lists show the summary"),
        Said::Text(summary) if summary.contains('\n') => issues.warn("summary", Flaw::Wrong, "want one line"),
        Said::Text(summary) if summary.chars().count() > MAX_SUMMARY => {
            issues.warn("summary", Flaw::Wrong, format!("want at most {MAX_SUMMARY} characters"));
        }
        _ => {}
    }
}

/// What jobs and setup jobs have in common.
fn check_common(subject: &Subject<'_>, issues: &mut Issues) {
    one_of(subject, "user", &["root"], issues);
    one_of(subject, "shell", &SHELLS, issues);
    one_of(subject, "certification-status", &CERTIFICATION_STATUSES, issues);
    if !subject.has("command") {
        for field in FOR_COMMANDS.into_iter().filter(|field| subject.has(field)) {
            issues.warn(field, Flaw::Useless, "it does nothing without a command");
        }
    }
    if let Some(word) = subject.said("auto-retry").text().filter(|word| !AUTO_RETRIES.contains(word)) {
        issues.warn("auto-retry", Flaw::Wrong, format!("`{word}` is not known: want {}", AUTO_RETRIES.join(" or ")));
    }
    check_duration(subject, issues);
    check_requires(subject, issues);
    for field in ["depends", "after", "before", "salvages"] {
        check_words(subject, field, issues);
    }
}

pub(super) fn check_duration(subject: &Subject<'_>, issues: &mut Issues) {
    const WANT: &str = "want a number of seconds, or hours, minutes and seconds such as `1h 30m 10s`, of more than 0";
    match subject.said("estimated_duration") {
        Said::Text(text) if !duration::seconds(text).is_some_and(|seconds| seconds > 0.0) => {
            issues.error("estimated_duration", Flaw::Wrong, WANT);
        }
        Said::Other => issues.error("estimated_duration", Flaw::Wrong, WANT),
        _ => {}
    }
}

fn check_requires(subject: &Subject<'_>, issues: &mut Issues) {
    let imports = match subject.said("imports") {
        Said::Nothing => Some(Vec::new()),
        Said::Text(text) => match parse_imports(text) {
            Ok(imports) => Some(imports),
            Err(error) => {
                issues.error("imports", Flaw::Wrong, error.to_string());
                None
            }
        },
        Said::Other => {
            issues.error("imports", Flaw::Wrong, "want a text");
            None
        }
        Said::Varies => None,
    };
    let imports = imports.unwrap_or_default();
    let compiled = match (subject.said("requires"), subject.value("requires")) {
        (Said::Text(text), _) => Program::compile(text, subject.namespace(), &imports).map(drop),
        (Said::Other, Some(FieldValue::List(list))) => {
            let Some(lines) = list.iter().map(|line| line.as_str()).collect::<Option<Vec<_>>>() else {
                return issues.error("requires", Flaw::Wrong, "want expressions that are texts");
            };
            Program::compile_lines(lines, subject.namespace(), &imports).map(drop)
        }
        (Said::Other, _) => return issues.error("requires", Flaw::Wrong, "want expressions, one a line"),
        (Said::Nothing | Said::Varies, _) => Ok(()),
    };
    if let Err(error) = compiled {
        issues.error("requires", Flaw::Wrong, error.to_string());
    }
}

/// What in a list of words is none is left out when the list is read. That is no error, and seldom what was meant.
pub(super) fn check_words(subject: &Subject<'_>, field: &str, issues: &mut Issues) {
    if let Some(Err(error)) = subject.said(field).text().and_then(|text| word_list(text).find(Result::is_err)) {
        issues.warn(field, Flaw::Wrong, format!("{error}; it is left out"));
    }
}

fn one_of(subject: &Subject<'_>, field: &str, words: &[&str], issues: &mut Issues) {
    let want = words.join(" or ");
    match subject.said(field) {
        Said::Text(word) if !words.contains(&word) => {
            issues.error(field, Flaw::Wrong, format!("`{word}` will not do: want {want}"));
        }
        Said::Other => issues.error(field, Flaw::Wrong, format!("want {want}")),
        _ => {}
    }
}

/// `requires_manifest` is a list of ids and of maps of one id with the wanted value.
fn check_manifest(subject: &Subject<'_>, issues: &mut Issues) {
    const WANT: &str = "want a list of manifest entries: their ids, or `id: value`";
    match (subject.said("requires_manifest"), subject.value("requires_manifest")) {
        (Said::Nothing | Said::Varies | Said::Text(_), _) => {}
        (Said::Other, Some(FieldValue::List(list)))
            if list.iter().all(|entry| entry.is_string() || entry.as_object().is_some_and(|map| map.len() == 1)) => {}
        (Said::Other, _) => issues.error("requires_manifest", Flaw::Wrong, WANT),
    }
}
