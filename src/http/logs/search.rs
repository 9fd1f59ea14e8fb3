//! Searches in logs.

use axum::Json;
use axum::extract::State;

use super::{LogPage, from, limit, refused, wanted};
use crate::app::App;
use crate::app::log::search::{Sought, search};
use crate::domain::log::LogStream;
use crate::http::builds::read_id;
use crate::http::params::{Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::ids::RunId;

/// Finds lines in the log of a run
///
/// One answer looks for a few seconds at most: it may have few lines, and even none, although there are more. `next_cursor`
/// goes on.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/log/search", tag = "runs",
    params(
        ("id" = RunId, Path),
        ("q" = String, Query, description = "What stands in the lines; at most 1000 characters", example = "Kernel panic"),
        ("regex" = Option<bool>, Query, description = "Whether it is a regular expression"),
        ("ignore_case" = Option<bool>, Query, description = "Whether small and large letters are the same"),
        ("from" = Option<u64>, Query, description = "From the line with this number on"),
        ("job" = Option<String>, Query, description = "Only lines of this job"),
        ("stream" = Option<Vec<LogStream>>, Query, description = "Only lines of these streams; may be repeated"),
        ("limit" = Option<u32>, Query, description = "How many lines, 1 to 1000; 200 where it is left out"),
        ("cursor" = Option<u64>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "The lines that were found", body = LogPage),
        (status = 400, description = "A query field is missing, unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such run, or it has no log here: `log_url` says where it has one", body = ProblemBody),
        (status = 422, description = "What is looked for is no regular expression, too long, or takes too long", body = ProblemBody),
    )
)]
pub(crate) async fn search_run_log(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<LogPage>> {
    let params = params.only(&["q", "regex", "ignore_case", "from", "job", "stream"])?;
    let run: RunId = read_id("run", &id)?;
    let text =
        params.one::<String>("q")?.ok_or_else(|| refused("the query field `q`: say what is looked for".into()))?;
    let (is_regex, ignores_case) = (params.flag("regex")?, params.flag("ignore_case")?);
    let sought = Sought::new(&text, is_regex.unwrap_or_default(), ignores_case.unwrap_or_default())?;
    Ok(Json(search(&app, run, sought, wanted(&params)?, from(&params)?, limit(&params)?).await?.into()))
}
