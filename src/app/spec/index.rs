//! The specs as a table in memory: loaded from the database once, kept up with what is written, and answered from.
//!
//! A process keeps the table of the revision that it was last asked for. It is never wrong: which revision is the latest is
//! read from the database for each question. A later one is made of the table before and of what was written since, by
//! whatever process. Whoever still asks an older table keeps it.

use std::sync::Arc;

use crate::app::shelf::Kept;
use crate::app::spec::Specs;
use crate::app::{Result, blocking};
use crate::domain::selection::table::{Builder, Table};
use crate::domain::spec::Spec;
use crate::store;
use crate::store::Conn;
use crate::store::page::Pages;
use crate::store::spec::State;

/// How many specs are read at once.
const STRETCH: u32 = 2_000;

/// All specs as they stand now, by id, and at which revision.
///
/// # Errors
/// If the database fails.
pub async fn latest(specs: &Specs) -> Result<Kept<Table>> {
    // Most questions find the table here, and need no transaction to know it.
    {
        let mut db = specs.db.read().await?;
        let revision = store::spec::state(&mut db.conn()).await?.revision;
        if let Some(table) = specs.shelf.get(revision) {
            return Ok((revision, table));
        }
    }
    let _turn = specs.shelf.turn().await;
    let mut snapshot = specs.db.snapshot().await?;
    let conn = &mut snapshot.conn();
    let state = store::spec::state(conn).await?;
    if let Some(table) = specs.shelf.get(state.revision) {
        return Ok((state.revision, table));
    }
    let kept = match specs.shelf.newest() {
        Some(before) => with_changes(conn, before, state).await?,
        None => None,
    };
    let table = Arc::new(match kept {
        Some(table) => table,
        None => anew(conn).await?,
    });
    specs.shelf.keep(state.revision, &table);
    Ok((state.revision, table))
}

/// The table of all specs.
async fn anew(conn: &mut Conn<'_>) -> Result<Table> {
    let mut builder = Builder::default();
    let mut pages = Pages::of(STRETCH);
    while let Some(page) = pages.next() {
        let found = store::spec::list(conn, page).await?;
        let rows = pages.turn(found, |row| row.id.clone());
        builder = pushed(builder, rows.into_iter().map(|row| (row.document.0, row.updated_at)).collect()).await?;
    }
    blocking(move || Ok(builder.finish())).await
}

/// The table before with what was written since; `None` where making it anew is less, or where that alone is sure to be
/// right.
async fn with_changes(conn: &mut Conn<'_>, (since, before): Kept<Table>, now: State) -> Result<Option<Table>> {
    // A database that was put back to what it was has forgotten what the table knows.
    if since > now.revision {
        return Ok(None);
    }
    let mut builder = Builder::default();
    let mut changed = 0_u32;
    let mut pages = Pages::of(STRETCH);
    while let Some(page) = pages.next() {
        let found = store::spec::changed_since(conn, since, page).await?;
        let rows = pages.turn(found, |row| (row.revision, row.id.clone()));
        changed = changed.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        if !before.can_take(changed) {
            return Ok(None);
        }
        builder = pushed(builder, rows.into_iter().map(|row| (row.document.0, row.updated_at)).collect()).await?;
    }
    let table = blocking(move || Ok(before.with(&builder.finish()))).await?;
    // Nothing removes specs; where somebody did it by hand, the table before has too many.
    Ok((i64::from(table.len()) == now.specs).then_some(table))
}

async fn pushed(mut builder: Builder, specs: Vec<(Spec, chrono::DateTime<chrono::Utc>)>) -> Result<Builder> {
    blocking(move || {
        for (spec, changed_at) in &specs {
            builder.push(spec, Some(*changed_at));
        }
        Ok(builder)
    })
    .await
}
