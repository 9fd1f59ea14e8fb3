//! Results of tests and of the cases inside them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::domain::result::ResultSource;
use crate::domain::status::Status;
use crate::http::params::{Listing, Params};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::ids::{ResultId, RunId};
use crate::store;
use crate::store::result::TestResult;

/// The result of a test, or of a case inside it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Result)]
pub struct ResultView {
    id: ResultId,
    /// Its id in KCIDB.
    kcidb_id: String,
    source: ResultSource,
    /// The run that brought it.
    run: Option<RunId>,
    /// KCIDB's id of the build that was tested.
    build_id: String,
    /// Who reports it.
    origin: String,
    /// KCIDB's dotted path.
    #[schema(example = "ltp.fs_bind")]
    path: String,
    /// The collection that the test belongs to.
    collection: Option<String>,
    /// The test's name, as it was asked for.
    test: Option<String>,
    /// The case inside the test; absent for the test itself.
    case: Option<String>,
    status: Status,
    /// Why, in words.
    reason: Option<String>,
    /// The machine it ran on.
    device: Option<String>,
    /// What ran it.
    runtime: Option<String>,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// How long it ran, in seconds.
    duration_s: Option<f64>,
    /// What it measured.
    value: Option<f64>,
    /// The unit of what it measured.
    unit: Option<String>,
    /// Where its log lies.
    log_url: Option<String>,
    /// The end of its log.
    log_excerpt: Option<String>,
    /// When it was stored.
    created_at: DateTime<Utc>,
}

impl From<TestResult> for ResultView {
    fn from(result: TestResult) -> Self {
        let number = result.number.map(|number| number.0);
        Self {
            id: result.id,
            kcidb_id: result.kcidb_id,
            source: result.source,
            run: result.run_id,
            build_id: result.build_ref,
            origin: result.origin,
            path: result.path,
            collection: result.collection,
            test: result.test,
            case: result.case_name,
            status: result.status,
            reason: result.reason,
            device: result.device,
            runtime: result.runtime,
            started_at: result.started_at,
            duration_s: result.duration_s,
            value: number.as_ref().map(|number| number.value),
            unit: number.and_then(|number| number.unit),
            log_url: result.log_url,
            log_excerpt: result.log_excerpt,
            created_at: result.created_at,
        }
    }
}

/// Lists results, newest first
#[utoipa::path(
    get, path = "/api/v1/results", tag = "results",
    params(
        ("status" = Option<Vec<Status>>, Query, description = "What came of it; may be repeated"),
        ("run" = Option<RunId>, Query, description = "The run that brought it"),
        ("build_id" = Option<String>, Query, description = "KCIDB's id of the build that was tested"),
        ("path" = Option<String>, Query, description = "KCIDB's dotted path"),
        ("kcidb_id" = Option<String>, Query, description = "Its id in KCIDB"),
        ("source" = Option<ResultSource>, Query, description = "How it came to be known"),
        ("cases" = Option<String>, Query, description = "`only` the cases inside tests, or `none` of them"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of results", body = Listing<ResultView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_results(State(app): State<App>, params: Params) -> Result<Json<Listing<ResultView>>> {
    let params = params.only(&["status", "run", "build_id", "path", "kcidb_id", "source", "cases"])?;
    let cases = match params.one::<String>("cases")?.as_deref() {
        None => None,
        Some("only") => Some(true),
        Some("none") => Some(false),
        Some(_) => return Err(Problem::new(Code::BadRequest, "`cases` must be `only` or `none`")),
    };
    let filter = store::result::Filter {
        statuses: params.all("status")?,
        run_id: params.one("run")?,
        build_ref: params.one("build_id")?,
        path: params.one("path")?,
        kcidb_id: params.one("kcidb_id")?,
        source: params.one("source")?,
        cases,
    };
    let page = params.page(|id: ResultId| id.0)?;
    let mut db = app.read().await?;
    let found = store::result::list(&mut db.conn(), &filter, page).await?;
    Ok(Json(Listing::of(found, |result| result.id.to_string(), ResultView::from)))
}
