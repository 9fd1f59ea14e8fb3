//! Finding specs, and who depends on whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::spec::{Specs, index, selection};
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::fault::Fault;
use crate::domain::glob::Glob;
use crate::domain::graph::NodeSet;
use crate::domain::selection::table::Table;
use crate::domain::spec::Spec;
use crate::domain::spec::prefix::Prefix;
use crate::store;
use crate::store::Conn;
use crate::store::page::Stretch;
use crate::store::spec::Stored;

/// From how many digits on an id is taken for whole: it is not looked up, and stands for nothing if there is no such spec.
pub const WHOLE_ID: usize = 64;

/// The most ids, patterns or seeds of a question.
pub const MAX_ASKED: usize = 100_000;

/// Why a beginning of an id stands for no spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// It is no beginning of an id.
    #[error("`{0}` is no beginning of an id: want hexadecimal digits")]
    Invalid(String),
    /// No spec begins so.
    #[error("there is no spec whose id begins with `{0}`")]
    NotFound(String),
    /// Several do.
    #[error("several specs have ids that begin with `{text}`, {first} and {second} among them: give more digits")]
    Ambiguous {
        /// What was given.
        text: String,
        /// One of them.
        first: String,
        /// Another.
        second: String,
    },
}

impl From<Unresolved> for AppError {
    fn from(error: Unresolved) -> Self {
        match error {
            Unresolved::Invalid(_) => Self::Invalid(error.to_string()),
            Unresolved::NotFound(id) => Self::NotFound { what: "spec", id },
            Unresolved::Ambiguous { .. } => Self::Conflict(error.to_string()),
        }
    }
}

/// The id that a beginning of one stands for; a whole one for itself.
///
/// # Errors
/// In the inner result, [`Unresolved`].
pub async fn resolve_in(conn: &mut Conn<'_>, text: &str) -> Result<Result<String, Unresolved>> {
    let told = || cut(text, 80);
    let Ok(prefix) = Prefix::parse(text) else { return Ok(Err(Unresolved::Invalid(told()))) };
    let mut found = store::spec::with_prefix(conn, &prefix, 2).await?.into_iter();
    Ok(match (found.next(), found.next()) {
        (None, _) => Err(Unresolved::NotFound(told())),
        (Some(id), None) => Ok(id),
        // A whole id that others begin with.
        (Some(id), Some(_)) if id == prefix.as_str() => Ok(id),
        (Some(first), Some(second)) => Err(Unresolved::Ambiguous { text: told(), first, second }),
    })
}

/// The id that a beginning of one stands for.
///
/// # Errors
/// [`AppError::NotFound`] if no spec begins so; [`AppError::Conflict`] that names two if several do;
/// [`AppError::Invalid`] if it is no beginning of an id.
pub async fn resolve(specs: &Specs, text: &str) -> Result<String> {
    let mut db = specs.db.read().await?;
    Ok(resolve_in(&mut db.conn(), text).await??)
}

/// The ids that these texts stand for, each once, in order. A text of [`WHOLE_ID`] digits and more stands for itself, stored
/// or not, also behind a `/` and in capitals.
///
/// # Errors
/// [`AppError::Faults`] with a pointer `/ids/N` for each that stands for none.
pub async fn resolve_many(specs: &Specs, texts: &[String]) -> Result<BTreeSet<String>> {
    if texts.len() > MAX_ASKED {
        return Err(AppError::Invalid(format!("want at most {MAX_ASKED} ids, not {}: ask several times", texts.len())));
    }
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut ids = BTreeSet::new();
    let mut faults = Vec::new();
    for (place, text) in texts.iter().enumerate() {
        if let Ok(whole) = Prefix::parse(text)
            && whole.as_str().len() >= WHOLE_ID
        {
            ids.insert(whole.as_str().to_owned());
            continue;
        }
        match resolve_in(conn, text).await? {
            Ok(id) => drop(ids.insert(id)),
            Err(error) => faults.push(Fault::new(format!("/ids/{place}"), error.to_string())),
        }
    }
    AppError::refuse("the ids", faults).map(|()| ids)
}

/// The spec whose id begins so.
///
/// # Errors
/// As [`resolve`].
pub async fn get(specs: &Specs, text: &str) -> Result<Stored> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let id = resolve_in(conn, text).await??;
    let found = store::spec::get(conn, &id).await?;
    found.ok_or(AppError::NotFound { what: "spec", id })
}

/// Specs by the beginnings of their ids, by id; without any asked for, all. With `upstream` all that they depend on too.
///
/// # Errors
/// As [`resolve_many`].
pub async fn load(specs: &Specs, texts: &[String], upstream: bool) -> Result<Vec<Spec>> {
    let ids: Vec<String> = if texts.is_empty() {
        let (_, table) = index::latest(specs).await?;
        table.by_id().iter().map(|spec| table.id(*spec).to_owned()).collect()
    } else {
        let mut ids = resolve_many(specs, texts).await?;
        if upstream {
            let (_, table) = index::latest(specs).await?;
            let seeds = ids.iter().filter_map(|id| table.place(id)).collect::<Vec<u32>>();
            ids.extend(named(&table, &table.graph().upstream(seeds)));
        }
        ids.into_iter().collect()
    };
    let mut db = specs.db.read().await?;
    let mut found = store::spec::get_many(&mut db.conn(), &ids).await?;
    found.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    Ok(found.into_iter().map(|stored| stored.document.0).collect())
}

/// Which specs a listing is of: those that are meant by all that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only these: whole ids or beginnings of ids. Without any, all.
    pub ids: Vec<String>,
    /// Only those that are selected under this tag.
    pub tag: Option<String>,
    /// And all that those depend on.
    pub upstream: bool,
}

/// A page of the ids of the stored specs that are wanted, in order; the flag tells whether there are more.
///
/// # Errors
/// As [`resolve_many`]; [`AppError::NotFound`] for the tag.
pub async fn page(specs: &Specs, wanted: &Wanted, page: &Stretch<String>) -> Result<(Vec<String>, bool)> {
    let (_, table) = index::latest(specs).await?;
    page_of(specs, &table, wanted, page).await
}

/// As [`page`], of the specs of this table.
pub(super) async fn page_of(
    specs: &Specs,
    table: &Table,
    wanted: &Wanted,
    page: &Stretch<String>,
) -> Result<(Vec<String>, bool)> {
    let by_id = table.by_id();
    if wanted.ids.is_empty() && wanted.tag.is_none() {
        let after = page.after.as_deref();
        let from = after.map_or(0, |after| by_id.partition_point(|spec| table.id(*spec) <= after));
        return Ok(page.of(by_id.iter().skip(from).map(|spec| table.id(*spec).to_owned())));
    }
    let mut ids = match &wanted.tag {
        None => resolve_many(specs, &wanted.ids).await?,
        Some(tag) => {
            selection::must_be(specs, tag).await?;
            let selected = selection::selected_ids(specs, tag).await?;
            match wanted.ids.as_slice() {
                [] => selected,
                texts => resolve_many(specs, texts).await?.intersection(&selected).cloned().collect(),
            }
        }
    };
    let mut wanted_specs: Vec<u32> = ids.iter().filter_map(|id| table.place(id)).collect();
    if wanted.upstream {
        ids.extend(named(table, &table.graph().upstream(wanted_specs.iter().copied())));
        wanted_specs = ids.iter().filter_map(|id| table.place(id)).collect();
    }
    let ids = wanted_specs.into_iter().map(|spec| table.id(spec).to_owned());
    Ok(page.of(ids.filter(|id| page.after.as_ref().is_none_or(|after| id > after))))
}

/// The ids of stored specs in a set, in order.
fn named(table: &Table, set: &NodeSet) -> BTreeSet<String> {
    set.iter().filter(|node| *node < table.len()).map(|node| table.id(node).to_owned()).collect()
}

/// What specs depend on and what depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// What is depended on, through however many others.
    pub upstream: BTreeSet<String>,
    /// What depends, through however many others.
    pub downstream: BTreeSet<String>,
}

/// Which way to go from the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To what they depend on.
    Up,
    /// To what depends on them.
    Down,
    /// To what depends on them, and to all that those and the seeds depend on: what running the seeds again concerns.
    UpDown,
}

/// What the specs of these whole ids lead to. A seed is in it only where it is reached from one. Ids that are not there
/// lead to nothing.
///
/// # Errors
/// If the database fails.
pub async fn closure(specs: &Specs, seeds: &[String], way: Way) -> Result<Closure> {
    let (_, table) = index::latest(specs).await?;
    Ok(closure_in(&table, seeds, way))
}

/// As [`closure`], in this table.
pub(super) fn closure_in<'i>(table: &Table, seeds: impl IntoIterator<Item = &'i String>, way: Way) -> Closure {
    let names = table.unknown();
    let place = |id: &String| table.place(id).or_else(|| names.get(id.as_str()).copied());
    let seeds: Vec<u32> = seeds.into_iter().filter_map(place).collect();
    let graph = table.graph();
    let nothing = NodeSet::default;
    let (up, down) = match way {
        Way::Up => (graph.upstream(seeds), nothing()),
        Way::Down => (nothing(), graph.downstream(seeds)),
        Way::UpDown => graph.up_down(seeds),
    };
    let of = |set: &NodeSet| set.iter().map(|node| table.id_or_unknown(node).to_owned()).collect();
    Closure { upstream: of(&up), downstream: of(&down) }
}

/// Every spec with what it depends on, in the order in which it says so; also what is not there.
///
/// # Errors
/// If the database fails.
pub async fn graph(specs: &Specs) -> Result<BTreeMap<String, Vec<String>>> {
    let (_, table) = index::latest(specs).await?;
    Ok((0..table.len()).map(|spec| (table.id(spec).to_owned(), dependencies(&table, spec))).collect())
}

/// The ids of what the spec at this place depends on, in the order in which it says so.
fn dependencies(table: &Table, spec: u32) -> Vec<String> {
    table.graph().dependencies(spec).iter().map(|node| table.id_or_unknown(*node).to_owned()).collect()
}

/// A page of [`graph`], by spec; the flag tells whether there are more.
///
/// # Errors
/// If the database fails.
pub async fn graph_page(specs: &Specs, of: &Stretch<String>) -> Result<(Vec<(String, Vec<String>)>, bool)> {
    let (_, table) = index::latest(specs).await?;
    let (ids, more) = page_of(specs, &table, &Wanted::default(), of).await?;
    let with_dependencies = |id: String| {
        let on = table.place(&id).map(|spec| dependencies(&table, spec)).unwrap_or_default();
        (id, on)
    };
    Ok((ids.into_iter().map(with_dependencies).collect(), more))
}

/// A pattern for views.
#[derive(Clone, Debug)]
pub enum ViewPattern {
    /// As Canary has them: `%` at the end makes it a pattern in which `%` is any text and `_` any character, with capitals
    /// and small letters of ASCII the same; any other text is a whole view.
    Canary(String),
    /// A shell glob.
    Glob(String),
}

impl ViewPattern {
    fn compiled(&self) -> Compiled {
        match self {
            Self::Glob(text) => Compiled::Glob(Glob::new(text)),
            Self::Canary(text) if text.ends_with('%') => Compiled::Folded(Glob::new(&glob_of_like(text))),
            Self::Canary(text) => Compiled::Whole(text.clone()),
        }
    }
}

enum Compiled {
    Whole(String),
    Glob(Glob),
    Folded(Glob),
}

impl Compiled {
    fn matches(&self, view: &str) -> bool {
        match self {
            Self::Whole(text) => text == view,
            Self::Glob(glob) => glob.matches(view),
            Self::Folded(glob) => glob.matches(&view.to_ascii_lowercase()),
        }
    }
}

/// A pattern with `%` and `_` as a shell glob over small letters.
fn glob_of_like(text: &str) -> String {
    let mut glob = String::new();
    for c in text.to_ascii_lowercase().chars() {
        match c {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '[' => glob.extend(['[', c, ']']),
            other => glob.push(other),
        }
    }
    glob
}

/// The ids of the specs whose view matches one of the patterns, in order.
///
/// # Errors
/// [`AppError::Invalid`] for too many patterns.
pub async fn by_view(specs: &Specs, patterns: &[ViewPattern]) -> Result<BTreeSet<String>> {
    const MAX_PATTERNS: usize = 1_000;
    if patterns.len() > MAX_PATTERNS {
        return Err(AppError::Invalid(format!("want at most {MAX_PATTERNS} patterns, not {}", patterns.len())));
    }
    let (_, table) = index::latest(specs).await?;
    let compiled: Vec<Compiled> = patterns.iter().map(ViewPattern::compiled).collect();
    blocking(move || {
        let matches = |spec: &u32| compiled.iter().any(|pattern| pattern.matches(table.view(*spec)));
        Ok((0..table.len()).filter(matches).map(|spec| table.id(spec).to_owned()).collect())
    })
    .await
}
