//! Leases: what agents have in their hands, and what they tell of it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::agent::{output, report};
use crate::app::content::NotTaken;
use crate::domain::agent::{Appended, Beat, Heartbeat, LogBatch, Release, Results, Taken};
use crate::domain::agent_lease::LeaseState;
use crate::domain::digest::Digest;
use crate::http::agents::{
    AppendedDocument, BeatDocument, HeartbeatDocument, LogBatchDocument, ReleaseDocument, ResultsDocument,
    TakenDocument,
};
use crate::http::body;
use crate::http::builds::read_id;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::ids::{AgentLeaseId, CallbackId, RunId};
use crate::store;
use crate::store::agent::Agent;
use crate::store::agent_lease::{AgentLease, Filter};

/// The longest body that says little.
const MAX_WORDS_BYTES: usize = 64 << 10;

/// The longest batch of lines of a log.
const MAX_LOG_BYTES: usize = 1 << 20;

/// A lease: a run in an agent's hands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lease)]
pub struct LeaseView {
    id: AgentLeaseId,
    /// The run.
    run: RunId,
    /// The name of the agent.
    #[schema(example = "lab-3")]
    agent: String,
    /// The run's attempt.
    #[schema(example = 1)]
    generation: i64,
    state: LeaseState,
    /// Why, in words, where there is more to say than the state.
    #[schema(example = "the agent `lab-3` was lost: no heartbeat since 2026-01-02T03:04:05Z")]
    reason: Option<String>,
    /// When the agent got it.
    granted_at: DateTime<Utc>,
    /// When it ends unless a heartbeat comes, or would have.
    expires_at: DateTime<Utc>,
    /// When the agent was last heard of about it.
    seen_at: DateTime<Utc>,
    /// Why the agent is to stop, where it is.
    #[schema(example = "past its deadline")]
    cancel_reason: Option<String>,
    /// When it was over.
    ended_at: Option<DateTime<Utc>>,
    /// The callback that keeps results which came too late.
    late: Option<CallbackId>,
}

impl From<AgentLease> for LeaseView {
    fn from(lease: AgentLease) -> Self {
        Self {
            id: lease.id,
            run: lease.run_id,
            agent: lease.agent,
            generation: lease.generation,
            state: lease.state,
            reason: lease.reason,
            granted_at: lease.granted_at,
            expires_at: lease.expires_at,
            seen_at: lease.seen_at,
            cancel_reason: lease.cancel_reason,
            ended_at: lease.ended_at,
            late: lease.late_id,
        }
    }
}

/// A file that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptArtifact)]
pub struct KeptView {
    /// Its SHA-256.
    #[schema(value_type = String, example = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    sha256: Digest,
    /// How many bytes it has.
    #[schema(example = 40_211)]
    size_bytes: u64,
}

fn lease_of(id: &str) -> Result<AgentLeaseId> {
    read_id("lease", id)
}

/// Lists leases, newest first
#[utoipa::path(
    get, path = "/api/v1/leases", tag = "agents",
    params(
        ("state" = Option<Vec<LeaseState>>, Query, description = "What became of it; may be repeated"),
        ("agent" = Option<String>, Query, description = "The name of the agent"),
        ("run" = Option<RunId>, Query, description = "The run"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of leases", body = Listing<LeaseView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_leases(State(app): State<App>, params: Params) -> Result<Json<Listing<LeaseView>>> {
    let params = params.only(&["state", "agent", "run"])?;
    let filter = Filter { states: params.all("state")?, agent: params.one("agent")?, run_id: params.one("run")? };
    let page = params.page(|id: AgentLeaseId| id.0)?;
    let mut db = app.read().await?;
    let found = store::agent_lease::list(&mut db.conn(), &filter, page).await?;
    Ok(Json(Listing::of(found, |lease| lease.id.to_string(), LeaseView::from)))
}

/// Takes an agent's word that it lives: its lease lasts on
#[utoipa::path(
    post, path = "/api/v1/leases/{id}/heartbeat", tag = "agents",
    params(("id" = AgentLeaseId, Path)),
    request_body = HeartbeatDocument,
    responses(
        (status = 200, description = "How long it lasts now, and whether to stop", body = BeatDocument),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such lease of this agent", body = ProblemBody),
        (status = 409, description = "The lease is the agent's no more (`lease-lost`): stop, and report what there is", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "It makes no sense", body = ProblemBody),
    )
)]
pub(crate) async fn beat_lease(
    State(app): State<App>,
    Extension(agent): Extension<Agent>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Beat>> {
    let most = app.settings.server.max_body_bytes.min(MAX_WORDS_BYTES);
    let told: Heartbeat = body::json(&headers, body, most).await?;
    Ok(Json(report::heartbeat(&app, &agent, lease_of(&id)?, told).await?))
}

/// Appends lines to the log of a run
///
/// The lines of a lease are numbered from 0. Those that are there already are passed over.
#[utoipa::path(
    post, path = "/api/v1/leases/{id}/log", tag = "agents",
    params(("id" = AgentLeaseId, Path)),
    request_body = LogBatchDocument,
    responses(
        (status = 200, description = "They are kept, or counted where the log is full", body = AppendedDocument),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such lease of this agent", body = ProblemBody),
        (status = 409, description = "Lines are missing before them (`log-gap`: send on from `next`), or the lease is the agent's no more (`lease-lost`)", body = ProblemBody),
        (status = 413, description = "More than 1 MiB", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "It makes no sense, or the lease does not hold a job that is named", body = ProblemBody),
    )
)]
pub(crate) async fn append_log(
    State(app): State<App>,
    Extension(agent): Extension<Agent>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Appended>> {
    let most = app.settings.server.max_body_bytes.min(MAX_LOG_BYTES);
    let told: LogBatch = body::json(&headers, body, most).await?;
    Ok(Json(output::append(&app, &agent, lease_of(&id)?, &told).await?))
}

/// Keeps a file of a job
///
/// The same bytes again are nothing new.
#[utoipa::path(
    put, path = "/api/v1/leases/{id}/artifacts/{job}/{*path}", tag = "agents",
    params(
        ("id" = AgentLeaseId, Path),
        ("job" = String, Path, description = "The job, percent-encoded", example = "com.example.lab::net%2Fping"),
        ("path" = String, Path, description = "The file's path in the job's folder; its slashes may be percent-encoded", example = "traces/eth0.pcap"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes"),
    responses(
        (status = 200, description = "It is there already", body = KeptView),
        (status = 201, description = "It is kept", body = KeptView),
        (status = 400, description = "The body breaks off", body = ProblemBody),
        (status = 404, description = "There is no such lease of this agent, or it does not hold the job", body = ProblemBody),
        (status = 409, description = "There are other bytes under the path, the run has as many files or bytes as it may have (`conflict`), or the lease is the agent's no more (`lease-lost`)", body = ProblemBody),
        (status = 413, description = "More than `artifacts.max_bytes`", body = ProblemBody),
        (status = 422, description = "The path is none", body = ProblemBody),
    )
)]
pub(crate) async fn put_artifact(
    State(app): State<App>,
    Extension(agent): Extension<Agent>,
    Path((id, job, path)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let too_large = |most| Problem::new(Code::TooLarge, format!("an artifact may have at most {most} bytes"));
    let most = app.settings.artifacts.max_bytes;
    let announced = body::text(&headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let bytes = body.into_data_stream();
    let put = output::put(&app, &agent, lease_of(&id)?, (&job, &path), bytes).await.map_err(|error| match error {
        NotTaken::TooLarge(most) => too_large(most),
        NotTaken::Source(error) => body::broken_off(&error),
        NotTaken::Failed(error) => error.into(),
    })?;
    let status = if put.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let view = KeptView { sha256: put.stored.sha256, size_bytes: put.stored.size };
    Ok((status, Json(view)).into_response())
}

/// Takes the results of a run from its agent
///
/// Repeated they change nothing. What comes too late is kept as evidence, and `taken` is false.
#[utoipa::path(
    post, path = "/api/v1/leases/{id}/results", tag = "agents",
    params(("id" = AgentLeaseId, Path)),
    request_body = ResultsDocument,
    responses(
        (status = 200, description = "What became of them", body = TakenDocument),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such lease of this agent", body = ProblemBody),
        (status = 409, description = "The lease is of another generation (`lease-lost`)", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "The lease does not hold a job that is reported, or one stands twice", body = ProblemBody),
    )
)]
pub(crate) async fn report_results(
    State(app): State<App>,
    Extension(agent): Extension<Agent>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Taken>> {
    let told: Results = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    Ok(Json(report::results(&app, &agent, lease_of(&id)?, &told).await?))
}

/// Takes back a run that its agent has not begun: it is planned again
#[utoipa::path(
    post, path = "/api/v1/leases/{id}/release", tag = "agents",
    params(("id" = AgentLeaseId, Path)),
    request_body = ReleaseDocument,
    responses(
        (status = 200, description = "It is planned again", body = LeaseView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such lease of this agent", body = ProblemBody),
        (status = 409, description = "The lease is the agent's no more (`lease-lost`)", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "There is no reason in it", body = ProblemBody),
    )
)]
pub(crate) async fn release_lease(
    State(app): State<App>,
    Extension(agent): Extension<Agent>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<LeaseView>> {
    let most = app.settings.server.max_body_bytes.min(MAX_WORDS_BYTES);
    let told: Release = body::json(&headers, body, most).await?;
    Ok(Json(report::release(&app, &agent, lease_of(&id)?, &told).await?.into()))
}
