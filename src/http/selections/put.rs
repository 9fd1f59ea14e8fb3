//! Making a selection: what it is to be made of, and by whom that is asked.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::spec::hook::{Hook, MAX_HOOKS};
use crate::app::spec::selection::{self, Wanted};
use crate::app::{App, AppError, MAX_FAULTS, cut};
use crate::domain::fault::Fault;
use crate::domain::selection::rule::Rule;
use crate::domain::selection::snapshot::Snapshot;
use crate::http::catalogue::Author;
use crate::http::condition::{etag, only_if};
use crate::http::params::Path;
use crate::http::problem::{ProblemBody, Result};
use crate::http::selections::hooks::HookDocument;
use crate::http::selections::{MadeView, SnapshotView};
use crate::http::specs::documents;
use crate::http::specs::schema::RuleDocument;

/// What a selection is to be made of: exactly one of `rules`, `ids` and `snapshot`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSelection, example = json!({
    "rules": [{"type": "keyword", "expressions": ["fast and not gpu"]}, {"type": "parameter", "expression": "np<=4"}],
    "metadata": {"ticket": "QA-7"},
}))]
pub struct AskedSelection {
    /// Who is to be asked, with `rules`: at most 10.
    #[schema(value_type = Option<Vec<HookDocument>>)]
    hooks: Option<Vec<Value>>,
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

/// Reads a member that is a list.
fn each<T: DeserializeOwned>(member: &str, given: Vec<Value>, most: usize) -> Result<Vec<T>, AppError> {
    // Before each of them is read: what is wrong with so many would fill the answer.
    if given.len() > most {
        let detail = format!("want at most {most} {member}, not {}", given.len());
        return Err(refused(vec![Fault { pointer: format!("/{member}"), detail }]));
    }
    let (mut read, mut faults) = (Vec::with_capacity(given.len()), Vec::new());
    for (place, one) in given.into_iter().enumerate() {
        match serde_json::from_value(one) {
            Ok(one) => read.push(one),
            Err(error) => faults.push(fault(format!("/{member}/{place}"), &error)),
        }
    }
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() { Ok(read) } else { Err(refused(faults)) }
}

fn wanted(asked: AskedSelection) -> Result<(Wanted, Map<String, Value>), AppError> {
    let whole = |detail: &str| refused(vec![Fault { pointer: String::new(), detail: detail.to_owned() }]);
    if asked.anyway.is_some() && asked.snapshot.is_none() {
        return Err(whole("`anyway` goes with `snapshot`"));
    }
    if asked.hooks.is_some() && asked.rules.is_none() {
        return Err(whole("`hooks` go with `rules`"));
    }
    let wanted = match (asked.rules, asked.ids, asked.snapshot) {
        (Some(rules), None, None) => Wanted::Rules {
            rules: each::<Rule>("rules", rules, selection::MAX_RULES)?,
            hooks: each::<Hook>("hooks", asked.hooks.unwrap_or_default(), MAX_HOOKS)?,
        },
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
///
/// Hooks are sent `{"type", "timestamp", "data"}` and answer what they want: at `selection.start`, before any rule is asked,
/// `{"rules": […], "mask": [{"id", "reason"}]}`; at `selection.modify`, after the rules, `{"mask": […], "unmask": ["id"]}`; or
/// nothing. To `selection.report`, which is sent after the selection is stored, any answer will do. One that fails keeps the
/// selection from being made, if it is not `optional`; at the end it is a warning.
#[utoipa::path(
    put, path = "/api/v1/selections/{tag}", tag = "selections",
    request_body = AskedSelection,
    params(
        ("tag" = String, Path, description = "Any text of 1 to 200 characters, percent-encoded", example = "nightly"),
        ("if-match" = Option<String>, Header, description = "The ETag that it was read with: only if it is still that version; `*`: only if there is one"),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none yet"),
    ),
    responses(
        (status = 200, description = "It has taken the place of another", body = MadeView, headers(("etag" = String, description = "Names the version"))),
        (status = 201, description = "There was none of this tag", body = MadeView, headers(
            ("etag" = String, description = "Names the version"), ("location" = String, description = "The selection"))),
        (status = 204, description = "No ids were given: there is no selection of this tag now"),
        (status = 400, description = "Not JSON; a header is malformed", body = ProblemBody),
        (status = 404, description = "The path is no text", body = ProblemBody),
        (status = 409, description = "A spec depends on one that is not stored, or cannot be compared; the snapshot was taken of other specs", body = ProblemBody),
        (status = 412, description = "It is not as the condition says", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
        (status = 502, description = "A hook that is not optional failed: nothing was stored", body = ProblemBody),
    )
)]
pub(crate) async fn put_selection(
    State(app): State<App>,
    author: Author,
    Path(tag): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let only_if = only_if(&headers)?;
    let asked: AskedSelection = documents::json(&app, &headers, body).await?;
    let (wanted, metadata) = documents::apart(move || Ok(wanted(asked)?)).await?;
    let put = selection::put(&app.specs, &tag, wanted, metadata, author.by().author, only_if).await?;
    let Some(put) = put else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let (etag, is_new) = (etag(put.made.selection.revision), put.is_new);
    let shown = Json(MadeView::from(put));
    if is_new {
        let location = [(header::LOCATION, selection::path(&tag))];
        return Ok((StatusCode::CREATED, [(header::ETAG, etag)], location, shown).into_response());
    }
    Ok(([(header::ETAG, etag)], shown).into_response())
}
