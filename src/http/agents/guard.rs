//! What stands before the routes of agents: each shows its own token, also on a service that asks nobody else for one, and
//! says which version of the protocol it speaks.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::{App, agent, cut};
use crate::domain::agent::{PROTOCOL, PROTOCOL_HEADER};
use crate::http::body;
use crate::http::log::Caller;
use crate::http::problem::{Code, Problem, Result};
use crate::store::agent::Agent;

/// The bearer of a request.
///
/// # Errors
/// 401 if there is none.
pub fn bearer(headers: &HeaderMap) -> Result<&str> {
    body::text(headers, header::AUTHORIZATION.as_str())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::new(Code::Unauthenticated, "send `Authorization: Bearer TOKEN`"))
}

/// Lets an agent's request through; whose it is, the handler finds among the request's extensions.
pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match agent_of(&app, request.headers()).await {
        Ok(agent) => {
            let caller = Caller(format!("agent {}", agent.name));
            request.extensions_mut().insert(agent);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(caller);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn agent_of(app: &App, headers: &HeaderMap) -> Result<Agent> {
    let agent = agent::authenticate(app, bearer(headers)?).await?;
    let version = body::text(headers, PROTOCOL_HEADER).unwrap_or_default();
    let Ok(version) = version.trim().parse::<u32>() else {
        let words = format!("the header `{PROTOCOL_HEADER}`: want {PROTOCOL}, not `{}`", cut(version, 80));
        return Err(Problem::new(Code::UnknownProtocol, words));
    };
    agent::register::check_protocol(version)?;
    Ok(agent)
}
