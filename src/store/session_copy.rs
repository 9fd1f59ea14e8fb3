//! Sessions as they are carried from one database to another: each row as it stands.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::session::{
    Blob, ContextRow, Counters, EventRow, JobRow, Metadata, Problem, Report, ResourceRow, UnitRow,
};
use crate::store::Conn;
use crate::store::error::{Error, Result};
use crate::store::event::mark;
use crate::store::query::{Insert, Query, Record};
use crate::store::verbatim::Verbatim;

/// How many rows are read at once.
const STRETCH: i64 = 2_000;

/// The row of a session itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// How often it was changed, its making counted.
    pub version: i64,
    /// The version in which something was last removed from it.
    pub removed_in: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it, where that is known.
    pub created_by: Option<String>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// What applications note about it.
    pub metadata: Verbatim<Metadata>,
    /// What is next, and what waits to be settled.
    pub counters: Verbatim<Counters>,
    /// The device context.
    pub context: Verbatim<ContextRow>,
    /// The answers of the machine's manifest.
    pub manifest: Verbatim<BTreeMap<String, Value>>,
    /// The ids of the desired jobs.
    pub desired: Verbatim<Vec<String>>,
    /// The ids of the mandatory jobs.
    pub mandatory: Verbatim<Vec<String>>,
    /// What is wrong with what was desired last. Archives that were made before this was kept have none.
    #[serde(default)]
    pub problems: Verbatim<Vec<Problem>>,
}

/// A blob as its column holds it: both databases read and write base64 alike.
pub(super) fn text_of(blob: &Blob) -> String {
    STANDARD.encode(&blob.0)
}

/// The blob of a column.
pub(super) fn blob_of(text: &str) -> Result<Blob> {
    STANDARD.decode(text).map(Blob).map_err(|error| Error::Encode(error.into()))
}

/// The row of a session.
///
/// # Errors
/// If the database refuses.
pub async fn head(conn: &mut Conn<'_>, id: Uuid) -> Result<Option<Head>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        version: i64,
        removed_in: i64,
        created_at: DateTime<Utc>,
        created_by: Option<String>,
        updated_at: DateTime<Utc>,
        metadata: Verbatim<Metadata>,
        app_blob: Option<String>,
        rejected_jobs: Verbatim<Vec<String>>,
        counters: Verbatim<Counters>,
        context: Verbatim<ContextRow>,
        manifest: Verbatim<BTreeMap<String, Value>>,
        desired: Verbatim<Vec<String>>,
        mandatory: Verbatim<Vec<String>>,
        problems: Verbatim<Vec<Problem>>,
    }
    let row: Option<Row> = conn
        .query(
            "SELECT version, removed_in, created_at, created_by, updated_at, metadata, app_blob, rejected_jobs, counters,
                context, manifest, desired, mandatory, problems
             FROM session WHERE id = $1",
        )
        .bind(id)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok(None) };
    let app_blob = row.app_blob.as_deref().map(blob_of).transpose()?;
    Ok(Some(Head {
        version: row.version,
        removed_in: row.removed_in,
        created_at: row.created_at,
        created_by: row.created_by,
        updated_at: row.updated_at,
        metadata: Verbatim(Metadata { app_blob, rejected_jobs: row.rejected_jobs.0, ..row.metadata.0 }),
        counters: row.counters,
        context: row.context,
        manifest: row.manifest,
        desired: row.desired,
        mandatory: row.mandatory,
        problems: row.problems,
    }))
}

/// Makes the row of a session, which begins a life of its own.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if there is one of that id.
pub async fn put_head(conn: &mut Conn<'_>, id: Uuid, life: Uuid, head: &Head) -> Result<()> {
    let metadata = &head.metadata.0;
    conn.query(
        "INSERT INTO session (id, version, removed_in, steered_in, life, created_at, created_by, updated_at, app_id, metadata,
            app_blob, rejected_jobs, counters, context, manifest, desired, mandatory, problems)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind(id)
    .bind(head.version)
    .bind(head.removed_in)
    .bind(head.version)
    .bind(life)
    .bind(head.created_at)
    .bind(head.created_by.as_deref())
    .bind(head.updated_at)
    .bind(metadata.app_id.as_deref())
    .bind(Verbatim(metadata.brief()))
    .bind(metadata.app_blob.as_ref().map(text_of))
    .bind(Verbatim(&metadata.rejected_jobs))
    .bind(&head.counters)
    .bind(&head.context)
    .bind(&head.manifest)
    .bind(&head.desired)
    .bind(&head.mandatory)
    .bind(&head.problems)
    .execute()
    .await?;
    Ok(())
}

/// A row of one of a session's tables.
pub trait Carried: Record + Serialize + DeserializeOwned + Sync + 'static {
    /// What the rows are, for people and as a file's name.
    const NAME: &'static str;
    /// The statement that reads rows, up to the session's id.
    const SELECT: &'static str;
    /// The columns by which rows are ordered, which name one.
    const KEY: &'static str;
    /// The statement that writes rows.
    const INSERT: Insert;

    /// Appends the row's key.
    fn push_key<'c, 'a>(&self, query: Query<'c, 'a>) -> Query<'c, 'a>;

    /// Binds the row's columns, in their order; `mark` is that of what this transaction tells.
    fn bind<'c, 'a>(&self, query: Query<'c, 'a>, mark: i64) -> Query<'c, 'a>;
}

macro_rules! carried {
    (
        $(#[$doc:meta])* $row:ident, $name:literal, $table:literal by ($($key:ident),+), $columns:literal columns,
        { $($(#[$about:meta])* $field:ident: $type:ty,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
        #[serde(deny_unknown_fields)]
        pub struct $row {
            $($(#[$about])* pub $field: $type,)+
        }

        impl Carried for $row {
            const NAME: &'static str = $name;
            const SELECT: &'static str =
                concat!("SELECT session_id", $(", ", stringify!($field),)+ " FROM ", $table, " WHERE session_id = ");
            const KEY: &'static str = carried!(@list $($key),+);
            const INSERT: Insert = Insert {
                head: concat!("INSERT INTO ", $table, " (session_id", $(", ", stringify!($field),)+ ") VALUES "),
                columns: $columns,
                tail: "",
            };

            fn push_key<'c, 'a>(&self, query: Query<'c, 'a>) -> Query<'c, 'a> {
                let mut query = query.push("(");
                let mut separator = "";
                $(
                    query = query.push(separator).push_bind(self.$key.clone());
                    separator = ", ";
                )+
                let _ = separator;
                query.push(")")
            }

            fn bind<'c, 'a>(&self, query: Query<'c, 'a>, _mark: i64) -> Query<'c, 'a> {
                query $(.bind(&self.$field))+
            }
        }
    };
    (@list $first:ident $(, $more:ident)*) => {
        concat!("(", stringify!($first), $(", ", stringify!($more),)* ")")
    };
}

carried!(
    /// A unit.
    CarriedUnit, "units", "session_unit" by (place), 4 columns, {
        /// Its place in the list of units.
        place: i64,
        /// The version that wrote it.
        version: i64,
        /// The unit.
        document: Verbatim<UnitRow>,
    }
);
carried!(
    /// A job.
    CarriedJob, "jobs", "session_job" by (job_id), 4 columns, {
        /// Its id.
        job_id: String,
        /// The version that wrote it.
        version: i64,
        /// The job, and how it stands.
        document: Verbatim<JobRow>,
    }
);
carried!(
    /// A result.
    CarriedResult, "results", "session_result" by (job_id, version, number), 8 columns, {
        /// The job.
        job_id: String,
        /// Its place among the results of the job.
        number: i64,
        /// The version that wrote it.
        version: i64,
        /// False where the job was taken out of the session afterwards.
        live: bool,
        /// When it was recorded.
        recorded_at: DateTime<Utc>,
        /// Who recorded it, where that is known.
        recorded_by: Option<String>,
        /// The result.
        document: Verbatim<Report>,
    }
);
carried!(
    /// The records of a resource.
    CarriedResource, "resources", "session_resource" by (resource_id), 4 columns, {
        /// The resource.
        resource_id: String,
        /// The version that wrote it.
        version: i64,
        /// The records.
        document: Verbatim<ResourceRow>,
    }
);
/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(deny_unknown_fields)]
pub struct CarriedEvent {
    /// Its place among all that happened.
    pub number: i64,
    /// The version that it belongs to.
    pub version: i64,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// What happened.
    pub document: Verbatim<EventRow>,
}

/// What a session tells of itself, as rows of the feed.
pub(super) const EVENT: Insert = Insert {
    head: "INSERT INTO event (session_id, session_number, session_version, happened_at, document, kind, mark) VALUES ",
    columns: 7,
    tail: "",
};

impl Carried for CarriedEvent {
    const NAME: &'static str = "events";
    const SELECT: &'static str =
        "SELECT session_id, session_number AS number, session_version AS version, happened_at, document
         FROM event WHERE session_number IS NOT NULL AND session_id = ";
    const KEY: &'static str = "(session_number)";
    const INSERT: Insert = EVENT;

    fn push_key<'c, 'a>(&self, query: Query<'c, 'a>) -> Query<'c, 'a> {
        query.push_bind(self.number)
    }

    fn bind<'c, 'a>(&self, query: Query<'c, 'a>, mark: i64) -> Query<'c, 'a> {
        let query = query.bind(self.number).bind(self.version).bind(self.happened_at).bind(&self.document);
        query.bind(self.document.0.event.kind()).bind(mark)
    }
}

carried!(
    /// A value that clients share.
    CarriedValue, "values", "session_value" by (key), 5 columns, {
        /// Its key.
        key: String,
        /// The value.
        value: Verbatim<Value>,
        /// When it came.
        created_at: DateTime<Utc>,
        /// Who brought it, where that is known.
        created_by: Option<String>,
    }
);

/// The rows of a table that come after a row, in the order of their keys; none at the end.
///
/// # Errors
/// If the database refuses, or a row cannot be read.
pub async fn rows<T: Carried>(conn: &mut Conn<'_>, id: Uuid, after: Option<&T>) -> Result<Vec<T>> {
    let mut query = conn.query(T::SELECT).push_bind(id);
    if let Some(after) = after {
        query = after.push_key(query.push(" AND ").push(T::KEY).push(" > "));
    }
    let order = T::KEY.trim_matches(['(', ')']);
    query.push(" ORDER BY ").push(order).push(" LIMIT ").push_bind(STRETCH).fetch_all().await
}

/// Writes rows of a session that has none of their keys yet.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if it has; [`crate::store::Error::Constraint`] if there is no such session.
pub async fn put_rows<T: Carried>(conn: &mut Conn<'_>, id: Uuid, rows: &[T]) -> Result<()> {
    let mark = mark(conn).await?;
    T::INSERT.execute(conn, rows, |query, row| row.bind(query.bind(id), mark)).await?;
    Ok(())
}
