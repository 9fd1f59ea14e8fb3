//! Execution controllers: who runs a job, as Plainbox had them; and what the end of a command comes to.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::domain::unit::Job;

/// The machine on which a job is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Machine {
    /// Whether we are root.
    pub is_root: bool,
    /// Whether the user may use sudo.
    pub user_can_sudo: bool,
    /// Whether we run in a snap.
    pub in_snap: bool,
    /// Whether we came by SSH.
    pub over_ssh: bool,
    /// Whether the trusted launcher is installed.
    pub has_launcher: bool,
    /// Whether the job's provider is one that the launcher trusts.
    pub provider_is_secure: bool,
}

/// A way to run jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// Plainbox's trusted launcher.
    TrustedLauncher,
    /// `pkexec`.
    Pkexec,
    /// `sudo`.
    Sudo,
    /// As we are.
    User,
}

impl Controller {
    /// All of them in the order in which they are asked.
    pub const ALL: [Self; 4] = [Self::TrustedLauncher, Self::Pkexec, Self::Sudo, Self::User];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrustedLauncher => "trusted_launcher",
            Self::Pkexec => "pkexec",
            Self::Sudo => "sudo",
            Self::User => "user",
        }
    }

    /// How well it runs this job on that machine; less than 0 if it cannot.
    #[must_use]
    pub fn score(self, job: &Job, machine: &Machine) -> i64 {
        if job.has_flag("win32") {
            return -1;
        }
        let wants_user = job.unit.text("user").is_some_and(|user| !user.is_empty());
        match self {
            Self::User if !wants_user => 1,
            Self::User if machine.is_root => 4,
            Self::Pkexec if machine.in_snap => -1,
            Self::Pkexec => i64::from(wants_user),
            Self::Sudo if wants_user && machine.user_can_sudo => 2,
            Self::User | Self::Sudo => -1,
            Self::TrustedLauncher if machine.in_snap || machine.over_ssh || !machine.provider_is_secure => -1,
            Self::TrustedLauncher if wants_user && machine.has_launcher => 3,
            Self::TrustedLauncher => 0,
        }
    }
}

/// Why nobody can run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoController {
    /// There are no controllers.
    #[error("there are no execution controllers")]
    None,
    /// None of them can.
    #[error("no execution controller can run the job")]
    Unfit,
}

/// The controller with the highest score, the last one of several; one without a score cannot.
///
/// # Errors
/// [`NoController`].
pub fn choose<T>(scores: impl IntoIterator<Item = (T, Option<i64>)>) -> Result<T, NoController> {
    let mut any = false;
    let fit = scores.into_iter().filter_map(|(controller, score)| {
        any = true;
        score.filter(|score| *score >= 0).map(|score| (controller, score))
    });
    let best = fit.max_by_key(|(_, score)| *score);
    best.map(|(controller, _)| controller).ok_or(if any { NoController::Unfit } else { NoController::None })
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

/// What the end of a job's command comes to; without a command, `None`. What a person has to verify is undecided.
#[must_use]
pub fn outcome_of(job: &Job, exit: Option<Exit>) -> Outcome {
    let verified = matches!(job.plugin.as_deref(), Some("user-verify" | "user-interact-verify"));
    match exit {
        _ if job.plugin.as_deref() == Some("manual") => Outcome::Undecided,
        Some(Exit::Signal(_)) => Outcome::Crash,
        Some(_) if verified => Outcome::Undecided,
        Some(Exit::Code(0)) => Outcome::Pass,
        None | Some(Exit::Code(_)) => Outcome::Fail,
    }
}
