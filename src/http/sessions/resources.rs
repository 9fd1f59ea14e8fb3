//! The records of resources, and the machine's manifest.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::session::steer;
use crate::app::{App, MAX_FAULTS, cut};
use crate::domain::fault::Fault;
use crate::domain::program::{Reader, Record};
use crate::domain::unit::FieldValue;
use crate::http::body;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::sessions::{Changing, changed, escaped, id_of, refuse, session_of, shown};
use crate::http::specs::documents;
use crate::ids::SessionId;

/// The most bytes of the records of a resource.
const MAX_RECORDS: usize = 4 << 20;

/// The most answers of a manifest that are set at once.
const MAX_ANSWERS: usize = 10_000;

/// A resource, and how many records it has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionResource)]
pub struct ResourceView {
    /// Its full id. There need not be such a job.
    #[schema(example = "net::nic")]
    resource: String,
    /// How many records it has.
    #[schema(example = 2)]
    records: usize,
}

/// Lists the resources that have records, by id
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/resources", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "A page of resources", body = Listing<ResourceView>, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn list_resources(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let page = params.only(&[])?.stretch()?;
    let at = steer::resources(&app.sessions, session_of(&id)?, page).await?;
    let view = |(resource, records)| ResourceView { resource, records };
    Ok(shown(&headers, at, |found| Listing::of(found, |(resource, _): &(String, usize)| resource.clone(), view)))
}

/// The records of a resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceRecords)]
pub struct RecordsView {
    /// The records, in order: texts by the names of their fields. A job that printed none has one without fields.
    #[schema(value_type = Vec<BTreeMap<String, String>>, example = json!([{"kind": "wired", "name": "eth0"}]))]
    records: Vec<Record>,
}

/// Shows the records of a resource
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/resources/{resource}", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("resource" = String, Path, description = "Its full id, percent-encoded", example = "net::nic"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The records", body = RecordsView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session, or nobody told records of the resource", body = ProblemBody),
    )
)]
pub(crate) async fn get_resource(
    State(app): State<App>,
    Path((id, resource)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = steer::records(&app.sessions, session_of(&id)?, id_of("resource", resource)?).await?;
    Ok(shown(&headers, at, |records| RecordsView { records }))
}

/// The records of a JSON list of flat objects. Numbers and truths are texts, as in units.
fn of_json(values: Vec<Value>) -> Result<Vec<Record>> {
    let (mut records, mut faults) = (Vec::with_capacity(values.len()), Vec::new());
    for (place, value) in values.into_iter().enumerate() {
        if faults.len() >= MAX_FAULTS {
            break;
        }
        match value {
            Value::Object(fields) => {
                let fields = fields.into_iter().filter_map(|(name, value)| {
                    if let Some(FieldValue::Text(text)) = FieldValue::from_json(value) {
                        return Some((name, text));
                    }
                    let at = format!("/{place}/{}", escaped(&name));
                    faults.push(Fault::new(at, "want a text, a number, or true or false"));
                    None
                });
                records.push(fields.collect::<Record>());
            }
            _ => faults.push(Fault::new(format!("/{place}"), "want an object: the fields of a record")),
        }
    }
    refuse("the records", faults)?;
    Ok(records)
}

/// The records of a text.
fn of_text(bytes: &[u8]) -> Result<Vec<Record>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::new(Code::Invalid, "the body is no text in UTF-8"))?;
    let (mut records, mut faults): (Vec<Record>, Vec<Fault>) = (Vec::new(), Vec::new());
    for read in Reader::of_text(text) {
        match read {
            Ok(located) => records.push(located.record),
            Err(error) => faults.push(Fault::new("", cut(&error.to_string(), 400))),
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    refuse("the records", faults)?;
    Ok(records)
}

/// Sets the records of a resource by hand
///
/// In place of those that there are, whether there is such a job or not. Jobs that read them learn of it; no template makes
/// units of them: that is done by the result of a resource job.
///
/// Send a JSON list of flat objects, or `text/plain` as resource jobs print it: `name: value` a line, and a blank line
/// between records.
#[utoipa::path(
    put, path = "/api/v1/sessions/{id}/resources/{resource}", tag = "sessions",
    request_body(content(
        (Vec<BTreeMap<String, String>> = "application/json", example = json!([{"kind": "wired", "name": "eth0"}])),
        (String = "text/plain", example = "kind: wired\nname: eth0\n"),
    ), description = "At most 4 MiB"),
    params(
        ("id" = SessionId, Path),
        ("resource" = String, Path, description = "Its full id, percent-encoded", example = "net::nic"),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "How many there are", body = ResourceView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session; nothing has such an id", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "More than 4 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Sent neither as JSON nor as text", body = ProblemBody),
        (status = 422, description = "No records: `errors` says what and where, of a text with the line. Nothing is changed", body = ProblemBody),
    )
)]
pub(crate) async fn put_resource(
    State(app): State<App>,
    Changing(by): Changing,
    Path((id, resource)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let is_text = body::essence(&headers) == "text/plain";
    if !is_text {
        body::want_json(&headers)?;
    }
    let bytes = body::read(body, MAX_RECORDS.min(documents::most_bytes(&app))).await?;
    let records =
        documents::apart(move || if is_text { of_text(&bytes) } else { of_json(body::parse(&bytes)?) }).await?;
    let (id, resource) = (session_of(&id)?, id_of("resource", resource)?);
    let view = ResourceView { resource: resource.clone(), records: records.len() };
    let at = steer::set_records(&app.sessions, id, resource, records, by).await?;
    Ok(changed(at, |()| view))
}

/// The machine's manifest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Manifest)]
pub struct ManifestView {
    /// The answers, by the full ids of their entries.
    #[schema(value_type = BTreeMap<String, Value>, example = json!({"net::has_ethernet": true}))]
    answers: BTreeMap<String, Value>,
}

/// Shows the machine's manifest
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/manifest", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The manifest", body = ManifestView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_manifest(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = steer::manifest(&app.sessions, session_of(&id)?).await?;
    Ok(shown(&headers, at, |answers| ManifestView { answers }))
}

/// Answers of a machine's manifest.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ManifestAnswers, example = json!({"answers": {"net::has_ethernet": true}}))]
pub struct AskedManifest {
    /// The answers, by the full ids of their entries: truths, numbers or texts, at most 10000.
    #[schema(value_type = BTreeMap<String, Value>)]
    answers: BTreeMap<String, Value>,
}

impl AskedManifest {
    fn read(self) -> Result<BTreeMap<String, Value>> {
        let mut faults = Vec::new();
        if self.answers.len() > MAX_ANSWERS {
            faults.push(Fault::new("/answers", format!("want at most {MAX_ANSWERS}, not {}", self.answers.len())));
        }
        for (entry, answer) in &self.answers {
            let words = if entry.is_empty() || entry.contains('\0') || entry.len() > crate::domain::session::MAX_ID {
                "the id of an entry is not empty, of at most 2000 bytes, and holds no NUL"
            } else if answer.is_array() || answer.is_object() || answer.is_null() {
                "want true or false, a number or a text"
            } else {
                continue;
            };
            faults.push(Fault::new(format!("/answers/{}", escaped(entry)), words));
        }
        refuse("the manifest", faults)?;
        Ok(self.answers)
    }
}

/// Answers questions of the machine's manifest
///
/// Answers that are not named stay as they are. Jobs that ask for them learn of it.
#[utoipa::path(
    put, path = "/api/v1/sessions/{id}/manifest", tag = "sessions",
    request_body = AskedManifest,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "The whole manifest", body = ManifestView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn put_manifest(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedManifest = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let answers = asked.read()?;
    let at = steer::set_manifest(&app.sessions, session_of(&id)?, answers, by).await?;
    Ok(changed(at, |answers| ManifestView { answers }))
}
