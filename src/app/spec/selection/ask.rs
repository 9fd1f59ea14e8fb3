//! What selections tell: which specs are in them, why the others are not, and how they differ.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::spec::selection::{Made, no_such};
use crate::app::spec::{Specs, find, index};
use crate::app::{AppError, Result, blocking};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::snapshot::{Difference, Snapshot, compare as compare_sides};
use crate::store;
use crate::store::Conn;
use crate::store::page::Pages;
use crate::store::selection::{Member, Selection as Stored};

/// How many reasons a report has at most.
const MAX_GROUPS: i64 = 1_000;

/// How many rows are read at once.
const STRETCH: u32 = 5_000;

/// The selection of a tag.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(specs: &Specs, tag: &str) -> Result<Made> {
    let mut db = specs.db.read().await?;
    read(&mut db.conn(), tag).await
}

/// The selection of a tag, as a connection sees it.
pub(super) async fn read(conn: &mut Conn<'_>, tag: &str) -> Result<Made> {
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

/// The ids that are selected under a tag; none under a tag that is not there.
///
/// # Errors
/// If the database fails.
pub async fn selected_ids(specs: &Specs, tag: &str) -> Result<BTreeSet<String>> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut pages = Pages::of(STRETCH);
    let mut ids = BTreeSet::new();
    while let Some(page) = pages.next() {
        let found = store::selection::selected(conn, tag, page).await?;
        ids.extend(pages.turn(found, String::clone));
    }
    Ok(ids)
}

async fn masked_ids(specs: &Specs, tag: &str) -> Result<BTreeMap<String, String>> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut pages = Pages::of(STRETCH);
    let mut masked = BTreeMap::new();
    while let Some(page) = pages.next() {
        let found = store::selection::masked(conn, tag, None, page).await?;
        let rows = pages.turn(found, |row| row.spec_id.clone());
        masked.extend(rows.into_iter().map(|row| (row.spec_id.clone(), sentence(&row))));
    }
    Ok(masked)
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
    let masked = masked_ids(specs, tag).await?;
    let rules = selection.rules.0.iter().chain(&selection.hook_rules.0);
    Ok(Snapshot::new(selection.spec_set_id, masked, rules, selection.created_at.to_rfc3339()))
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
pub(super) struct Side {
    selected: BTreeSet<String>,
    masked: BTreeMap<String, String>,
}

impl Side {
    pub(super) async fn of(specs: &Specs, tag: &str) -> Result<Self> {
        Ok(Self { selected: selected_ids(specs, tag).await?, masked: masked_ids(specs, tag).await? })
    }

    /// What differs from this side to a later one.
    pub(super) async fn until(self, now: Self) -> Result<Difference> {
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
