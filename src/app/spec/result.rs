//! What came of specs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::app::spec::find::Unresolved;
use crate::app::spec::{Specs, find, index};
use crate::app::{App, AppError, MAX_FAULTS, Result, Write, Written};
use crate::domain::selection::facts::History;
use crate::domain::selection::table::Table;
use crate::domain::spec_result::result::SpecResult;
use crate::domain::spec_result::status::Category;
use crate::ids::SpecResultId;
use crate::store;
use crate::store::page::{Pages, Stretch};
use crate::store::spec_result::{Recorded, Standing, Stored};

/// The most results of a batch.
pub const MAX_RESULTS: usize = 10_000;

/// How many rows are read at once.
const STRETCH: u32 = 2_000;

/// Reads results from documents. One without an id gets one, so that only who states ids can safely repeat.
///
/// # Errors
/// [`AppError::Faults`] with pointers into the list; [`AppError::Invalid`] for too many.
pub fn read(documents: &[Json], now: chrono::DateTime<chrono::Utc>) -> Result<Vec<SpecResult>> {
    if documents.len() > MAX_RESULTS {
        let words =
            format!("want at most {MAX_RESULTS} results, not {}: send them in several requests", documents.len());
        return Err(AppError::Invalid(words));
    }
    let mut faults = Vec::new();
    let mut results = Vec::with_capacity(documents.len());
    for (place, document) in documents.iter().enumerate() {
        match SpecResult::read(document, Some(&SpecResultId::new(now).to_string())) {
            Ok(result) => results.push(result),
            Err(wrong) => faults.extend(wrong.into_iter().map(|fault| fault.below(&format!("/{place}")))),
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    faults.truncate(MAX_FAULTS);
    AppError::refuse("the results", faults).map(|()| results)
}

/// Records results together with whatever others have to write; they are durable when this returns. The specs need not be
/// stored. Tells of each, in their order, what became of it.
///
/// # Errors
/// As [`Writer::write`](crate::app::Writer::write).
pub async fn record(app: &App, results: Vec<SpecResult>) -> Result<Vec<Recorded>> {
    if results.is_empty() {
        return Ok(Vec::new());
    }
    match app.writer.write(Write::SpecResults(results, app.now())).await? {
        Written::SpecResults(recorded) => Ok(recorded),
        _ => Err(AppError::Unavailable("the writer answered something else".to_owned())),
    }
}

/// The newest result of each spec that has one, by spec: of the specs whose ids begin so, or of all. With `upstream` also of
/// what those depend on. The newest is that of the greatest session, as text.
///
/// # Errors
/// As [`find::resolve_many`].
pub async fn newest(specs: &Specs, texts: &[String], upstream: bool) -> Result<Vec<Stored>> {
    if texts.is_empty() {
        return newest_of_all(specs).await;
    }
    let ids: Vec<String> = asked_for(specs, texts, upstream).await?.into_iter().collect();
    let mut db = specs.db.read().await?;
    Ok(store::spec_result::newest(&mut db.conn(), &ids).await?)
}

/// The ids that are asked for, with `upstream` also of all that those depend on, stored or not.
async fn asked_for(specs: &Specs, texts: &[String], upstream: bool) -> Result<BTreeSet<String>> {
    let mut ids = find::resolve_many(specs, texts).await?;
    if upstream {
        let (_, table) = index::latest(specs).await?;
        ids.extend(find::closure_in(&table, &ids, find::Way::Up).upstream);
    }
    Ok(ids)
}

async fn newest_of_all(specs: &Specs) -> Result<Vec<Stored>> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut pages = Pages::of(STRETCH);
    let mut all = Vec::new();
    while let Some(page) = pages.next() {
        let found = store::spec_result::newest_all(conn, page).await?;
        all.extend(pages.turn(found, |row| row.result.spec_id.clone()));
    }
    Ok(all)
}

/// A page of [`newest`], by spec, and what the next page continues after. Of the specs that are asked for, those of a page
/// may have fewer results than the page takes.
///
/// # Errors
/// As [`newest`].
pub async fn newest_page(
    specs: &Specs,
    texts: &[String],
    upstream: bool,
    page: &Stretch<String>,
) -> Result<(Vec<Stored>, Option<String>)> {
    if texts.is_empty() {
        let mut db = specs.db.read().await?;
        let (rows, more) = store::spec_result::newest_all(&mut db.conn(), page).await?;
        let next = rows.last().filter(|_| more).map(|row| row.result.spec_id.clone());
        return Ok((rows, next));
    }
    let ids = asked_for(specs, texts, upstream).await?.into_iter();
    let (ids, more) = page.of(ids.filter(|id| page.after.as_ref().is_none_or(|after| id > after)));
    let mut db = specs.db.read().await?;
    let rows = store::spec_result::newest(&mut db.conn(), &ids).await?;
    Ok((rows, ids.last().filter(|_| more).cloned()))
}

/// A page of the live results of a spec, by session, which is what the next page continues after; the flag tells whether
/// there are more. Results may be of a spec that is not stored: its whole id finds them.
///
/// # Errors
/// As [`find::resolve`], unless there are results of a spec with exactly this id.
pub async fn history(specs: &Specs, text: &str, page: &Stretch<String>) -> Result<(Vec<Stored>, bool)> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let (id, unresolved) = match find::resolve_in(conn, text).await? {
        Ok(id) => (id, None),
        Err(error @ Unresolved::Ambiguous { .. }) => return Err(error.into()),
        // No result's spec has a NUL in its id, and PostgreSQL takes none in a question either.
        Err(error) if text.contains('\0') => return Err(error.into()),
        Err(error) => (text.to_owned(), Some(error)),
    };
    let after = page.after.as_ref().map(|session| (session.clone(), id.clone()));
    let found = store::spec_result::history(conn, &[id.as_str()], &Stretch { limit: page.limit, after }).await?;
    match unresolved {
        Some(error) if found.0.is_empty() && page.after.is_none() => Err(error.into()),
        _ => Ok(found),
    }
}

/// What came of a spec, as far as a list of specs tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The spec's id.
    pub id: String,
    /// Its view.
    pub view: String,
    /// Its file's whole path.
    pub file: String,
    /// The newest result, if there is one.
    pub newest: Option<Standing>,
}

/// Every stored spec, or every one that is selected under a tag, by id, with its newest result. The tag
/// [`ALL`](super::selection::ALL) stands for all.
///
/// # Errors
/// If the database fails. Under a tag that is not there nothing is selected.
pub async fn partials(specs: &Specs, tag: Option<&str>) -> Result<Vec<Partial>> {
    let (_, table) = index::latest(specs).await?;
    partials_of(specs, &table, tag).await
}

/// As [`partials`], of the specs of this table.
pub(super) async fn partials_of(specs: &Specs, table: &Table, tag: Option<&str>) -> Result<Vec<Partial>> {
    let mut standing: BTreeMap<String, Standing> = standings(specs).await?;
    let chosen = match tag.filter(|tag| *tag != super::selection::ALL) {
        Some(tag) => Some(super::selection::selected_ids(specs, tag).await?),
        None => None,
    };
    let is_chosen = |spec: &u32| chosen.as_ref().is_none_or(|chosen| chosen.contains(table.id(*spec)));
    let partial = |spec: u32| Partial {
        id: table.id(spec).to_owned(),
        view: table.view(spec).to_owned(),
        file: table.file(spec).to_owned(),
        newest: standing.remove(table.id(spec)),
    };
    Ok(table.by_id().iter().copied().filter(is_chosen).map(partial).collect())
}

/// A page of [`partials`], by spec; the flag tells whether there are more.
///
/// # Errors
/// [`AppError::NotFound`] for the tag.
pub async fn partials_page(specs: &Specs, tag: Option<&str>, page: &Stretch<String>) -> Result<(Vec<Partial>, bool)> {
    let wanted = find::Wanted { tag: tag.map(str::to_owned), ..find::Wanted::default() };
    let (_, table) = index::latest(specs).await?;
    let (ids, more) = find::page_of(specs, &table, &wanted, page).await?;
    let mut db = specs.db.read().await?;
    let newest = store::spec_result::newest(&mut db.conn(), &ids).await?;
    let mut newest: BTreeMap<String, Standing> =
        newest.into_iter().map(|stored| (stored.result.spec_id.clone(), standing(stored))).collect();
    let partial = |id: String| {
        let spec = table.place(&id)?;
        let (view, file) = (table.view(spec).to_owned(), table.file(spec).to_owned());
        Some(Partial { newest: newest.remove(&id), id, view, file })
    };
    Ok((ids.into_iter().filter_map(partial).collect(), more))
}

fn standing(stored: Stored) -> Standing {
    let Stored { number, result, .. } = stored;
    Standing {
        number,
        state: result.status.state(),
        category: result.status.category(),
        status: result.status.status(),
        spec_id: result.spec_id,
        session: result.session,
        started_at: result.started_at,
        finished_at: result.finished_at,
    }
}

/// The newest result of every spec that has one.
pub(super) async fn standings(specs: &Specs) -> Result<BTreeMap<String, Standing>> {
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut pages = Pages::of(STRETCH);
    let mut all = BTreeMap::new();
    while let Some(page) = pages.next() {
        let found = store::spec_result::standings(conn, page).await?;
        let rows = pages.turn(found, |row| row.spec_id.clone());
        all.extend(rows.into_iter().map(|row| (row.spec_id.clone(), row)));
    }
    Ok(all)
}

/// Whether the spec at this place was written after what came of it: that is about the spec as it stood when it was started.
/// What says no time is about none.
pub(super) fn is_changed_since(table: &Table, place: u32, standing: &Standing) -> bool {
    let ran_at = standing.started_at.or(standing.finished_at);
    ran_at.is_none_or(|ran_at| table.changed_at(place).is_some_and(|changed_at| changed_at > ran_at))
}

/// What came of each spec of a table before, as rules ask for it. `with_recent` reads every result that there is, to tell
/// which of the latest ones passed.
pub(super) async fn histories(specs: &Specs, table: &Table, with_recent: bool) -> Result<Vec<History>> {
    let mut histories = vec![History::default(); table.len() as usize];
    for (id, standing) in standings(specs).await? {
        let Some(place) = table.place(&id) else { continue };
        let Some(history) = histories.get_mut(place as usize) else { continue };
        history.newest = Some((standing.category, standing.status));
        history.seconds = standing.started_at.zip(standing.finished_at).map(|(start, end)| seconds(end - start));
        history.changed_since = is_changed_since(table, place, &standing);
    }
    if with_recent {
        let mut db = specs.db.read().await?;
        let conn = &mut db.conn();
        let mut pages = Pages::of(STRETCH);
        while let Some(page) = pages.next() {
            let found = store::spec_result::standings_after(conn, page).await?;
            for row in pages.turn(found, |row| row.number) {
                let place = table.place(&row.spec_id);
                if let Some(history) = place.and_then(|place| histories.get_mut(place as usize)) {
                    history.passes = history.passes << 1 | u64::from(row.category == Category::Pass);
                    history.failures = history.failures << 1 | u64::from(row.category == Category::Fail);
                }
            }
        }
    }
    Ok(histories)
}

#[expect(clippy::cast_precision_loss, reason = "a duration that long is no duration")]
fn seconds(span: chrono::TimeDelta) -> f32 {
    span.num_milliseconds().max(0) as f32 / 1_000.0
}
