//! `testyard import checkbox`: on the database of the settings.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::session::Sessions;
use crate::app::session::checkbox::{self, Import, Problem, Report, Taken};
use crate::cli::serve::{in_runtime, settings_for_command};
use crate::clock::SystemClock;
use crate::config::{Flags, Surroundings};
use crate::server;

/// Which providers, and how.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Folders of providers (with `manage.py` in them), other folders, or .pxu files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the provider is to be called: all paths make up one; else as `manage.py`, the folder or the file says
    #[arg(long)]
    name: Option<String>,
    /// What the ids of the units begin with, before `::`; else as `manage.py` says
    #[arg(long)]
    namespace: Option<String>,
    /// Say what would be taken, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also print what could be better
    #[arg(long)]
    advice: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `testyard import checkbox …`.
pub(super) fn import(arguments: &Arguments, flags: &Flags, surroundings: &Surroundings) -> ExitCode {
    let outcome = settings_for_command(flags, surroundings).and_then(|settings| {
        let import = Import {
            paths: arguments.paths.clone(),
            name: arguments.name.clone(),
            namespace: arguments.namespace.clone(),
            dry_run: arguments.dry_run,
        };
        let imported = in_runtime(async move {
            let db = server::open_database(&settings).await?;
            let sessions = Sessions::new(db, Arc::new(SystemClock));
            let report = checkbox::import(&sessions, import).await?;
            sessions.db.close().await;
            Ok(told(&report, arguments.dry_run))
        });
        imported.map_err(|error| crate::cli::fail(&error))
    });
    super::finish(
        outcome,
        arguments.json,
        |told| shown(told, arguments.advice),
        |told| {
            let is_any_taken = told["providers"].as_array().is_some_and(|providers| !providers.is_empty());
            if is_any_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        },
    )
}

fn told(report: &Report, dry_run: bool) -> Value {
    let provider = |taken: &Taken| {
        let Taken { name, namespace, from, fate, revision, files, units, errors, warnings, advice } = taken;
        json!({
            "name": name, "namespace": namespace, "from": from, "fate": fate, "revision": revision, "files": files,
            "units": units, "errors": errors, "warnings": warnings, "advice": advice,
        })
    };
    let problem = |problem: &Problem| {
        let Problem { file, line, severity, words } = problem;
        json!({"file": file, "line": line, "severity": severity, "words": words, "shown": problem.to_string()})
    };
    json!({
        "dry_run": dry_run,
        "providers": report.providers.iter().map(provider).collect::<Vec<_>>(),
        "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
        "untold": report.untold,
    })
}

/// What was not taken and what is wrong, line by line, then each provider.
fn shown(told: &Value, with_advice: bool) -> String {
    let mut shown = String::new();
    let list = |member: &str| told[member].as_array().into_iter().flatten();
    let mut advice = 0_u64;
    for problem in list("problems").filter(|problem| with_advice || problem["severity"] != "advice") {
        let _ = writeln!(shown, "{}", problem["shown"].as_str().unwrap_or_default());
    }
    let would = if told["dry_run"] == true { "would be " } else { "" };
    for provider in list("providers") {
        let text = |member: &str| provider[member].as_str().unwrap_or_default();
        let namespace = match provider["namespace"].as_str() {
            Some(namespace) => format!("namespace {namespace}"),
            None => "no namespace".to_owned(),
        };
        let _ = writeln!(
            shown,
            "provider {} ({namespace}) {would}{} at revision {}: {} from {} files",
            text("name"),
            text("fate"),
            provider["revision"],
            super::print::counted(&provider["units"]),
            provider["files"],
        );
        advice += provider["advice"].as_u64().unwrap_or_default();
    }
    if told["untold"] != 0 {
        let _ = writeln!(shown, "{} more problems are not shown", told["untold"]);
    }
    if advice > 0 && !with_advice {
        let _ = writeln!(shown, "{advice} things could be better: --advice shows them");
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::session::checkbox::Fate;
    use crate::domain::unit::check::Severity;

    #[test]
    fn an_import_tells_what_it_took_and_what_not() {
        let problem =
            |line, severity, words: &str| Problem { file: "a.pxu".into(), line, severity, words: words.into() };
        let report = Report {
            providers: vec![Taken {
                name: "lab".into(),
                namespace: Some("a.b".into()),
                from: "lab".into(),
                fate: Fate::Replaced,
                revision: 2,
                files: 3,
                units: BTreeMap::from([("job".into(), 4), ("test plan".into(), 1)]),
                errors: 1,
                warnings: 0,
                advice: 7,
            }],
            problems: vec![
                problem(Some(3), None, "no colon"),
                problem(Some(5), Some(Severity::Error), "plugin: want one"),
                problem(Some(6), Some(Severity::Advice), "summary: want one"),
                problem(None, None, "cannot be read"),
            ],
            untold: 0,
        };
        assert_eq!(
            shown(&told(&report, false), false),
            "a.pxu:3: no colon\na.pxu:5: error: plugin: want one\na.pxu: cannot be read\n\
             provider lab (namespace a.b) replaced at revision 2: 4 job, 1 test plan from 3 files\n\
             7 things could be better: --advice shows them\n"
        );
        let all = shown(&told(&Report { untold: 2, ..report }, true), true);
        assert!(all.contains("a.pxu:6: advice: summary: want one\n") && all.contains("would be replaced at"), "{all}");
        assert!(all.ends_with("2 more problems are not shown\n"), "{all}");
    }
}
