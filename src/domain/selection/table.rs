//! The specs that are selected from, as columns.
//!
//! A million specs are asked the same few questions, so what they have in common is stored once: keywords, owners, paths,
//! names and values of parameters have numbers, and a spec has the numbers. A spec's own number is its place in the list.

mod builder;
#[cfg(test)]
mod change_tests;
mod changed;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::builder::Builder;
use self::builder::Values;
use crate::domain::digest::Digest;
use crate::domain::graph::Graph;
use crate::domain::lists::Lists;
use crate::domain::selection::facts::SourceFile;
use crate::domain::selection::interner::Interner;
use crate::domain::selection::texts::Texts;
use crate::domain::spec::Spec;

/// The specs that are selected from. It does not change; [`Self::with`] makes another of it.
///
/// Keywords, paths, values and the like may stand in it that no spec has any more.
#[derive(Debug, Default)]
pub struct Table {
    pub(super) ids: Texts,
    /// The places of the specs, by their ids.
    by_id: Vec<u32>,
    pub(super) views: Texts,
    /// What keyword expressions are about, in small letters.
    pub(super) keywords: Arc<Interner>,
    /// For each of those, the specs that have it.
    pub(super) keyword_specs: Lists<u32>,
    pub(super) owners: Arc<Interner>,
    pub(super) spec_owners: Lists<u32>,
    /// Whole paths.
    pub(super) files: Arc<Interner>,
    pub(super) spec_file: Vec<u32>,
    /// Paths below the root.
    pub(super) paths: Arc<Interner>,
    /// For each spec, its file's and then its assets' places in `paths`.
    pub(super) spec_paths: Lists<u32>,
    pub(super) sources: Vec<Source>,
    /// For each spec, its file's and then its assets' places in `sources`.
    pub(super) spec_sources: Lists<u32>,
    pub(super) parameter_names: Arc<Interner>,
    pub(super) parameter_values: Arc<Values>,
    /// For each spec, the places of its parameters' names and values.
    pub(super) spec_parameters: Lists<(u32, u32)>,
    /// How long each may take, in seconds.
    pub(super) timeouts: Vec<f32>,
    /// When each was changed last.
    changed_at: Vec<Option<DateTime<Utc>>>,
    /// Masks that specs come with.
    pub(super) masks: BTreeMap<u32, String>,
    pub(super) graph: Graph,
    /// The first dependency that is not in the list, and whose it is.
    pub(super) missing: Option<(u32, u32)>,
    /// The ids of what is depended on and not in the list.
    unknown: Texts,
    /// How many changed specs it has taken in since it was made of all: see [`Self::with`].
    taken_in: u32,
}

/// A file, by its whole path's or an asset's place in `files`, with its content where the spec says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) file: u32,
    pub(super) sha256: Option<Digest>,
}

impl Table {
    /// The table of these specs.
    pub fn new<'s>(specs: impl IntoIterator<Item = &'s Spec>) -> Self {
        let mut builder = Builder::default();
        for spec in specs {
            builder.push(spec, None);
        }
        builder.finish()
    }

    /// How many specs there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of the spec at this place.
    #[must_use]
    pub fn id(&self, spec: u32) -> &str {
        self.ids.get(spec)
    }

    /// The id of a node of [`Self::graph`]: of a spec, or of what one depends on and is not in the list.
    #[must_use]
    pub fn id_or_unknown(&self, node: u32) -> &str {
        match node.checked_sub(self.len()) {
            Some(unknown) => self.unknown.get(unknown),
            None => self.id(node),
        }
    }

    /// The nodes of what is depended on and not in the list, by id.
    #[must_use]
    pub fn unknown(&self) -> HashMap<&str, u32> {
        self.unknown.iter().map(|(unknown, id)| (id, self.len().saturating_add(unknown))).collect()
    }

    /// The view of the spec at this place.
    #[must_use]
    pub fn view(&self, spec: u32) -> &str {
        self.views.get(spec)
    }

    /// The whole path of the file of the spec at this place.
    #[must_use]
    pub fn file(&self, spec: u32) -> &str {
        self.files.get(self.spec_file.get(spec as usize).copied().unwrap_or(u32::MAX))
    }

    /// The file at this place in `sources`.
    #[must_use]
    pub(super) fn source(&self, source: u32) -> Option<SourceFile> {
        let Source { file, sha256 } = *self.sources.get(source as usize)?;
        Some(SourceFile { path: self.files.get(file).to_owned(), sha256 })
    }

    /// When the spec at this place was changed last, where that is known.
    #[must_use]
    pub fn changed_at(&self, spec: u32) -> Option<DateTime<Utc>> {
        self.changed_at.get(spec as usize).copied().flatten()
    }

    /// The place of the spec with this id; of several, of the first.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<u32> {
        let at = self.by_id.partition_point(|spec| self.id(*spec) < id);
        self.by_id.get(at).copied().filter(|spec| self.id(*spec) == id)
    }

    /// The places of the specs whose ids begin so, by their ids.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> &[u32] {
        let start = self.by_id.partition_point(|spec| self.id(*spec) < prefix);
        let rest = self.by_id.get(start..).unwrap_or_default();
        let length = rest.partition_point(|spec| self.id(*spec).starts_with(prefix));
        rest.get(..length).unwrap_or_default()
    }

    /// The places of all specs, by their ids.
    #[must_use]
    pub fn by_id(&self) -> &[u32] {
        &self.by_id
    }

    /// Who depends on whom. Dependencies that are not in the list have places too, behind the specs'.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How many bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.ids, &self.views, &self.unknown];
        let found = [&self.keywords, &self.owners, &self.files, &self.paths, &self.parameter_names];
        let lists = [&self.keyword_specs, &self.spec_owners, &self.spec_paths, &self.spec_sources];
        let numbers = self.by_id.capacity() + self.spec_file.capacity() + self.timeouts.capacity();
        texts.iter().map(|texts| texts.bytes()).sum::<usize>()
            + found.iter().map(|texts| texts.bytes()).sum::<usize>()
            + lists.iter().map(|lists| lists.bytes()).sum::<usize>()
            + self.spec_parameters.bytes()
            + self.parameter_values.bytes()
            + numbers * size_of::<u32>()
            + self.changed_at.capacity() * size_of::<Option<DateTime<Utc>>>()
            + self.sources.capacity() * size_of::<Source>()
            + self.graph.bytes()
    }
}
