//! Why dependencies could not be resolved.

use super::Expect;
use crate::domain::fault::Fault;
use crate::domain::spec::order;

/// How many names of a cycle a message has; the places have them all.
const SHOWN_NAMES: usize = 100;

/// Why dependencies could not be resolved. Places are those of the tests in the list that was given, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Two of the tests have one id.
    #[error("the test at {second} has the id of the one at {first}: {id}")]
    SameId {
        /// The id.
        id: String,
        /// The place of the first test that has it.
        first: usize,
        /// The place of another.
        second: usize,
    },
    /// A directive's text cannot be split into patterns.
    #[error("{wrong}")]
    Pattern {
        /// The place of the test.
        place: usize,
        /// Which of its directives, from 0.
        directive: usize,
        /// What is wrong.
        wrong: String,
    },
    /// A directive takes more or fewer tests than it expects.
    #[error("{name} expects {expect} to match {pattern}, and {found} do")]
    Count {
        /// The place of the test.
        place: usize,
        /// Which of its directives, from 0.
        directive: usize,
        /// The full name of the test.
        name: String,
        /// The patterns, with the parameters put in.
        pattern: String,
        /// How many are expected.
        expect: Expect,
        /// How many there are.
        found: usize,
    },
    /// Tests wait for each other.
    #[error("these tests wait for each other: {}", shown(names))]
    Cycle {
        /// The places, each waiting for the next one, and the last for the first.
        places: Vec<usize>,
        /// The full names, in the same order.
        names: Vec<String>,
    },
    /// It is too much; what was resolved so far is dropped.
    #[error("{what}")]
    TooMuch {
        /// The place of the test where it became too much.
        place: usize,
        /// What is too much.
        what: &'static str,
    },
}

fn shown(names: &[String]) -> String {
    match names.get(..SHOWN_NAMES) {
        Some(first) if names.len() > SHOWN_NAMES => {
            format!("{} -> ... ({} tests in all)", first.join(" -> "), names.len())
        }
        _ => order::names(names),
    }
}

impl Problem {
    /// The problem as a fault in a document that lists the drafts.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let pointer = match self {
            Self::SameId { second, .. } => format!("/{second}/id"),
            Self::Pattern { place, directive, .. } => format!("/{place}/depends_on/{directive}/pattern"),
            Self::Count { place, directive, .. } => format!("/{place}/depends_on/{directive}"),
            Self::Cycle { places, .. } => places.first().map(|place| format!("/{place}")).unwrap_or_default(),
            Self::TooMuch { place, .. } => format!("/{place}/depends_on"),
        };
        Fault { pointer, detail: self.to_string() }
    }
}
