//! What a class must be to be registered here.

use std::collections::BTreeSet;

use super::{Class, ClassKind, Execution};
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::field::{Field, FieldKind};
use crate::domain::catalogue::limits::{MAX_DESCRIPTION, MAX_FIELD_NAME, MAX_FIELDS, MAX_NAME, MAX_WORDS};
use crate::domain::fault::{At, Fault, Faults};

impl Class {
    /// Checks a class that is to be registered. Pointers lead into its document.
    ///
    /// # Errors
    /// Every fault that was found; there is at least one.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Faults::default();
        self.check_name(At::Top.member("name"), &mut faults);
        self.check_body(&mut faults);
        faults.or(Some(()))
    }

    fn check_name(&self, at: At<'_>, faults: &mut Faults) {
        let is_name = self.name.contains('.') && self.name.split('.').all(is_identifier);
        if !is_name || self.name.len() > MAX_NAME {
            let detail = format!(
                "want the name of a class as `module.Class`: letters, digits and underscores, no digit first, at most \
                 {MAX_NAME} characters"
            );
            faults.add(at, detail);
        } else if builtin::is_builtin(&self.name) {
            faults.add(at, format!("`{}` is built in; choose another name", self.name));
        }
    }

    /// Checks all but the name, which may come from elsewhere than the document.
    pub(in crate::domain::catalogue) fn check_body(&self, faults: &mut Faults) {
        if !matches!(self.kind, ClassKind::Test | ClassKind::Resource) {
            faults.add(At::Top.member("of"), "only classes of tests and of resources can be registered");
        }
        faults.check_text(At::Top.member("description"), &self.description, MAX_DESCRIPTION);
        let fields_at = At::Top.member("fields");
        let fields = self.fields.as_deref().unwrap_or_default();
        if faults.check_count(fields_at, fields.len(), MAX_FIELDS) {
            let mut names = BTreeSet::new();
            for (index, field) in fields.iter().enumerate() {
                let at = fields_at.entry(index);
                let name_at = at.member("name");
                if !is_identifier(&field.name) || field.name.len() > MAX_FIELD_NAME {
                    let detail = format!(
                        "want a name of letters, digits and underscores, no digit first, at most {MAX_FIELD_NAME}"
                    );
                    faults.add(name_at, detail);
                } else if self.kind.common_fields().iter().any(|common| common.name == field.name) {
                    faults
                        .add(name_at, format!("every {} has `{}` already; choose another name", self.kind, field.name));
                } else if !names.insert(&field.name) {
                    faults.add(name_at, format!("`{}` is the name of an earlier field", field.name));
                }
                match field.check() {
                    // It may nest too deep to be looked into.
                    Err(error) => faults.add(at, error.to_string()),
                    Ok(()) => check_field(field, at, faults),
                }
            }
        }
        self.check_execution(faults);
    }

    fn check_execution(&self, faults: &mut Faults) {
        let execution = At::Top.member("execution");
        if self.fields.is_none() && !matches!(self.execution, Execution::Runner(_)) {
            faults.add(At::Top.member("fields"), "want the fields of what agents execute; [] if there are none");
        }
        match &self.execution {
            Execution::Builtin(procedure) if !builtin::PROCEDURES.contains(&procedure.as_str()) => {
                let known = builtin::PROCEDURES.join(", ");
                faults.add(execution.member("builtin"), format!("want a procedure that agents have: one of {known}"));
            }
            Execution::Builtin(_) => {}
            Execution::Runner(runner) => {
                let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
                if runner.is_empty() || runner.len() > MAX_FIELD_NAME || !runner.chars().all(is_word) {
                    let detail = format!("want the kind of a runner: a-z, 0-9, - and _, at most {MAX_FIELD_NAME}");
                    faults.add(execution.member("runner"), detail);
                }
            }
            Execution::Command(template) => template.check(self, execution.member("command"), faults),
        }
    }
}

/// Whether it is a name in Python.
fn is_identifier(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Checks a field, at any depth, beyond what [`Field::check`] checks.
fn check_field(field: &Field, at: At<'_>, faults: &mut Faults) {
    if let Some(title) = &field.title {
        faults.check_text(at.member("title"), title, MAX_NAME);
    }
    if let Some(description) = &field.description {
        faults.check_text(at.member("description"), description, MAX_DESCRIPTION);
    }
    match &field.kind {
        // A choice without words is any text; an enumeration without words has no default.
        FieldKind::Enumeration(words) if words.is_empty() => {
            faults.add(at.member("values"), "want at least one word");
        }
        FieldKind::Enumeration(words) | FieldKind::Choice(words) => check_words(words, at.member("values"), faults),
        FieldKind::Set(options) => check_field(&options.of, at.member("of"), faults),
        FieldKind::Tuple(fields) => {
            let of = at.member("of");
            if fields.is_empty() {
                faults.add(of, "want at least one field");
            }
            if faults.check_count(of, fields.len(), MAX_FIELDS) {
                for (index, field) in fields.iter().enumerate() {
                    check_field(field, of.entry(index), faults);
                }
            }
        }
        FieldKind::Dictionary(options) => {
            check_field(&options.key, at.member("key"), faults);
            check_field(&options.value, at.member("value"), faults);
        }
        FieldKind::Python => {
            faults.add(at.member("type"), "only QMTest's own process can hold such a value");
        }
        _ => {}
    }
    if let Some(default) = &field.default {
        let at = at.member("default");
        faults.check_value(at, default);
        match field.validate(default.clone()) {
            Err(error) => faults.add(at, error.to_string()),
            Ok(canonical) if canonical != *default => {
                faults.add(at, "want the default as the field takes it: trimmed, in one line unless it is multiline");
            }
            Ok(canonical) if !field.names(&canonical) => {
                faults.add(at, "want one of the field's values");
            }
            Ok(_) => {}
        }
    }
}

fn check_words(words: &[String], at: At<'_>, faults: &mut Faults) {
    if !faults.check_count(at, words.len(), MAX_WORDS) {
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        let at = at.entry(index);
        if !faults.check_text(at, word, MAX_NAME) {
            continue;
        }
        if word.trim() != word || word.is_empty() || word.contains('\n') {
            faults.add(at, "want a word that is not empty, without blanks around it, in one line");
        } else if !seen.insert(word) {
            faults.add(at, format!("`{word}` stands there already"));
        }
    }
}
