//! Runs: one attempt at a runner, of a build, of a batch of tests or of a boot test.
//!
//! A run is an intent before it is a fact: it is committed as `planned`, and only then does the dispatcher call the
//! runner. From `submitting` on, the runner may know of it although we do not know its answer; what follows is decided
//! by [`RunState`] and by nothing that a process remembers.

use serde::{Deserialize, Serialize};

use crate::domain::definition::Definition;
use crate::domain::observation::Subject;
use crate::domain::words::words;
use crate::ids::SessionId;

words!(
    /// What a run runs.
    RunKind, "run kind", {
        /// A build.
        Build = "build",
        /// A batch of tests.
        Tests = "tests",
        /// The boot test alone.
        Boot = "boot",
        /// Jobs of a session, by their commands.
        Jobs = "jobs",
    }
);

impl RunKind {
    /// What a runner speaks of when it speaks of such a run.
    #[must_use]
    pub fn subject(self) -> Subject {
        match self {
            Self::Build => Subject::Build,
            Self::Tests | Self::Boot | Self::Jobs => Subject::Tests,
        }
    }
}

words!(
    /// How far a run is. `planned → submitting → running → collecting → finished`; `canceled` from any but the last.
    RunState, "run state", {
        /// Committed; the runner has not been asked.
        Planned = "planned",
        /// The runner has been or is being asked; whether it accepted is not known here.
        Submitting = "submitting",
        /// The runner accepted it and gave its uid.
        Running = "running",
        /// The runner says that it is over; its results are being fetched.
        Collecting = "collecting",
        /// Over: every test that it planned has its result.
        Finished = "finished",
        /// Ended by an operator before it was over.
        Canceled = "canceled",
    }
);

impl RunState {
    /// Whether nothing more will come of the run: what arrives later is kept as evidence and overwrites nothing.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Canceled)
    }
}

/// What a run asks of its runner; stored with the run as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunRequest {
    /// Build this.
    Build(BuildRequest),
    /// Run these tests.
    Tests(TestsRequest),
    /// Boot this and do nothing more.
    Boot(TestsRequest),
    /// Run these jobs.
    Jobs(JobsRequest),
}

impl RunRequest {
    /// The kind of run that asks this.
    #[must_use]
    pub fn kind(&self) -> RunKind {
        match self {
            Self::Build(_) => RunKind::Build,
            Self::Tests(_) => RunKind::Tests,
            Self::Boot(_) => RunKind::Boot,
            Self::Jobs(_) => RunKind::Jobs,
        }
    }
}

/// A build as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRequest {
    /// The URL of the git repository.
    pub tree: String,
    /// The branch, tag or other ref.
    pub branch: String,
    /// The toolchain's name at the runner: `gcc-12`.
    pub toolchain: String,
    /// The configuration's name or URL.
    pub kconfig: Option<String>,
    /// What is merged into the configuration.
    pub fragments: Vec<String>,
    /// The architecture to build for, in the runner's word.
    pub architecture: String,
}

/// Tests as they were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestsRequest {
    /// The kernel image to boot, or what else the runner tests.
    pub kernel_image_url: String,
    /// The modules that belong to it.
    pub modules_url: Option<String>,
    /// The machine or virtual machine to run on, in the runner's word.
    pub device: String,
    /// The collection that the tests belong to: the head of their paths.
    pub collection: String,
    /// The names of the tests; empty for a boot test.
    pub tests: Vec<String>,
}

/// Jobs of a session as they are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsRequest {
    /// The session.
    pub session: SessionId,
    /// The build that they are run for; none where the session has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<TestedBuild>,
    /// The machine to run on, in the runner's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The collection that they belong to: the head of their paths in reports.
    pub collection: String,
    /// What to run, in this order.
    pub jobs: Vec<Definition>,
}

/// A build that is tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedBuild {
    /// KCIDB's id of it.
    pub id: String,
    /// Where its kernel image lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_image_url: Option<String>,
    /// Where its modules lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules_url: Option<String>,
    /// What it was built for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
}
