//! Which specs depend on which.

use std::collections::BTreeSet;
use std::str::FromStr;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::spec::find::{self, Closure, Way};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::specs::find::page_of;
use crate::http::specs::{documents, of_path};
use crate::store;
use crate::store::page::Stretch;
use crate::store::spec::Edge;

async fn led_to(app: &App, text: &str, way: Way) -> Result<Closure> {
    let id = find::resolve(&app.specs, text).await.map_err(of_path)?;
    Ok(find::closure(&app.specs, &[id], way).await?)
}

/// Lists what a spec depends on, through however many others
#[utoipa::path(
    get, path = "/api/v1/specs/{id}/upstream", tag = "specs",
    params(
        ("id" = String, Path, description = "The id, or its beginning if no other begins so", example = "0a1f86e5"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of ids, in order; also of what is not stored", body = Listing<String>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such spec", body = ProblemBody),
        (status = 409, description = "Several specs have ids that begin so", body = ProblemBody),
    )
)]
pub(crate) async fn list_upstream(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Listing<String>>> {
    let page = params.only(&[])?.stretch()?;
    Ok(Json(page_of(&led_to(&app, &id, Way::Up).await?.upstream, &page)))
}

/// Lists what depends on a spec, through however many others
#[utoipa::path(
    get, path = "/api/v1/specs/{id}/downstream", tag = "specs",
    params(
        ("id" = String, Path, description = "The id, or its beginning if no other begins so", example = "0a1f86e5"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of ids, in order", body = Listing<String>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such spec", body = ProblemBody),
        (status = 409, description = "Several specs have ids that begin so", body = ProblemBody),
    )
)]
pub(crate) async fn list_downstream(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Listing<String>>> {
    let page = params.only(&[])?.stretch()?;
    Ok(Json(page_of(&led_to(&app, &id, Way::Down).await?.downstream, &page)))
}

/// Which way to go from specs.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SpecsWay)]
pub enum WayWord {
    /// To what they depend on.
    Up,
    /// To what depends on them.
    Down,
    /// To what depends on them, and to all that those and they depend on: what running them again concerns.
    UpDown,
}

/// Specs, and which way to go from them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpecsClosureQuestion)]
pub struct AskedClosure {
    /// Whole ids or beginnings of ids.
    #[schema(example = json!(["0a1f86e5"]))]
    ids: Vec<String>,
    /// Which way.
    #[schema(example = "up_down")]
    way: WayWord,
}

/// What specs lead to. One that is asked for is in it only where it is reached from one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecsClosure)]
pub struct ClosureView {
    /// What is depended on, by id; also what is not stored.
    upstream: BTreeSet<String>,
    /// What depends, by id.
    downstream: BTreeSet<String>,
}

/// Tells what specs lead to, through however many others
#[utoipa::path(
    post, path = "/api/v1/specs/closure", tag = "specs",
    request_body = AskedClosure,
    responses(
        (status = 200, description = "What they lead to", body = ClosureView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "No spec has an id that begins so, or several have: `errors` says which", body = ProblemBody),
    )
)]
pub(crate) async fn find_closure(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<ClosureView>> {
    let asked: AskedClosure = documents::json(&app, &headers, body).await?;
    let ids: Vec<String> = find::resolve_many(&app.specs, &asked.ids).await?.into_iter().collect();
    let way = match asked.way {
        WayWord::Up => Way::Up,
        WayWord::Down => Way::Down,
        WayWord::UpDown => Way::UpDown,
    };
    let Closure { upstream, downstream } = find::closure(&app.specs, &ids, way).await?;
    Ok(Json(ClosureView { upstream, downstream }))
}

/// That a spec waits for another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecEdge)]
pub struct EdgeView {
    /// The spec that waits.
    spec_id: String,
    /// Which of its dependencies it is, from 0.
    #[schema(example = 0)]
    place: i64,
    /// What it waits for, which need not be there.
    dependency_id: String,
    /// The status or category that this must have come to; `*` for any.
    #[schema(example = "success")]
    when: String,
}

impl From<Edge> for EdgeView {
    fn from(edge: Edge) -> Self {
        let Edge { spec_id, place, dependency_id, wanted } = edge;
        Self { spec_id, place, dependency_id, when: wanted }
    }
}

/// A place in the list of edges, as a cursor: `0.0a1f86e5`.
#[derive(Debug)]
struct Place(i64, String);

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = text.split_once('.').and_then(|(place, id)| Some(Self(place.parse().ok()?, id.to_owned())));
        place.ok_or("it is no cursor of this listing")
    }
}

/// Lists what specs wait for, by spec and in the order in which it says so
#[utoipa::path(
    get, path = "/api/v1/specs/edges", tag = "specs",
    params(
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of edges", body = Listing<EdgeView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_edges(State(app): State<App>, params: Params) -> Result<Json<Listing<EdgeView>>> {
    let Stretch { limit, after } = params.only(&[])?.stretch::<Place>()?;
    let page = Stretch { limit, after: after.map(|Place(place, id)| (id, place)) };
    let mut db = app.read().await?;
    let found = store::spec::edges(&mut db.conn(), None, &page).await?;
    Ok(Json(Listing::of(found, |edge| format!("{}.{}", edge.place, edge.spec_id), EdgeView::from)))
}

/// A spec and what it depends on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpecNode)]
pub struct NodeView {
    /// The spec.
    id: String,
    /// What it depends on, in the order in which it says so; also what is not there.
    dependencies: Vec<String>,
}

/// Lists every spec with what it depends on, by id
#[utoipa::path(
    get, path = "/api/v1/specs/graph", tag = "specs",
    params(
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of specs, those that depend on nothing too", body = Listing<NodeView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_graph(State(app): State<App>, params: Params) -> Result<Json<Listing<NodeView>>> {
    let page = params.only(&[])?.stretch()?;
    let found = find::graph_page(&app.specs, &page).await?;
    let view = |(id, dependencies)| NodeView { id, dependencies };
    Ok(Json(Listing::of(found, |(id, _)| id.clone(), view)))
}
