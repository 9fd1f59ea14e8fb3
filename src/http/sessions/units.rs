//! The units of a session: jobs, templates, test plans and what else there is.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::steer;
use crate::domain::fault::Fault;
use crate::domain::session::{Added, Clash};
use crate::domain::unit::{FieldValue, Kind, Unit};
use crate::http::body;
use crate::http::condition::etag;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::given::AskedUnits;
use crate::http::sessions::schema::{ClashDocument, UnitFields};
use crate::http::sessions::{Changing, Told, changed, faults_of_ids, id_of, refuse, session_of, shown};
use crate::http::specs::documents;
use crate::ids::SessionId;

/// What came of adding units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnitsAdded)]
pub struct AddedView {
    /// The ids of the jobs that are new, in order.
    pub jobs: Told<String>,
    /// How many units of other kinds are new.
    #[schema(example = 0)]
    pub others: usize,
    /// The ids of the jobs that were there already, exactly so.
    pub kept: Told<String>,
    /// Jobs that were made of others and are left out, for there is another one of their id.
    #[schema(value_type = Told<ClashDocument>)]
    pub clashes: Told<Clash>,
    /// The jobs whose siblings cannot be read, or that cannot be kept under their id, and why.
    pub unreadable: Told<UnreadableView>,
}

/// A job that cannot be read wholly.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnreadableUnit)]
pub struct UnreadableView {
    /// Its id.
    #[schema(example = "net::ping")]
    job: String,
    /// Why.
    #[schema(example = "want a JSON list of objects")]
    reason: String,
}

impl From<Added> for AddedView {
    fn from(added: Added) -> Self {
        let Added { jobs, others, kept, clashes, unreadable } = added;
        Self {
            jobs: Told::of(jobs, |job| job),
            others,
            kept: Told::of(kept, |job| job),
            clashes: Told::of(clashes, |clash| clash),
            unreadable: Told::of(unreadable, |(job, reason)| UnreadableView { job, reason }),
        }
    }
}

/// A unit of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unit)]
pub struct UnitView {
    /// What it is.
    #[schema(example = "job")]
    pub kind: String,
    /// Its full id, if it has one.
    #[schema(example = "net::ping")]
    pub id: Option<String>,
    /// What comes before its id, and a `::`.
    #[schema(example = "net")]
    pub namespace: Option<String>,
    /// The name of its provider, if it came with one.
    #[schema(example = "checkbox-base")]
    pub provider: Option<String>,
    /// The template that it was made of.
    #[schema(example = "net::ping-{interface}")]
    pub template_id: Option<String>,
    /// The values that the template was filled in with; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, String>>,
    /// SHA-256 of what makes it what it is. Units are the same if these are.
    #[schema(example = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945")]
    pub checksum: String,
    /// Its fields, as they are written.
    #[schema(value_type = UnitFields)]
    pub fields: BTreeMap<String, FieldValue>,
}

impl From<Unit> for UnitView {
    fn from(unit: Unit) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            kind: unit.kind().to_string(),
            id: owned(unit.id()),
            namespace: owned(unit.namespace()),
            provider: owned(unit.provider()),
            template_id: owned(unit.template_id()),
            parameters: unit.parameters().cloned(),
            checksum: unit.checksum().to_owned(),
            fields: unit.fields().clone(),
        }
    }
}

/// Lists the units of a session, in the order in which they came
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/units", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("kind" = Option<String>, Query, description = "Only of this kind: `job`, `template`, `test plan`, `category`, `manifest entry`, …", example = "test plan"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "A page of units", body = Listing<UnitView>, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn list_units(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&["kind"])?;
    let kind = params.one::<String>("kind")?.map(|kind| Kind::of(&kind));
    let page = params.stretch()?;
    let at = steer::units(&app.sessions, session_of(&id)?, kind, page).await?;
    Ok(shown(&headers, at, |found| {
        Listing::of(found, |(place, _)| place.to_string(), |(_, unit)| UnitView::from(unit))
    }))
}

/// Adds units to a session
///
/// All or none. A job that is there already, exactly so, stays as it is; its siblings are made.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/units", tag = "sessions",
    request_body = AskedUnits,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "What came of it", body = AddedView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 409, description = "There is another job of an id", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where, with the line of `pxu`", body = ProblemBody),
    )
)]
pub(crate) async fn add_units(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedUnits = documents::json(&app, &headers, body).await?;
    if asked.is_empty() {
        refuse("the units", vec![Fault::new("", "want `units`, `pxu`, or both")])?;
    }
    let units = documents::apart(move || Ok(asked.read()?)).await?;
    let at = steer::add_units(&app.sessions, session_of(&id)?, units, by).await?;
    Ok(changed(at, AddedView::from))
}

/// Removes a unit from a session
///
/// A job goes with its results and its records; what came of it can still be asked for. One on the run list stays.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}/units/{unit}", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("unit" = String, Path, description = "Its full id, percent-encoded", example = "net::ping"),
        ("kind" = Option<String>, Query, description = "Its kind, where units of several kinds have the id; else the one that came last", example = "job"),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 204, description = "It is gone", headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "A query field is unknown or malformed; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session or unit", body = ProblemBody),
        (status = 409, description = "It is on the run list", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
    )
)]
pub(crate) async fn remove_unit(
    State(app): State<App>,
    Changing(by): Changing,
    Path((id, unit)): Path<(String, String)>,
    params: Params,
) -> Result<Response> {
    let kind = params.only(&["kind"])?.one::<String>("kind")?.map(|kind| Kind::of(&kind));
    let at = steer::remove_unit(&app.sessions, session_of(&id)?, id_of("unit", unit)?, kind, by).await?;
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, etag(at.version))]).into_response())
}

/// Which provider is to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddedProvider)]
pub struct AskedProvider {
    /// Its name.
    #[schema(example = "checkbox-base")]
    name: String,
}

/// Adds all units of a provider to a session
///
/// As they are now: the session keeps them, whatever becomes of the provider.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/providers", tag = "sessions",
    request_body = AskedProvider,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "What came of it", body = AddedView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session or provider", body = ProblemBody),
        (status = 409, description = "It was added before, or one of its units is there already", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense", body = ProblemBody),
    )
)]
pub(crate) async fn add_provider(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedProvider = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let faults = faults_of_ids("", std::slice::from_ref(&asked.name));
    refuse("the provider", faults.into_iter().map(|it| Fault::new("/name", it.detail)).collect())?;
    let at = steer::add_provider(&app.sessions, session_of(&id)?, &asked.name, by).await?;
    Ok(changed(at, AddedView::from))
}
