//! Why a job cannot start.

use serde::{Deserialize, Serialize};

/// A kind of reasons for which a job cannot start, under Plainbox's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// It is not on the run list.
    Undesired,
    /// A job that it depends on or follows has not run.
    PendingDep,
    /// A job that it depends on did not pass.
    FailedDep,
    /// An expression cannot be told yet: a resource that it reads has no records.
    PendingResource,
    /// An expression does not hold.
    FailedResource,
    /// A job that it salvages did not fail, or has not run, or is not there.
    NotFailedDep,
    /// The machine's manifest is not as it needs it.
    RequiredManifest,
}

/// A reason for which a job cannot start. As JSON, for example: `{"cause": "PENDING_RESOURCE", "related_job": "hw",
/// "related_expression": "hw.kind == 'real'"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibitor {
    /// What kind of reason it is.
    pub cause: Cause,
    /// The job that it waits for; of [`Cause::RequiredManifest`] the job itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related_job: Option<String>,
    /// The expression of its program that cannot be told or does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related_expression: Option<String>,
    /// The manifest entries that are not as it needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_manifests: Vec<String>,
}

impl Inhibitor {
    /// The one of jobs that are not on the run list.
    #[must_use]
    pub fn undesired() -> Self {
        Self { cause: Cause::Undesired, related_job: None, related_expression: None, related_manifests: Vec::new() }
    }

    /// One that is about another job.
    #[must_use]
    pub fn job(cause: Cause, job: &str) -> Self {
        Self { related_job: Some(job.to_owned()), cause, ..Self::undesired() }
    }

    /// One that is about an expression and one of the resources that it reads.
    #[must_use]
    pub fn expression(cause: Cause, resource: &str, expression: &str) -> Self {
        Self { related_expression: Some(expression.to_owned()), ..Self::job(cause, resource) }
    }

    /// One that is about entries of the manifest.
    #[must_use]
    pub fn manifest(job: &str, entries: Vec<String>) -> Self {
        Self { related_manifests: entries, ..Self::job(Cause::RequiredManifest, job) }
    }
}
