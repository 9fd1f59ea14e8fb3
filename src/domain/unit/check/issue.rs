//! Issues, and the list that they are gathered in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::words::words;

words!(
    /// How bad an issue is.
    Severity, "severity", {
        /// The unit cannot be used.
        Error = "error",
        /// The unit can be used, and may not do what was meant.
        Warning = "warning",
        /// The unit could be better.
        Advice = "advice",
    }
);

words!(
    /// What is wrong with a field.
    Flaw, "flaw", {
        /// There is none, and there must be.
        Missing = "missing",
        /// It is there and is not right.
        Wrong = "wrong",
        /// It is there and does nothing.
        Useless = "useless",
        /// It should not be used any more.
        Deprecated = "deprecated",
        /// In a template: it must mention a parameter, and does not.
        Constant = "constant",
        /// In a template: it must not mention a parameter, and does.
        Variable = "variable",
        /// Others have the same, and must not.
        NotUnique = "not_unique",
        /// It cannot be read.
        SyntaxError = "syntax_error",
        /// What it names is not there.
        BadReference = "bad_reference",
    }
);

/// Something that is wrong with a unit, or could be better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// The field, as its name is written (without the underscore of what is to be translated).
    pub field: String,
    /// What is wrong.
    pub flaw: Flaw,
    /// The same for people, and what was expected.
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.field, self.message)
    }
}

/// The issues found so far.
#[derive(Default)]
pub(super) struct Issues(Vec<Issue>);

impl Issues {
    pub(super) fn error(&mut self, field: &str, flaw: Flaw, message: impl Into<String>) {
        self.add(Severity::Error, field, flaw, message.into());
    }

    pub(super) fn warn(&mut self, field: &str, flaw: Flaw, message: impl Into<String>) {
        self.add(Severity::Warning, field, flaw, message.into());
    }

    pub(super) fn advise(&mut self, field: &str, flaw: Flaw, message: impl Into<String>) {
        self.add(Severity::Advice, field, flaw, message.into());
    }

    fn add(&mut self, severity: Severity, field: &str, flaw: Flaw, message: String) {
        self.0.push(Issue { severity, field: field.to_owned(), flaw, message });
    }

    pub(super) fn into_vec(self) -> Vec<Issue> {
        self.0
    }
}
