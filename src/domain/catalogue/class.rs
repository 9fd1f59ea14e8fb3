//! Classes of tests, resources and suites: what arguments an item has, and who can execute it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// A command with places for arguments: `{name}` in a word stands for the argument's text, `{{` and `}}` for braces. A
/// word that is just `{name}` of a list becomes as many words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandTemplate {
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// What the program reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Environment variables beside those of the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The exit code of a test that passes; any other fails.
    #[serde(default)]
    pub exit_code: i32,
    /// After how many seconds it is stopped; the agent's limit where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
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
    /// The field of this name, the common ones of its kind included. Of a class whose fields are not known: only the
    /// common ones.
    #[must_use]
    pub fn field(&self, _name: &str) -> Option<&Field> {
        None
    }
}
