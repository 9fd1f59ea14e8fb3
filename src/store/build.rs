//! Builds: what was asked to be built.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::domain::run::RunState;
use crate::domain::status::Status;
use crate::ids::BuildId;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Page;
use crate::store::query::Insert;

/// A build that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// Who builds it.
    pub runner: String,
    /// The URL of the git repository.
    pub tree: String,
    /// The branch, tag or other ref.
    pub branch: String,
    /// The toolchain's name at the runner.
    pub toolchain: String,
    /// The architecture, in the runner's word.
    pub architecture: String,
    /// The configuration's name or URL.
    pub kconfig: Option<String>,
    /// What is merged into the configuration.
    pub fragments: Json<Vec<String>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// What makes a repeated request the same one, if the caller gave it.
    pub idempotency_key: Option<String>,
}

impl Build {
    /// Whether the same is asked for, whenever and under whatever id.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let other = Self { id: self.id, created_at: self.created_at, ..other.clone() };
        *self == other
    }
}

const COLUMNS: &str = "SELECT id, runner, tree, branch, toolchain, architecture, kconfig, fragments, created_at, \
                       idempotency_key FROM build ";

/// Stores builds; a build whose idempotency key is known already is not stored again. Returns for each, in their order,
/// the id of the build that stands: its own, or the earlier one's. The runs of new builds are planned with
/// [`crate::store::run::plan`] in the same transaction.
///
/// # Errors
/// If the database refuses.
pub async fn insert(conn: &mut Conn<'_>, builds: &[impl Borrow<Build>]) -> Result<Vec<BuildId>> {
    const INSERT: Insert = Insert {
        head: "INSERT INTO build (id, runner, tree, branch, toolchain, architecture, kconfig, fragments, created_at, \
               idempotency_key) VALUES ",
        columns: 10,
        tail: " ON CONFLICT (idempotency_key) DO NOTHING RETURNING id",
    };
    // Two transactions that store builds under the same keys must meet the unique key in the same order.
    let builds: Vec<&Build> = builds.iter().map(Borrow::borrow).collect();
    let mut ordered = builds.clone();
    ordered.sort_by_key(|build| build.idempotency_key.as_deref());
    let new: Vec<(BuildId,)> = INSERT
        .fetch_all(conn, &ordered, |query, build| {
            query
                .bind(build.id)
                .bind(build.runner.as_str())
                .bind(build.tree.as_str())
                .bind(build.branch.as_str())
                .bind(build.toolchain.as_str())
                .bind(build.architecture.as_str())
                .bind(build.kconfig.as_deref())
                .bind(&build.fragments)
                .bind(build.created_at)
                .bind(build.idempotency_key.as_deref())
        })
        .await?;
    let new: std::collections::HashSet<BuildId> = new.into_iter().map(|(id,)| id).collect();
    let mut standing = Vec::with_capacity(builds.len());
    for build in builds {
        if new.contains(&build.id) {
            standing.push(build.id);
        } else {
            let (id,) = conn
                .query("SELECT id FROM build WHERE idempotency_key = $1")
                .bind(build.idempotency_key.as_deref())
                .fetch_one::<(BuildId,)>()
                .await?;
            standing.push(id);
        }
    }
    Ok(standing)
}

/// The build with this id.
///
/// # Errors
/// If the database refuses.
pub async fn by_id(conn: &mut Conn<'_>, id: BuildId) -> Result<Option<Build>> {
    conn.query(COLUMNS).push("WHERE id = $1").bind(id).fetch_optional().await
}

/// What a listing of builds is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Builds whose live run is in one of these states.
    pub states: Vec<RunState>,
    /// Builds whose live run ended with one of these.
    pub statuses: Vec<Status>,
    /// Builds of this repository.
    pub tree: Option<String>,
    /// Builds of this branch.
    pub branch: Option<String>,
    /// Builds at this runner.
    pub runner: Option<String>,
}

/// A page of builds, newest first; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: Page) -> Result<(Vec<Build>, bool)> {
    let mut query = conn.query(COLUMNS).push("WHERE 1 = 1");
    if !filter.states.is_empty() {
        query = query
            .push(" AND EXISTS (SELECT 1 FROM run WHERE run.build_id = build.id AND run.live AND run.state IN ")
            .push_list(filter.states.iter().copied())
            .push(")");
    }
    if !filter.statuses.is_empty() {
        query = query
            .push(" AND EXISTS (SELECT 1 FROM run WHERE run.build_id = build.id AND run.live AND run.status IN ")
            .push_list(filter.statuses.iter().copied())
            .push(")");
    }
    for (condition, value) in
        [(" AND tree = ", &filter.tree), (" AND branch = ", &filter.branch), (" AND runner = ", &filter.runner)]
    {
        if let Some(value) = value {
            query = query.push(condition).push_bind(value.as_str());
        }
    }
    if let Some(before) = page.before {
        query = query.push(" AND id < ").push_bind(before);
    }
    let rows = query.push(" ORDER BY id DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}
