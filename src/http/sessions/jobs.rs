//! The jobs of a session: how they stand, and why they cannot start.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::look::{self, Asked, JobState};
use crate::app::session::{result, steer};
use crate::domain::composition::definition::{NoDefinition, NoDefinitionCause};
use crate::domain::fault::Fault;
use crate::domain::session::{Behind, Effective, GivenUp, Inhibitor, Outcome, Report, Why};
use crate::http::body;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::sessions::schema::{
    BehindDocument, EffectiveDocument, GivenUpDocument, InhibitorDocument, OutcomeDocument, ResultDocument,
};
use crate::http::sessions::units::UnitView;
use crate::http::sessions::{Changing, Member, changed, id_of, refuse, session_of, shown};
use crate::ids::SessionId;

/// The longest value of an overridden field, in characters.
const MAX_OVERRIDE: usize = 1_000;

/// The most attempts.
const MAX_ATTEMPTS: u32 = 1_000;

/// How a job stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobStateView {
    /// Its full id.
    #[schema(example = "net::ping")]
    id: String,
    /// How it runs: `shell`, `resource`, `attachment`, `manual`, …
    #[schema(example = "shell")]
    plugin: Option<String>,
    /// What it is, in a few words.
    #[schema(example = "The network answers")]
    summary: String,
    /// The template that it is an instance of.
    template_id: Option<String>,
    /// What came of it; null if it has not run.
    #[schema(value_type = Option<OutcomeDocument>)]
    outcome: Option<Outcome>,
    /// How many results there are of it.
    #[schema(example = 0)]
    results: usize,
    /// Whether it can start. A job that has ended can be begun again.
    can_start: bool,
    /// Why it cannot, in order.
    #[schema(value_type = Vec<InhibitorDocument>)]
    inhibitors: Vec<Inhibitor>,
    /// What is in force of it: its own fields, what test plans override, and what was overridden by hand.
    #[schema(value_type = EffectiveDocument)]
    effective: Effective,
    /// How often it may be begun yet.
    #[schema(example = 3)]
    attempts: u32,
    /// The local job that made it.
    via: Option<String>,
    /// Its place in the run list, from 0; null if it is not on it.
    #[schema(example = 1)]
    run_position: Option<u32>,
}

impl From<JobState> for JobStateView {
    fn from(state: JobState) -> Self {
        let JobState { id, plugin, summary, template_id, outcome, results, can_start, inhibitors, effective, .. } =
            state;
        let (attempts, via, run_position) = (state.attempts, state.via, state.run_position);
        Self {
            id,
            plugin,
            summary,
            template_id,
            outcome,
            results,
            can_start,
            inhibitors,
            effective,
            attempts,
            via,
            run_position,
        }
    }
}

/// The outcome that a word of a query names.
///
/// # Errors
/// 400 that names those there are.
pub(super) fn outcome_of(word: &str) -> Result<Outcome> {
    let outcome = Outcome::of(word);
    if outcome.is_known() {
        return Ok(outcome);
    }
    let word = crate::app::cut(word, 80);
    let words =
        format!("the query field `outcome`: there is no outcome `{word}`: want one of {}", Outcome::KNOWN.join(", "));
    Err(Problem::new(Code::BadRequest, words))
}

/// Which jobs a query asks for.
const FILTERS: [&str; 4] = ["ready", "done", "outcome", "category_id"];

fn asked(params: &Params) -> Result<Asked> {
    let outcome = params.one::<String>("outcome")?.map(|word| outcome_of(&word)).transpose()?;
    Ok(Asked {
        ready: params.one("ready")?,
        done: params.one("done")?,
        outcome,
        category_id: params.one("category_id")?,
    })
}

/// Lists the jobs of a session, in the order in which they came
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/jobs", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("ready" = Option<bool>, Query, description = "Only those that can start and have no outcome, or only the others"),
        ("done" = Option<bool>, Query, description = "Only those that have an outcome, or only the others"),
        ("outcome" = Option<OutcomeDocument>, Query, description = "Only those of this outcome"),
        ("category_id" = Option<String>, Query, description = "Only those of this category, by its full id", example = "net::wired"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "A page of jobs", body = Listing<JobStateView>, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn list_jobs(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&FILTERS)?;
    let (asked, page) = (asked(&params)?, params.stretch()?);
    let at = look::jobs(&app.sessions, session_of(&id)?, asked, page).await?;
    Ok(shown(&headers, at, |found| Listing::of(found, |job| job.position.to_string(), JobStateView::from)))
}

/// Lists the jobs to run, in the order in which they are to be run
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/run-list", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("ready" = Option<bool>, Query, description = "Only those that can start and have no outcome, or only the others"),
        ("done" = Option<bool>, Query, description = "Only those that have an outcome, or only the others"),
        ("outcome" = Option<OutcomeDocument>, Query, description = "Only those of this outcome"),
        ("category_id" = Option<String>, Query, description = "Only those of this category, by its full id", example = "net::wired"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "A page of the run list", body = Listing<JobStateView>, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn list_run_list(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&FILTERS)?;
    let (asked, page) = (asked(&params)?, params.stretch()?);
    let at = look::run_list(&app.sessions, session_of(&id)?, asked, page).await?;
    let place = |job: &JobState| job.run_position.unwrap_or_default().to_string();
    Ok(shown(&headers, at, |found| Listing::of(found, place, JobStateView::from)))
}

/// A job: how it stands, what it is, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobInFull)]
pub struct JobView {
    #[serde(flatten)]
    state: JobStateView,
    /// What it is.
    unit: UnitView,
    /// Its current result; null if it has none, or one that says nothing.
    #[schema(value_type = Option<ResultDocument>)]
    result: Option<Report>,
}

/// Shows a job: how it stands, its unit and its current result
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/jobs/{job}", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "Its full id, percent-encoded", example = "net::ping"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The job", body = JobView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session or job", body = ProblemBody),
    )
)]
pub(crate) async fn get_job(
    State(app): State<App>,
    Path((id, job)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = look::job(&app.sessions, session_of(&id)?, id_of("job", job)?).await?;
    let view = |job: look::Job| JobView { state: job.state.into(), unit: job.unit.into(), result: job.result };
    Ok(shown(&headers, at, view))
}

/// Why a job cannot start.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobWhy)]
pub struct WhyView {
    /// The job.
    #[schema(example = "net::ping")]
    job: String,
    /// In one sentence.
    #[schema(
        example = "`net::ping` cannot start: `net::link` has not run yet; in the end it waits for `net::link`, which can start"
    )]
    sentence: String,
    /// Whether it can start.
    can_start: bool,
    /// What came of it already.
    #[schema(value_type = Option<OutcomeDocument>)]
    outcome: Option<Outcome>,
    /// How often it may be begun yet: with none left it cannot start, whatever the inhibitors say.
    #[schema(example = 3)]
    attempts: u32,
    /// What holds it up, in order.
    #[schema(value_type = Vec<InhibitorDocument>)]
    inhibitors: Vec<Inhibitor>,
    /// What is recorded for it if it is given up now; null if it may start some day.
    #[schema(value_type = Option<GivenUpDocument>)]
    given_up: Option<GivenUp>,
    /// The jobs that it waits for in the end, over however many others: those that can start, and those that cannot although
    /// they wait for nothing. At most 1000.
    #[schema(value_type = Vec<BehindDocument>)]
    behind: Vec<Behind>,
    /// Whether there are more of them.
    more: bool,
    /// Why no agent can run it; null if one can.
    no_definition: Option<NoDefinitionView>,
}

/// Why nothing that an agent executes stands for a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NoDefinition)]
pub struct NoDefinitionView {
    /// What kind of reason it is.
    cause: NoDefinitionCause,
    /// The reason.
    #[schema(example = "a person does it and reports what came of it: its plugin is `manual`")]
    reason: String,
}

impl From<(Why, Option<NoDefinition>)> for WhyView {
    fn from((why, no_definition): (Why, Option<NoDefinition>)) -> Self {
        let no_definition = no_definition.map(|NoDefinition { cause, reason }| NoDefinitionView { cause, reason });
        let sentence = why.in_words();
        let Why { job, can_start, outcome, attempts, inhibitors, given_up, behind, more } = why;
        Self { job, sentence, can_start, outcome, attempts, inhibitors, given_up, behind, more, no_definition }
    }
}

/// Tells why a job cannot start, and what it waits for in the end
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/jobs/{job}/why", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "Its full id, percent-encoded", example = "net::ping"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "Why", body = WhyView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session or job", body = ProblemBody),
    )
)]
pub(crate) async fn explain_job(
    State(app): State<App>,
    Path((id, job)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = look::why(&app.sessions, session_of(&id)?, id_of("job", job)?).await?;
    Ok(shown(&headers, at, WhyView::from))
}

/// Begins a job
///
/// Notes that it is running, and takes one of its attempts. One job of a session is running at a time, until a result of it
/// with an outcome comes. Results may come of jobs that were not begun, too: then nothing is known about them if the machine
/// dies.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/jobs/{job}/begin", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "Its full id, percent-encoded", example = "net::ping"),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "It is running", body = JobStateView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "The condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session or job", body = ProblemBody),
        (status = 409, description = "Something holds it up, or another job is running", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
    )
)]
pub(crate) async fn begin_job(
    State(app): State<App>,
    Changing(by): Changing,
    Path((id, job)): Path<(String, String)>,
) -> Result<Response> {
    let at = result::begin(&app.sessions, session_of(&id)?, id_of("job", job)?, by).await?;
    Ok(changed(at, JobStateView::from))
}

/// What is to hold of a job, whatever its fields and the test plans say. What is left out stays; null takes back what was
/// overridden by hand before.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobPatch, example = json!({"certification_status": "blocker", "attempts": 1}))]
pub struct AskedJob {
    /// The full id of its category.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    category_id: Member<String>,
    /// Whether its failure blocks a certificate: `blocker` or `non-blocker`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    certification_status: Member<String>,
    /// Whether it may be tried again by itself: `unspecified` or `no`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    auto_retry: Member<String>,
    /// How often it may be begun yet: 0 to 1000.
    #[schema(maximum = 1000)]
    attempts: Option<u32>,
}

type Overrides = Vec<(&'static str, Option<String>)>;

impl AskedJob {
    fn read(self) -> Result<(Overrides, Option<u32>)> {
        let Self { category_id, certification_status, auto_retry, attempts } = self;
        let members =
            [("category_id", category_id), ("certification_status", certification_status), ("auto_retry", auto_retry)];
        let overrides: Overrides =
            members.into_iter().filter_map(|(field, value)| value.told().map(|value| (field, value))).collect();
        let is_wrong =
            |value: &String| value.is_empty() || value.contains('\0') || value.chars().count() > MAX_OVERRIDE;
        let wrong = overrides.iter().filter(|(_, value)| value.as_ref().is_some_and(is_wrong));
        let words = format!("want 1 to {MAX_OVERRIDE} characters, and no NUL");
        let mut faults: Vec<_> = wrong.map(|(field, _)| Fault::new(format!("/{field}"), words.clone())).collect();
        if attempts.is_some_and(|attempts| attempts > MAX_ATTEMPTS) {
            faults.push(Fault::new("/attempts", format!("want at most {MAX_ATTEMPTS}")));
        }
        refuse("the job", faults)?;
        Ok((overrides, attempts))
    }
}

/// Overrides fields of a job by hand, and says how often it may be begun yet
#[utoipa::path(
    patch, path = "/api/v1/sessions/{id}/jobs/{job}", tag = "sessions",
    request_body = AskedJob,
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "Its full id, percent-encoded", example = "net::ping"),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "How it stands", body = JobStateView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session or job", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn patch_job(
    State(app): State<App>,
    Changing(by): Changing,
    Path((id, job)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedJob = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let (overrides, attempts) = asked.read()?;
    let (id, job) = (session_of(&id)?, id_of("job", job)?);
    let at = steer::override_job(&app.sessions, id, job, overrides, attempts, by).await?;
    Ok(changed(at, JobStateView::from))
}
