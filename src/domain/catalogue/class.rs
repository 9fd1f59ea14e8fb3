//! Classes of tests, resources and suites: what arguments an item has, and who can execute it.

mod arguments;
mod check;
mod common;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use arguments::ArgumentError;

pub use crate::domain::catalogue::command::{CommandTemplate, RenderedCommand};
use crate::domain::catalogue::field::Field;
use crate::domain::words::words;

words!(
    /// What a class is a class of. The words are QMTest's.
    ClassKind, "kind of class", {
        /// Tests.
        Test = "test",
        /// Resources.
        Resource = "resource",
        /// Suites.
        Suite = "suite",
        /// Targets: what executes tests in QMTest.
        Target = "target",
        /// Databases.
        Database = "database",
    }
);

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name, `module.Class`.
    pub name: String,
    /// What it is a class of.
    #[serde(rename = "of")]
    pub kind: ClassKind,
    /// What it does, in a line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its fields, beside those that every class of its kind has. `None`: they are not known here (the class is written
    /// in Python, and only its name came along); then any argument is kept as it is.
    pub fields: Option<Vec<Field>>,
    /// Who can execute it.
    pub execution: Execution,
}

/// Who can execute a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Execution {
    /// Every agent: the procedure of this name is built into it.
    Builtin(String),
    /// Every agent, by this command.
    Command(CommandTemplate),
    /// Only a runner that has it, of this kind (`qmtest`: QMTest's own Python).
    Runner(String),
}

/// The classes that are known: those built in, and those registered.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    by_name: BTreeMap<String, Class>,
}

impl Classes {
    /// The class of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Class> {
        self.by_name.get(name)
    }

    /// Adds a class, in the place of one of the same name.
    pub fn insert(&mut self, class: Class) {
        self.by_name.insert(class.name.clone(), class);
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Class> {
        self.by_name.values()
    }
}

impl Class {
    /// The kind of runner that it needs; `None` if every agent can execute it.
    #[must_use]
    pub fn needs_runner(&self) -> Option<&str> {
        match &self.execution {
            Execution::Runner(kind) => Some(kind),
            Execution::Builtin(_) | Execution::Command(_) => None,
        }
    }

    /// The field of this name, the common ones of its kind included. Of a class whose fields are not known: only the
    /// common ones.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.all_fields().find(|field| field.name == name)
    }

    /// Its own fields, in their order, then the common ones of its kind that it does not declare anew.
    pub fn all_fields(&self) -> impl Iterator<Item = &Field> {
        let own = self.fields.as_deref().unwrap_or_default();
        let is_new = |field: &&Field| !own.iter().any(|own| own.name == field.name);
        own.iter().chain(self.kind.common_fields().iter().filter(is_new))
    }
}
