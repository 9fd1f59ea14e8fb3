//! The form of specs that clients write, as JSON: a [`Spec`], and beside it what it waits for in words (`depends_on`).

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::check::check_spec;
use super::limits::{MAX_DEPTH, MAX_DIRECTIVES, MAX_NAME, MAX_PATTERN_BYTES, MAX_WHEN};
use super::resolve::Directive;
use super::{Spec, Timeouts};
use crate::domain::fault::{Fault, Faults, pointer};

#[cfg(test)]
mod tests;

/// A spec whose dependencies may not be known yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The spec, with the dependencies that were stated by id.
    pub spec: Spec,
    /// What else it waits for; [`resolve`](super::resolve::resolve) finds out which tests these are.
    pub depends_on: Vec<Directive>,
}

impl Draft {
    /// Reads a document, fills in what it does not state, and checks it. A member that is null is not stated.
    ///
    /// # Errors
    /// Every fault that was found, the first [`MAX_FAULTS`](crate::domain::fault::MAX_FAULTS) of them; there is at least one.
    pub fn read(document: Value, timeouts: &Timeouts) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let Value::Object(members) = document else {
            faults.add("", "want an object");
            return faults.or(None);
        };
        // A list of the document, an entry of it, and what stands there.
        if is_deeper(&members, MAX_DEPTH.saturating_add(2)) {
            faults.add("", format!("it nests deeper than {MAX_DEPTH} levels"));
            return faults.or(None);
        }
        let mut reader = Reader { members, faults };
        let mut draft = Self::default();
        reader.read_spec(&mut draft.spec);
        reader.list("depends_on", &mut draft.depends_on);
        let Reader { members, mut faults } = reader;
        for name in members.keys() {
            let known = if name.len() > MAX_NAME { String::new() } else { pointer([name.as_str()]) };
            faults.add(known, "there is no such member");
        }
        faults.close_read();
        draft.spec.fill(timeouts);
        check_spec(&draft.spec, &mut faults);
        check_directives(&draft.depends_on, &mut faults);
        faults.or(Some(draft))
    }
}

fn check_directives(directives: &[Directive], faults: &mut Faults) {
    if directives.len() > MAX_DIRECTIVES {
        faults.add("/depends_on", format!("want at most {MAX_DIRECTIVES} entries, not {}", directives.len()));
    }
    for (place, directive) in directives.iter().enumerate().take(MAX_DIRECTIVES) {
        if directive.pattern.len() > MAX_PATTERN_BYTES {
            faults.add(format!("/depends_on/{place}/pattern"), format!("want at most {MAX_PATTERN_BYTES} bytes"));
        }
        if directive.when.is_empty() || directive.when.len() > MAX_WHEN || directive.when.contains('\0') {
            faults.add(
                format!("/depends_on/{place}/when"),
                format!("want the name of a result or `*`, at most {MAX_WHEN} bytes"),
            );
        }
    }
}

/// A document and what is wrong with it, each member read by itself so that one fault does not hide another.
struct Reader {
    members: Map<String, Value>,
    faults: Faults,
}

impl Reader {
    fn read_spec(&mut self, spec: &mut Spec) {
        self.one("id", &mut spec.id);
        self.one("file_root", &mut spec.file_root);
        self.one("file_path", &mut spec.file_path);
        self.one("repository_path", &mut spec.repository_path);
        self.one("content_sha256", &mut spec.content_sha256);
        self.one("family", &mut spec.family);
        self.one("parameters", &mut spec.parameters);
        self.one("meta_parameters", &mut spec.meta_parameters);
        self.list("keywords", &mut spec.keywords);
        self.one("owners", &mut spec.owners);
        self.list("dependencies", &mut spec.dependencies);
        self.one("timeout", &mut spec.timeout);
        self.one("xstatus", &mut spec.xstatus);
        self.one("exclusive", &mut spec.exclusive);
        self.one("mask", &mut spec.mask);
        self.list("assets", &mut spec.assets);
        self.list("baseline", &mut spec.baseline);
        self.list("artifacts", &mut spec.artifacts);
        self.one("attributes", &mut spec.attributes);
        self.one("stdout", &mut spec.stdout);
        self.one("stderr", &mut spec.stderr);
        self.one("preload", &mut spec.preload);
        self.list("modules", &mut spec.modules);
        self.list("rcfiles", &mut spec.rcfiles);
        self.one("environment", &mut spec.environment);
        self.list("environment_modifications", &mut spec.environment_modifications);
        self.one("catalogue_test", &mut spec.catalogue_test);
        self.one("command", &mut spec.command);
    }

    fn stated(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    fn one<T: DeserializeOwned>(&mut self, name: &str, slot: &mut T) {
        if let Some(value) = self.stated(name) {
            self.read(pointer([name]), value, |read| *slot = read);
        }
    }

    fn list<T: DeserializeOwned>(&mut self, name: &str, slot: &mut Vec<T>) {
        match self.stated(name) {
            None => {}
            Some(Value::Array(entries)) => {
                for (place, entry) in entries.into_iter().enumerate() {
                    self.read(format!("/{name}/{place}"), entry, |read| slot.push(read));
                }
            }
            Some(_) => self.faults.add(pointer([name]), "want a list"),
        }
    }

    fn read<T: DeserializeOwned>(&mut self, at: String, value: Value, put: impl FnOnce(T)) {
        match serde_json::from_value(value) {
            Ok(read) => put(read),
            // It may repeat what was written, however long.
            Err(wrong) => self.faults.add(at, wrong.to_string().chars().take(MAX_NAME).collect::<String>()),
        }
    }
}

/// Whether anything in the document is deeper than this below it, without recursion.
fn is_deeper(members: &Map<String, Value>, depth: usize) -> bool {
    let mut open: Vec<(&Value, usize)> = members.values().map(|value| (value, 1)).collect();
    while let Some((value, level)) = open.pop() {
        if level > depth {
            return true;
        }
        match value {
            Value::Array(entries) => open.extend(entries.iter().map(|entry| (entry, level.saturating_add(1)))),
            Value::Object(members) => open.extend(members.values().map(|member| (member, level.saturating_add(1)))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}
