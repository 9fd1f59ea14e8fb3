//! What the `type` of a problem leads to: its description.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::words::Word as _;
use crate::http::builds::missing;
use crate::http::params::Path;
use crate::http::problem::{Code, ProblemBody, Result};

/// A kind of problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemKind {
    /// The kind, as one word.
    code: Code,
    /// The kind, in a few words.
    title: &'static str,
    /// The HTTP status of such problems.
    #[schema(example = 404)]
    status: u16,
}

/// Describes a kind of problem
#[utoipa::path(
    get, path = "/problems/{code}", tag = "health",
    params(("code" = Code, Path)),
    responses(
        (status = 200, description = "The kind of problem", body = ProblemKind),
        (status = 404, description = "There is no such kind", body = ProblemBody),
    )
)]
pub(crate) async fn get_problem_kind(Path(code): Path<String>) -> Result<Json<ProblemKind>> {
    let known = Code::ALL.iter().copied().find(|known| known.as_str() == code);
    let code = known.ok_or_else(|| missing("kind of problem", crate::app::cut(&code, 80)))?;
    Ok(Json(ProblemKind { code, title: code.title(), status: code.status().as_u16() }))
}
