//! Results of tests and of the cases inside them.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::domain::observation::Measurement;
use crate::domain::result::ResultSource;
use crate::domain::status::Status;
use crate::ids::{ResultId, RunId};
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Page;
use crate::store::query::Insert;

/// A result as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TestResult {
    /// Its id here.
    pub id: ResultId,
    /// Its id in KCIDB.
    pub kcidb_id: String,
    /// How it came to be known.
    pub source: ResultSource,
    /// The run that brought it.
    pub run_id: Option<RunId>,
    /// KCIDB's id of the build that was tested.
    pub build_ref: String,
    /// Who reports it.
    pub origin: String,
    /// KCIDB's dotted path.
    pub path: String,
    /// The collection that the test belongs to.
    pub collection: Option<String>,
    /// The test's name.
    pub test: Option<String>,
    /// The case inside the test; `None` for the test itself.
    pub case_name: Option<String>,
    /// What came of it.
    pub status: Status,
    /// Why, in words.
    pub reason: Option<String>,
    /// The machine it ran on.
    pub device: Option<String>,
    /// What ran it.
    pub runtime: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// How long it ran, in seconds.
    pub duration_s: Option<f64>,
    /// Where its log lies.
    pub log_url: Option<String>,
    /// The end of its log.
    pub log_excerpt: Option<String>,
    /// What it measured.
    pub number: Option<Json<Measurement>>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}

macro_rules! columns {
    () => {
        "id, kcidb_id, source, run_id, build_ref, origin, path, collection, test, case_name, status, reason, device, \
         runtime, started_at, duration_s, log_url, log_excerpt, number, created_at"
    };
}

/// Stores results; of an id that is known already, the first result stays. Returns how many are new.
///
/// # Errors
/// If the database refuses.
pub async fn insert(conn: &mut Conn<'_>, results: &[impl Borrow<TestResult>]) -> Result<u64> {
    const INSERT: Insert = Insert {
        head: concat!("INSERT INTO result (", columns!(), ") VALUES "),
        columns: 20,
        tail: " ON CONFLICT (kcidb_id) DO NOTHING",
    };
    // Two transactions that store the same results must meet the unique key in the same order.
    let mut ordered: Vec<&TestResult> = results.iter().map(Borrow::borrow).collect();
    ordered.sort_by_key(|result| &result.kcidb_id);
    INSERT
        .execute(conn, &ordered, |query, result| {
            query
                .bind(result.id)
                .bind(result.kcidb_id.as_str())
                .bind(result.source)
                .bind(result.run_id)
                .bind(result.build_ref.as_str())
                .bind(result.origin.as_str())
                .bind(result.path.as_str())
                .bind(result.collection.as_deref())
                .bind(result.test.as_deref())
                .bind(result.case_name.as_deref())
                .bind(result.status)
                .bind(result.reason.as_deref())
                .bind(result.device.as_deref())
                .bind(result.runtime.as_deref())
                .bind(result.started_at)
                .bind(result.duration_s)
                .bind(result.log_url.as_deref())
                .bind(result.log_excerpt.as_deref())
                .bind(&result.number)
                .bind(result.created_at)
        })
        .await
}

/// What a listing of results is narrowed to. Fields are joined by AND.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Results with one of these.
    pub statuses: Vec<Status>,
    /// Results that this run brought.
    pub run_id: Option<RunId>,
    /// Results for this build, by KCIDB's id.
    pub build_ref: Option<String>,
    /// The result with this path.
    pub path: Option<String>,
    /// The result with this id in KCIDB.
    pub kcidb_id: Option<String>,
    /// Results that came this way.
    pub source: Option<ResultSource>,
    /// Results of whole tests (`false`), of cases inside them (`true`), or of both (`None`).
    pub cases: Option<bool>,
}

/// A page of results, newest first; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, page: Page) -> Result<(Vec<TestResult>, bool)> {
    let mut query = conn.query(concat!("SELECT ", columns!(), " FROM result WHERE 1 = 1"));
    if !filter.statuses.is_empty() {
        query = query.push(" AND status IN ").push_list(filter.statuses.iter().copied());
    }
    if let Some(run) = filter.run_id {
        query = query.push(" AND run_id = ").push_bind(run);
    }
    for (condition, value) in [
        (" AND build_ref = ", &filter.build_ref),
        (" AND path = ", &filter.path),
        (" AND kcidb_id = ", &filter.kcidb_id),
    ] {
        if let Some(value) = value {
            query = query.push(condition).push_bind(value.as_str());
        }
    }
    if let Some(source) = filter.source {
        query = query.push(" AND source = ").push_bind(source);
    }
    query = match filter.cases {
        None => query,
        Some(true) => query.push(" AND case_name IS NOT NULL"),
        Some(false) => query.push(" AND case_name IS NULL"),
    };
    if let Some(before) = page.before {
        query = query.push(" AND id < ").push_bind(before);
    }
    let rows = query.push(" ORDER BY id DESC LIMIT ").push_bind(page.fetch()).fetch_all().await?;
    Ok(page.cut(rows))
}

/// Where the log of a run lies, as far as one of its results tells.
///
/// # Errors
/// If the database refuses.
pub async fn log_url(conn: &mut Conn<'_>, run: RunId) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .query("SELECT log_url FROM result WHERE run_id = $1 AND log_url IS NOT NULL ORDER BY id LIMIT 1")
        .bind(run)
        .fetch_optional()
        .await?;
    Ok(row.map(|(url,)| url))
}
