//! The specs that are selected from, as columns.
//!
//! A million specs are asked the same few questions, so what they have in common is stored once: keywords, owners, paths,
//! names and values of parameters have numbers, and a spec has the numbers. A spec's own number is its place in the list.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use crate::domain::digest::Digest;
use crate::domain::graph::Graph;
use crate::domain::lists::Lists;
use crate::domain::selection::facts::SourceFile;
use crate::domain::selection::keyword::lower_case;
use crate::domain::selection::texts::{Interner, Texts, number};
use crate::domain::spec::Spec;

#[cfg(test)]
mod tests;

/// The specs that are selected from. It does not change.
#[derive(Debug, Default)]
pub struct Table {
    pub(super) ids: Texts,
    /// The places of the specs, by their ids.
    by_id: Vec<u32>,
    pub(super) views: Texts,
    /// What keyword expressions are about, in small letters.
    pub(super) keywords: Texts,
    /// For each of those, the specs that have it.
    pub(super) keyword_specs: Lists<u32>,
    pub(super) owners: Texts,
    pub(super) spec_owners: Lists<u32>,
    /// Whole paths.
    pub(super) files: Texts,
    pub(super) spec_file: Vec<u32>,
    /// Paths below the root.
    pub(super) paths: Texts,
    /// For each spec, its file's and then its assets' places in `paths`.
    pub(super) spec_paths: Lists<u32>,
    pub(super) sources: Vec<SourceFile>,
    /// For each spec, its file's and then its assets' places in `sources`.
    pub(super) spec_sources: Lists<u32>,
    pub(super) parameter_names: Texts,
    pub(super) parameter_values: Vec<Json>,
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
        let texts =
            [&self.ids, &self.views, &self.keywords, &self.owners, &self.files, &self.paths, &self.parameter_names];
        let lists = [&self.keyword_specs, &self.spec_owners, &self.spec_paths, &self.spec_sources];
        let numbers = self.by_id.capacity() + self.spec_file.capacity() + self.timeouts.capacity();
        let sources = self.sources.iter().map(|source| size_of::<SourceFile>() + source.path.capacity());
        texts.iter().map(|texts| texts.bytes()).sum::<usize>()
            + lists.iter().map(|lists| lists.bytes()).sum::<usize>()
            + self.spec_parameters.bytes()
            + self.parameter_values.capacity() * size_of::<Json>()
            + numbers * size_of::<u32>()
            + self.changed_at.capacity() * size_of::<Option<DateTime<Utc>>>()
            + sources.sum::<usize>()
            + self.graph.bytes()
    }
}

/// Makes a [`Table`] of one spec after the other.
#[derive(Debug, Default)]
pub struct Builder {
    table: Table,
    keywords: Interner,
    /// Keywords and the specs that have them.
    has_keyword: Vec<(u32, u32)>,
    owners: Interner,
    files: Interner,
    paths: Interner,
    /// Sources by their paths' numbers in `files`.
    sources: HashMap<(u32, Option<Digest>), u32>,
    parameter_names: Interner,
    /// Values that are texts.
    texts: HashMap<Box<str>, u32>,
    /// Other values by their JSON texts.
    values: HashMap<Box<str>, u32>,
    /// The ids of specs and of what they depend on.
    names: Interner,
    /// For each spec the number of its id.
    own: Vec<u32>,
    /// The places of specs, and the numbers of what they depend on.
    edges: Vec<(u32, u32)>,
}

impl Builder {
    /// Adds a spec, and when it was changed last, where that is known.
    pub fn push(&mut self, spec: &Spec, changed_at: Option<DateTime<Utc>>) {
        self.table.changed_at.push(changed_at);
        let place = self.table.ids.push(&spec.id);
        self.own.push(self.names.intern(&spec.id));
        let file = spec.file();
        self.table.views.push(&spec.view());
        for keyword in spec.keywords.iter().chain(&spec.implicit_keywords()) {
            let keyword = self.keywords.intern(&lower_case(keyword));
            self.has_keyword.push((keyword, place));
        }
        let owners = &mut self.owners;
        self.table.spec_owners.push(spec.owners.iter().flatten().map(|owner| owners.intern(owner)));
        self.table.spec_file.push(self.files.intern(&file));
        let paths = &mut self.paths;
        let assets = spec.assets.iter().map(|asset| paths.intern(&below_root(spec, &asset.src)));
        let assets: Vec<u32> = assets.collect();
        self.table.spec_paths.push(std::iter::once(paths.intern(&spec.file_path)).chain(assets));
        let main = (file.as_str(), spec.content_sha256);
        let sources = std::iter::once(main).chain(spec.assets.iter().map(|asset| (asset.src.as_str(), asset.sha256)));
        let sources: Vec<u32> = sources.map(|(path, sha256)| self.source(path, sha256)).collect();
        self.table.spec_sources.push(sources);
        let parameters: Vec<(u32, u32)> = spec
            .all_parameters()
            .into_iter()
            .map(|(name, value)| (self.parameter_names.intern(name), self.value(value)))
            .collect();
        self.table.spec_parameters.push(parameters);
        #[expect(clippy::cast_possible_truncation, reason = "seconds need no more digits")]
        self.table.timeouts.push(spec.timeout as f32);
        if let Some(mask) = &spec.mask {
            self.table.masks.insert(place, mask.clone());
        }
        for dependency in &spec.dependencies {
            self.edges.push((place, self.names.intern(&dependency.id)));
        }
    }

    fn source(&mut self, path: &str, sha256: Option<Digest>) -> u32 {
        let next = number(self.sources.len());
        let file = self.files.intern(path);
        let place = *self.sources.entry((file, sha256)).or_insert(next);
        if place == next {
            self.table.sources.push(SourceFile { path: path.to_owned(), sha256 });
        }
        place
    }

    fn value(&mut self, value: &Json) -> u32 {
        // A text needs no other text to be found by, and most values that are not texts are short.
        let written = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
        let known = if value.is_string() { &mut self.texts } else { &mut self.values };
        if let Some(place) = known.get(written.as_ref()) {
            return *place;
        }
        let place = number(self.table.parameter_values.len());
        self.table.parameter_values.push(value.clone());
        known.insert(written.into(), place);
        place
    }

    /// The table of what was added.
    #[must_use]
    pub fn finish(self) -> Table {
        let mut table = self.table;
        table.ids.shrink();
        table.views.shrink();
        table.by_id = sorted_by_id(&table.ids);
        table.keywords = self.keywords.finish();
        let mut has_keyword = self.has_keyword;
        has_keyword.sort_unstable();
        has_keyword.dedup();
        table.keyword_specs = Lists::grouped(table.keywords.len(), &has_keyword);
        drop(has_keyword);
        table.owners = self.owners.finish();
        table.files = self.files.finish();
        table.paths = self.paths.finish();
        table.parameter_names = self.parameter_names.finish();
        for lists in [&mut table.spec_owners, &mut table.spec_paths, &mut table.spec_sources] {
            lists.shrink();
        }
        table.spec_parameters.shrink();
        let names = self.names.finish();
        let mut unknown = Texts::default();
        let count = table.len();
        // Of two specs of one id the first is meant.
        let mut places = vec![u32::MAX; names.len() as usize];
        for (place, name) in (0..count).zip(&self.own).rev() {
            if let Some(of) = places.get_mut(*name as usize) {
                *of = place;
            }
        }
        for ((_, id), place) in names.iter().zip(&mut places) {
            if *place == u32::MAX {
                *place = count.saturating_add(unknown.push(id));
            }
        }
        drop(names);
        let place = |name: u32| places.get(name as usize).copied().unwrap_or(u32::MAX);
        let edges = || self.edges.iter().map(|(spec, name)| (*spec, place(*name)));
        table.missing = edges().find(|(_, node)| *node >= count);
        table.graph = Graph::new(count.saturating_add(unknown.len()), edges());
        table.unknown = unknown;
        table
    }
}

/// An asset's path below the root, as its spec's own is. One that is elsewhere stays as it is.
fn below_root<'p>(spec: &Spec, path: &'p str) -> Cow<'p, str> {
    if path.starts_with('/') {
        let rest = path.strip_prefix(spec.file_root.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
        return Cow::Borrowed(rest.unwrap_or(path));
    }
    match spec.file_path.rsplit_once('/') {
        Some((folder, _)) => Cow::Owned(format!("{folder}/{path}")),
        None => Cow::Borrowed(path),
    }
}

/// The numbers of texts, by the texts; of equal ones the smaller first.
fn sorted_by_id(ids: &Texts) -> Vec<u32> {
    // Most ids differ in their first bytes, which are next to each other here and nowhere near each other there.
    let key = |id: &str| {
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(id.bytes()) {
            *to = from;
        }
        u64::from_be_bytes(first)
    };
    let mut keyed: Vec<(u64, u32)> = ids.iter().map(|(number, id)| (key(id), number)).collect();
    keyed.sort_unstable_by(|one, other| {
        one.0.cmp(&other.0).then_with(|| ids.get(one.1).cmp(ids.get(other.1))).then_with(|| one.1.cmp(&other.1))
    });
    keyed.into_iter().map(|(_, number)| number).collect()
}
