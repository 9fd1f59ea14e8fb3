//! What applications note about a session.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::origin::Origin;

/// Flags that Plainbox knows: the session was not finished.
pub const INCOMPLETE: &str = "incomplete";
/// It was handed in; see [`INCOMPLETE`].
pub const SUBMITTED: &str = "submitted";
/// Its bootstrap jobs are running; see [`INCOMPLETE`].
pub const BOOTSTRAPPING: &str = "bootstrapping";
/// It has no test plan; see [`INCOMPLETE`].
pub const TESTPLANLESS: &str = "testplanless";
/// Its setup jobs are running; see [`INCOMPLETE`].
pub const SETTING_UP: &str = "setting_up";
/// Instances of templates that are not valid become jobs that fail, instead of none; see [`INCOMPLETE`].
pub const STRICT_TEMPLATE_EXPANSION: &str = "strict_template_expansion";

/// What applications note about a session. Nothing but [`STRICT_TEMPLATE_EXPANSION`] and the running job changes what the
/// session does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    /// What it is called. Plainbox takes anything here.
    pub title: Value,
    /// Words about it: a set.
    pub flags: BTreeSet<String>,
    /// The job that was begun and has no result yet. It need not be one that is known.
    pub running_job_name: Option<String>,
    /// What an application keeps; `None` if it took that away.
    pub app_blob: Option<Blob>,
    /// Whose `app_blob` it is.
    pub app_id: Option<String>,
    /// Whether somebody chose among the jobs of the test plan.
    pub custom_joblist: bool,
    /// The jobs that somebody took away.
    pub rejected_jobs: Vec<String>,
    /// How many results there were of it when it was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_job_results: Option<u32>,
    /// When the last job was begun, in seconds since 1970.
    pub last_job_start_time: Option<f64>,
    /// Whether jobs were left to do.
    pub remaining_todo_jobs: Option<bool>,
    /// What the session was made from, where that is not units alone. Plainbox knows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl Metadata {
    /// All but what may be large and stands by itself in rows: `app_blob` and `rejected_jobs`.
    #[must_use]
    pub fn brief(&self) -> Self {
        Self {
            title: self.title.clone(),
            flags: self.flags.clone(),
            running_job_name: self.running_job_name.clone(),
            app_blob: None,
            app_id: self.app_id.clone(),
            custom_joblist: self.custom_joblist,
            rejected_jobs: Vec::new(),
            origin: self.origin.clone(),
            running_job_results: self.running_job_results,
            last_job_start_time: self.last_job_start_time,
            remaining_todo_jobs: self.remaining_todo_jobs,
        }
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            title: Value::Null,
            flags: BTreeSet::new(),
            running_job_name: None,
            running_job_results: None,
            app_blob: Some(Blob::default()),
            app_id: None,
            custom_joblist: false,
            rejected_jobs: Vec::new(),
            last_job_start_time: None,
            remaining_todo_jobs: None,
            origin: None,
        }
    }
}

/// Bytes; as JSON in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|error| D::Error::custom(format!("not base64: {error}")))
    }
}
