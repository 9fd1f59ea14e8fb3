//! Finding specs: by id, by tag, by view.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::app::spec::find::{self, ViewPattern, Wanted};
use crate::http::condition::{etag, unchanged};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::specs::{SpecView, of_ids, of_path};
use crate::store::page::Stretch;

/// Lists specs, by id
#[utoipa::path(
    get, path = "/api/v1/specs", tag = "specs",
    params(
        ("id" = Option<Vec<String>>, Query, description = "Only the spec with this id, or the one whose id begins so; may be repeated. A text of 64 digits and more is a whole id, of which there need not be a spec", example = json!(["0a1f86e5"])),
        ("tag" = Option<String>, Query, description = "Only those that are selected under this tag", example = "nightly"),
        ("upstream" = Option<bool>, Query, description = "And all that those depend on"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of specs", body = Listing<SpecView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
        (status = 422, description = "No spec has an id that begins so, or several have: `errors` says which, `/ids/0` for the first `id`", body = ProblemBody),
    )
)]
pub(crate) async fn list_specs(State(app): State<App>, params: Params) -> Result<Json<Listing<SpecView>>> {
    let params = params.only(&["id", "tag", "upstream"])?;
    let wanted =
        Wanted { ids: params.all("id")?, tag: params.one("tag")?, upstream: params.one("upstream")?.unwrap_or(false) };
    let (ids, more) = find::page(&app.specs, &wanted, &params.stretch()?).await?;
    let next_cursor = ids.last().filter(|_| more).cloned();
    Ok(Json(Listing { items: of_ids(&app, &ids).await?, next_cursor }))
}

/// Shows a spec
#[utoipa::path(
    get, path = "/api/v1/specs/{id}", tag = "specs",
    params(
        ("id" = String, Path, description = "The id, or its beginning if no other begins so", example = "0a1f86e5"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The spec", body = SpecView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such spec", body = ProblemBody),
        (status = 409, description = "Several specs have ids that begin so", body = ProblemBody),
    )
)]
pub(crate) async fn get_spec(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response> {
    let stored = find::get(&app.specs, &id).await.map_err(of_path)?;
    let tag = etag(stored.revision);
    if let Some(response) = unchanged(&headers, &tag) {
        return Ok(response);
    }
    Ok(([(header::ETAG, tag)], Json(SpecView::from(stored))).into_response())
}

/// Lists the ids of the specs whose view matches
///
/// A view is where people find a spec: `solver/mesh.np=4/mesh.pyt`.
#[utoipa::path(
    get, path = "/api/v1/specs/select", tag = "specs",
    params(
        ("view" = Option<Vec<String>>, Query, description = "A shell glob, in which `*` also takes `/`; repeated: any of them", example = json!(["solver/*"])),
        ("like" = Option<Vec<String>>, Query, description = "As Canary has it: with `%` at the end a pattern in which `%` is any text, `_` any character, and capitals are small letters; else a whole view", example = json!(["solver/mesh%"])),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of ids, in order", body = Listing<String>),
        (status = 400, description = "Neither `view` nor `like`; a query field is unknown or malformed", body = ProblemBody),
        (status = 422, description = "Too many patterns", body = ProblemBody),
    )
)]
pub(crate) async fn select_specs(State(app): State<App>, params: Params) -> Result<Json<Listing<String>>> {
    let params = params.only(&["view", "like"])?;
    let globs = params.all("view")?.into_iter().map(ViewPattern::Glob);
    let likes = params.all("like")?.into_iter().map(ViewPattern::Canary);
    let patterns: Vec<ViewPattern> = globs.chain(likes).collect();
    if patterns.is_empty() {
        return Err(Problem::new(Code::BadRequest, "want `view` or `like`, a pattern"));
    }
    let page = params.stretch()?;
    let ids = find::by_view(&app.specs, &patterns).await?;
    Ok(Json(page_of(&ids, &page)))
}

/// A page of ids that are at hand.
pub(super) fn page_of(ids: &std::collections::BTreeSet<String>, page: &Stretch<String>) -> Listing<String> {
    use std::ops::Bound::{Excluded, Unbounded};
    let after = page.after.as_deref().map_or(Unbounded, Excluded);
    Listing::of(page.of(ids.range::<str, _>((after, Unbounded)).cloned()), Clone::clone, |id| id)
}
