//! What came of specs.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::spec::result::{self, MAX_RESULTS, Partial};
use crate::domain::spec_result::result::SpecResult;
use crate::domain::spec_result::status::{Category, State as CaseState, Status};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::specs::schema::SpecResultDocument;
use crate::http::specs::{documents, of_path};
use crate::store;
use crate::store::spec_result::{Filter, Recorded, Standing, Stored};

/// What became of a result that was brought.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SpecResultFate)]
pub enum Fate {
    /// It is recorded.
    Recorded,
    /// It was recorded before: it was brought again.
    Repeated,
    /// It is not recorded: another result has its id.
    Refused,
}

/// What became of one result.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecResultOutcome)]
pub struct OutcomeView {
    /// Its id: as it was given, or as it was made here.
    #[schema(example = "srs_0198c1a20b7c7d3e9f00112233445566")]
    id: String,
    /// What became of it.
    outcome: Fate,
    /// The number of the result with this id.
    #[schema(example = 7)]
    number: i64,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What became of results.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecResultsRecorded)]
pub struct RecordedView {
    /// How many are recorded.
    #[schema(example = 1)]
    recorded: usize,
    /// How many were recorded before.
    #[schema(example = 0)]
    repeated: usize,
    /// How many are refused.
    #[schema(example = 0)]
    refused: usize,
    /// What became of each, in their order.
    results: Vec<OutcomeView>,
}

fn outcome(id: String, recorded: Recorded) -> OutcomeView {
    let (outcome, number) = match recorded {
        Recorded::New(number) => (Fate::Recorded, number),
        Recorded::Same(number) => (Fate::Repeated, number),
        Recorded::Conflict(number) => (Fate::Refused, number),
    };
    let reason = matches!(outcome, Fate::Refused)
        .then(|| format!("another result, number {number}, has this id: an id is given once"));
    OutcomeView { id, outcome, number, reason }
}

/// Records results of specs
///
/// Send a JSON array, or one result a line as `application/x-ndjson`. If a document is no result, none is recorded. A result
/// with an id can safely be sent again; one without gets an id. The specs need not be stored.
#[utoipa::path(
    post, path = "/api/v1/specs/results", tag = "specs",
    request_body(content(
        (Vec<SpecResultDocument> = "application/json"),
        (SpecResultDocument = "application/x-ndjson"),
    ), description = "At most 10000 results in 64 MiB"),
    responses(
        (status = 200, description = "What became of each", body = RecordedView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Sent neither as JSON nor as lines of JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where. Nothing is recorded", body = ProblemBody),
    )
)]
pub(crate) async fn create_spec_results(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RecordedView>> {
    let documents = documents::read(&app, &headers, body, MAX_RESULTS).await?;
    let now = app.now();
    let results = documents::apart(move || Ok(result::read(&documents, now)?)).await?;
    let ids: Vec<String> = results.iter().map(|result| result.id.clone()).collect();
    let recorded = result::record(&app, results).await?;
    let count = |is: fn(&Recorded) -> bool| recorded.iter().filter(|recorded| is(recorded)).count();
    Ok(Json(RecordedView {
        recorded: count(|it| matches!(it, Recorded::New(_))),
        repeated: count(|it| matches!(it, Recorded::Same(_))),
        refused: count(|it| matches!(it, Recorded::Conflict(_))),
        results: ids.into_iter().zip(recorded).map(|(id, recorded)| outcome(id, recorded)).collect(),
    }))
}

/// A result of a spec.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordedSpecResult)]
pub struct SpecResultView {
    /// Its number: one more than that of the result that was recorded before it.
    #[schema(example = 7)]
    number: i64,
    /// Whether it is the one that its spec has in its session; a later one has taken its place if not.
    live: bool,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// The result.
    #[serde(flatten)]
    #[schema(value_type = SpecResultDocument)]
    result: SpecResult,
}

impl From<Stored> for SpecResultView {
    fn from(stored: Stored) -> Self {
        let Stored { number, live, recorded_at, result } = stored;
        Self { number, live, recorded_at, result }
    }
}

/// Lists the newest result of each spec that has one, by spec
///
/// The newest is that of the greatest session: names of sessions are compared as texts.
#[utoipa::path(
    get, path = "/api/v1/specs/results", tag = "specs",
    params(
        ("spec" = Option<Vec<String>>, Query, description = "Only of the spec with this id, or whose id begins so; may be repeated", example = json!(["0a1f86e5"])),
        ("upstream" = Option<bool>, Query, description = "And of all that those depend on"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out. Where specs are named, a page may have fewer and another one come"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of results", body = Listing<SpecResultView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 422, description = "No spec has an id that begins so, or several have: `errors` says which, `/ids/0` for the first `spec`", body = ProblemBody),
    )
)]
pub(crate) async fn list_newest_spec_results(
    State(app): State<App>,
    params: Params,
) -> Result<Json<Listing<SpecResultView>>> {
    let params = params.only(&["spec", "upstream"])?;
    let (specs, upstream) = (params.all("spec")?, params.one("upstream")?.unwrap_or(false));
    let (rows, next_cursor) = result::newest_page(&app.specs, &specs, upstream, &params.stretch()?).await?;
    Ok(Json(Listing { items: rows.into_iter().map(SpecResultView::from).collect(), next_cursor }))
}

/// Lists all results of specs, those recorded last first
#[utoipa::path(
    get, path = "/api/v1/specs/results/recorded", tag = "specs",
    params(
        ("spec" = Option<String>, Query, description = "Of the spec with this whole id"),
        ("session" = Option<String>, Query, description = "In this session", example = "2026-01-02T03-04-05"),
        ("category" = Option<Category>, Query, description = "What came of it, roughly"),
        ("status" = Option<Status>, Query, description = "What came of it"),
        ("live" = Option<bool>, Query, description = "Only those whose place no later one has taken, or only the others"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of results", body = Listing<SpecResultView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_spec_results(State(app): State<App>, params: Params) -> Result<Json<Listing<SpecResultView>>> {
    let params = params.only(&["spec", "session", "category", "status", "live"])?;
    let filter = Filter {
        spec_id: params.one("spec")?,
        session: params.one("session")?,
        category: params.one("category")?,
        status: params.one("status")?,
        live: params.one("live")?,
    };
    let page = params.stretch()?;
    let mut db = app.read().await?;
    let found = store::spec_result::list(&mut db.conn(), &filter, &page).await?;
    Ok(Json(Listing::of(found, |stored| stored.number.to_string(), SpecResultView::from)))
}

/// Lists the results of a spec, one of each session, by session
#[utoipa::path(
    get, path = "/api/v1/specs/{id}/history", tag = "specs",
    params(
        ("id" = String, Path, description = "The id, or its beginning if no other begins so; also of a spec that is not stored and has results, whole", example = "0a1f86e5"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of results; the last of the last page is the newest", body = Listing<SpecResultView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such spec", body = ProblemBody),
        (status = 409, description = "Several specs have ids that begin so", body = ProblemBody),
    )
)]
pub(crate) async fn list_spec_history(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Listing<SpecResultView>>> {
    let page = params.only(&[])?.stretch()?;
    let found = result::history(&app.specs, &id, &page).await.map_err(of_path)?;
    Ok(Json(Listing::of(found, |stored| stored.result.session.clone(), SpecResultView::from)))
}

/// How a spec stands: its newest result, in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecStanding)]
pub struct StandingView {
    /// The result's number.
    #[schema(example = 7)]
    number: i64,
    /// The session that it ran in.
    #[schema(example = "2026-01-02T03-04-05")]
    session: String,
    /// How far it is.
    state: CaseState,
    /// What came of it, roughly.
    category: Category,
    /// What came of it.
    status: Status,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Standing> for StandingView {
    fn from(standing: Standing) -> Self {
        let Standing { number, session, state, category, status, started_at, finished_at, spec_id: _ } = standing;
        Self { number, session, state, category, status, started_at, finished_at }
    }
}

/// A spec, in short, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PartialSpec)]
pub struct PartialView {
    /// Its id.
    id: String,
    /// Where people find it.
    #[schema(example = "solver/mesh.np=4/mesh.pyt")]
    view: String,
    /// The whole path of its file, on the machine that found it.
    #[schema(example = "/src/tests/solver/mesh.pyt")]
    file: String,
    /// Its newest result; null where there is none.
    newest: Option<StandingView>,
}

impl From<Partial> for PartialView {
    fn from(partial: Partial) -> Self {
        let Partial { id, view, file, newest } = partial;
        Self { id, view, file, newest: newest.map(StandingView::from) }
    }
}

/// Lists specs in short, each with how it stands, by id
#[utoipa::path(
    get, path = "/api/v1/specs/partial", tag = "specs",
    params(
        ("tag" = Option<String>, Query, description = "Only those that are selected under this tag", example = "nightly"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of specs", body = Listing<PartialView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn list_partial_specs(State(app): State<App>, params: Params) -> Result<Json<Listing<PartialView>>> {
    let params = params.only(&["tag"])?;
    let tag: Option<String> = params.one("tag")?;
    let found = result::partials_page(&app.specs, tag.as_deref(), &params.stretch()?).await?;
    Ok(Json(Listing::of(found, |partial| partial.id.clone(), PartialView::from)))
}
