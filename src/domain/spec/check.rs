//! Whether a spec is one that can be kept: its bounds, and what its texts may hold.
//!
//! What a spec says is not judged here: the tests that it waits for need not be there, and may wait for it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::limits::{
    MAX_DEPENDENCIES, MAX_DEPTH, MAX_ENTRIES, MAX_KEYWORDS, MAX_NAME, MAX_PARAMETERS, MAX_PATH_BYTES, MAX_REASON,
    MAX_TEXT, MAX_TIMEOUT_S, MAX_VALUES, MAX_VIEW_BYTES, MAX_WHEN,
};
use super::{Artifact, Asset, Baseline, Dependency, EXECPATH, Modification, ModificationAction, Spec, id};
use crate::domain::catalogue::label::Label;
use crate::domain::fault::{Fault, Faults, Place, pointer};

#[cfg(test)]
mod tests;

/// Checks a spec that has been filled in.
///
/// # Errors
/// Every fault that was found, the first [`MAX_FAULTS`](crate::domain::fault::MAX_FAULTS) of them; there is at least one.
pub fn check(spec: &Spec) -> Result<(), Vec<Fault>> {
    let mut faults = Faults::default();
    check_spec(spec, &mut faults);
    faults.or(Some(()))
}

/// As [`check`], after what was found so far.
pub(super) fn check_spec(spec: &Spec, faults: &mut Faults) {
    Checker(faults).check_spec(spec);
}

/// Checks the parts of a spec, and has the faults that were found so far.
struct Checker<'f>(&'f mut Faults);

impl Checker<'_> {
    fn add(&mut self, at: impl Place, detail: impl Into<String>) {
        self.0.add(at, detail);
    }

    fn check_spec(&mut self, spec: &Spec) {
        if let Err(wrong) = id::check(&spec.id) {
            self.add("/id", wrong.to_string());
        }
        self.check_paths(spec);
        self.check_name("/family", &spec.family);
        self.check_values("parameters", &spec.parameters, MAX_PARAMETERS);
        self.check_values("meta_parameters", &spec.meta_parameters, MAX_PARAMETERS);
        self.check_values("attributes", &spec.attributes, MAX_ENTRIES);
        self.check_names("keywords", &spec.keywords);
        self.check_names("owners", spec.owners.as_deref().unwrap_or_default());
        self.check_list("dependencies", &spec.dependencies, MAX_DEPENDENCIES, Self::check_dependency);
        if !(0.0..=MAX_TIMEOUT_S).contains(&spec.timeout) {
            self.add("/timeout", format!("want 0 to {MAX_TIMEOUT_S} seconds"));
        }
        if let Some(reason) = &spec.mask {
            self.check_needed("/mask", reason, MAX_REASON);
        }
        if spec.catalogue_test.as_ref().is_some_and(Label::is_root) {
            self.add("/catalogue_test", "want the label of a test; the empty one is the root directory");
        }
        self.check_list("assets", &spec.assets, MAX_ENTRIES, Self::check_asset);
        self.check_list("baseline", &spec.baseline, MAX_ENTRIES, Self::check_baseline);
        self.check_list("artifacts", &spec.artifacts, MAX_ENTRIES, |faults, at, artifact: &Artifact| {
            faults.check_needed(format!("{at}/pattern"), &artifact.pattern, MAX_TEXT);
        });
        self.check_launch(spec);
        if let Some(command) = &spec.command {
            self.check_nested("/command", command.values(), command.keys().map(String::as_str));
        }
    }

    fn check_paths(&mut self, spec: &Spec) {
        self.check_path("/file_root", &spec.file_root);
        self.check_relative("/file_path", &spec.file_path);
        if let Some(path) = &spec.repository_path {
            self.check_relative("/repository_path", path);
        }
        match spec.attributes.get(EXECPATH) {
            None => {}
            Some(Value::String(path)) if !path.is_empty() => self.check_path("/attributes/execpath", path),
            Some(_) => self.add("/attributes/execpath", "want a path, or no such attribute"),
        }
        let bytes = spec.view().len();
        if bytes > MAX_VIEW_BYTES {
            let detail = format!(
                "where it is found (its directory, name, parameters and file name) has {bytes} bytes; want at most \
                 {MAX_VIEW_BYTES}"
            );
            self.add("", detail);
        }
    }

    fn check_launch(&mut self, spec: &Spec) {
        self.check_path("/stdout", &spec.stdout);
        if spec.stdout.is_empty() {
            self.add("/stdout", "want the name of a file");
        }
        let optional = [("/stderr", spec.stderr.as_deref()), ("/preload", spec.preload.as_deref())];
        for (at, path) in optional.into_iter().filter_map(|(at, path)| Some((at, path?))) {
            self.check_needed(at, path, MAX_TEXT);
        }
        let needed = |faults: &mut Self, at: &str, text: &String| faults.check_needed(at, text, MAX_TEXT);
        self.check_list("modules", &spec.modules, MAX_ENTRIES, needed);
        self.check_list("rcfiles", &spec.rcfiles, MAX_ENTRIES, needed);
        self.check_count("environment", spec.environment.len(), MAX_ENTRIES);
        for (name, value) in spec.environment.iter().take(MAX_ENTRIES) {
            let at = pointer(["environment", name]);
            self.check_variable(at.as_str(), name);
            self.check_text(at, value, MAX_TEXT);
        }
        self.check_list("environment_modifications", &spec.environment_modifications, MAX_ENTRIES, |faults, at, it| {
            faults.check_modification(at, it);
        });
    }

    fn check_dependency(&mut self, at: &str, dependency: &Dependency) {
        if let Err(wrong) = id::check(&dependency.id) {
            self.add(format!("{at}/id"), wrong.to_string());
        }
        self.check_needed(format!("{at}/when"), &dependency.when, MAX_WHEN);
    }

    fn check_asset(&mut self, at: &str, asset: &Asset) {
        self.check_needed(format!("{at}/src"), &asset.src, MAX_TEXT);
        if let Some(dst) = &asset.dst {
            self.check_needed(format!("{at}/dst"), dst, MAX_TEXT);
        }
    }

    fn check_baseline(&mut self, at: &str, baseline: &Baseline) {
        match baseline {
            Baseline::Exe { exe, args } => {
                self.check_needed(format!("{at}/exe"), exe, MAX_TEXT);
                for (place, arg) in args.iter().enumerate().take(MAX_ENTRIES) {
                    self.check_text(format!("{at}/args/{place}"), arg, MAX_TEXT);
                }
                if args.len() > MAX_ENTRIES {
                    self.add(format!("{at}/args"), format!("want at most {MAX_ENTRIES} entries"));
                }
            }
            Baseline::Copy { src, dst } => {
                self.check_needed(format!("{at}/src"), src, MAX_TEXT);
                self.check_needed(format!("{at}/dst"), dst, MAX_TEXT);
            }
        }
    }

    fn check_modification(&mut self, at: &str, modification: &Modification) {
        self.check_variable(format!("{at}/name"), &modification.name);
        self.check_text(format!("{at}/value"), &modification.value, MAX_TEXT);
        self.check_text(format!("{at}/sep"), &modification.sep, MAX_NAME);
        if modification.action == ModificationAction::Unset && !modification.value.is_empty() {
            self.add(format!("{at}/value"), "a variable that is taken away gets no value");
        }
    }

    fn check_variable(&mut self, at: impl Place, name: &str) {
        if name.contains('=') {
            self.add(at, "a variable's name holds no `=`");
        } else {
            self.check_name(at, name);
        }
    }

    fn check_list<T>(&mut self, name: &str, list: &[T], most: usize, mut check: impl FnMut(&mut Self, &str, &T)) {
        self.check_count(name, list.len(), most);
        for (place, entry) in list.iter().enumerate().take(most) {
            check(self, &format!("/{name}/{place}"), entry);
        }
    }

    fn check_names(&mut self, name: &str, names: &[String]) {
        self.check_list(name, names, MAX_KEYWORDS, |faults, at, name| faults.check_name(at, name));
    }

    fn check_count(&mut self, name: &str, count: usize, most: usize) {
        if count > most {
            self.add(pointer([name]), format!("want at most {most} entries, not {count}"));
        }
    }

    /// A text that stands in a line of a table.
    fn check_name(&mut self, at: impl Place, name: &str) {
        if name.chars().any(char::is_control) {
            self.add(at, "want no control characters");
        } else {
            self.check_needed(at, name, MAX_NAME);
        }
    }

    fn check_needed(&mut self, at: impl Place, text: &str, most: usize) {
        if text.is_empty() {
            self.add(at, "want a text that is not empty");
        } else {
            self.check_text(at, text, most);
        }
    }

    fn check_text(&mut self, at: impl Place, text: &str, most: usize) {
        // Counting bytes first spares counting the characters of short texts.
        if text.len() > most && text.chars().count() > most {
            self.add(at, format!("want at most {most} characters"));
        } else if text.contains('\0') {
            self.add(at, "want no NUL, which no database keeps");
        }
    }

    fn check_path(&mut self, at: impl Place, path: &str) {
        if path.len() > MAX_PATH_BYTES {
            self.add(at, format!("want at most {MAX_PATH_BYTES} bytes"));
        } else if path.chars().any(char::is_control) {
            self.add(at, "want a path without control characters");
        }
    }

    /// A path in the one form that it can have, for it is compared as text.
    fn check_relative(&mut self, at: impl Place, path: &str) {
        if path.split('/').any(|component| matches!(component, "" | "." | "..")) {
            self.add(at, "want a relative path with `/` between its components, none of which is empty, `.` or `..`");
        } else {
            self.check_path(at, path);
        }
    }

    fn check_values(&mut self, name: &str, values: &BTreeMap<String, Value>, most: usize) {
        self.check_count(name, values.len(), most);
        for (key, value) in values.iter().take(most) {
            let at = pointer([name, key]);
            self.check_name(at.as_str(), key);
            self.check_nested(&at, std::iter::once(value), std::iter::empty());
        }
    }

    /// Checks values and names with all that is nested in them, without recursion.
    fn check_nested<'a>(
        &mut self,
        at: &str,
        values: impl Iterator<Item = &'a Value>,
        names: impl Iterator<Item = &'a str>,
    ) {
        let mut open: Vec<(&Value, usize)> = values.map(|value| (value, 1)).collect();
        let mut texts: Vec<&str> = names.collect();
        let mut count = 0_usize;
        while let Some((value, depth)) = open.pop() {
            match value {
                Value::String(text) => texts.push(text),
                Value::Array(entries) => open.extend(entries.iter().map(|entry| (entry, depth.saturating_add(1)))),
                Value::Object(members) => {
                    texts.extend(members.keys().map(String::as_str));
                    open.extend(members.values().map(|member| (member, depth.saturating_add(1))));
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
            count = count.saturating_add(1);
            if depth > MAX_DEPTH {
                return self.add(at, format!("it nests deeper than {MAX_DEPTH} levels"));
            }
            if count.max(open.len()) > MAX_VALUES {
                return self.add(at, format!("it holds more than {MAX_VALUES} values"));
            }
        }
        for text in texts {
            self.check_text(at, text, MAX_TEXT);
        }
    }
}
