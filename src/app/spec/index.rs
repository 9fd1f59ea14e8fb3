//! The specs as a table in memory: loaded from the database once, then answered from.
//!
//! A process keeps the table of the revision that it was last asked for. It is never wrong: which revision is the latest is
//! read from the database for each question.

use std::sync::Arc;

use crate::app::spec::Specs;
use crate::app::{Result, blocking};
use crate::domain::selection::table::{Builder, Table};
use crate::store;
use crate::store::page::Stretch;

/// How many specs are read at once.
const STRETCH: u32 = 2_000;

/// All specs as they stand now, by id, and at which revision.
///
/// # Errors
/// If the database fails.
pub async fn latest(specs: &Specs) -> Result<(i64, Arc<Table>)> {
    // Most questions find the table here, and need no transaction to know it.
    {
        let mut db = specs.db.read().await?;
        let revision = store::spec::state(&mut db.conn()).await?.revision;
        if let Some(table) = specs.shelf.get(revision) {
            return Ok((revision, table));
        }
    }
    let mut snapshot = specs.db.snapshot().await?;
    let conn = &mut snapshot.conn();
    let revision = store::spec::state(conn).await?.revision;
    let mut builder = Builder::default();
    let mut page = Stretch { limit: STRETCH, after: None };
    loop {
        let (rows, more) = store::spec::list(conn, &page).await?;
        page.after = rows.last().map(|row| row.id.clone());
        builder = blocking(move || {
            for row in &rows {
                builder.push(&row.document.0, Some(row.updated_at));
            }
            Ok(builder)
        })
        .await?;
        if !more {
            break;
        }
    }
    drop(snapshot);
    let table = Arc::new(blocking(move || Ok(builder.finish())).await?);
    specs.shelf.keep(revision, &table);
    Ok((revision, table))
}
