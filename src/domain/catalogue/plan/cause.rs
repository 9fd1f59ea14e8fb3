//! Why a test or a resource came to what it did.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::catalogue::outcome::Outcome;

/// Why a test or a resource came to what it did. The first kinds are the plan's own; the others are reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The test waits for itself.
    DependencyCycle {
        /// The tests of the cycle, from this one on; each waits for the next, the last for the first.
        cycle: Vec<String>,
    },
    /// A prerequisite has come to another outcome than the required one.
    FailedPrerequisite {
        /// The prerequisite.
        id: String,
        /// The outcome that is required, which need not be one.
        expected: String,
        /// What it came to.
        actual: Outcome,
    },
    /// A prerequisite is not in the catalogue.
    PrerequisiteMissing {
        /// The prerequisite.
        id: String,
    },
    /// A resource that it needs could not be set up.
    FailedResource {
        /// The resource that it names itself; why that failed is told by its own result.
        resource: String,
    },
    /// No target's group matches its pattern.
    NoMatchingTarget {
        /// The pattern.
        pattern: String,
        /// What is wrong with the pattern itself, if that is why.
        fault: Option<String>,
    },
    /// The test is not in the catalogue, or cannot be read.
    NotLoaded,
    /// The resource is not in the catalogue.
    ResourceMissing,
    /// The resource cannot be read, or what was done raised an exception.
    Exception,
    /// It took too long.
    Timeout,
    /// It read a property that the context does not have.
    ContextVariableMissing {
        /// The property.
        key: String,
    },
    /// What was said by whoever did it.
    Said(String),
}

impl Cause {
    /// The annotations that QMTest's results carry for it, with its spelling.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let pairs: Vec<(&str, String)> = match self {
            Self::FailedPrerequisite { id, expected, actual } => vec![
                ("qmtest.prequisite", id.clone()),
                ("qmtest.expected_outcome", expected.clone()),
                ("qmtest.outcome", actual.to_string()),
            ],
            Self::FailedResource { resource } => vec![("qmtest.resource", resource.clone())],
            Self::ContextVariableMissing { key } => vec![("qmtest.context_variable", key.clone())],
            _ => Vec::new(),
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DependencyCycle { cycle } => {
                write!(f, "it waits for itself: {}", cycle.join(" waits for "))?;
                write!(f, " waits for {}", cycle.first().map_or("", String::as_str))
            }
            Self::FailedPrerequisite { id, expected, actual } => {
                write!(f, "its prerequisite `{id}` came to {actual}, and {expected} is required")
            }
            Self::PrerequisiteMissing { id } => write!(f, "its prerequisite `{id}` is not in the catalogue"),
            Self::FailedResource { resource } => write!(f, "the resource `{resource}` could not be set up"),
            Self::NoMatchingTarget { pattern, fault: None } => {
                write!(f, "no target's group matches its pattern `{pattern}`")
            }
            Self::NoMatchingTarget { pattern, fault: Some(fault) } => {
                write!(f, "no target's group can match its pattern `{pattern}`: {fault}")
            }
            Self::NotLoaded => f.write_str("it is not in the catalogue, or cannot be read"),
            Self::ResourceMissing => f.write_str("there is no such resource in the catalogue"),
            Self::Exception => f.write_str("it raised an exception, or cannot be read"),
            Self::Timeout => f.write_str("it took too long"),
            Self::ContextVariableMissing { key } => write!(f, "the context has no property `{key}`"),
            Self::Said(words) => f.write_str(words),
        }
    }
}
