//! Agents: what they are told and what they tell, in version 1 of their protocol (`docs/agent-protocol.md`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::definition::JobEnd;
pub use crate::domain::log::{Line, LogStream};
use crate::domain::run::RunRequest;
use crate::ids::{AgentId, AgentLeaseId, RunId};

/// The version of the protocol that is spoken here.
pub const PROTOCOL: u32 = 1;

/// The header that each request of an agent names the version in.
pub const PROTOCOL_HEADER: &str = "testyard-agent-protocol";

/// The most labels of an agent, and the most that a run requires.
pub const MAX_LABELS: usize = 100;

/// The most bytes of the name or the value of a label.
pub const MAX_LABEL_BYTES: usize = 200;

/// What is said of an agent, or required of one: `arch=riscv64`. As JSON an object of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

impl Labels {
    /// Labels from texts like `arch=riscv64`. The last one of a name stays.
    ///
    /// # Errors
    /// Words that say what is wrong with which.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut labels = BTreeMap::new();
        for text in texts {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| format!("`{text}` is no label: want `name=value`, such as `arch=riscv64`"))?;
            labels.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        let labels = Self(labels);
        labels.check().map(|()| labels)
    }

    /// Whether names and values are legal and not too many.
    ///
    /// # Errors
    /// Words that say what is wrong with which.
    pub fn check(&self) -> Result<(), String> {
        if self.0.len() > MAX_LABELS {
            return Err(format!("more than {MAX_LABELS} labels"));
        }
        for (name, value) in &self.0 {
            let is_plain = |text: &str| text.len() <= MAX_LABEL_BYTES && !text.chars().any(char::is_control);
            if name.is_empty() || name.contains(['=', ' ']) || !is_plain(name) || !is_plain(value) {
                return Err(format!(
                    "the label `{}` is not legal: a name without blanks and `=`, and a value, each of at most {MAX_LABEL_BYTES} \
                     bytes without control characters",
                    name.chars().take(80).collect::<String>()
                ));
            }
        }
        Ok(())
    }

    /// The first of the labels that are required and not here, or have another value here; `None` if all are.
    #[must_use]
    pub fn missing<'a>(&self, required: &'a Self) -> Option<(&'a str, &'a str)> {
        let lacks = |(name, value): &(&String, &String)| self.0.get(*name) != Some(*value);
        required.0.iter().find(lacks).map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// `POST /api/v1/agents`, with a registration token as the bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// What it is called; unique.
    pub name: String,
    /// What is said of it.
    #[serde(default)]
    pub labels: Labels,
    /// The version of the agent's program.
    pub version: String,
    /// The version of the protocol that it speaks.
    pub protocol: u32,
}

/// The answer to [`Registration`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// The secret that is the bearer of all that it asks from now on.
    pub token: String,
    /// The version of the protocol.
    pub protocol: u32,
    /// For how long to wait for work with one request, in seconds.
    pub poll_s: u64,
    /// How often to say that it lives while it holds a lease, in seconds.
    pub heartbeat_s: u64,
}

/// `POST /api/v1/agents/claim`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claim {
    /// What is said of it now; what was registered where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// For how long to wait for work, in seconds; 0 not at all.
    pub wait_s: u64,
}

/// A run in an agent's hands: the answer to [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id.
    pub id: AgentLeaseId,
    /// The run.
    pub run: RunId,
    /// Which attempt at the run's work this is. All that is said of the lease names it.
    pub generation: i64,
    /// When the lease ends unless a heartbeat comes.
    pub expires_at: DateTime<Utc>,
    /// How often to say that it lives, in seconds.
    pub heartbeat_s: u64,
    /// What to run.
    pub request: RunRequest,
    /// The slots that the run holds, by their pool.
    #[serde(default)]
    pub slots: BTreeMap<String, Vec<String>>,
    /// Environment variables for every job, beside its own.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The names of environment variables whose values may not stand in a log.
    #[serde(default)]
    pub masked: Vec<String>,
    /// How much log is kept.
    pub log: LogLimits,
    /// How much of files is kept.
    pub artifacts: ArtifactLimits,
}

/// How much log of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// In bytes of UTF-8, with a line feed for each line.
    pub max_bytes: u64,
    /// In lines.
    pub max_lines: u64,
}

/// How much of the files of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactLimits {
    /// The most bytes of one file.
    pub max_bytes: u64,
}

/// `POST /api/v1/leases/{id}/heartbeat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The lease's generation.
    pub generation: i64,
}

/// The answer to [`Heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// When the lease ends unless another comes.
    pub expires_at: DateTime<Utc>,
    /// Whether to stop the jobs and report.
    pub canceled: bool,
    /// Why.
    pub reason: Option<String>,
}

/// `POST /api/v1/leases/{id}/log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogBatch {
    /// The lease's generation.
    pub generation: i64,
    /// The number of the first of these lines, from 0.
    pub first: u64,
    /// The lines.
    pub lines: Vec<Line>,
}

/// The answer to [`LogBatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The number of the next line.
    pub next: u64,
}

/// `POST /api/v1/leases/{id}/results`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The lease's generation.
    pub generation: i64,
    /// How each of its jobs ended.
    pub results: Vec<JobEnd>,
}

/// The answer to [`Results`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Whether they are the run's results.
    pub taken: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// `POST /api/v1/leases/{id}/release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The lease's generation.
    pub generation: i64,
    /// Why it is given back.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_checked_and_compared() {
        let agent = Labels::read(["arch=riscv64", "board=vf2", "arch=arm64"]).unwrap();
        assert_eq!(agent.missing(&Labels::read(["arch=arm64"]).unwrap()), None);
        assert_eq!(agent.missing(&Labels::read(["arch=riscv64"]).unwrap()), Some(("arch", "riscv64")));
        assert_eq!(agent.missing(&Labels::read(["gpu=yes"]).unwrap()), Some(("gpu", "yes")));
        for wrong in ["arch", "=x", "a b=c", "a=\n"] {
            assert!(Labels::read([wrong, "x=y"]).is_err() || wrong == "a=\n", "{wrong}");
        }
        assert!(Labels::read((0..=MAX_LABELS).map(|n| Box::leak(format!("l{n}=x").into_boxed_str()) as &str)).is_err());
    }
}
