//! Agents: programs in labs that ask for work. What they themselves ask stands in [`asking`] and in
//! [`leases`](crate::http::leases); here is what operators see and do.

pub mod asking;
pub mod guard;
mod schema;

pub(crate) use schema::{
    AppendedDocument, BeatDocument, HeartbeatDocument, LogBatchDocument, ReleaseDocument, ResultsDocument,
    TakenDocument,
};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::agent::look::{self, Shown};
use crate::app::agent::{register, steer};
use crate::domain::agent_lease::AgentState;
use crate::http::body;
use crate::http::catalogue::Author;
use crate::http::leases::LeaseView;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::ids::AgentId;

/// The longest body that speaks of agents in general.
const MAX_BODY_BYTES: usize = 256 << 10;

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Agent)]
pub struct AgentView {
    id: AgentId,
    /// What it is called.
    #[schema(example = "lab-3")]
    name: String,
    state: AgentState,
    /// Why, in words, where there is more to say than the state.
    #[schema(example = "nothing was heard of it since 2026-01-02T03:04:05Z")]
    why: Option<String>,
    /// What is said of it.
    #[schema(example = json!({"arch": "riscv64", "board": "visionfive2"}))]
    labels: BTreeMap<String, String>,
    /// The version of its program.
    #[schema(example = "0.1.0")]
    version: String,
    /// The version of the protocol that it speaks.
    #[schema(example = 1)]
    protocol: i64,
    /// What it has in its hands.
    lease: Option<LeaseView>,
    /// When it was heard of last.
    last_seen_at: DateTime<Utc>,
    /// When it registered.
    registered_at: DateTime<Utc>,
    /// The name of the token that let it register, where one was asked for.
    #[schema(example = "ops")]
    registered_by: Option<String>,
}

impl From<Shown> for AgentView {
    fn from(shown: Shown) -> Self {
        let Shown { agent, state, why, lease } = shown;
        Self {
            id: agent.id,
            name: agent.name,
            state,
            why,
            labels: agent.labels.0.0,
            version: agent.version,
            protocol: agent.protocol,
            lease: lease.map(LeaseView::from),
            last_seen_at: agent.last_seen_at,
            registered_at: agent.registered_at,
            registered_by: agent.registered_by,
        }
    }
}

/// A registration token that is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewAgentToken)]
pub struct NewToken {
    /// The only agent that it is good for; any where it is left out.
    #[schema(example = "lab-3")]
    name: Option<String>,
    /// How long it is good, in seconds; `agents.registration_s` where it is left out.
    #[schema(example = 3600)]
    expires_in_s: Option<u64>,
}

/// A registration token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentToken)]
pub struct TokenView {
    /// The token. It is told once.
    #[schema(example = "reg_…")]
    token: String,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
}

/// Why an agent is drained.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AgentDrain)]
pub struct Drain {
    /// The reason, which the agent is told.
    #[schema(example = "the board is being moved")]
    reason: String,
}

/// Makes a token that lets one agent register, once
#[utoipa::path(
    post, path = "/api/v1/agents/tokens", tag = "agents",
    request_body = NewToken,
    responses(
        (status = 201, description = "The token", body = TokenView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "The name is none that an agent may have, or the time is too long", body = ProblemBody),
    )
)]
pub(crate) async fn create_agent_token(
    State(app): State<App>,
    author: Author,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let most = app.settings.server.max_body_bytes.min(MAX_BODY_BYTES);
    let asked: NewToken = body::json(&headers, body, most).await?;
    let made =
        register::make_token(&app, asked.name.as_deref(), asked.expires_in_s, author.by().author.as_deref()).await?;
    let view = TokenView { token: made.token, expires_at: made.expires_at };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Lists agents by their names
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents",
    params(
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of agents", body = Listing<AgentView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_agents(State(app): State<App>, params: Params) -> Result<Json<Listing<AgentView>>> {
    let page = params.only(&[])?.stretch::<String>()?;
    let found = look::list(&app, &page).await?;
    Ok(Json(Listing::of(found, |shown| shown.agent.name.clone(), AgentView::from)))
}

/// Shows an agent, and why it stands as it does
#[utoipa::path(
    get, path = "/api/v1/agents/{name}", tag = "agents",
    params(("name" = String, Path, example = "lab-3")),
    responses(
        (status = 200, description = "The agent", body = AgentView),
        (status = 404, description = "There is no such agent", body = ProblemBody),
    )
)]
pub(crate) async fn get_agent(State(app): State<App>, Path(name): Path<String>) -> Result<Json<AgentView>> {
    Ok(Json(look::show(&app, &name).await?.into()))
}

/// Gives an agent no more work; what it has it finishes
#[utoipa::path(
    post, path = "/api/v1/agents/{name}/drain", tag = "agents",
    params(("name" = String, Path, example = "lab-3")),
    request_body = Drain,
    responses(
        (status = 200, description = "The agent", body = AgentView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such agent", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "There is no reason in it", body = ProblemBody),
    )
)]
pub(crate) async fn drain_agent(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AgentView>> {
    let most = app.settings.server.max_body_bytes.min(MAX_BODY_BYTES);
    let asked: Drain = body::json(&headers, body, most).await?;
    Ok(Json(steer::drain(&app, &name, &asked.reason).await?.into()))
}

/// Gives an agent work again
#[utoipa::path(
    post, path = "/api/v1/agents/{name}/resume", tag = "agents",
    params(("name" = String, Path, example = "lab-3")),
    responses(
        (status = 200, description = "The agent", body = AgentView),
        (status = 404, description = "There is no such agent", body = ProblemBody),
    )
)]
pub(crate) async fn resume_agent(State(app): State<App>, Path(name): Path<String>) -> Result<Json<AgentView>> {
    Ok(Json(steer::resume(&app, &name).await?.into()))
}

/// Removes an agent: its token is good for nothing any more, and what it has in its hands is lost
#[utoipa::path(
    delete, path = "/api/v1/agents/{name}", tag = "agents",
    params(("name" = String, Path, example = "lab-3")),
    responses(
        (status = 204, description = "It is gone; its name is free"),
        (status = 404, description = "There is no such agent", body = ProblemBody),
    )
)]
pub(crate) async fn delete_agent(
    State(app): State<App>,
    author: Author,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    steer::remove(&app, &name, author.by().author.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
