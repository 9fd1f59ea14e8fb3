//! Making a table of one spec after the other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::{Source, Table};
use crate::domain::graph::Graph;
use crate::domain::lists::Lists;
use crate::domain::selection::interner::Interner;
use crate::domain::selection::keyword::lower_case;
use crate::domain::selection::texts::{Texts, number};
use crate::domain::spec::Spec;

/// Makes a [`Table`] of one spec after the other.
#[derive(Debug, Default)]
pub struct Builder {
    table: Table,
    keywords: Interner,
    /// Keywords and the specs that have them, each once.
    has_keyword: Vec<(u32, u32)>,
    owners: Interner,
    files: Interner,
    paths: Interner,
    sources: HashMap<Source, u32>,
    parameter_names: Interner,
    values: Values,
    /// The ids of specs and of what they depend on.
    names: Interner,
    /// For each spec the number of its id.
    own: Vec<u32>,
    /// The places of specs, and the numbers of what they depend on.
    edges: Vec<(u32, u32)>,
    /// What the numbers of one list are gathered in.
    numbers: Vec<u32>,
}

impl Builder {
    /// Adds a spec, and when it was changed last, where that is known.
    pub fn push(&mut self, spec: &Spec, changed_at: Option<DateTime<Utc>>) {
        self.table.changed_at.push(changed_at);
        let place = self.table.ids.push(&spec.id);
        self.own.push(self.names.intern(&spec.id));
        let file = spec.file();
        let name = spec.name();
        self.table.views.push(&spec.view_of(&name));
        self.push_keywords(place, spec, [&name, &spec.family, &file]);
        let owners = &mut self.owners;
        self.table.spec_owners.push(spec.owners.iter().flatten().map(|owner| owners.intern(owner)));
        let own_file = self.files.intern(&file);
        self.table.spec_file.push(own_file);
        let paths = &mut self.paths;
        self.table.spec_paths.push(
            std::iter::once(paths.intern(&spec.file_path))
                .chain(spec.assets.iter().map(|asset| paths.intern(&below_root(spec, &asset.src)))),
        );
        self.numbers.clear();
        self.push_source(Source { file: own_file, sha256: spec.content_sha256 });
        for asset in &spec.assets {
            let file = self.files.intern(&asset.src);
            self.push_source(Source { file, sha256: asset.sha256 });
        }
        self.table.spec_sources.push(self.numbers.iter().copied());
        let (names, values) = (&mut self.parameter_names, &mut self.values);
        let parameters = spec.all_parameters();
        self.table
            .spec_parameters
            .push(parameters.into_iter().map(|(name, value)| (names.intern(name), values.intern(value))));
        #[expect(clippy::cast_possible_truncation, reason = "seconds need no more digits")]
        self.table.timeouts.push(spec.timeout as f32);
        if let Some(mask) = &spec.mask {
            self.table.masks.insert(place, mask.clone());
        }
        for dependency in &spec.dependencies {
            self.edges.push((place, self.names.intern(&dependency.id)));
        }
    }

    /// The keywords of the spec at this place, each once.
    fn push_keywords(&mut self, place: u32, spec: &Spec, implicit: [&str; 3]) {
        self.numbers.clear();
        for keyword in spec.keywords.iter().map(String::as_str).chain(implicit) {
            let keyword = self.keywords.intern(&lower_case(keyword));
            self.numbers.push(keyword);
        }
        self.numbers.sort_unstable();
        self.numbers.dedup();
        self.has_keyword.extend(self.numbers.iter().map(|keyword| (*keyword, place)));
    }

    fn push_source(&mut self, source: Source) {
        let next = number(self.table.sources.len());
        let place = *self.sources.entry(source).or_insert(next);
        if place == next {
            self.table.sources.push(source);
        }
        self.numbers.push(place);
    }

    /// The table of what was added.
    #[must_use]
    pub fn finish(self) -> Table {
        let mut table = self.table;
        table.ids.shrink();
        table.views.shrink();
        table.by_id = sorted_by_id(&table.ids);
        // The pairs stand in the order of the specs, and so do those of each keyword.
        table.keyword_specs = Lists::grouped(self.keywords.len(), &self.has_keyword);
        drop(self.has_keyword);
        let kept = |mut texts: Interner| {
            texts.shrink();
            Arc::new(texts)
        };
        table.keywords = kept(self.keywords);
        table.owners = kept(self.owners);
        table.files = kept(self.files);
        table.paths = kept(self.paths);
        table.parameter_names = kept(self.parameter_names);
        table.parameter_values = Arc::new(self.values);
        for lists in [&mut table.spec_owners, &mut table.spec_paths, &mut table.spec_sources] {
            lists.shrink();
        }
        table.spec_parameters.shrink();
        let names = self.names;
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

/// Values of parameters, each once.
#[derive(Clone, Debug, Default)]
pub(in crate::domain::selection) struct Values {
    all: Vec<Json>,
    /// Their JSON texts, which they are found by; but a text stands there as it is behind one quotation mark.
    written: Interner,
    /// What a value is written to.
    scratch: String,
}

impl Values {
    /// The value of this number.
    pub(in crate::domain::selection) fn get(&self, number: u32) -> Option<&Json> {
        self.all.get(number as usize)
    }

    /// The number of a value, which gets one unless it has one.
    pub(super) fn intern(&mut self, value: &Json) -> u32 {
        write(value, &mut self.scratch);
        let place = self.written.intern(&self.scratch);
        if place as usize == self.all.len() {
            self.all.push(value.clone());
        }
        place
    }

    /// The number of a value of others, if it has one here.
    pub(super) fn number_of(&self, others: &Self, of: u32) -> Option<u32> {
        self.written.number(others.written.get(of))
    }

    /// The values, by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Json> {
        self.all.iter()
    }

    /// How many bytes they take, but for what is nested in them.
    pub(super) fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<Json>() + self.written.bytes()
    }
}

fn write(value: &Json, to: &mut String) {
    to.clear();
    if let Json::String(text) = value {
        to.push('"');
        to.push_str(text);
    } else {
        // A `String` takes everything.
        let _ = write!(to, "{value}");
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
