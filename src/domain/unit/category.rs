//! Categories: groups of jobs, for people.

use super::kind::Kind;
use super::value::Unit;

/// A group of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its full id.
    pub id: String,
    /// Its name; its partial id, if it has none.
    pub name: String,
}

impl Category {
    /// Reads a category; `None` of any other unit, and of one without an id.
    #[must_use]
    pub fn read(unit: &Unit) -> Option<Self> {
        if *unit.kind() != Kind::Category {
            return None;
        }
        let name = unit.text("name").or_else(|| unit.partial_id())?.to_owned();
        Some(Self { id: unit.id()?.to_owned(), name })
    }
}
