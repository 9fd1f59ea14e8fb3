//! Selections: which specs are selected under a tag, why the others are not, and what that was worked out from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tokio::runtime::Handle;

use crate::app::catalogue::{Catalogue, attachment};
use crate::app::spec::{Specs, find, index, result};
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::catalogue::document::Fault;
use crate::domain::selection::facts::{Contents, Facts, History, SourceFile};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Past, Rule, Test};
use crate::domain::selection::runtime::Strategy;
use crate::domain::selection::selector::{SelectError, Selection, Selector, select};
use crate::domain::selection::snapshot::{Difference, Snapshot, compare as compare_sides};
use crate::domain::selection::table::Table;
use crate::domain::spec_result::status::Category;
use crate::store;
use crate::store::Conn;
use crate::store::page::Stretch;
use crate::store::selection::{Member, NewMask, NewMember, NewSelection, Reported, Selection as Stored};

/// The name that stands for all specs, under which nothing can be stored.
pub const ALL: &str = ":all:";

/// The longest tag, in characters.
pub const MAX_TAG: usize = 200;

/// The most rules of a selection.
pub const MAX_RULES: usize = 1_000;

/// The most bytes that metadata take as JSON.
const MAX_METADATA: usize = 65_536;

/// How many reasons a report has at most.
const MAX_GROUPS: i64 = 1_000;

/// How many rows are read at once.
const STRETCH: u32 = 5_000;

/// What a selection is made of.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Rules, asked of all specs.
    Rules(Vec<Rule>),
    /// Whole ids or beginnings of ids. None removes the selection.
    Ids(Vec<String>),
    /// Whole ids, however short, of specs that need not be stored. None removes the selection.
    WholeIds(BTreeSet<String>),
    /// A snapshot: what it has masked is left out, and nothing else. With `anyway` of other specs than it was taken of.
    Snapshot {
        /// The snapshot.
        snapshot: Snapshot,
        /// Whether it is applied although it was taken of other specs.
        anyway: bool,
    },
}

/// A selection as it stands, with the largest groups of what it leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The selection.
    pub selection: Stored,
    /// How many specs are left out for which reason, the largest groups first.
    pub report: Vec<Reported>,
}

/// Selects and stores under a tag what was selected and why not the others, over what was stored there. When it was made is
/// told by the service, so that a `created_on` in the metadata does not count.
///
/// # Errors
/// [`AppError::Faults`] for a tag that is none and for rules that are none, with pointers; [`AppError::Conflict`] if a spec
/// depends on one that is not stored, cannot be compared or read, or a snapshot was taken of other specs.
pub async fn put(
    specs: &Specs,
    tag: &str,
    wanted: Wanted,
    mut metadata: Map<String, Json>,
    by: Option<String>,
) -> Result<Option<Made>> {
    check_tag(tag)?;
    metadata.remove("created_on");
    check_metadata(&metadata)?;
    let now = specs.now();
    let (revision, table) = index::latest(specs).await?;
    let new = |rules: &[Rule]| NewSelection {
        tag: tag.to_owned(),
        now,
        created_by: by.clone(),
        spec_set_revision: revision,
        spec_set_id: table.spec_set_id().to_string(),
        rules: rules.iter().filter_map(|rule| serde_json::to_value(rule).ok()).collect(),
        metadata: metadata.clone(),
    };
    match wanted {
        Wanted::Ids(texts) => {
            let ids = find::resolve_many(specs, &texts).await?;
            if !store_ids(specs, &new(&[]), &ids).await? {
                return Ok(None);
            }
        }
        Wanted::WholeIds(ids) => {
            if !store_ids(specs, &new(&[]), &ids).await? {
                return Ok(None);
            }
        }
        Wanted::Rules(rules) => {
            check_rules(&rules)?;
            let facts = Gathered::for_rules(specs, &table, &rules).await?;
            let chosen = chosen(Arc::clone(&table), rules.clone(), facts).await?;
            chosen.store(specs, &new(&rules), &table).await?;
        }
        Wanted::Snapshot { snapshot, anyway } => {
            if !anyway && !snapshot.is_compatible_with(&table) {
                return Err(AppError::Conflict(
                    "the snapshot was taken of other specs than there are now: apply it anyway, or select anew"
                        .to_owned(),
                ));
            }
            let rules = snapshot.rules().map_err(|error| AppError::Invalid(error.to_string()))?;
            let of = Arc::clone(&table);
            let chosen = blocking(move || {
                let mut selector = Selector::new(&of);
                snapshot.apply(&of, &mut selector);
                Ok(Chosen::of(&selector.finish()))
            })
            .await?;
            chosen.store(specs, &new(&rules), &table).await?;
        }
    }
    get(specs, tag).await.map(Some)
}

/// What came of selecting, without the table.
struct Chosen {
    reasons: Vec<Json>,
    /// For each spec the place of its reason and of what has left it out.
    masks: Vec<(u32, Option<usize>, Option<u32>)>,
}

impl Chosen {
    fn of(selection: &Selection<'_>) -> Self {
        let mut reasons = Vec::new();
        let mut places: std::collections::HashMap<&Reason, usize> = std::collections::HashMap::new();
        let mut mask = |spec: u32| {
            let reason = selection.reason(spec).map(|reason| {
                *places.entry(reason).or_insert_with(|| {
                    reasons.push(serde_json::to_value(reason).unwrap_or_default());
                    reasons.len() - 1
                })
            });
            (spec, reason, selection.cause(spec))
        };
        let masks = selection.table().by_id().iter().map(|spec| mask(*spec)).collect();
        Self { reasons, masks }
    }

    async fn store(&self, specs: &Specs, new: &NewSelection, table: &Table) -> Result<()> {
        let member = |(spec, reason, cause): &(u32, Option<usize>, Option<u32>)| NewMember {
            spec_id: table.id(*spec),
            mask: reason
                .and_then(|place| self.reasons.get(place))
                .map(|reason| NewMask { reason, cause_id: cause.map(|cause| table.id(cause)) }),
        };
        let members: Vec<NewMember<'_>> = self.masks.iter().map(member).collect();
        store_members(specs, new, &members).await
    }
}

/// Stores a selection of these specs; of none removes it, and tells so.
async fn store_ids(specs: &Specs, new: &NewSelection, ids: &BTreeSet<String>) -> Result<bool> {
    if ids.is_empty() {
        delete(specs, &new.tag).await?;
        return Ok(false);
    }
    let members: Vec<NewMember<'_>> = ids.iter().map(|id| NewMember { spec_id: id, mask: None }).collect();
    store_members(specs, new, &members).await?;
    Ok(true)
}

async fn store_members(specs: &Specs, new: &NewSelection, members: &[NewMember<'_>]) -> Result<()> {
    let mut tx = specs.db.begin().await?;
    store::selection::put(&mut tx.conn(), new, members).await?;
    tx.commit().await?;
    Ok(())
}

/// What rules ask for beside the specs.
struct Gathered {
    history: Vec<History>,
    contents: StoredContents,
}

impl Gathered {
    async fn for_rules(specs: &Specs, table: &Table, rules: &[Rule]) -> Result<Self> {
        let wants =
            |past: Past| rules.iter().any(|rule| matches!(&rule.test, Test::History { want, .. } if *want == past));
        let asks = |rule: &Rule| matches!(rule.test, Test::History { .. } | Test::Budget { .. });
        let history = if rules.iter().any(asks) {
            result::histories(specs, table, wants(Past::Flaky)).await?
        } else {
            Vec::new()
        };
        Ok(Self { history, contents: StoredContents { catalogue: specs.catalogue.clone(), handle: Handle::current() } })
    }
}

/// The contents of files, as far as somebody has brought them here.
struct StoredContents {
    catalogue: Catalogue,
    handle: Handle,
}

impl Contents for StoredContents {
    fn read(&self, file: &SourceFile) -> Result<Option<Vec<u8>>, String> {
        let Some(sha256) = file.sha256 else { return Ok(None) };
        match self.handle.block_on(attachment::give_out_whole(&self.catalogue, sha256)) {
            Ok(content) => Ok(Some(content)),
            Err(AppError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

async fn chosen(table: Arc<Table>, rules: Vec<Rule>, gathered: Gathered) -> Result<Chosen> {
    blocking(move || {
        let facts = Facts { contents: &gathered.contents, history: &gathered.history };
        select(&table, &rules, &facts).map(|selection| Chosen::of(&selection)).map_err(|error| refused(&error))
    })
    .await
}

fn refused(error: &SelectError) -> AppError {
    let pointer = match error {
        SelectError::Syntax { rule, .. } | SelectError::BadRegex { rule, .. } => format!("/rules/{rule}"),
        SelectError::Type { .. }
        | SelectError::SlowRegex { .. }
        | SelectError::Unreadable { .. }
        | SelectError::MissingDependency { .. } => return AppError::Conflict(error.to_string()),
    };
    AppError::Faults { what: "the rules".to_owned(), faults: vec![Fault { pointer, detail: error.to_string() }] }
}

pub(super) fn check_tag(tag: &str) -> Result<()> {
    let wrong = if tag == ALL {
        "it stands for all specs: take another name"
    } else if tag.is_empty() {
        "want a name"
    } else if tag.chars().count() > MAX_TAG {
        "want at most 200 characters"
    } else if tag.chars().any(char::is_control) {
        "want no control characters"
    } else if matches!(tag, "." | "..") {
        // Whoever reads an address takes them for directories, percent-encoded too.
        "it cannot stand in an address: take another name"
    } else {
        return Ok(());
    };
    let faults = vec![Fault { pointer: "/tag".to_owned(), detail: wrong.to_owned() }];
    Err(AppError::Faults { what: format!("the tag `{}`", cut(tag, 80)), faults })
}

pub(super) fn check_metadata(metadata: &Map<String, Json>) -> Result<()> {
    let wrong = if metadata.contains_key("tag") {
        "`tag` is told by the service"
    } else if serde_json::to_vec(metadata).map_or(0, |text| text.len()) > MAX_METADATA {
        "want at most 64 KiB"
    } else {
        return Ok(());
    };
    let faults = vec![Fault { pointer: "/metadata".to_owned(), detail: wrong.to_owned() }];
    Err(AppError::Faults { what: "the metadata".to_owned(), faults })
}

/// Reads every expression, so that one which no spec is left for is refused as well.
fn check_rules(rules: &[Rule]) -> Result<()> {
    if rules.len() > MAX_RULES {
        return Err(AppError::Invalid(format!("want at most {MAX_RULES} rules, not {}", rules.len())));
    }
    let faults: Vec<Fault> = rules
        .iter()
        .enumerate()
        .flat_map(|(place, rule)| {
            let fault =
                move |(below, detail): (String, String)| Fault { pointer: format!("/rules/{place}{below}"), detail };
            rule.faults().into_iter().map(fault)
        })
        .collect();
    AppError::refuse("the rules", faults)
}

fn no_such(tag: &str) -> AppError {
    AppError::NotFound { what: "selection", id: cut(tag, 80) }
}

/// The selection of a tag.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(specs: &Specs, tag: &str) -> Result<Made> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let selection = stored(conn, tag).await?;
    let report = store::selection::report(conn, tag, MAX_GROUPS).await?;
    Ok(Made { selection, report })
}

/// The selection of a tag, without its report.
async fn stored(conn: &mut Conn<'_>, tag: &str) -> Result<Stored> {
    // No tag has a NUL, and PostgreSQL takes none in a question either.
    let found = if tag.contains('\0') { None } else { store::selection::get(conn, tag).await? };
    found.ok_or_else(|| no_such(tag))
}

/// Makes sure that there is a selection of this tag.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn must_be(specs: &Specs, tag: &str) -> Result<()> {
    let mut db = specs.db.read().await?;
    stored(&mut db.conn(), tag).await.map(drop)
}

/// Calls a selection otherwise.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if there is one of the new name; [`AppError::Faults`] if that is no name.
pub async fn rename(specs: &Specs, from: &str, to: &str) -> Result<()> {
    check_tag(to)?;
    let mut tx = specs.db.begin().await?;
    let renamed = store::selection::rename(&mut tx.conn(), from, to).await.map_err(|error| match error {
        store::Error::Conflict(_) => AppError::Conflict(format!("there is a selection `{}` already", cut(to, 80))),
        other => AppError::Store(other),
    })?;
    if !renamed {
        return Err(no_such(from));
    }
    tx.commit().await?;
    Ok(())
}

/// Removes a selection; tells whether there was one.
///
/// # Errors
/// If the database fails.
pub async fn delete(specs: &Specs, tag: &str) -> Result<bool> {
    let mut tx = specs.db.begin().await?;
    let deleted = store::selection::delete(&mut tx.conn(), tag).await?;
    tx.commit().await?;
    Ok(deleted)
}

/// The ids that are selected under a tag; none under a tag that is not there.
///
/// # Errors
/// If the database fails.
pub async fn selected_ids(specs: &Specs, tag: &str) -> Result<BTreeSet<String>> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut page = Stretch { limit: STRETCH, after: None };
    let mut ids = BTreeSet::new();
    loop {
        let (rows, more) = store::selection::selected(conn, tag, &page).await?;
        page.after = rows.last().cloned();
        ids.extend(rows);
        if !more {
            return Ok(ids);
        }
    }
}

async fn masked_ids(specs: &Specs, tag: &str) -> Result<BTreeMap<String, String>> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut page = Stretch { limit: STRETCH, after: None };
    let mut masked = BTreeMap::new();
    loop {
        let (rows, more) = store::selection::masked(conn, tag, None, &page).await?;
        page.after = rows.last().map(|row| row.spec_id.clone());
        masked.extend(rows.into_iter().map(|row| (row.spec_id.clone(), sentence(&row))));
        if !more {
            return Ok(masked);
        }
    }
}

/// Why a member is left out, for people; empty if it is not.
#[must_use]
pub fn sentence(member: &Member) -> String {
    match member.reason.as_ref().map(|reason| serde_json::from_value::<Reason>(reason.0.clone())) {
        Some(Ok(reason)) => reason.to_string(),
        // Of a reason that this version does not know, the bare words.
        Some(Err(_)) => member.reason.as_ref().map(|reason| reason.0.to_string()).unwrap_or_default(),
        None => String::new(),
    }
}

/// Why a spec is left out of a selection, or that it is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The spec's id.
    pub spec_id: String,
    /// In one sentence.
    pub sentence: String,
    /// The spec, what it depends on that has left it out, and so on down to one that has a reason of its own. Empty if it
    /// is selected.
    pub chain: Vec<Member>,
}

/// Why a spec, given by the beginning of its id, is left out.
///
/// # Errors
/// [`AppError::NotFound`] for the tag, or a spec that was not looked at; otherwise as [`find::resolve`].
pub async fn why(specs: &Specs, tag: &str, text: &str) -> Result<Why> {
    /// How far a chain is followed.
    const MAX_CHAIN: usize = 10_000;
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    stored(conn, tag).await?;
    let id = find::resolve_in(conn, text).await??;
    let first = store::selection::member(conn, tag, &id).await?;
    let first = first.ok_or_else(|| AppError::NotFound { what: "spec in the selection", id: id.clone() })?;
    let mut chain = Vec::new();
    let mut next = first.reason.is_some().then_some(first);
    while let Some(member) = next.take() {
        if let Some(cause) = member.cause_id.as_deref().filter(|_| chain.len() < MAX_CHAIN) {
            next = store::selection::member(conn, tag, cause).await?;
        }
        chain.push(member);
    }
    let sentence = match chain.as_slice() {
        [] => format!("{id} is selected"),
        [own] => format!("{id} is left out: {}", sentence(own)),
        [_, .., last] => {
            let way: Vec<&str> = chain.iter().skip(1).map(|member| member.spec_id.as_str()).collect();
            let through = if way.len() > 1 { format!(" (through {} others)", way.len() - 1) } else { String::new() };
            format!("{id} is left out: it depends on {}{through}, which is left out: {}", last.spec_id, sentence(last))
        }
    };
    Ok(Why { spec_id: id, sentence, chain })
}

/// A selection as Canary writes one down.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn snapshot(specs: &Specs, tag: &str) -> Result<Snapshot> {
    let Made { selection, .. } = get(specs, tag).await?;
    Ok(Snapshot {
        spec_set_id: selection.spec_set_id,
        masked: masked_ids(specs, tag).await?,
        rules: selection.rules.0.iter().map(ToString::to_string).collect(),
        created_on: selection.created_at.to_rfc3339(),
    })
}

/// Whether a selection is of the specs that there are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whether it was made of specs with the ids that there are now.
    pub is_current: bool,
    /// The revision of the specs that it was made of.
    pub spec_set_revision: i64,
    /// The revision of the specs now.
    pub latest_revision: i64,
}

/// Tells whether a selection is of the specs that there are now.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn check(specs: &Specs, tag: &str) -> Result<Checked> {
    let selection = {
        let mut db = specs.db.read().await?;
        stored(&mut db.conn(), tag).await?
    };
    let (latest_revision, table) = index::latest(specs).await?;
    let is_current = selection.spec_set_id == table.spec_set_id().to_string();
    Ok(Checked { is_current, spec_set_revision: selection.spec_set_revision, latest_revision })
}

/// A selection as far as it is compared.
struct Side {
    selected: BTreeSet<String>,
    masked: BTreeMap<String, String>,
}

impl Side {
    async fn of(specs: &Specs, tag: &str) -> Result<Self> {
        Ok(Self { selected: selected_ids(specs, tag).await?, masked: masked_ids(specs, tag).await? })
    }

    /// What differs from this side to a later one.
    async fn until(self, now: Self) -> Result<Difference> {
        blocking(move || Ok(compare_sides((&self.selected, &self.masked), (&now.selected, &now.masked)))).await
    }
}

/// What entered and what left between two selections, and why.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn compare(specs: &Specs, before: &str, now: &str) -> Result<Difference> {
    for tag in [now, before] {
        must_be(specs, tag).await?;
    }
    Side::of(specs, before).await?.until(Side::of(specs, now).await?).await
}

/// Selects anew by the rules of a selection, and tells what that changed.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if it has no rules that could be asked; otherwise as [`put`].
pub async fn refresh(specs: &Specs, tag: &str, by: Option<String>) -> Result<(Made, Difference)> {
    let Made { selection, .. } = get(specs, tag).await?;
    let read = |rule: &Json| serde_json::from_value::<Rule>(rule.clone());
    let rules: Vec<Rule> = selection
        .rules
        .0
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| AppError::Conflict(format!("its rules cannot be read any more: {error}")))?;
    if rules.is_empty() {
        return Err(AppError::Conflict("it was made without rules: there is nothing to ask anew".to_owned()));
    }
    let before = Side::of(specs, tag).await?;
    let made = put(specs, tag, Wanted::Rules(rules), selection.metadata.0, by).await?.ok_or_else(|| no_such(tag))?;
    let difference = before.until(Side::of(specs, tag).await?).await?;
    Ok((made, difference))
}

/// What to run again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rerun {
    /// The specs to run: those asked for, and all that depends on them.
    pub run: BTreeSet<String>,
    /// What those depend on beside: only its earlier results are needed.
    pub upstream_only: BTreeSet<String>,
}

/// The specs that a strategy picks, of all or of those that are selected under a tag: of none if there is no such tag.
///
/// # Errors
/// If the database fails.
pub async fn rerun_roots(specs: &Specs, strategy: &Strategy, tag: Option<&str>) -> Result<BTreeSet<String>> {
    let (_, table) = index::latest(specs).await?;
    let partials = result::partials_of(specs, &table, tag).await?;
    let category = |partial: &result::Partial| partial.newest.as_ref().map(|newest| newest.category);
    let is_changed = |partial: &result::Partial| match (&partial.newest, table.place(&partial.id)) {
        (Some(newest), Some(place)) => result::is_changed_since(&table, place, newest),
        _ => true,
    };
    let picks = |partial: &result::Partial| match strategy {
        Strategy::All => true,
        Strategy::Failed => category(partial) == Some(Category::Fail),
        Strategy::NotPass => category(partial) != Some(Category::Pass),
        Strategy::NotRun => matches!(category(partial), None | Some(Category::None)),
        Strategy::Changed => is_changed(partial),
        Strategy::Ids(ids) => ids.contains(&partial.id),
    };
    Ok(partials.into_iter().filter(picks).map(|partial| partial.id).collect())
}

/// What running these specs again takes. Nothing for nothing.
///
/// # Errors
/// [`AppError::NotFound`] for the first that is not stored.
pub async fn rerun(specs: &Specs, roots: &BTreeSet<String>) -> Result<Rerun> {
    let (_, table) = index::latest(specs).await?;
    if let Some(unknown) = roots.iter().find(|id| table.place(id).is_none()) {
        return Err(AppError::NotFound { what: "spec", id: cut(unknown, 80) });
    }
    let find::Closure { upstream, downstream } = find::closure_in(&table, roots, find::Way::UpDown);
    let run: BTreeSet<String> = roots.iter().cloned().chain(downstream).collect();
    let upstream_only = upstream.into_iter().filter(|id| !run.contains(id)).collect();
    Ok(Rerun { run, upstream_only })
}
