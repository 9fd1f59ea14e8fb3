//! What a unit describes.

use std::fmt;

/// The kind of a unit: its field `unit`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Something to run. A unit that does not say what it is, is one.
    Job,
    /// Makes units of the records of a resource.
    Template,
    /// Chooses jobs.
    TestPlan,
    /// A group of jobs, for people.
    Category,
    /// A question about the machine.
    ManifestEntry,
    /// A form in which results are handed out.
    Exporter,
    /// A job that prepares the machine: a restricted job.
    SetupJob,
    /// Any other word. Sessions keep such units and do nothing with them.
    Other(String),
}

impl Kind {
    /// The kind that this word names.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "job" => Self::Job,
            "template" => Self::Template,
            "test plan" => Self::TestPlan,
            "category" => Self::Category,
            "manifest entry" => Self::ManifestEntry,
            "exporter" => Self::Exporter,
            "setup job" => Self::SetupJob,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Its word in the field `unit`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Job => "job",
            Self::Template => "template",
            Self::TestPlan => "test plan",
            Self::Category => "category",
            Self::ManifestEntry => "manifest entry",
            Self::Exporter => "exporter",
            Self::SetupJob => "setup job",
            Self::Other(word) => word,
        }
    }

    /// Whether such a unit is run: a job or a setup job.
    #[must_use]
    pub fn is_job(&self) -> bool {
        matches!(self, Self::Job | Self::SetupJob)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
