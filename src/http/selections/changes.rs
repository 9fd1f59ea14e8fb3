//! Selections in time: written down, checked, made anew, compared.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::spec::selection::{self, Checked};
use crate::domain::selection::snapshot::Difference;
use crate::http::catalogue::Author;
use crate::http::condition::{etag, only_if};
use crate::http::params::{Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::selections::{MadeView, SnapshotView};

/// Writes a selection down as Canary does
///
/// It can be put back, here and elsewhere, as `snapshot`.
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}/snapshot", tag = "selections",
    params(("tag" = String, Path, example = "nightly")),
    responses(
        (status = 200, description = "The snapshot", body = SnapshotView),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn get_snapshot(State(app): State<App>, Path(tag): Path<String>) -> Result<Json<SnapshotView>> {
    Ok(Json(selection::snapshot(&app.specs, &tag).await?.into()))
}

/// Whether a selection is of the specs that there are now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionCheck)]
pub struct CheckView {
    /// Whether it was made of specs with the ids that there are now.
    current: bool,
    /// The revision of the specs that it was made of.
    #[schema(example = 41)]
    spec_set_revision: i64,
    /// The revision of the specs now. It also grows where specs change and their ids do not.
    #[schema(example = 42)]
    latest_revision: i64,
}

/// Tells whether a selection is of the specs that there are now
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}/check", tag = "selections",
    params(("tag" = String, Path, example = "nightly")),
    responses(
        (status = 200, description = "Whether it is", body = CheckView),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn check_selection(State(app): State<App>, Path(tag): Path<String>) -> Result<Json<CheckView>> {
    let Checked { is_current, spec_set_revision, latest_revision } = selection::check(&app.specs, &tag).await?;
    Ok(Json(CheckView { current: is_current, spec_set_revision, latest_revision }))
}

/// A spec that is selected or left out, other than before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionChange)]
pub struct ChangeView {
    /// Its id.
    spec_id: String,
    /// Why it was left out before, or is so now.
    #[schema(example = "it was not among the specs")]
    reason: String,
}

/// A spec that is left out for another reason than before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionReasonChange)]
pub struct ReasonChangeView {
    /// Its id.
    spec_id: String,
    /// Why it was left out.
    before: String,
    /// Why it is.
    now: String,
}

/// What differs between two selections.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionDifference)]
pub struct DifferenceView {
    /// What is selected and was not, by id.
    entered: Vec<ChangeView>,
    /// What was selected and is not, by id.
    left: Vec<ChangeView>,
    /// What is left out for another reason, by id.
    reason_changed: Vec<ReasonChangeView>,
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        let Difference { entered, left, reason_changed } = difference;
        let changes = |of: Vec<(String, String)>| {
            of.into_iter().map(|(spec_id, reason)| ChangeView { spec_id, reason }).collect()
        };
        let reason_change = |(spec_id, before, now)| ReasonChangeView { spec_id, before, now };
        Self {
            entered: changes(entered),
            left: changes(left),
            reason_changed: reason_changed.into_iter().map(reason_change).collect(),
        }
    }
}

/// A selection that was made anew.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionRefreshed)]
pub struct RefreshedView {
    /// As it is now.
    selection: MadeView,
    /// What that changed.
    difference: DifferenceView,
}

/// Selects anew by a selection's rules
///
/// Its hooks are asked again.
#[utoipa::path(
    post, path = "/api/v1/selections/{tag}/refresh", tag = "selections",
    params(
        ("tag" = String, Path, example = "nightly"),
        ("if-match" = Option<String>, Header, description = "The ETag that it was read with: only if it is still that version"),
    ),
    responses(
        (status = 200, description = "The selection, and what changed", body = RefreshedView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "A header is malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
        (status = 409, description = "It was made without rules; a spec depends on one that is not stored, or cannot be compared; another took its place meanwhile", body = ProblemBody),
        (status = 412, description = "It is another version by now", body = ProblemBody),
        (status = 422, description = "A rule or a hook is none any more", body = ProblemBody),
        (status = 502, description = "A hook that is not optional failed: all stays as it was", body = ProblemBody),
    )
)]
pub(crate) async fn refresh_selection(
    State(app): State<App>,
    author: Author,
    Path(tag): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let only_if = only_if(&headers)?;
    let (put, difference) = selection::refresh(&app.specs, &tag, author.by().author, only_if).await?;
    let etag = etag(put.made.selection.revision);
    let shown = Json(RefreshedView { selection: put.into(), difference: difference.into() });
    Ok(([(header::ETAG, etag)], shown).into_response())
}

/// Tells what differs between two selections
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}/difference", tag = "selections",
    params(
        ("tag" = String, Path, description = "The later one", example = "nightly"),
        ("before" = String, Query, description = "The tag of the earlier one", example = "nightly-old"),
    ),
    responses(
        (status = 200, description = "What differs", body = DifferenceView),
        (status = 400, description = "`before` is missing; a query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn compare_selections(
    State(app): State<App>,
    Path(tag): Path<String>,
    params: Params,
) -> Result<Json<DifferenceView>> {
    let before: Option<String> = params.only(&["before"])?.one("before")?;
    let before =
        before.ok_or_else(|| Problem::new(Code::BadRequest, "want `before`, the tag of the earlier selection"))?;
    Ok(Json(selection::compare(&app.specs, &before, &tag).await?.into()))
}
