//! `testyard config show` and `testyard config check`.
//!
//! What is printed is returned, so that tests read it: data for the standard output, messages for the standard error.

use std::fmt::Write as _;

use crate::config::{Flags, Surroundings, load, show_json, show_toml};

/// What to do with the settings.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in force and where each came from; secrets are not shown
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say whether the settings can be used, and what to change if not; exits with 0 or 2
    Check,
}

/// What a command prints and how it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// For the standard output.
    pub stdout: String,
    /// For the standard error.
    pub stderr: String,
    /// The exit code: 0, or 2 when the settings cannot be used.
    pub code: u8,
}

/// Runs the command. `show` also shows settings that contradict each other; `check` refuses them.
#[must_use]
pub fn run(command: &ConfigCommand, flags: &Flags, surroundings: &Surroundings) -> Outcome {
    let mut outcome = Outcome::default();
    let loaded = match load(flags, surroundings) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in problems.0 {
                complain(&mut outcome, "error", &problem.0);
            }
            outcome.code = 2;
            return outcome;
        }
    };
    let (warnings, problems) = loaded.findings();
    for warning in warnings {
        complain(&mut outcome, "warning", &warning.0);
    }
    match command {
        ConfigCommand::Show { json: true } => outcome.stdout = show_json(&loaded),
        ConfigCommand::Show { json: false } => outcome.stdout = show_toml(&loaded),
        ConfigCommand::Check if problems.is_empty() => "the settings can be used\n".clone_into(&mut outcome.stdout),
        ConfigCommand::Check => outcome.code = 2,
    }
    for problem in problems {
        complain(&mut outcome, "error", &problem.0);
    }
    outcome
}

fn complain(outcome: &mut Outcome, what: &str, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(outcome.stderr, "{what}: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(environment: &[(&str, &str)]) -> Outcome {
        run(&ConfigCommand::Check, &Flags::default(), &Surroundings::with(environment))
    }

    #[test]
    fn good_settings_are_said_to_be_good() {
        let outcome = check(&[]);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()),
            (0, "the settings can be used\n", "")
        );
    }

    #[test]
    fn warnings_do_not_stop_the_start() {
        let outcome = check(&[("MODE", "production"), ("KCIDB_SUBMIT_URL", "https://db.example.org/submit")]);
        assert_eq!(outcome.code, 0);
        let warnings: Vec<&str> = outcome.stderr.lines().collect();
        assert_eq!(warnings.len(), 2, "{}", outcome.stderr);
        assert!(warnings.iter().all(|line| line.starts_with("warning: ")), "{}", outcome.stderr);
    }

    #[test]
    fn contradictions_and_bad_values_exit_with_2_and_say_what_to_change() {
        let outcome = check(&[("TESTYARD_LISTEN", "0.0.0.0:8080"), ("TESTYARD__WRITER__BATCH", "0")]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""));
        assert!(outcome.stderr.contains("error: server.listen is 0.0.0.0:8080"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("error: writer.batch is 0"), "{}", outcome.stderr);
        let outcome = check(&[("TESTYARD_LISTEN", "nowhere")]);
        assert_eq!(outcome.code, 2);
        assert!(
            outcome.stderr.starts_with("error: server.listen (environment TESTYARD_LISTEN): "),
            "{}",
            outcome.stderr
        );
    }

    #[test]
    fn show_shows_settings_that_contradict_each_other_and_says_so() {
        let surroundings = Surroundings::with(&[("TESTYARD_LISTEN", "0.0.0.0:8080")]);
        let outcome = run(&ConfigCommand::Show { json: false }, &Flags::default(), &surroundings);
        assert_eq!(outcome.code, 0);
        assert!(
            outcome.stdout.contains("listen = \"0.0.0.0:8080\"  # environment TESTYARD_LISTEN"),
            "{}",
            outcome.stdout
        );
        assert!(outcome.stderr.contains("error: server.listen"), "{}", outcome.stderr);
    }
}
