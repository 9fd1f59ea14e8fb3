//! What a session is made of: units from specs and from tests of the catalogue, and what is executed for a job.
//!
//! [`compose`] makes a job of each spec, of each test, and of each resource that these need. What is executed for it is
//! written into its unit ([`fields`]), so that a session runs what it was made of, whatever becomes of specs and catalogue
//! since, and wherever the session is carried. [`definition`] reads it again, of these jobs and of Plainbox's own, or says
//! why there is none; [`needs`] reads what a job asks of the machine. [`results`] makes spec results of what came of jobs.
//!
//! ```text
//! spec      spec -> job          command   what a spec runs
//! test      test, resource -> jobs          class     what a class runs
//! names     ids of jobs          fields    the names of the fields
//! ```

mod class;
mod command;
pub mod definition;
pub mod fields;
mod names;
pub mod needs;
pub mod results;
mod spec;
mod test;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::catalogue::class::Classes;
use crate::domain::catalogue::item::Extension;
use crate::domain::definition::Definition;
use crate::domain::spec::Spec;
use crate::domain::unit::{FieldValue, Unit, words};

pub use spec::catalogue_test;

/// The namespace of jobs that are made of specs.
pub const SPECS: &str = "spec";

/// The namespace of jobs that are made of tests of the catalogue.
pub const TESTS: &str = "test";

/// The namespace of jobs that set resources up.
pub const SETUPS: &str = "setup";

/// The namespace of jobs that clean resources up.
pub const CLEANUPS: &str = "cleanup";

/// The most notes that are kept of what was composed.
const MAX_NOTES: usize = 100;

/// What of specs and of the catalogue a session is to be made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Specs: those that are wanted, and those that they depend on as far as they are stored. Each id once.
    pub specs: Vec<Spec>,
    /// The ids of the specs that are wanted.
    pub wanted: BTreeSet<String>,
    /// The labels of the tests that are wanted, each once.
    pub tests: Vec<String>,
    /// The revision of the catalogue that `tests` are of.
    pub revision: i64,
    /// What is known of the catalogue, by the revisions that `tests` and specs name.
    pub catalogue: BTreeMap<i64, Catalogue>,
    /// What paths on the machine are told apart by: the session's id.
    pub session: String,
    /// Now, in seconds since 1970-01-01 UTC: the default of arguments that are times.
    pub now: i64,
}

/// What is known of the catalogue as of a revision.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Tests by their labels: those that are run, and those that these name as prerequisites as far as they are there.
    pub tests: BTreeMap<String, Extension>,
    /// Resources by their labels: all that the tests need, as far as they are there.
    pub resources: BTreeMap<String, Extension>,
    /// The classes.
    pub classes: Classes,
}

/// Units that were made.
#[derive(Clone, Debug, Default)]
pub struct Composed {
    /// The units.
    pub units: Vec<Unit>,
    /// The ids of the jobs to desire: of what is wanted, and of what has to be cleaned up afterwards.
    pub desired: Vec<String>,
    /// What somebody should know: at most 100.
    pub notes: Vec<String>,
}

/// Makes units of specs, of tests of the catalogue and of their resources.
///
/// Ids are readable: `spec::mesh.np=4`, `test::net.dns`, `setup::db`, `cleanup::db`. Where specs have one name, the beginnings
/// of their ids follow: `spec::mesh.np=4.0a1f86e`.
#[must_use]
pub fn compose(sources: &Sources) -> Composed {
    let mut composed = Composed::default();
    let mut resources = test::Resources::new(sources);
    let mut categories = BTreeSet::new();
    let specs = spec::jobs(sources, &mut resources, &mut composed.notes);
    let tests = test::jobs(sources, &mut resources, &mut composed.notes);
    let (setups, cleanups) = resources.jobs(&mut composed.notes);
    for made in setups.into_iter().chain(specs).chain(tests).chain(cleanups) {
        let Made { unit, category, wanted } = made;
        composed.desired.extend(unit.id().filter(|_| wanted).map(str::to_owned));
        composed.units.push(unit);
        categories.extend(category);
    }
    composed.units.extend(categories.into_iter().map(|(namespace, name)| {
        let fields = [("unit", "category"), ("id", name.as_str()), ("name", name.as_str())];
        Unit::new(Some(namespace), None, fields.map(|(field, text)| (field.to_owned(), text.into())).into())
    }));
    composed.notes.truncate(MAX_NOTES);
    composed
}

/// A job that was made.
struct Made {
    unit: Unit,
    /// The namespace and the name of its category.
    category: Option<(&'static str, String)>,
    /// Whether it is desired, and not only run where another one needs it.
    wanted: bool,
}

/// The fields of a job, one after the other.
struct Fields {
    namespace: &'static str,
    by_name: BTreeMap<String, FieldValue>,
    category: Option<(&'static str, String)>,
}

/// The most characters of a summary, as lists show it.
const MAX_SUMMARY: usize = 80;

impl Fields {
    /// The fields of the job of this partial id, which runs by itself.
    fn new(namespace: &'static str, id: &str, summary: &str) -> Self {
        let line = summary.lines().next().unwrap_or_default();
        let summary: String = line.chars().take(MAX_SUMMARY).collect();
        let fields = [("id", id), ("plugin", "shell"), ("summary", summary.as_str())];
        let fields = fields.map(|(field, text)| (field.to_owned(), text.into())).into();
        Self { namespace, by_name: fields, category: None }
    }

    fn set(&mut self, field: &str, value: impl Into<FieldValue>) {
        self.by_name.insert(field.to_owned(), value.into());
    }

    /// Full ids, or other words: a text where they can stand in one, so that it reads as Plainbox's own.
    fn set_words(&mut self, field: &str, words: &[String]) {
        if words.is_empty() {
            return;
        }
        let value = words::print(words.iter().map(String::as_str))
            .map_or_else(|| FieldValue::List(words.iter().cloned().map(Value::from).collect()), FieldValue::Text);
        self.set(field, value);
    }

    /// The category is the first of these keywords.
    fn set_category(&mut self, keywords: impl IntoIterator<Item = impl AsRef<str>>) {
        let first = keywords.into_iter().map(|keyword| names::clean(keyword.as_ref())).find(|name| !name.is_empty());
        if let Some(name) = first {
            self.set("category_id", format!("{}::{name}", self.namespace));
            self.category = Some((self.namespace, name));
        }
    }

    /// What it runs, or why there is nothing.
    fn set_definition(&mut self, definition: Result<Definition, String>) {
        match definition {
            Ok(definition) => {
                self.set("command", definition::as_shell(&definition.command.argv));
                self.set(fields::DEFINITION, definition::as_field(&definition));
            }
            Err(reason) => self.set(fields::NO_DEFINITION, reason),
        }
    }

    fn made(self, wanted: bool) -> Made {
        let Self { namespace, by_name, category } = self;
        Made { unit: Unit::new(Some(namespace), None, by_name), category, wanted }
    }
}
