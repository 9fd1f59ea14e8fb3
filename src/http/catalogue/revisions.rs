//! How the catalogue changed.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::domain::catalogue::item::ItemKind;
use crate::http::builds::{missing, read_id};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::store;
use crate::store::catalogue::{ItemChange, Revision};
use crate::store::page::Stretch;

/// A change of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueRevision)]
pub struct RevisionView {
    /// Its number.
    #[schema(example = 42)]
    revision: i64,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// The name of the token that made it, where one was asked for.
    #[schema(example = "ci")]
    author: Option<String>,
    /// What it is for, in the words of who made it.
    #[schema(example = "import of the 2026 test plan")]
    message: Option<String>,
}

impl From<Revision> for RevisionView {
    fn from(revision: Revision) -> Self {
        Self {
            revision: revision.revision,
            created_at: revision.created_at,
            author: revision.author,
            message: revision.message,
        }
    }
}

/// What a revision did to an item.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// There was none of this name.
    Created,
    /// There was another.
    Replaced,
    /// It is gone.
    Removed,
}

/// What a revision did to one item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueChange)]
pub struct ChangeView {
    /// The revision.
    #[schema(example = 42)]
    revision: i64,
    /// The item's kind.
    kind: ItemKind,
    /// The item's label, or the name of a class.
    #[schema(example = "net.dns.lookup")]
    name: String,
    /// What was done.
    did: Did,
}

impl From<ItemChange> for ChangeView {
    fn from(change: ItemChange) -> Self {
        let did = match (change.was_there, change.is_there) {
            (false, _) => Did::Created,
            (true, true) => Did::Replaced,
            (true, false) => Did::Removed,
        };
        Self { revision: change.revision, kind: change.kind, name: change.name, did }
    }
}

/// A place in the feed of changes, as a cursor: `42.test.net.dns.lookup`.
#[derive(Debug)]
struct Place(i64, ItemKind, String);

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '.');
        let place = (|| {
            let revision = parts.next()?.parse().ok()?;
            Some(Self(revision, parts.next()?.parse().ok()?, parts.next()?.to_owned()))
        })();
        place.ok_or("it is no cursor of this feed")
    }
}

/// Lists what changed, newest first
#[utoipa::path(
    get, path = "/api/v1/catalog/revisions", tag = "catalog",
    params(
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of revisions", body = Listing<RevisionView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_revisions(State(app): State<App>, params: Params) -> Result<Json<Listing<RevisionView>>> {
    let page = params.only(&[])?.stretch()?;
    let mut db = app.read().await?;
    let found = store::catalogue::revisions(&mut db.conn(), &page).await?;
    Ok(Json(Listing::of(found, |revision| revision.revision.to_string(), RevisionView::from)))
}

/// Shows a revision
#[utoipa::path(
    get, path = "/api/v1/catalog/revisions/{revision}", tag = "catalog",
    params(("revision" = i64, Path)),
    responses(
        (status = 200, description = "The revision; `GET /api/v1/catalog/changes` tells what it did", body = RevisionView),
        (status = 404, description = "There has been no such revision", body = ProblemBody),
    )
)]
pub(crate) async fn get_revision(State(app): State<App>, Path(revision): Path<String>) -> Result<Json<RevisionView>> {
    let number: i64 = read_id("catalogue revision", &revision)?;
    let mut db = app.read().await?;
    let found = store::catalogue::revision(&mut db.conn(), number).await?;
    Ok(Json(found.ok_or_else(|| missing("catalogue revision", number))?.into()))
}

/// Tells what changed, item by item, oldest first
///
/// The feed of changes: give `since` once, then follow `next_cursor`. Where it is absent everything has been told; ask
/// again with the last revision seen as `since`.
#[utoipa::path(
    get, path = "/api/v1/catalog/changes", tag = "catalog",
    params(
        ("since" = Option<i64>, Query, description = "Only what happened after this revision; all of it where it is left out"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of changes", body = Listing<ChangeView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_changes(State(app): State<App>, params: Params) -> Result<Json<Listing<ChangeView>>> {
    let params = params.only(&["since"])?;
    let since: i64 = params.one("since")?.unwrap_or(0);
    let Stretch { limit, after } = params.stretch::<Place>()?;
    let page = Stretch { limit, after: after.map(|Place(revision, kind, name)| (revision, kind, name)) };
    let mut db = app.read().await?;
    let found = store::catalogue::changes(&mut db.conn(), since, &page).await?;
    let cursor = |change: &ItemChange| format!("{}.{}.{}", change.revision, change.kind, change.name);
    Ok(Json(Listing::of(found, cursor, ChangeView::from)))
}
