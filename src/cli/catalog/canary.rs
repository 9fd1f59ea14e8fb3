//! `testyard import canary`: on the database of the settings.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::spec::Specs;
use crate::app::spec::canary::{self, Report};
use crate::cli::serve::{in_runtime, settings_for_command};
use crate::clock::SystemClock;
use crate::config::{Flags, Surroundings};
use crate::net::client::Client;
use crate::server;

/// Which workspace, and how.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The workspace: `workspace.sqlite3`, its folder, or the folder with `.canary` in it
    path: PathBuf,
    /// Say what would be taken, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `testyard import canary …`.
pub(super) fn import(arguments: &Arguments, flags: &Flags, surroundings: &Surroundings) -> ExitCode {
    let outcome = settings_for_command(flags, surroundings).and_then(|settings| {
        let imported = in_runtime(async move {
            let db = server::open_database(&settings).await?;
            let clock = Arc::new(SystemClock);
            let catalogue = server::catalogue(&settings, db.clone(), Arc::clone(&clock) as _)?;
            let specs = Specs::new(db, clock, catalogue, Client::new(settings.outbound.allow.clone())?);
            let report = canary::import(&specs, &arguments.path, arguments.dry_run).await?;
            specs.db.close().await;
            Ok(told(&report, arguments.dry_run))
        });
        imported.map_err(|error| crate::cli::fail(&error))
    });
    super::finish(outcome, arguments.json, shown, |told| {
        if told["refused"] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

fn told(report: &Report, dry_run: bool) -> Value {
    let entry = |entry: &canary::Entry| json!({"kind": entry.kind, "name": entry.name, "fate": entry.fate, "reason": entry.reason});
    json!({
        "revision": report.revision,
        "dry_run": dry_run,
        "specs": {"created": report.created, "replaced": report.replaced, "unchanged": report.unchanged},
        "results": {"recorded": report.recorded, "repeated": report.repeated},
        "selections": {"stored": report.selections},
        "refused": report.refused(),
        "entries": report.entries.iter().map(entry).collect::<Vec<_>>(),
    })
}

/// What was not taken, or not as it stood, thing by thing, and how much was.
fn shown(told: &Value) -> String {
    let mut shown = String::new();
    for entry in told["entries"].as_array().into_iter().flatten() {
        let text = |member: &str| entry[member].as_str().unwrap_or_default();
        let _ = writeln!(shown, "{}: {} {}: {}", text("fate"), text("kind"), text("name"), text("reason"));
    }
    let would = if told["dry_run"] == true { " would be" } else { "" };
    let _ = writeln!(
        shown,
        "revision {}{would}: specs: {}; results: {}; selections: {}; {} refused",
        told["revision"],
        super::print::counted(&told["specs"]),
        super::print::counted(&told["results"]),
        super::print::counted(&told["selections"]),
        told["refused"]
    );
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::spec::canary::{Entry, Fate, Kind};

    #[test]
    fn an_import_tells_what_it_did_not_take() {
        let entry = Entry { kind: Kind::Spec, name: "0a1f".into(), fate: Fate::Refused, reason: "no pickle".into() };
        let report =
            Report { revision: 3, created: 2, unchanged: 1, repeated: 4, entries: vec![entry], ..Report::default() };
        let counts = "specs: 2 created, 1 unchanged; results: 4 repeated; selections: nothing; 1 refused\n";
        let refused = "refused: spec 0a1f: no pickle\n";
        assert_eq!(shown(&told(&report, false)), format!("{refused}revision 3: {counts}"));
        assert_eq!(shown(&told(&report, true)), format!("{refused}revision 3 would be: {counts}"));
    }
}
