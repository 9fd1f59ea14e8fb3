//! Specs: the concrete tests of a workspace, each with its parameters, as Canary's generators make them.
//!
//! A [`Spec`] comes in as a [`document`], is filled in ([`Spec::fill`]) and checked ([`check`]). [`name`] says what it is
//! called, [`id`] what identifies it, [`prefix`] how it is found by the beginning of its id. Which tests it waits for is
//! either stated or found by [`resolve`]; [`order`] puts tests after those that they wait for.
//!
//! The semantics were measured on Canary and stand in the golden cases under `tests/golden/canary`; where Canary is plainly
//! wrong, `tests/golden/DEVIATIONS.md` says what is done instead.

pub mod check;
pub mod document;
pub mod generate;
pub mod id;
pub mod limits;
pub mod name;
pub mod order;
pub mod parts;
pub mod prefix;
pub mod resolve;
pub mod timeouts;

#[cfg(test)]
pub(crate) mod golden_specs;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::catalogue::label::Label;
use crate::domain::digest::Digest;
pub use parts::{Artifact, ArtifactWhen, Asset, AssetAction, Baseline, Dependency, Modification, ModificationAction};
pub use timeouts::Timeouts;

/// The file that a test's output goes to unless another is named.
pub const DEFAULT_STDOUT: &str = "canary-out.txt";

/// The timeout of a spec that states none; [`Spec::fill`] puts the default there.
pub const NO_TIMEOUT: f64 = -1.0;

/// Names of meta parameters that every spec has once it is filled in: how many processors it needs.
pub const CPUS: &str = "cpus";
/// How many GPUs it needs; see [`CPUS`].
pub const GPUS: &str = "gpus";
/// Its timeout again, for expressions to ask for; see [`CPUS`].
pub const RUNTIME: &str = "runtime";
/// The attribute that says where a test runs, instead of what its name says.
pub const EXECPATH: &str = "execpath";

/// One concrete test.
///
/// As JSON, for example: `{"file_path": "solver/mesh.pyt", "parameters": {"np": 4}, "keywords": ["fast"], "dependencies":
/// [{"id": "0a1f86e5", "when": "success"}]}`. Only `file_path` must be stated. `id`, `family` and `timeout` are empty or
/// negative until [`Spec::fill`] has been there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spec {
    /// What identifies it: 8 to 128 lower-case hexadecimal digits, computed where none is stated; see [`id`].
    pub id: String,
    /// The directory below which tests were searched, on the machine that found it.
    pub file_root: String,
    /// Its file, relative to `file_root`, with `/`.
    pub file_path: String,
    /// Its file, relative to the repository that it is in; where none is stated, `file_path` stands for it in the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_path: Option<String>,
    /// The SHA-256 of its file, which the service cannot read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<Digest>,
    /// The first part of its name; the stem of the file's name where none is stated.
    pub family: String,
    /// Parameters, which stand in its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// Parameters that do not stand in its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub meta_parameters: BTreeMap<String, Value>,
    /// Words to select it by, in any case; the first that has a default timeout decides that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners: Option<Vec<String>>,
    /// The tests that it waits for, in their order. One that stands twice with different wants must come to both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// How long it may run, in seconds. A negative one is none: the default is put there.
    pub timeout: f64,
    /// How it is expected to end: 0 well, 64 with differences, another positive number with that exit code, a negative one
    /// with any failure.
    #[serde(skip_serializing_if = "is_zero")]
    pub xstatus: i32,
    /// Whether nothing else may run beside it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// Why it is left out, if it is. Never empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// Files that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<Asset>,
    /// What makes a result the one to compare with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub baseline: Vec<Baseline>,
    /// Files that it leaves and that are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// What else is known of it, in free form; [`EXECPATH`] has a meaning.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// The file that its output goes to.
    pub stdout: String,
    /// The file that its errors go to; with the output where none is stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// What is loaded before it: a program that its command is given to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preload: Option<String>,
    /// Environment modules to load.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// Shell files to source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rcfiles: Vec<String>,
    /// Variables of its environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Changes of its environment, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment_modifications: Vec<Modification>,
    /// The test of the catalogue that it is an instance of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue_test: Option<Label>,
    /// What is executed, in the words of whoever executes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Map<String, Value>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            id: String::new(),
            file_root: String::new(),
            file_path: String::new(),
            repository_path: None,
            content_sha256: None,
            family: String::new(),
            parameters: BTreeMap::new(),
            meta_parameters: BTreeMap::new(),
            keywords: Vec::new(),
            owners: None,
            dependencies: Vec::new(),
            timeout: NO_TIMEOUT,
            xstatus: 0,
            exclusive: false,
            mask: None,
            assets: Vec::new(),
            baseline: Vec::new(),
            artifacts: Vec::new(),
            attributes: BTreeMap::new(),
            stdout: DEFAULT_STDOUT.to_owned(),
            stderr: None,
            preload: None,
            modules: Vec::new(),
            rcfiles: Vec::new(),
            environment: BTreeMap::new(),
            environment_modifications: Vec::new(),
            catalogue_test: None,
            command: None,
        }
    }
}

impl Spec {
    /// Puts in what was not stated: family, timeout, `cpus` and `gpus` among the meta parameters unless a parameter is
    /// called so, and the id. The meta parameter `runtime` is the timeout, whatever was stated. A dependency that stands
    /// twice with the same want counts once. Filling in twice changes nothing.
    pub fn fill(&mut self, timeouts: &Timeouts) {
        if self.family.is_empty() {
            self.family = name::stem(&self.file_path).to_owned();
        }
        if self.timeout.is_nan() || self.timeout < 0.0 {
            self.timeout = timeouts.of(&self.keywords);
        }
        for (name, value) in [(CPUS, 1), (GPUS, 0)] {
            if !self.parameters.contains_key(name) {
                self.meta_parameters.entry(name.to_owned()).or_insert_with(|| Value::from(value));
            }
        }
        self.meta_parameters.insert(RUNTIME.to_owned(), Value::from(self.timeout));
        let mut seen = HashSet::new();
        let is_new: Vec<bool> = self.dependencies.iter().map(|dependency| seen.insert(dependency)).collect();
        let mut is_new = is_new.into_iter();
        self.dependencies.retain(|_| is_new.next().unwrap_or(true));
        if self.id.is_empty() {
            self.id = id::computed(self).to_string();
        }
    }

    /// A parameter or meta parameter of this name; the meta parameter where there are both, as for expressions.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.meta_parameters.get(name).or_else(|| self.parameters.get(name))
    }

    /// All parameters and meta parameters by name; of a name that both have, the meta parameter.
    #[must_use]
    pub fn all_parameters(&self) -> BTreeMap<&str, &Value> {
        self.parameters.iter().chain(&self.meta_parameters).map(|(name, value)| (name.as_str(), value)).collect()
    }
}
