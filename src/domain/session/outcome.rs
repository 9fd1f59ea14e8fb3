//! What came of a job.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What came of a job, as a word of Plainbox's. "Not run yet" is no outcome: `Option<Outcome>` says it.
///
/// Any word may be recorded; a word that Plainbox does not know is kept and counted as it is, and satisfies nothing that
/// waits for a pass or a fail. Images are read strictly: see [`Outcome::is_known`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// `pass`: the only outcome that `depends` is satisfied with.
    Pass,
    /// `fail`: the only outcome that `salvages` is satisfied with.
    Fail,
    /// `skip`: a person skipped it.
    Skip,
    /// `not-supported`: the older word for what cannot run here.
    NotSupported,
    /// `not-implemented`
    NotImplemented,
    /// `undecided`: a person has to say.
    Undecided,
    /// `crash`: it, or the machine, died.
    Crash,
    /// `skipped-dependency`: a job that it depends on did not pass.
    SkippedDependency,
    /// `skipped-resource`: a resource is not as it requires.
    SkippedResource,
    /// `skipped-manifest`: the machine's manifest is not as it requires.
    SkippedManifest,
    /// Any other word.
    Other(String),
}

impl Outcome {
    /// The words that Plainbox knows.
    pub const KNOWN: [&str; 10] = [
        "pass",
        "fail",
        "skip",
        "not-supported",
        "not-implemented",
        "undecided",
        "crash",
        "skipped-dependency",
        "skipped-resource",
        "skipped-manifest",
    ];

    /// The outcome that this word names.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "pass" => Self::Pass,
            "fail" => Self::Fail,
            "skip" => Self::Skip,
            "not-supported" => Self::NotSupported,
            "not-implemented" => Self::NotImplemented,
            "undecided" => Self::Undecided,
            "crash" => Self::Crash,
            "skipped-dependency" => Self::SkippedDependency,
            "skipped-resource" => Self::SkippedResource,
            "skipped-manifest" => Self::SkippedManifest,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Its word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::NotSupported => "not-supported",
            Self::NotImplemented => "not-implemented",
            Self::Undecided => "undecided",
            Self::Crash => "crash",
            Self::SkippedDependency => "skipped-dependency",
            Self::SkippedResource => "skipped-resource",
            Self::SkippedManifest => "skipped-manifest",
            Self::Other(word) => word,
        }
    }

    /// Whether it is one of Plainbox's words.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&String::deserialize(deserializer)?))
    }
}
