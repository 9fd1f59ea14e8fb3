//! Why a spec is left out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::spec_result::status::{Category, Status};

/// How many characters of an id people are shown.
const SHOWN: usize = 7;

/// Why a spec is left out. Its [`Display`](fmt::Display) is the sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reason {
    /// A keyword expression does not hold.
    Keyword {
        /// The first one that does not.
        expression: String,
    },
    /// A parameter expression does not hold.
    Parameter {
        /// The expression.
        expression: String,
    },
    /// Its id is none of those asked for.
    Ids {
        /// What was asked for, shortened: at most 4 entries of 7 characters, with `…` where there are more.
        shown: Vec<String>,
    },
    /// None of its owners was asked for.
    Owner {
        /// Who was.
        owners: Vec<String>,
    },
    /// Its file is under none of the paths asked for.
    Prefix {
        /// The beginnings of paths.
        prefixes: Vec<String>,
    },
    /// No line of its files has what was asked for.
    Regex {
        /// The pattern.
        pattern: String,
    },
    /// Its view matches no glob.
    View {
        /// The globs.
        globs: Vec<String>,
    },
    /// Its earlier results are not of the kind asked for.
    History {
        /// What was asked for.
        want: super::rule::Past,
        /// What its results are, in words.
        is: String,
    },
    /// Nothing that changed concerns it.
    NotAffected,
    /// The time that there is does not suffice for it.
    OverBudget {
        /// How long it takes, in whole seconds.
        needs_s: u64,
        /// How much of the time was left, in whole seconds.
        left_s: u64,
    },
    /// Something that it depends on is left out.
    DependencyMasked,
    /// Something that it depends on is left out and has no result.
    DependencyWithoutResult,
    /// The machine has fewer of these than it asks for.
    InsufficientSlots {
        /// The types of resources.
        types: Vec<String>,
    },
    /// The machine has none of these.
    ResourceUnavailable {
        /// The types of resources.
        types: Vec<String>,
    },
    /// Whether the machine can run it could not be found out.
    ResourceCheckFailed {
        /// Why.
        error: String,
    },
    /// It passed before.
    PreviousResultPass {
        /// How.
        status: Status,
    },
    /// It did not fail before.
    PreviousResultNotFail {
        /// What came of it.
        status: Status,
    },
    /// It ran before.
    PreviousResultExists {
        /// What came of it.
        category: Category,
    },
    /// Its file has not changed since it ran.
    Unchanged,
    /// It is there for the sake of what depends on it, which uses its earlier result.
    UpstreamOnly,
    /// A hook that was asked while specs were selected left it out.
    Hook {
        /// Which one: the host, and the port where it is not the usual one.
        host: String,
        /// Its words; not empty.
        text: String,
    },
    /// Somebody's own words.
    Custom {
        /// The words; not empty.
        text: String,
    },
}

impl Reason {
    /// The reason for an id that is none of these.
    #[must_use]
    pub fn ids(ids: &[String]) -> Self {
        let short = |id: &String| id.chars().take(SHOWN).collect::<String>();
        let shown = match ids {
            [] => vec![String::new()],
            [first, second, .., last] if ids.len() > 4 => {
                vec![short(first), short(second), "…".to_owned(), short(last)]
            }
            few => few.iter().map(short).collect(),
        };
        Self::Ids { shown }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword { expression } => write!(f, "the keyword expression `{expression}` does not hold of it"),
            Self::Parameter { expression } => write!(f, "the parameter expression `{expression}` does not hold of it"),
            Self::Ids { shown } => write!(f, "its id is not one of {}", listed(shown)),
            Self::Owner { owners } => write!(f, "it is not owned by any of {}", listed(owners)),
            Self::Prefix { prefixes } => write!(f, "its file is not below any of {}", listed(prefixes)),
            Self::Regex { pattern } => write!(f, "no line of its files matches `{pattern}`"),
            Self::View { globs } => write!(f, "its view matches none of {}", listed(globs)),
            Self::History { want, is } => write!(f, "asked for were those that {}; it {is}", want.words()),
            Self::NotAffected => f.write_str("nothing that changed concerns it"),
            Self::OverBudget { needs_s, left_s } => {
                write!(f, "it takes {needs_s} s, and of the time that there is {left_s} s are left")
            }
            Self::DependencyMasked => f.write_str("something that it depends on is left out"),
            Self::DependencyWithoutResult => f.write_str("something that it depends on is left out and has no result"),
            Self::InsufficientSlots { types } => write!(f, "it asks for more {} than there are", types.join(", ")),
            Self::ResourceUnavailable { types } => write!(f, "there are no {}", types.join(", ")),
            Self::ResourceCheckFailed { error } => write!(f, "whether it can run is not known: {error}"),
            Self::PreviousResultPass { status } => write!(f, "it passed before ({status})"),
            Self::PreviousResultNotFail { status } => write!(f, "it did not fail before ({status})"),
            Self::PreviousResultExists { category } => write!(f, "it has a result already ({category})"),
            Self::Unchanged => f.write_str("its file has not changed since it ran"),
            Self::UpstreamOnly => f.write_str("only its earlier result is needed"),
            Self::Hook { host, text } => write!(f, "the hook at {host} left it out: {text}"),
            Self::Custom { text } => f.write_str(text),
        }
    }
}

fn listed(entries: &[String]) -> String {
    if entries.is_empty() { "nothing".to_owned() } else { entries.join(", ") }
}
