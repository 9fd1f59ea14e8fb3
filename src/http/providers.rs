//! Providers over HTTP: units that sessions are made of, kept under a name.

mod asked;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::session::provider::{self, Put};
use crate::app::session::source::{Doubt, Doubts};
use crate::app::{App, AppError, cut, path_of};
use crate::domain::unit::check::{Flaw, Severity};
use crate::domain::unit::pxu;
use crate::http::accept::prefers;
use crate::http::catalogue::Author;
use crate::http::condition::{etag, only_if, unchanged};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::specs::documents;
use crate::store::provider::{Provider, ProviderUnit};

pub use asked::AskedProvider;

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
pub struct ProviderView {
    /// What it is called.
    #[schema(example = "lab")]
    name: String,
    /// What the ids of its units begin with, before `::`.
    #[schema(example = "com.example.lab")]
    namespace: Option<String>,
    /// How often it was written.
    #[schema(example = 3)]
    revision: i64,
    /// How many units it has.
    #[schema(example = 120)]
    units: i64,
    /// When it was first written.
    created_at: DateTime<Utc>,
    /// When it was last written.
    updated_at: DateTime<Utc>,
    /// The name of the token that wrote it last, where one was asked for.
    #[schema(example = "ci")]
    updated_by: Option<String>,
}

impl From<Provider> for ProviderView {
    fn from(provider: Provider) -> Self {
        let Provider { name, namespace, revision, units, created_at, updated_at, updated_by } = provider;
        Self { name, namespace, revision, units, created_at, updated_at, updated_by }
    }
}

/// What is wrong with a unit, or could be better. The unit was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnitDoubt)]
pub struct DoubtView {
    /// The place of the unit in the provider, from 0.
    #[schema(example = 7)]
    place: usize,
    /// Its full id, if it has one.
    #[schema(example = "com.example.lab::disk/free")]
    unit: Option<String>,
    /// The file that it was read from.
    #[schema(example = "units/disk.pxu")]
    file: Option<String>,
    /// The line of the field, or of the unit that lacks it.
    #[schema(example = 4)]
    line: Option<u32>,
    /// How bad it is: with an error the unit cannot be used.
    severity: Severity,
    /// The field.
    #[schema(example = "estimated_duration")]
    field: String,
    /// What is wrong with it.
    flaw: Flaw,
    /// The same in words.
    #[schema(example = "want a number of seconds, or hours, minutes and seconds such as `1h 30m 5s`")]
    message: String,
}

impl From<Doubt> for DoubtView {
    fn from(doubt: Doubt) -> Self {
        let Doubt { place, unit, file, line, issue } = doubt;
        let message = cut(&issue.message, 1_000);
        Self {
            place,
            unit,
            file,
            line,
            severity: issue.severity,
            field: cut(&issue.field, 200),
            flaw: issue.flaw,
            message,
        }
    }
}

/// A provider that was written, and what is to be said of its units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WrittenProvider)]
pub struct WrittenView {
    #[serde(flatten)]
    provider: ProviderView,
    /// How many errors there are in its units.
    #[schema(example = 0)]
    errors: usize,
    /// How many warnings.
    #[schema(example = 1)]
    warnings: usize,
    /// How many pieces of advice.
    #[schema(example = 12)]
    advice: usize,
    /// The worst 1000 of all these, in the order of the units.
    doubts: Vec<DoubtView>,
}

impl WrittenView {
    fn new(provider: Provider, doubts: Doubts) -> Self {
        let Doubts { told, errors, warnings, advice } = doubts;
        let doubts = told.into_iter().map(DoubtView::from).collect();
        Self { provider: provider.into(), errors, warnings, advice, doubts }
    }
}

/// A unit of a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderUnit)]
pub struct UnitView {
    /// Its place in the provider, from 0.
    #[schema(example = 7)]
    place: i64,
    /// What it is, such as `job`, `template` or `test plan`.
    #[schema(example = "job")]
    kind: String,
    /// Its full id, if it has one.
    #[schema(example = "com.example.lab::disk/free")]
    id: Option<String>,
    /// Its fields as they were written.
    #[schema(value_type = Object, example = json!({"id": "disk/free", "plugin": "shell", "command": "df /"}))]
    fields: Value,
    /// The file that it was read from.
    #[schema(example = "units/disk.pxu")]
    file: Option<String>,
    /// The line that it begins in, from 1.
    #[schema(example = 12)]
    line: Option<i64>,
}

impl From<ProviderUnit> for UnitView {
    fn from(row: ProviderUnit) -> Self {
        let ProviderUnit { place, unit, file, line } = row;
        let unit = unit.0;
        Self {
            place,
            kind: unit.kind().to_string(),
            id: unit.id().map(str::to_owned),
            fields: serde_json::to_value(unit.fields()).unwrap_or_default(),
            file,
            line,
        }
    }
}

/// Writes a provider
///
/// All of it at once: what it had before is gone. Sessions that have its units keep them as they are. Units that are not
/// valid are taken, and told of as `doubts`; text that cannot be read is refused, and nothing is changed then.
#[utoipa::path(
    put, path = "/api/v1/providers/{name}", tag = "providers",
    request_body = AskedProvider,
    params(
        ("name" = String, Path, example = "lab"),
        ("if-match" = Option<String>, Header, description = "The ETag that the provider was read with"),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none yet"),
    ),
    responses(
        (status = 200, description = "It is so now", body = WrittenView, headers(("etag" = String, description = "Names the revision"))),
        (status = 201, description = "It is new", body = WrittenView, headers(
            ("etag" = String, description = "Names the revision"), ("location" = String, description = "The provider"))),
        (status = 400, description = "Not JSON; a header is malformed", body = ProblemBody),
        (status = 409, description = "Two of its jobs have one id, or two of its units are the same", body = ProblemBody),
        (status = 412, description = "It is not as the condition says", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Something in it cannot be read: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn put_provider(
    State(app): State<App>,
    author: Author,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let only_if = only_if(&headers)?;
    let asked: AskedProvider = documents::json(&app, &headers, body).await?;
    let (namespace, of) = (asked.namespace.clone(), name.clone());
    let units = documents::apart(move || Ok(asked.read(&of)?)).await?;
    let who = author.by().author;
    let put = provider::put(&app.sessions, &name, namespace.as_deref(), units, who.as_deref(), only_if).await?;
    let Put { is_new, provider, doubts } = put;
    let tag = [(header::ETAG, etag(provider.revision))];
    let shown = Json(WrittenView::new(provider, doubts));
    if is_new {
        return Ok((
            StatusCode::CREATED,
            tag,
            [(header::LOCATION, path_of(&["api", "v1", "providers", &name]))],
            shown,
        )
            .into_response());
    }
    Ok((tag, shown).into_response())
}

/// Lists providers by name
#[utoipa::path(
    get, path = "/api/v1/providers", tag = "providers",
    params(
        ("limit" = Option<u32>, Query, description = "How many, 1 to 1000; 50 where it is left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of providers", body = Listing<ProviderView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_providers(State(app): State<App>, params: Params) -> Result<Json<Listing<ProviderView>>> {
    let found = provider::list(&app.sessions, &params.only(&[])?.stretch()?).await?;
    Ok(Json(Listing::of(found, |provider| provider.name.clone(), ProviderView::from)))
}

/// Shows a provider
#[utoipa::path(
    get, path = "/api/v1/providers/{name}", tag = "providers",
    params(
        ("name" = String, Path, example = "lab"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a revision that the caller has"),
    ),
    responses(
        (status = 200, description = "The provider", body = ProviderView, headers(("etag" = String, description = "Names the revision"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such provider", body = ProblemBody),
    )
)]
pub(crate) async fn get_provider(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let provider = provider::get(&app.sessions, &name).await?;
    let etag = etag(provider.revision);
    if let Some(response) = unchanged(&headers, &etag) {
        return Ok(response);
    }
    Ok(([(header::ETAG, etag)], Json(ProviderView::from(provider))).into_response())
}

/// Lists the units of a provider in their order
///
/// As a page of JSON; or, with `Accept: text/plain` or `format=pxu`, all of them as one `.pxu` file.
#[utoipa::path(
    get, path = "/api/v1/providers/{name}/units", tag = "providers",
    params(
        ("name" = String, Path, example = "lab"),
        ("format" = Option<String>, Query, description = "`json` or `pxu`; what `Accept` says where it is left out"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 1000; 50 where it is left out. Not with `pxu`"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before. Not with `pxu`"),
    ),
    responses(
        (status = 200, description = "The units", headers(("etag" = String, description = "Names the revision of the provider")), content(
            (Listing<UnitView> = "application/json"), (String = "text/plain"))),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such provider", body = ProblemBody),
        (status = 409, description = "A unit cannot be written as `.pxu`", body = ProblemBody),
    )
)]
pub(crate) async fn list_provider_units(
    State(app): State<App>,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&["format"])?;
    let as_pxu = match params.one::<String>("format")?.as_deref() {
        None => prefers(&headers, "text/plain", "application/json"),
        Some("json") => false,
        Some("pxu") => true,
        Some(other) => {
            let words = format!("the query field `format`: want json or pxu, not `{}`", cut(other, 80));
            return Err(Problem::new(Code::BadRequest, words));
        }
    };
    let vary = (header::VARY, HeaderValue::from_static("accept"));
    if !as_pxu {
        let (revision, found) = provider::units(&app.sessions, &name, &params.stretch()?).await?;
        let page = Listing::of(found, |unit| unit.place.to_string(), UnitView::from);
        return Ok(([(header::ETAG, etag(revision)), vary], Json(page)).into_response());
    }
    for field in ["limit", "cursor"] {
        if params.one::<String>(field)?.is_some() {
            let words = format!("the query field `{field}`: a .pxu file has no pages");
            return Err(Problem::new(Code::BadRequest, words));
        }
    }
    let whole = provider::whole(&app.sessions, &name).await?;
    let tag = etag(whole.revision);
    let text = documents::apart(move || Ok(print(&whole.units)?)).await?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(([(header::ETAG, tag), vary, kind], text).into_response())
}

/// The units as one `.pxu` file. One by one, so that the one that cannot be written is told.
fn print(units: &[crate::domain::unit::Unit]) -> Result<String, AppError> {
    let mut text = String::new();
    for (place, unit) in units.iter().enumerate() {
        let printed = pxu::print([unit]).map_err(|reason| {
            let id = unit.id().map(|id| format!(" (`{}`)", cut(id, 200))).unwrap_or_default();
            AppError::Conflict(format!("unit {place}{id} cannot be written as .pxu: {}", cut(&reason.to_string(), 500)))
        })?;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&printed);
    }
    Ok(text)
}

/// Removes a provider
///
/// Sessions that have its units keep them.
#[utoipa::path(
    delete, path = "/api/v1/providers/{name}", tag = "providers",
    params(
        ("name" = String, Path, example = "lab"),
        ("if-match" = Option<String>, Header, description = "The ETag that the provider was read with"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A header is malformed", body = ProblemBody),
        (status = 404, description = "There is no such provider", body = ProblemBody),
        (status = 412, description = "It is another revision by now", body = ProblemBody),
    )
)]
pub(crate) async fn delete_provider(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    provider::delete(&app.sessions, &name, only_if(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
