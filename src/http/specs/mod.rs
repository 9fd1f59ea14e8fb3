//! Specs over HTTP: written in batches, found by id, view and tag, as a graph, with what came of them.

pub mod documents;
pub mod find;
pub mod generate;
pub mod graph;
pub mod put;
pub mod rerun;
pub mod results;
pub mod schema;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, AppError};
use crate::domain::spec::Spec;
use crate::http::problem::{Code, Problem, Result};
use crate::http::specs::schema::SpecDocument;
use crate::store;
use crate::store::spec::Stored;

/// A spec, with what is known about it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Spec)]
pub struct SpecView {
    /// Its id.
    #[schema(example = "0a1f86e5c3d24b7799aa00bb11cc22dd33ee44ff5566778899aabbccddeeff00")]
    pub id: String,
    /// Its name: the family and the parameters.
    #[schema(example = "mesh.np=4")]
    name: String,
    /// Where people find it: where it runs, and the name of its file.
    #[schema(example = "solver/mesh.np=4/mesh.pyt")]
    view: String,
    /// The revision of the specs that wrote it last.
    #[schema(example = 42)]
    revision: i64,
    /// When it was first written.
    created_at: DateTime<Utc>,
    /// When it was last written.
    updated_at: DateTime<Utc>,
    /// The spec, filled in. It can be sent back as it is.
    #[schema(value_type = SpecDocument)]
    spec: Spec,
}

impl From<Stored> for SpecView {
    fn from(stored: Stored) -> Self {
        let spec = stored.document.0;
        Self {
            id: stored.id,
            name: spec.name(),
            view: spec.view(),
            revision: stored.revision,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            spec,
        }
    }
}

/// The specs of these ids that there are, by id.
pub(super) async fn of_ids(app: &App, ids: &[String]) -> Result<Vec<SpecView>> {
    let mut db = app.read().await?;
    let mut found = store::spec::get_many(&mut db.conn(), ids).await?;
    found.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    Ok(found.into_iter().map(SpecView::from).collect())
}

/// The problem with an id in a path: what is no beginning of an id names nothing.
pub(super) fn of_path(error: AppError) -> Problem {
    match error {
        AppError::Invalid(words) => Problem::new(Code::NotFound, words),
        other => other.into(),
    }
}
