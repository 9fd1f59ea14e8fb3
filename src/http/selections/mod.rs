//! Selections over HTTP: which specs are selected under a tag, and why the others are not.

pub mod changes;
pub mod hooks;
pub mod members;
pub mod put;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::spec::hook::Hook;
use crate::app::spec::selection::{self, Made, Put};
use crate::app::{App, AppError, cut};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::snapshot::Snapshot;
use crate::http::condition::{etag, only_if, unchanged};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::selections::hooks::{HookView, WarningView};
use crate::http::specs::schema::{ReasonDocument, RuleDocument};
use crate::store;
use crate::store::selection::{Reported, Selection};

/// A selection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Selection)]
pub struct SelectionView {
    /// What it is called.
    #[schema(example = "nightly")]
    tag: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// The name of the token that made it, where one was asked for.
    #[schema(example = "ci")]
    created_by: Option<String>,
    /// The revision of the specs that it was made of.
    #[schema(example = 42)]
    spec_set_revision: i64,
    /// The digest of the ids of the specs that it was made of.
    #[schema(example = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945")]
    spec_set_id: String,
    /// The rules, in their order; none of a selection that was made of ids.
    #[schema(value_type = Vec<RuleDocument>)]
    rules: Vec<Value>,
    /// What else whoever made it keeps with it.
    metadata: Map<String, Value>,
    /// How many specs are selected.
    #[schema(example = 120)]
    selected: i64,
    /// How many are left out.
    #[schema(example = 30)]
    masked: i64,
    /// The revision of the selection: it grows with each that is stored, whatever its tag. Its `ETag` is made of it.
    #[schema(example = 7)]
    revision: i64,
    /// Who is asked while specs are selected, in their order.
    hooks: Vec<HookView>,
    /// The rules that hooks added when it was made.
    #[schema(value_type = Vec<RuleDocument>)]
    hook_rules: Vec<Value>,
}

impl From<Selection> for SelectionView {
    fn from(selection: Selection) -> Self {
        let hooks = selection.hooks.0.into_iter().filter_map(|hook| serde_json::from_value::<Hook>(hook).ok());
        Self {
            hooks: hooks.map(HookView::from).collect(),
            hook_rules: selection.hook_rules.0,
            revision: selection.revision,
            tag: selection.tag,
            created_at: selection.created_at,
            created_by: selection.created_by,
            spec_set_revision: selection.spec_set_revision,
            spec_set_id: selection.spec_set_id,
            rules: selection.rules.0,
            metadata: selection.metadata.0,
            selected: selection.selected,
            masked: selection.masked,
        }
    }
}

/// How many specs are left out for a reason.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionGroup)]
pub struct GroupView {
    /// How many.
    #[schema(example = 30)]
    specs: i64,
    /// The reason.
    #[schema(value_type = ReasonDocument)]
    reason: Value,
    /// The same in words.
    #[schema(example = "the keyword expression `fast and not gpu` does not hold of it")]
    sentence: String,
}

impl From<Reported> for GroupView {
    fn from(reported: Reported) -> Self {
        let reason = reported.reason.0;
        Self { specs: reported.specs, sentence: in_words(&reason), reason }
    }
}

/// A reason in words; one that this version does not know as it stands.
fn in_words(reason: &Value) -> String {
    Reason::deserialize(reason).map_or_else(|_| reason.to_string(), |known| known.to_string())
}

/// A selection, with how many specs it leaves out for which reason.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionWithReport)]
pub struct MadeView {
    #[serde(flatten)]
    selection: SelectionView,
    /// How many specs are left out for which reason, the largest groups first; at most 1000.
    report: Vec<GroupView>,
    /// The hooks that failed when it was made, in the answer to that alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningView>,
}

impl From<Made> for MadeView {
    fn from(made: Made) -> Self {
        let report = made.report.into_iter().map(GroupView::from).collect();
        Self { selection: made.selection.into(), report, warnings: Vec::new() }
    }
}

impl From<Put> for MadeView {
    fn from(put: Put) -> Self {
        Self { warnings: put.warnings.into_iter().map(WarningView::from).collect(), ..put.made.into() }
    }
}

/// A snapshot: a selection as Canary writes one down.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionSnapshot)]
pub struct SnapshotView {
    /// The digest of the ids of the specs that it was made of.
    #[schema(example = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945")]
    spec_set_id: String,
    /// What is left out: ids, each with the reason in words.
    masked: std::collections::BTreeMap<String, String>,
    /// The rules, each a JSON document as text: one of these, or Canary's `{"module", "classname", "params"}`.
    rules: Vec<String>,
    /// When it was taken.
    #[schema(example = "2026-01-02T03:04:05+00:00")]
    created_on: String,
}

impl From<Snapshot> for SnapshotView {
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot { spec_set_id, masked, rules, created_on } = snapshot;
        Self { spec_set_id, masked, rules, created_on }
    }
}

/// Lists selections, by tag
#[utoipa::path(
    get, path = "/api/v1/selections", tag = "selections",
    params(
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of selections", body = Listing<SelectionView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_selections(State(app): State<App>, params: Params) -> Result<Json<Listing<SelectionView>>> {
    let page = params.only(&[])?.stretch()?;
    let mut db = app.read().await?;
    let found = store::selection::list(&mut db.conn(), &page).await?;
    Ok(Json(Listing::of(found, |selection| selection.tag.clone(), SelectionView::from)))
}

/// Shows a selection
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}", tag = "selections",
    params(
        ("tag" = String, Path, example = "nightly"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The selection", body = MadeView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn get_selection(
    State(app): State<App>,
    Path(tag): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let made = selection::get(&app.specs, &tag).await?;
    let etag = etag(made.selection.revision);
    if let Some(response) = unchanged(&headers, &etag) {
        return Ok(response);
    }
    Ok(([(header::ETAG, etag)], Json(MadeView::from(made))).into_response())
}

/// Removes a selection
#[utoipa::path(
    delete, path = "/api/v1/selections/{tag}", tag = "selections",
    params(
        ("tag" = String, Path, example = "nightly"),
        ("if-match" = Option<String>, Header, description = "The ETag that it was read with: only if it is still that version"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A header is malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
        (status = 412, description = "It is another version by now", body = ProblemBody),
    )
)]
pub(crate) async fn delete_selection(
    State(app): State<App>,
    Path(tag): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    if selection::delete(&app.specs, &tag, only_if(&headers)?).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(AppError::NotFound { what: "selection", id: cut(&tag, 80) }.into())
}

/// What a selection is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SelectionRename)]
pub struct AskedRename {
    /// The new tag: any text of 1 to 200 characters.
    #[schema(example = "weekly")]
    tag: String,
}

/// Calls a selection otherwise
#[utoipa::path(
    post, path = "/api/v1/selections/{tag}/rename", tag = "selections",
    request_body = AskedRename,
    params(
        ("tag" = String, Path, example = "nightly"),
        ("if-match" = Option<String>, Header, description = "The ETag that it was read with: only if it is still that version"),
    ),
    responses(
        (status = 200, description = "It is called so now", body = MadeView, headers(
            ("etag" = String, description = "Names the version"), ("location" = String, description = "Where it is now"))),
        (status = 400, description = "Not JSON; a header is malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
        (status = 409, description = "There is one of the new tag", body = ProblemBody),
        (status = 412, description = "It is another version by now", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "The new tag is none", body = ProblemBody),
    )
)]
pub(crate) async fn rename_selection(
    State(app): State<App>,
    Path(tag): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let only_if = only_if(&headers)?;
    let asked: AskedRename = crate::http::body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let made = selection::rename(&app.specs, &tag, &asked.tag, only_if).await?;
    let headers = [(header::ETAG, etag(made.selection.revision))];
    Ok((headers, [(header::LOCATION, selection::path(&asked.tag))], Json(MadeView::from(made))).into_response())
}
