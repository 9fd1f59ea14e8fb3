//! What it takes to run specs again.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::spec::find::{self, ViewPattern};
use crate::app::spec::selection::{self, Rerun};
use crate::domain::selection::runtime::Strategy;
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::specs::documents;

/// What is to run again: exactly one of `strategy`, `ids` and `views`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpecsRerunQuestion, example = json!({"strategy": "failed", "tag": "nightly"}))]
pub struct AskedRerun {
    /// Which ones, by their newest results: `all`, `not_pass`, `failed`, `not_run`, `changed` (since they ran), or `ids:`
    /// and whole ids with commas.
    #[schema(value_type = Option<String>)]
    strategy: Option<Strategy>,
    /// The strategy picks among those that are selected under this tag; among all where it is left out.
    tag: Option<String>,
    /// Whole ids or beginnings of ids.
    ids: Option<Vec<String>>,
    /// Shell globs of views.
    views: Option<Vec<String>>,
}

/// What it takes to run specs again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecsRerun)]
pub struct RerunView {
    /// What is to run, by id: what was asked for, and all that depends on it. Nothing where nothing was asked for.
    run: BTreeSet<String>,
    /// What those depend on beside, by id: only its earlier results are needed.
    upstream_only: BTreeSet<String>,
}

/// Plans what to run again
///
/// Nothing is run or stored.
#[utoipa::path(
    post, path = "/api/v1/specs/rerun", tag = "specs",
    request_body = AskedRerun,
    responses(
        (status = 200, description = "The plan", body = RerunView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such selection; a whole id is none of a spec", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "None or several of `strategy`, `ids` and `views`; no such strategy; no spec has an id that begins so, or several have", body = ProblemBody),
    )
)]
pub(crate) async fn plan_rerun(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<RerunView>> {
    let asked: AskedRerun = documents::json(&app, &headers, body).await?;
    let invalid = |words: &str| Err(Problem::new(Code::Invalid, words));
    if asked.tag.is_some() && asked.strategy.is_none() {
        return invalid("`tag` goes with `strategy`: it says among which specs that picks");
    }
    let roots = match (asked.strategy, asked.ids, asked.views) {
        (Some(strategy), None, None) => {
            // The use case plans nothing for a tag that is not there; who asks over HTTP has made a mistake.
            if let Some(tag) = asked.tag.as_deref().filter(|tag| *tag != selection::ALL) {
                selection::must_be(&app.specs, tag).await?;
            }
            selection::rerun_roots(&app.specs, &strategy, asked.tag.as_deref()).await?
        }
        (None, Some(ids), None) => find::resolve_many(&app.specs, &ids).await?,
        (None, None, Some(views)) => {
            let globs: Vec<ViewPattern> = views.into_iter().map(ViewPattern::Glob).collect();
            find::by_view(&app.specs, &globs).await?
        }
        _ => return invalid("want one of `strategy`, `ids` and `views`"),
    };
    let Rerun { run, upstream_only } = selection::rerun(&app.specs, &roots).await?;
    Ok(Json(RerunView { run, upstream_only }))
}
