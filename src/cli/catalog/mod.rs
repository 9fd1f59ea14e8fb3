//! The catalogue from the command line: `testyard catalog`, `testyard import` and `testyard export`.
//!
//! The commands work on the database of the settings, through the same use cases as the service, or on a service that
//! `--server` names. What they print is the same either way: it is made from the service's own answers.

mod canary;
mod checkbox;
mod folder;
mod place;
mod print;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::serve::in_runtime;
use crate::cli::{fail, print as print_text};
use crate::config::{Flags, Surroundings};
use crate::domain::catalogue::label::Label;

use self::place::Place;

/// Where the catalogue is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct At {
    /// A service whose catalogue is meant; without it the database of the settings
    #[arg(long, value_name = "URL")]
    server: Option<url::Url>,
    /// A file that holds the token for the service
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to do with a catalogue that is a folder of files.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum CatalogCommand {
    /// Say what `apply` would change; exits with 0 if nothing, 1 if anything
    Diff(FolderArguments),
    /// Bring the catalogue to what the folder holds, all or nothing
    Apply(FolderArguments),
}

/// Which folder, and how.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct FolderArguments {
    /// The folder of TOML and JSON files
    folder: PathBuf,
    /// Also remove what the folder does not have
    #[arg(long)]
    prune: bool,
    /// Only prune in this directory of the catalogue
    #[arg(long, value_name = "LABEL", requires = "prune")]
    directory: Option<Label>,
    /// What the change is for
    #[arg(long, short)]
    message: Option<String>,
    #[command(flatten)]
    at: At,
}

/// What can be imported.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum ImportCommand {
    /// A QMTest database; exits with 1 if something in it could not be read
    Qmtest(ImportArguments),
    /// A Canary workspace: specs, results, selections; exits with 1 if something in it could not be taken
    Canary(canary::Arguments),
    /// Checkbox providers: units of .pxu files; exits with 0 also with problems, with 1 if nothing could be taken
    Checkbox(checkbox::Arguments),
}

/// Which database, and how.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ImportArguments {
    /// The database's folder: the one with `QMTest/configuration` in it
    path: PathBuf,
    /// Say what would be taken, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove from the catalogue what is not in the database
    #[arg(long)]
    prune: bool,
    /// Take a folder without `QMTest/configuration` for a database of the default kind
    #[arg(long)]
    bare: bool,
    /// What the import is for
    #[arg(long, short)]
    message: Option<String>,
    #[command(flatten)]
    at: At,
}

/// What can be exported.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum ExportCommand {
    /// A QMTest database
    Qmtest(ExportArguments),
}

/// Where to, and what.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// The folder to make; there must be none yet, or an empty one
    path: PathBuf,
    /// As of this revision of the catalogue
    #[arg(long)]
    revision: Option<i64>,
    #[command(flatten)]
    at: At,
}

/// `testyard catalog …`.
pub(super) fn catalog(command: &CatalogCommand, flags: &Flags, surroundings: &Surroundings) -> ExitCode {
    let (arguments, dry_run) = match command {
        CatalogCommand::Diff(arguments) => (arguments, true),
        CatalogCommand::Apply(arguments) => (arguments, false),
    };
    let read = match folder::read(&arguments.folder) {
        Ok(read) => read,
        Err(error) => return fail(&error),
    };
    let prune = arguments.prune.then(|| arguments.directory.clone().unwrap_or_default());
    let outcome = with_place(&arguments.at, flags, surroundings, async |place| {
        place.apply(&read, prune.as_ref(), arguments.message.as_deref(), dry_run).await
    });
    finish(outcome, arguments.at.json, print::applied, |applied| {
        let changed = ["created", "replaced", "removed"].iter().any(|did| applied["counts"][did] != 0);
        if dry_run && changed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    })
}

/// `testyard import …`.
pub(super) fn import(command: &ImportCommand, flags: &Flags, surroundings: &Surroundings) -> ExitCode {
    let arguments = match command {
        ImportCommand::Qmtest(arguments) => arguments,
        ImportCommand::Canary(arguments) => return canary::import(arguments, flags, surroundings),
        ImportCommand::Checkbox(arguments) => return checkbox::import(arguments, flags, surroundings),
    };
    let how = crate::app::catalogue::import::Import {
        dry_run: arguments.dry_run,
        prune: arguments.prune,
        bare: arguments.bare,
    };
    let outcome = with_place(&arguments.at, flags, surroundings, async |place| {
        place.import(&arguments.path, how, arguments.message.as_deref()).await
    });
    finish(outcome, arguments.at.json, print::imported, |imported| {
        if imported["refused"] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// `testyard export …`.
pub(super) fn export(command: &ExportCommand, flags: &Flags, surroundings: &Surroundings) -> ExitCode {
    let ExportCommand::Qmtest(arguments) = command;
    let outcome = with_place(&arguments.at, flags, surroundings, async |place| {
        place.export(&arguments.path, arguments.revision).await
    });
    finish(outcome, arguments.at.json, print::exported, |_| ExitCode::SUCCESS)
}

/// Runs a command on the catalogue that is meant.
fn with_place<T>(
    at: &At,
    flags: &Flags,
    surroundings: &Surroundings,
    command: impl AsyncFnOnce(Place) -> anyhow::Result<T>,
) -> Result<T, ExitCode> {
    let place = match &at.server {
        Some(server) => Place::remote(server.clone(), at.token_file.as_deref()).map_err(|error| fail(&error))?,
        None => Place::local(crate::cli::serve::settings_for_command(flags, surroundings)?),
    };
    in_runtime(async move { command(place.open().await?).await }).map_err(|error| fail(&error))
}

/// Prints what came of a command, for people or as JSON.
fn finish(
    outcome: Result<serde_json::Value, ExitCode>,
    json: bool,
    show: impl FnOnce(&serde_json::Value) -> String,
    code: impl FnOnce(&serde_json::Value) -> ExitCode,
) -> ExitCode {
    match outcome {
        Ok(answer) => {
            let text = if json { format!("{answer:#}\n") } else { show(&answer) };
            print_text(&text);
            code(&answer)
        }
        Err(code) => code,
    }
}
