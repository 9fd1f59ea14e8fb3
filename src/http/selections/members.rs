//! The specs of a selection: which are selected, which are not, and why.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::spec::index;
use crate::app::spec::selection::{self, Why, sentence};
use crate::domain::selection::table::Table;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::selections::GroupView;
use crate::http::specs::schema::ReasonDocument;
use crate::http::specs::{SpecView, of_ids, of_path};
use crate::store;
use crate::store::selection::Member;

/// A spec that is selected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectedSpec)]
pub struct SelectedView {
    /// Its id.
    id: String,
    /// The spec, where it is asked for and stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<SpecView>,
}

/// Lists the specs that are selected, by id
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}/specs", tag = "selections",
    params(
        ("tag" = String, Path, example = "nightly"),
        ("full" = Option<bool>, Query, description = "Whole specs beside the ids"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of specs", body = Listing<SelectedView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn list_selected(
    State(app): State<App>,
    Path(tag): Path<String>,
    params: Params,
) -> Result<Json<Listing<SelectedView>>> {
    let params = params.only(&["full"])?;
    let (is_full, page) = (params.one("full")?.unwrap_or(false), params.stretch()?);
    selection::must_be(&app.specs, &tag).await?;
    let mut db = app.read().await?;
    let found = store::selection::selected(&mut db.conn(), &tag, &page).await?;
    drop(db);
    let whole = if is_full { of_ids(&app, &found.0).await? } else { Vec::new() };
    let mut whole: HashMap<String, SpecView> = whole.into_iter().map(|spec| (spec.id.clone(), spec)).collect();
    let view = |id: String| SelectedView { spec: whole.remove(&id), id };
    Ok(Json(Listing::of(found, Clone::clone, view)))
}

/// A spec that is left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MaskedSpec)]
pub struct MaskedView {
    /// Its id.
    spec_id: String,
    /// Where people find it; null where it is not stored.
    #[schema(example = "solver/mesh.np=4/mesh.pyt")]
    view: Option<String>,
    /// Why it is left out.
    #[schema(value_type = ReasonDocument)]
    reason: Option<Value>,
    /// The same in words.
    #[schema(example = "the keyword expression `fast and not gpu` does not hold of it")]
    sentence: String,
    /// The spec that it depends on and that has left it out, where that is the reason.
    cause_id: Option<String>,
}

impl MaskedView {
    fn new(member: Member, table: &Table) -> Self {
        let view = table.place(&member.spec_id).map(|spec| table.view(spec).to_owned());
        let sentence = sentence(&member);
        let Member { spec_id, reason, cause_id } = member;
        Self { spec_id, view, sentence, reason: reason.map(|reason| reason.0), cause_id }
    }
}

/// Lists the specs that are left out, by id, each with the reason
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}/masked", tag = "selections",
    params(
        ("tag" = String, Path, example = "nightly"),
        ("type" = Option<String>, Query, description = "Only those whose reason is of this type: `keyword`, `dependency_masked`, …", example = "keyword"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of specs", body = Listing<MaskedView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn list_masked(
    State(app): State<App>,
    Path(tag): Path<String>,
    params: Params,
) -> Result<Json<Listing<MaskedView>>> {
    let params = params.only(&["type"])?;
    let (sort, page) = (params.one::<String>("type")?, params.stretch()?);
    selection::must_be(&app.specs, &tag).await?;
    let (_, table) = index::latest(&app.specs).await?;
    let mut db = app.read().await?;
    let found = store::selection::masked(&mut db.conn(), &tag, sort.as_deref(), &page).await?;
    Ok(Json(Listing::of(found, |member| member.spec_id.clone(), |member| MaskedView::new(member, &table))))
}

/// How many specs are selected, and how many are not for which reason.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionReport)]
pub struct ReportView {
    /// How many are selected.
    #[schema(example = 120)]
    selected: i64,
    /// How many are left out.
    #[schema(example = 30)]
    masked: i64,
    /// How many for which reason, the largest groups first; at most 1000.
    groups: Vec<GroupView>,
}

/// Tells how many specs are left out for which reason
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}/report", tag = "selections",
    params(("tag" = String, Path, example = "nightly")),
    responses(
        (status = 200, description = "The report", body = ReportView),
        (status = 404, description = "There is no such selection", body = ProblemBody),
    )
)]
pub(crate) async fn get_report(State(app): State<App>, Path(tag): Path<String>) -> Result<Json<ReportView>> {
    let made = selection::get(&app.specs, &tag).await?;
    let groups = made.report.into_iter().map(GroupView::from).collect();
    Ok(Json(ReportView { selected: made.selection.selected, masked: made.selection.masked, groups }))
}

/// Why a spec is left out, or that it is not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionWhy)]
pub struct WhyView {
    /// The spec.
    spec_id: String,
    /// Whether it is selected.
    selected: bool,
    /// In one sentence.
    #[schema(example = "0a1f86e5 is left out: the keyword expression `fast` does not hold of it")]
    sentence: String,
    /// The spec, what it depends on that has left it out, and so on down to one that has a reason of its own. Empty if it is
    /// selected.
    chain: Vec<MaskedView>,
}

/// Tells why a spec is left out
#[utoipa::path(
    get, path = "/api/v1/selections/{tag}/why/{spec}", tag = "selections",
    params(
        ("tag" = String, Path, example = "nightly"),
        ("spec" = String, Path, description = "The id, or its beginning if no other begins so", example = "0a1f86e5"),
    ),
    responses(
        (status = 200, description = "Why", body = WhyView),
        (status = 404, description = "There is no such selection or spec, or the spec was not there when the selection was made", body = ProblemBody),
        (status = 409, description = "Several specs have ids that begin so", body = ProblemBody),
    )
)]
pub(crate) async fn explain_selection(
    State(app): State<App>,
    Path((tag, spec)): Path<(String, String)>,
) -> Result<Json<WhyView>> {
    let Why { spec_id, sentence, chain } = selection::why(&app.specs, &tag, &spec).await.map_err(of_path)?;
    let (_, table) = index::latest(&app.specs).await?;
    let selected = chain.is_empty();
    let chain = chain.into_iter().map(|member| MaskedView::new(member, &table)).collect();
    Ok(Json(WhyView { spec_id, selected, sentence, chain }))
}
