//! The catalogue as a whole.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::catalogue::check_revision;
use crate::domain::catalogue::item::ItemKind;
use crate::http::body;
use crate::http::catalogue::revision;
use crate::http::params::Params;
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::store;
use crate::store::catalogue::State as Stand;

/// How the catalogue stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Catalogue)]
pub struct CatalogueView {
    /// The latest revision; 0 before the first change.
    #[schema(example = 42)]
    revision: i64,
    /// Whether it may be changed.
    modifiable: bool,
    /// Why it may not be changed.
    reason: Option<String>,
    /// How many items there are of each kind.
    counts: Counts,
}

/// How many items there are of each kind.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = CatalogueCounts)]
pub struct Counts {
    tests: i64,
    resources: i64,
    /// Suites with explicit members.
    suites: i64,
    directories: i64,
    expectations: i64,
    /// Classes that were registered.
    classes: i64,
}

impl CatalogueView {
    fn new(stand: Stand, counts: Vec<(ItemKind, i64)>) -> Self {
        let mut by_kind = Counts::default();
        for (kind, count) in counts {
            *match kind {
                ItemKind::Test => &mut by_kind.tests,
                ItemKind::Resource => &mut by_kind.resources,
                ItemKind::Suite => &mut by_kind.suites,
                ItemKind::Directory => &mut by_kind.directories,
                ItemKind::Expectation => &mut by_kind.expectations,
                ItemKind::Class => &mut by_kind.classes,
            } = count;
        }
        Self {
            revision: stand.revision,
            modifiable: stand.read_only_reason.is_none(),
            reason: stand.read_only_reason,
            counts: by_kind,
        }
    }
}

/// Shows how the catalogue stands
#[utoipa::path(
    get, path = "/api/v1/catalog", tag = "catalog",
    params(("revision" = Option<i64>, Query, description = "Count as of this revision; now where it is left out")),
    responses(
        (status = 200, description = "The catalogue", body = CatalogueView),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There has been no such revision", body = ProblemBody),
    )
)]
pub(crate) async fn get_catalogue(State(app): State<App>, params: Params) -> Result<Json<CatalogueView>> {
    let as_of = revision(&params.only(&["revision"])?)?;
    let mut db = app.read().await?;
    let mut stand = store::catalogue::state(&mut db.conn()).await?;
    check_revision(&stand, as_of)?;
    let counts = store::catalogue_item::counts(&mut db.conn(), as_of).await?;
    stand.revision = as_of.unwrap_or(stand.revision);
    Ok(Json(CatalogueView::new(stand, counts)))
}

/// Whether the catalogue may be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogueFreeze)]
pub struct Freeze {
    /// Whether it may be changed.
    #[schema(example = false)]
    modifiable: bool,
    /// Why it may not: every writer who is refused is told.
    #[schema(example = "frozen for the release of 6.12; ask kim@example.org")]
    reason: Option<String>,
}

/// The most letters of a reason.
const MAX_REASON: usize = 1_000;

/// Makes the catalogue read-only for a reason, or lets it be changed again
#[utoipa::path(
    patch, path = "/api/v1/catalog", tag = "catalog",
    request_body = Freeze,
    responses(
        (status = 200, description = "How it stands now", body = CatalogueView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Read-only without a reason", body = ProblemBody),
    )
)]
pub(crate) async fn freeze_catalogue(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CatalogueView>> {
    let asked: Freeze = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let reason = asked.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let invalid = |words: &str| Err(Problem::new(Code::Invalid, words));
    match (asked.modifiable, reason) {
        (false, None) => {
            return invalid("`reason`: say why it may not be changed: every writer who is refused is told");
        }
        (true, Some(_)) => return invalid("`reason`: leave it out where the catalogue may be changed"),
        (false, Some(reason)) if reason.chars().count() > MAX_REASON || reason.contains('\0') => {
            return invalid("`reason`: want at most 1000 letters, and no NUL");
        }
        _ => {}
    }
    let stand = app.catalogue.set_read_only(reason).await?;
    let mut db = app.read().await?;
    let counts = store::catalogue_item::counts(&mut db.conn(), None).await?;
    Ok(Json(CatalogueView::new(stand, counts)))
}
