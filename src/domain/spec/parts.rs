//! What a spec is made of.

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::words::words;

/// The result that is wanted of a dependency unless another is named. It does not take expected failures for success.
pub const SUCCESS: &str = "success";

/// A test that must have come to a result before this one runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// The id of the test, which need not be known yet.
    pub id: String,
    /// The status or category that it must have come to, in any case; `*` takes all.
    #[serde(default = "success")]
    pub when: String,
}

/// [`SUCCESS`], as serde wants it.
pub(super) fn success() -> String {
    SUCCESS.to_owned()
}

words!(
    /// How a file comes to where a test runs.
    #[derive(Default)]
    AssetAction, "way of an asset", {
        /// A copy of it.
        Copy = "copy",
        /// A link to it.
        #[default]
        Link = "link",
        /// Not at all: it belongs to the test, and stays where it is.
        None = "none",
    }
);

/// A file that belongs to a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Where it is: absolute, or relative to the directory of the test's file.
    pub src: String,
    /// What it is called where the test runs; the last component of `src` where none is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<String>,
    /// How it comes there.
    #[serde(default)]
    pub action: AssetAction,
    /// The SHA-256 of its content, which the service cannot read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// What makes a result of the test the one to compare later results with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Baseline {
    /// A program is run.
    Exe {
        /// The program.
        exe: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// A file is copied from where the test ran to where its sources are.
    Copy {
        /// The file.
        src: String,
        /// Where to.
        dst: String,
    },
}

words!(
    /// When an artifact is kept.
    #[derive(Default)]
    ArtifactWhen, "time to keep an artifact", {
        /// Whatever the result.
        #[default]
        Always = "always",
        /// Never.
        Never = "never",
        /// If the test failed.
        OnFailure = "on_failure",
        /// If the test passed.
        OnSuccess = "on_success",
    }
);

/// Files that a test leaves and that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// A file name or a glob. `file` is read as well.
    #[serde(alias = "file")]
    pub pattern: String,
    /// When they are kept.
    #[serde(default)]
    pub when: ArtifactWhen,
}

words!(
    /// What is done to a variable of the environment.
    ModificationAction, "change of an environment variable", {
        /// It gets the value.
        Set = "set",
        /// It is taken away.
        Unset = "unset",
        /// The value is put before what it has.
        PrependPath = "prepend-path",
        /// The value is put after what it has.
        AppendPath = "append-path",
    }
);

/// A change of the environment that a test runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modification {
    /// The variable.
    pub name: String,
    /// What is done.
    pub action: ModificationAction,
    /// The value; nothing of a variable that is taken away.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What stands between the value and what the variable has.
    #[serde(default = "colon")]
    pub sep: String,
}

fn colon() -> String {
    ":".to_owned()
}
