//! The command line: one binary, a subcommand for each use.

mod agent;
mod catalog;
pub mod config;
mod demo;
mod serve;
pub mod spool;
mod token;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::config::{Flags, Surroundings};
use crate::http;

/// A test-orchestration service: builds and tests in, runners called, results kept and delivered to KCIDB.
#[derive(Debug, clap::Parser)]
#[command(name = "testyard", version, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the service
    Serve,
    /// Show the main job on this machine: a build, its tests and their way to KCIDB; no network, no set-up
    Demo(demo::DemoArguments),
    /// Show and check the settings
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Keep the catalogue in a folder of files
    Catalog {
        #[command(subcommand)]
        command: catalog::CatalogCommand,
    },
    /// Read another system's files: into the catalogue, as specs and results, or as providers
    Import {
        #[command(subcommand)]
        command: catalog::ImportCommand,
    },
    /// Write the catalogue in another system's files
    Export {
        #[command(subcommand)]
        command: catalog::ExportCommand,
    },
    /// Work for a service: take its jobs, run them on this machine, and tell what came of them
    Agent(agent::AgentArguments),
    /// Bring results that stand in files of a folder to a service, and more as they come
    Spool(spool::SpoolArguments),
    /// Print the OpenAPI document
    Openapi,
    /// Make a bearer token and the setting that lets it in
    Token(token::TokenArguments),
    /// Ask a running service whether it can serve; exits with 0 or 1
    Healthcheck,
}

/// Usage and settings errors, as most programs have it.
const USAGE: u8 = 2;

/// Parses the command line, runs what it asks for, and returns the exit code: 0, 1 for a failure, 2 for a wrong command
/// line or settings that cannot be used, 130 or 143 after a second signal.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let surroundings = Surroundings::from_process();
    match arguments.command {
        Command::Serve => serve::run(&arguments.flags, &surroundings),
        Command::Demo(how) => demo::run(&how, surroundings.value("RUST_LOG").map(str::to_owned)),
        Command::Config { command } => {
            let outcome = config::run(&command, &arguments.flags, &surroundings);
            print(&outcome.stdout);
            eprint!("{}", outcome.stderr);
            outcome.code.into()
        }
        Command::Catalog { command } => catalog::catalog(&command, &arguments.flags, &surroundings),
        Command::Import { command } => catalog::import(&command, &arguments.flags, &surroundings),
        Command::Export { command } => catalog::export(&command, &arguments.flags, &surroundings),
        Command::Agent(arguments) => agent::run(&arguments, surroundings.value("PATH"), surroundings.value("RUST_LOG")),
        Command::Spool(arguments) => spool::run(&arguments, surroundings.value("RUST_LOG")),
        Command::Openapi => match http::document().to_pretty_json() {
            Ok(document) => {
                print(&format!("{document}\n"));
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error.into()),
        },
        Command::Token(new) => {
            print(&token::run(&new));
            ExitCode::SUCCESS
        }
        Command::Healthcheck => serve::healthcheck(&arguments.flags, &surroundings),
    }
}

/// Prints data. A reader that has gone away (`| head`) is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints why something failed, with all causes in one line.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("testyard: {error:#}");
    ExitCode::FAILURE
}
