//! Selections over HTTP: which specs are selected under a tag, and why the others are not.

pub mod changes;
pub mod members;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::spec::selection::{self, Made, Wanted};
use crate::app::{App, AppError, MAX_FAULTS, cut};
use crate::domain::catalogue::document::Fault;
use crate::domain::digest::Digest;
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::Rule;
use crate::domain::selection::snapshot::Snapshot;
use crate::http::catalogue::Author;
use crate::http::condition::unchanged;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::specs::documents;
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
}

impl From<Selection> for SelectionView {
    fn from(selection: Selection) -> Self {
        Self {
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
}

impl From<Made> for MadeView {
    fn from(made: Made) -> Self {
        let report = made.report.into_iter().map(GroupView::from).collect();
        Self { selection: made.selection.into(), report }
    }
}

/// The entity tag of a selection: it changes with whatever is told of it, the time when it was made among that.
fn etag(selection: &Selection) -> HeaderValue {
    let Selection { created_at, spec_set_revision, spec_set_id, rules, metadata, selected, masked, .. } = selection;
    let told = (created_at.timestamp_micros(), spec_set_revision, spec_set_id, &rules.0, &metadata.0, selected, masked);
    let digest = Digest::of(&serde_json::to_vec(&told).unwrap_or_default()).to_string();
    HeaderValue::from_str(&format!("\"{digest}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
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

/// What a selection is to be made of: exactly one of `rules`, `ids` and `snapshot`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSelection, example = json!({
    "rules": [{"type": "keyword", "expressions": ["fast and not gpu"]}, {"type": "parameter", "expression": "np<=4"}],
    "metadata": {"ticket": "QA-7"},
}))]
pub struct AskedSelection {
    /// Rules, asked of all specs. What depends on a spec that is left out is left out too. None of them: all specs.
    #[schema(value_type = Option<Vec<RuleDocument>>)]
    rules: Option<Vec<Value>>,
    /// Whole ids or beginnings of ids: these are selected. None of them removes the selection.
    ids: Option<Vec<String>>,
    /// A snapshot: what it has masked is left out, and nothing else.
    #[schema(value_type = Option<SnapshotView>)]
    snapshot: Option<Value>,
    /// Apply the snapshot although it was taken of other specs than there are now.
    anyway: Option<bool>,
    /// What else is to be kept with it; at most 64 KiB.
    #[serde(default)]
    metadata: Map<String, Value>,
}

fn refused(faults: Vec<Fault>) -> AppError {
    AppError::Faults { what: "the selection".to_owned(), faults }
}

/// What serde says about a part of a body. It may repeat what was sent, however long that is.
fn fault(pointer: String, error: &serde_json::Error) -> Fault {
    Fault { pointer, detail: cut(&error.to_string(), 400) }
}

fn wanted(asked: AskedSelection) -> Result<(Wanted, Map<String, Value>), AppError> {
    let whole = |detail: &str| refused(vec![Fault { pointer: String::new(), detail: detail.to_owned() }]);
    if asked.anyway.is_some() && asked.snapshot.is_none() {
        return Err(whole("`anyway` goes with `snapshot`"));
    }
    let wanted = match (asked.rules, asked.ids, asked.snapshot) {
        (Some(rules), None, None) => {
            // Before each of them is read: what is wrong with so many would fill the answer.
            if rules.len() > selection::MAX_RULES {
                let detail = format!("want at most {} rules, not {}", selection::MAX_RULES, rules.len());
                return Err(refused(vec![Fault { pointer: "/rules".to_owned(), detail }]));
            }
            let (mut read, mut faults) = (Vec::with_capacity(rules.len()), Vec::new());
            for (place, rule) in rules.into_iter().enumerate() {
                match serde_json::from_value::<Rule>(rule) {
                    Ok(rule) => read.push(rule),
                    Err(error) => faults.push(fault(format!("/rules/{place}"), &error)),
                }
            }
            if !faults.is_empty() {
                faults.truncate(MAX_FAULTS);
                return Err(refused(faults));
            }
            Wanted::Rules(read)
        }
        (None, Some(ids), None) => Wanted::Ids(ids),
        (None, None, Some(snapshot)) => {
            if !snapshot.is_object() {
                let detail = "want an object".to_owned();
                return Err(refused(vec![Fault { pointer: "/snapshot".to_owned(), detail }]));
            }
            let read = serde_json::from_value::<Snapshot>(snapshot);
            let snapshot = read.map_err(|error| refused(vec![fault("/snapshot".to_owned(), &error)]))?;
            Wanted::Snapshot { snapshot, anyway: asked.anyway.unwrap_or(false) }
        }
        _ => return Err(whole("want one of `rules`, `ids` and `snapshot`")),
    };
    Ok((wanted, asked.metadata))
}

/// Selects, and stores under a tag what is selected and why not the rest
///
/// It takes the place of what stood under the tag. What is selected stays as it is when the specs change:
/// [checking](#operation/check_selection) tells, [refreshing](#operation/refresh_selection) selects anew.
#[utoipa::path(
    put, path = "/api/v1/selections/{tag}", tag = "selections",
    request_body = AskedSelection,
    params(("tag" = String, Path, description = "Any text of 1 to 200 characters, percent-encoded", example = "nightly")),
    responses(
        (status = 200, description = "It has taken the place of another", body = MadeView, headers(("etag" = String, description = "Names the version"))),
        (status = 201, description = "There was none of this tag", body = MadeView, headers(
            ("etag" = String, description = "Names the version"), ("location" = String, description = "The selection"))),
        (status = 204, description = "No ids were given: there is no selection of this tag now"),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "The path is no text", body = ProblemBody),
        (status = 409, description = "A spec depends on one that is not stored, or cannot be compared; the snapshot was taken of other specs", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn put_selection(
    State(app): State<App>,
    author: Author,
    Path(tag): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedSelection = documents::json(&app, &headers, body).await?;
    let (wanted, metadata) = documents::apart(move || Ok(wanted(asked)?)).await?;
    let is_new = matches!(selection::must_be(&app.specs, &tag).await, Err(AppError::NotFound { .. }));
    let made = selection::put(&app.specs, &tag, wanted, metadata, author.by().author).await?;
    let Some(made) = made else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let etag = etag(&made.selection);
    let shown = Json(MadeView::from(made));
    if is_new {
        let location = [(header::LOCATION, location(&tag))];
        return Ok((StatusCode::CREATED, [(header::ETAG, etag)], location, shown).into_response());
    }
    Ok(([(header::ETAG, etag)], shown).into_response())
}

/// A hexadecimal digit.
fn digit(of: u8) -> char {
    char::from_digit(of.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

/// Where a selection is.
fn location(tag: &str) -> String {
    let mut location = "/api/v1/selections/".to_owned();
    for byte in tag.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            location.push(char::from(byte));
        } else {
            location.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    location
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
    let etag = etag(&made.selection);
    if let Some(response) = unchanged(&headers, &etag) {
        return Ok(response);
    }
    Ok(([(header::ETAG, etag)], Json(MadeView::from(made))).into_response())
}

/// Removes a selection
#[utoipa::path(
    delete, path = "/api/v1/selections/{tag}", tag = "selections",
    params(("tag" = String, Path, example = "nightly")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn delete_selection(State(app): State<App>, Path(tag): Path<String>) -> Result<StatusCode> {
    selection::must_be(&app.specs, &tag).await?;
    if selection::delete(&app.specs, &tag).await? {
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
    params(("tag" = String, Path, example = "nightly")),
    responses(
        (status = 200, description = "It is called so now", body = MadeView, headers(
            ("etag" = String, description = "Names the version"), ("location" = String, description = "Where it is now"))),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
        (status = 409, description = "There is one of the new tag", body = ProblemBody),
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
    let asked: AskedRename = crate::http::body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    selection::must_be(&app.specs, &tag).await?;
    selection::rename(&app.specs, &tag, &asked.tag).await?;
    let made = selection::get(&app.specs, &asked.tag).await?;
    let headers = [(header::ETAG, etag(&made.selection))];
    Ok((headers, [(header::LOCATION, location(&asked.tag))], Json(MadeView::from(made))).into_response())
}
