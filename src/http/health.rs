//! Whether the process lives, and whether it can serve.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::problem::{Code, Problem, ProblemBody, Result};

/// How long the database may take before the service counts as not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the service says of itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The version of the program.
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Says that the process lives
#[utoipa::path(
    get, path = "/livez", tag = "health",
    responses((status = 200, description = "It lives", body = Health))
)]
pub(crate) async fn livez() -> Json<Health> {
    Json(OK)
}

/// Says whether the service can serve: the database answers
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "The database does not answer", body = ProblemBody),
    )
)]
pub(crate) async fn readyz(State(app): State<App>) -> Result<Json<Health>> {
    let asked = tokio::time::timeout(PATIENCE, async {
        let mut db = app.db.read().await?;
        db.conn().query("SELECT 1").execute().await
    });
    match asked.await {
        Ok(Ok(_)) => Ok(Json(OK)),
        Ok(Err(error)) => {
            Err(Problem::new(Code::Unavailable, "the database does not answer").because(format!("{error:?}")))
        }
        Err(_) => Err(Problem::new(Code::Unavailable, "the database does not answer in time")),
    }
}

/// What greets at the root.
#[derive(Debug, Serialize, ToSchema)]
pub struct Welcome {
    /// The bridge's own greeting.
    #[schema(example = "Hello World")]
    message: &'static str,
    /// The service.
    service: &'static str,
    /// Its version.
    version: &'static str,
    /// Where its API can be browsed.
    docs: &'static str,
}

/// Greets
#[utoipa::path(get, path = "/", tag = "health", responses((status = 200, description = "A greeting", body = Welcome)))]
pub(crate) async fn root() -> Json<Welcome> {
    Json(Welcome { message: "Hello World", service: "testyard", version: env!("CARGO_PKG_VERSION"), docs: "/docs" })
}
