//! A table with some specs changed, made of the table before: what did not change is copied in stretches, not read again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Source, Table};
use crate::domain::graph::{Graph, NodeSet};
use crate::domain::lists::Lists;
use crate::domain::selection::interner::Interner;
use crate::domain::selection::texts::{Texts, number};

/// Of what has no number or place.
const NONE: u32 = u32::MAX;

/// Of so many specs one may have been taken in by [`Table::with`].
const ONE_IN: u32 = 4;

impl Table {
    /// Whether taking in so many more specs is worth more than making the table anew. What no spec has any more stays in a
    /// table, and taking in costs more for each spec than making does: only a part of a table may be of changed specs.
    #[must_use]
    pub fn can_take(&self, changed: u32) -> bool {
        self.taken_in.saturating_add(changed) <= self.len() / ONE_IN
    }

    /// The table of these specs with the changed ones over those of their ids, and with the new ones. It lists the specs by
    /// their ids, whatever the order was; of two of one id the first counts. It answers as a table that is made of all these
    /// specs in that order.
    #[must_use]
    pub fn with(&self, changed: &Self) -> Self {
        let merged = Merged::new(self, changed);
        let mut table = Self {
            ids: merged.texts(|table| &table.ids),
            by_id: (0..merged.count).collect(),
            views: merged.texts(|table| &table.views),
            spec_file: Vec::new(),
            timeouts: merged.column(|table| &table.timeouts),
            changed_at: merged.column(|table| &table.changed_at),
            taken_in: self.taken_in.saturating_add(changed.len()),
            ..Self::default()
        };
        let keywords = both(&self.keywords, &changed.keywords, &mut table.keywords);
        table.keyword_specs = merged.keyword_specs(&keywords, table.keywords.len());
        let owners = both(&self.owners, &changed.owners, &mut table.owners);
        table.spec_owners = merged.lists(|table| &table.spec_owners, |owner| at(&owners, *owner));
        let files = both(&self.files, &changed.files, &mut table.files);
        table.spec_file = merged.mapped(|table| &table.spec_file, |file| at(&files, *file));
        let paths = both(&self.paths, &changed.paths, &mut table.paths);
        table.spec_paths = merged.lists(|table| &table.spec_paths, |path| at(&paths, *path));
        let sources = both_sources(self, changed, &files, &mut table.sources);
        table.spec_sources = merged.lists(|table| &table.spec_sources, |source| at(&sources, *source));
        let names = both(&self.parameter_names, &changed.parameter_names, &mut table.parameter_names);
        let values = both_values(self, changed, &mut table);
        table.spec_parameters =
            merged.lists(|table| &table.spec_parameters, |(name, value)| (at(&names, *name), at(&values, *value)));
        let masks = |old: &Self, places: &[u32]| {
            let placed = old.masks.iter().map(|(spec, mask)| (at(places, *spec), mask.clone()));
            placed.filter(|(spec, _)| *spec != NONE).collect::<Vec<(u32, String)>>()
        };
        table.masks.extend(masks(self, &merged.kept));
        table.masks.extend(masks(changed, &merged.changed));
        merged.link(&mut table);
        table
    }
}

fn at(numbers: &[u32], place: u32) -> u32 {
    numbers.get(place as usize).copied().unwrap_or(NONE)
}

/// Puts the texts of both there; answers the numbers of the changed ones'. Texts that are all known are not copied.
fn both(old: &Arc<Interner>, changed: &Interner, to: &mut Arc<Interner>) -> Vec<u32> {
    *to = Arc::clone(old);
    changed
        .iter()
        .map(|(_, text)| match to.number(text) {
            Some(number) => number,
            None => Arc::make_mut(to).intern(text),
        })
        .collect()
}

fn both_values(old: &Table, changed: &Table, to: &mut Table) -> Vec<u32> {
    to.parameter_values = Arc::clone(&old.parameter_values);
    let values = &mut to.parameter_values;
    let changed = &changed.parameter_values;
    (0..)
        .zip(changed.iter())
        .map(|(place, value)| match values.number_of(changed, place) {
            Some(number) => number,
            None => Arc::make_mut(values).intern(value),
        })
        .collect()
}

/// Puts the sources of both there, given the new numbers of the changed ones' files; answers their new numbers.
fn both_sources(old: &Table, changed: &Table, files: &[u32], to: &mut Vec<Source>) -> Vec<u32> {
    to.reserve_exact(old.sources.len().saturating_add(changed.sources.len()));
    to.extend_from_slice(&old.sources);
    let mut places: HashMap<Source, u32> = HashMap::new();
    let mut concerned = NodeSet::new(number(old.files.len() as usize + files.len()));
    for file in files {
        concerned.insert(*file);
    }
    for (place, source) in (0..).zip(&old.sources) {
        if concerned.contains(source.file) {
            places.insert(*source, place);
        }
    }
    let moved = |source: &Source| Source { file: at(files, source.file), sha256: source.sha256 };
    let mut place = |source: Source| {
        *places.entry(source).or_insert_with(|| {
            to.push(source);
            number(to.len() - 1)
        })
    };
    changed.sources.iter().map(|source| place(moved(source))).collect()
}

/// Some specs that come one after the other, here and in one of the two tables.
struct Stretch {
    is_changed: bool,
    specs: Range<u32>,
}

/// Two tables, and how their specs come one after the other.
struct Merged<'t> {
    old: &'t Table,
    new: &'t Table,
    stretches: Vec<Stretch>,
    count: u32,
    /// For each old spec its place here, unless a changed one took it.
    kept: Vec<u32>,
    /// For each old spec the place of the spec of its id.
    meant: Vec<u32>,
    /// For each changed spec its place here.
    changed: Vec<u32>,
}

impl<'t> Merged<'t> {
    fn new(old: &'t Table, new: &'t Table) -> Self {
        let mut merged = Self {
            old,
            new,
            stretches: Vec::new(),
            count: 0,
            kept: vec![NONE; old.by_id.len()],
            meant: vec![NONE; old.by_id.len()],
            changed: vec![NONE; new.by_id.len()],
        };
        let mut rest = old.by_id.as_slice();
        for spec in &new.by_id {
            let id = new.id(*spec);
            let (before, from) = rest.split_at(rest.partition_point(|old_spec| old.id(*old_spec) < id));
            merged.keep(before);
            let (same, after) = from.split_at(from.partition_point(|old_spec| old.id(*old_spec) <= id));
            rest = after;
            let place = match merged.place_of_last(id) {
                // Of two of one id the first counts.
                Some(first) => first,
                None => merged.add(true, *spec),
            };
            for old_spec in same {
                set(&mut merged.meant, *old_spec, place);
            }
        }
        merged.keep(rest);
        merged
    }

    /// The place of the last spec, if it is a changed one with this id.
    fn place_of_last(&self, id: &str) -> Option<u32> {
        let last = self.stretches.last().filter(|last| last.is_changed)?;
        (self.new.id(last.specs.end.checked_sub(1)?) == id).then(|| self.count.saturating_sub(1))
    }

    fn keep(&mut self, specs: &[u32]) {
        let mut last: Option<u32> = None;
        for spec in specs {
            let is_again = last.is_some_and(|last| self.old.id(last) == self.old.id(*spec));
            let place = if is_again { self.count.saturating_sub(1) } else { self.add(false, *spec) };
            set(&mut self.meant, *spec, place);
            last = Some(*spec);
        }
    }

    /// Adds a spec; answers its place.
    fn add(&mut self, is_changed: bool, spec: u32) -> u32 {
        let place = self.count;
        self.count = self.count.saturating_add(1);
        set(if is_changed { &mut self.changed } else { &mut self.kept }, spec, place);
        match self.stretches.last_mut().filter(|last| last.is_changed == is_changed && last.specs.end == spec) {
            Some(last) => last.specs.end = spec.saturating_add(1),
            None => self.stretches.push(Stretch { is_changed, specs: spec..spec.saturating_add(1) }),
        }
        place
    }

    fn of(&self, stretch: &Stretch) -> &'t Table {
        if stretch.is_changed { self.new } else { self.old }
    }

    fn texts(&self, of: impl Fn(&Table) -> &Texts) -> Texts {
        let mut texts = Texts::default();
        let bytes = [self.old, self.new].map(|table| of(table).total());
        texts.reserve(self.count as usize, bytes.into_iter().sum());
        for stretch in &self.stretches {
            texts.append(of(self.of(stretch)), stretch.specs.clone());
        }
        texts
    }

    fn column<T: Copy>(&self, of: impl Fn(&Table) -> &Vec<T>) -> Vec<T> {
        self.mapped(of, |value| *value)
    }

    /// A column, with other values for those of changed specs.
    fn mapped<T: Copy>(&self, of: impl Fn(&Table) -> &Vec<T>, map: impl Fn(&T) -> T) -> Vec<T> {
        let mut column = Vec::with_capacity(self.count as usize);
        for stretch in &self.stretches {
            let places = stretch.specs.start as usize..stretch.specs.end as usize;
            let values = of(self.of(stretch)).get(places).unwrap_or_default();
            if stretch.is_changed {
                column.extend(values.iter().map(&map));
            } else {
                column.extend_from_slice(values);
            }
        }
        column
    }

    /// A column of lists, with other values for those of changed specs.
    fn lists<T: Copy>(&self, of: impl Fn(&Table) -> &Lists<T>, map: impl Fn(&T) -> T) -> Lists<T> {
        let mut lists = Lists::default();
        let entries = [self.old, self.new].map(|table| of(table).total());
        lists.reserve(self.count as usize, entries.into_iter().sum());
        for stretch in &self.stretches {
            let these = of(self.of(stretch));
            if stretch.is_changed {
                stretch.specs.clone().for_each(|spec| lists.push(these.get(spec).iter().map(&map)));
            } else {
                lists.append(these, stretch.specs.clone());
            }
        }
        lists
    }

    /// For each keyword the specs that have it, given the new numbers of the changed specs' keywords.
    fn keyword_specs(&self, keywords: &[u32], count: u32) -> Lists<u32> {
        let mut of_changed = vec![NONE; count as usize];
        for (changed, keyword) in (0..).zip(keywords) {
            set(&mut of_changed, *keyword, changed);
        }
        let mut lists = Lists::default();
        let entries = self.old.keyword_specs.total().saturating_add(self.new.keyword_specs.total());
        lists.reserve(count as usize, entries);
        let mut all: Vec<u32> = Vec::new();
        for (keyword, changed) in (0..count).zip(of_changed) {
            let kept = self.old.keyword_specs.get(keyword).iter().map(|spec| at(&self.kept, *spec));
            let kept = kept.filter(|spec| *spec != NONE);
            if changed == NONE {
                lists.push(kept);
                continue;
            }
            // The changed specs stand in the order of their list, which may be any.
            let own = self.new.keyword_specs.get(changed).iter().map(|spec| at(&self.changed, *spec));
            let mut own: Vec<u32> = own.filter(|spec| *spec != NONE).collect();
            own.sort_unstable();
            let mut own = own.into_iter().peekable();
            all.clear();
            for spec in kept {
                all.extend(std::iter::from_fn(|| own.next_if(|own| *own < spec)));
                all.push(spec);
            }
            all.extend(own);
            lists.push(all.iter().copied());
        }
        lists
    }

    /// Puts in who depends on whom.
    fn link(&self, table: &mut Table) {
        let mut nodes = Nodes::new(self);
        let mut edges: Vec<(u32, u32)> =
            Vec::with_capacity(self.old.graph.edge_count().saturating_add(self.new.graph.edge_count()));
        let mut from = 0_u32;
        for stretch in &self.stretches {
            let graph = &self.of(stretch).graph;
            for spec in stretch.specs.clone() {
                for node in graph.dependencies(spec) {
                    let to = nodes.place(stretch.is_changed, *node);
                    if to >= self.count && table.missing.is_none() {
                        table.missing = Some((from, to));
                    }
                    edges.push((from, to));
                }
                from = from.saturating_add(1);
            }
        }
        table.unknown = nodes.unknown;
        table.graph = Graph::new(self.count.saturating_add(table.unknown.len()), edges.into_iter());
    }
}

/// The new places of the nodes of two graphs: of specs, and of what is depended on and not in the list. The latter get
/// theirs when they are first met, so that they stand in the order in which making the table anew meets them.
struct Nodes<'m> {
    merged: &'m Merged<'m>,
    unknown: Texts,
    /// For what neither an old spec nor a changed one was: its place, once it is met.
    old: Vec<u32>,
    changed: Vec<u32>,
    /// For each such of the changed specs the one of the old specs that has its id.
    same: Vec<u32>,
}

impl<'m> Nodes<'m> {
    fn new(merged: &'m Merged<'m>) -> Self {
        let Merged { old, new, .. } = merged;
        // What was not there may be now.
        let now = |id: &str| new.place(id).map_or(NONE, |spec| at(&merged.changed, spec));
        let before = |id: &str| old.place(id).map_or(NONE, |spec| at(&merged.meant, spec));
        let asked: HashMap<&str, u32> = new.unknown.iter().map(|(number, id)| (id, number)).collect();
        let mut same = vec![NONE; new.unknown.len() as usize];
        for (number, id) in old.unknown.iter() {
            if let Some(changed) = asked.get(id) {
                set(&mut same, *changed, number);
            }
        }
        Self {
            unknown: Texts::default(),
            old: old.unknown.iter().map(|(_, id)| now(id)).collect(),
            changed: new.unknown.iter().map(|(_, id)| before(id)).collect(),
            same,
            merged,
        }
    }

    fn place(&mut self, is_changed: bool, node: u32) -> u32 {
        let Merged { old, new, meant, changed, count, .. } = self.merged;
        let (table, specs) = if is_changed { (new, changed) } else { (old, meant) };
        let Some(unknown) = node.checked_sub(table.len()) else { return at(specs, node) };
        let (known, unknown) = match is_changed.then(|| at(&self.same, unknown)) {
            Some(same) if same != NONE => (&mut self.old, same),
            Some(_) => (&mut self.changed, unknown),
            None => (&mut self.old, unknown),
        };
        let Some(place) = known.get_mut(unknown as usize) else { return NONE };
        if *place == NONE {
            *place = count.saturating_add(self.unknown.push(table.id_or_unknown(node)));
        }
        *place
    }
}

fn set(places: &mut [u32], of: u32, place: u32) {
    if let Some(entry) = places.get_mut(of as usize) {
        *entry = place;
    }
}
