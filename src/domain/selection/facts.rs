//! What rules ask for beside the specs themselves.

use crate::domain::digest::Digest;
use crate::domain::spec_result::status::{Category, Status};

/// A file that a spec is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceFile {
    /// Its whole path, or an asset's as the spec has it.
    pub path: String,
    /// Its content, where the spec says which.
    pub sha256: Option<Digest>,
}

/// Tells what is in files.
pub trait Contents {
    /// What is in a file; `None` if there is no such file.
    ///
    /// # Errors
    /// In words, if it cannot be read.
    fn read(&self, file: &SourceFile) -> Result<Option<Vec<u8>>, String>;
}

/// Knows of no file.
#[derive(Clone, Copy, Debug)]
pub struct NoContents;

impl Contents for NoContents {
    fn read(&self, _: &SourceFile) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// What came of a spec before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct History {
    /// The newest result.
    pub newest: Option<(Category, Status)>,
    /// How long it took, in seconds.
    pub seconds: Option<f32>,
    /// Whether the spec was changed after it.
    pub changed_since: bool,
    /// Which of the latest results are passes: the newest one is the lowest bit.
    pub passes: u64,
    /// Which of them are failures.
    pub failures: u64,
}

/// What rules ask for beside the specs.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What is in files.
    pub contents: &'a dyn Contents,
    /// What came of each spec, by its place; a spec that is not in it never ran.
    pub history: &'a [History],
}

impl Facts<'_> {
    /// No files and no results.
    pub const NONE: Self = Facts { contents: &NoContents, history: &[] };

    /// What came of the spec at this place.
    #[must_use]
    pub fn of(&self, spec: u32) -> History {
        self.history.get(spec as usize).copied().unwrap_or_default()
    }
}
