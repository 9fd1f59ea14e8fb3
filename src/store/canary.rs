//! A Canary workspace's own database, read.
//!
//! It is no aggregate of ours: the tables are Canary's, it is SQLite whatever ours is, and nothing is ever written to it. So
//! these functions take a connection of their own, [`Workspace`], and no [`Conn`](crate::store::Conn). Whoever opens one hands
//! in a copy of the file: SQLite may have to bring a file up to date before it can be read.
//!
//! Anything may stand in the columns, for SQLite does not look at types: texts are fetched as bytes and judged here, and what
//! is larger than [`MAX_TEXT`] stays where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};

use crate::domain::canary::pickle;
use crate::domain::canary::results;
use crate::store::error::Result;

/// The most bytes of a text that is read.
pub const MAX_TEXT: usize = 1 << 20;

/// A connection to a workspace's database.
#[derive(Debug)]
pub struct Workspace(SqliteConnection);

/// A row of `specs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecRow {
    /// `spec_id`; `None` if it is none or no text.
    pub id: Option<String>,
    /// `data`; `None` if it is no blob, or is larger than a pickle may be.
    pub data: Option<Vec<u8>>,
    /// What `data` is, in SQLite's words: `blob`, `text`, `null` and so on.
    pub kind: String,
    /// How many bytes `data` has.
    pub bytes: i64,
}

/// A row of `results`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// What stands in it; nothing where something else than a text stands.
    pub row: results::Row,
    /// The first column that should hold a text and holds none, or one that is too long.
    pub unread: Option<&'static str>,
}

/// A column as the bytes of its text; NULL where that is too long.
macro_rules! text {
    ($column:literal) => {
        concat!("CASE WHEN octet_length(", $column, ") <= 1048576 THEN CAST(", $column, " AS BLOB) END AS ", $column)
    };
}

/// A column as a number of seconds; NULL where it holds something else.
macro_rules! seconds {
    ($column:literal) => {
        concat!(
            "CASE WHEN typeof(",
            $column,
            ") IN ('integer', 'real') THEN CAST(",
            $column,
            " AS REAL) END AS ",
            $column
        )
    };
}

impl Workspace {
    /// Opens a file.
    ///
    /// # Errors
    /// If SQLite cannot.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            // What stands in the file was written by others, its schema too.
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON");
        Ok(Self(options.connect().await?))
    }

    /// The tables of the file, each with its columns.
    ///
    /// # Errors
    /// If it is no database, or damaged.
    pub async fn tables(&mut self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        const COLUMNS: &str = "SELECT of.name, its.name FROM sqlite_schema of JOIN pragma_table_info(of.name) its
            WHERE of.type = 'table'";
        let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (table, column) in sqlx::query_as::<_, (String, String)>(COLUMNS).fetch_all(&mut self.0).await? {
            tables.entry(table).or_default().insert(column);
        }
        Ok(tables)
    }

    /// How its texts are written: `UTF-8` or others.
    ///
    /// # Errors
    /// If it is damaged.
    pub async fn encoding(&mut self) -> Result<String> {
        let (encoding,): (String,) = sqlx::query_as("PRAGMA encoding").fetch_one(&mut self.0).await?;
        Ok(encoding)
    }

    /// The specs, in the order of their rows.
    pub fn specs(&mut self) -> BoxStream<'_, Result<SpecRow>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            spec_id: Option<Vec<u8>>,
            data: Option<Vec<u8>>,
            kind: String,
            bytes: i64,
        }
        const SPECS: &str = concat!(
            "SELECT ",
            text!("spec_id"),
            ", CASE WHEN typeof(data) = 'blob' AND length(data) <= $1 THEN data END AS data, typeof(data) AS kind,
               coalesce(octet_length(data), 0) AS bytes
             FROM specs ORDER BY rowid"
        );
        let most = i64::try_from(pickle::MAX_BYTES).unwrap_or(i64::MAX);
        let rows = sqlx::query_as::<_, Row>(SPECS).bind(most).fetch(&mut self.0);
        let read =
            |row: Row| SpecRow { id: row.spec_id.and_then(utf8), data: row.data, kind: row.kind, bytes: row.bytes };
        Box::pin(rows.map_ok(read).map_err(Into::into))
    }

    /// What each spec depends on, in the order in which that was written; pairs in which either is no text are passed over.
    ///
    /// # Errors
    /// If the file is damaged.
    pub async fn edges(&mut self) -> Result<BTreeMap<String, Vec<String>>> {
        const EDGES: &str =
            concat!("SELECT ", text!("spec_id"), ", ", text!("dep_id"), " FROM spec_deps ORDER BY rowid");
        self.pairs(EDGES).await
    }

    /// The ids of each selection's specs.
    ///
    /// # Errors
    /// If the file is damaged.
    pub async fn selections(&mut self) -> Result<BTreeMap<String, Vec<String>>> {
        const MEMBERS: &str =
            concat!("SELECT ", text!("tag"), ", ", text!("spec_id"), " FROM selections ORDER BY rowid");
        self.pairs(MEMBERS).await
    }

    /// What else is known of each selection, as the JSON that stands there.
    ///
    /// # Errors
    /// If the file is damaged.
    pub async fn selection_metadata(&mut self) -> Result<BTreeMap<String, Vec<String>>> {
        const META: &str = concat!("SELECT ", text!("tag"), ", ", text!("data"), " FROM selection_meta ORDER BY rowid");
        self.pairs(META).await
    }

    async fn pairs(&mut self, sql: &'static str) -> Result<BTreeMap<String, Vec<String>>> {
        let mut rows = sqlx::query_as::<_, (Option<Vec<u8>>, Option<Vec<u8>>)>(sql).fetch(&mut self.0);
        let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while let Some((one, other)) = rows.try_next().await? {
            if let (Some(one), Some(other)) = (one.and_then(utf8), other.and_then(utf8)) {
                pairs.entry(one).or_default().push(other);
            }
        }
        Ok(pairs)
    }

    /// The results, by session and then in the order of their rows.
    pub fn results(&mut self) -> BoxStream<'_, Result<ResultRow>> {
        const RESULTS: &str = concat!(
            "SELECT ",
            text!("spec_id"),
            ", ",
            text!("spec_name"),
            ", ",
            text!("spec_fullname"),
            ", ",
            text!("file_root"),
            ", ",
            text!("file_path"),
            ", ",
            text!("session"),
            ", ",
            text!("workspace"),
            ", ",
            text!("status_state"),
            ", ",
            text!("status_category"),
            ", ",
            text!("status_status"),
            ", ",
            text!("status_reason"),
            ", CASE WHEN typeof(status_code) = 'integer' THEN status_code END AS status_code, ",
            seconds!("submitted"),
            ", ",
            seconds!("started"),
            ", ",
            seconds!("finished"),
            ", ",
            text!("measurements"),
            " FROM results ORDER BY results.session, results.rowid"
        );
        let rows = sqlx::query_as::<_, RawResult>(RESULTS).fetch(&mut self.0);
        Box::pin(rows.map_ok(ResultRow::from).map_err(Into::into))
    }
}

#[derive(sqlx::FromRow)]
struct RawResult {
    spec_id: Option<Vec<u8>>,
    spec_name: Option<Vec<u8>>,
    spec_fullname: Option<Vec<u8>>,
    file_root: Option<Vec<u8>>,
    file_path: Option<Vec<u8>>,
    session: Option<Vec<u8>>,
    workspace: Option<Vec<u8>>,
    status_state: Option<Vec<u8>>,
    status_category: Option<Vec<u8>>,
    status_status: Option<Vec<u8>>,
    status_reason: Option<Vec<u8>>,
    status_code: Option<i64>,
    submitted: Option<f64>,
    started: Option<f64>,
    finished: Option<f64>,
    measurements: Option<Vec<u8>>,
}

impl From<RawResult> for ResultRow {
    fn from(raw: RawResult) -> Self {
        let mut unread = None;
        let mut text = |name: &'static str, bytes: Option<Vec<u8>>| {
            bytes.and_then(utf8).unwrap_or_else(|| {
                unread.get_or_insert(name);
                String::new()
            })
        };
        let row = results::Row {
            spec_id: text("spec_id", raw.spec_id),
            spec_name: text("spec_name", raw.spec_name),
            spec_fullname: text("spec_fullname", raw.spec_fullname),
            file_root: text("file_root", raw.file_root),
            file_path: text("file_path", raw.file_path),
            session: text("session", raw.session),
            workspace: text("workspace", raw.workspace),
            state: text("status_state", raw.status_state),
            category: text("status_category", raw.status_category),
            status: text("status_status", raw.status_status),
            reason: text("status_reason", raw.status_reason),
            code: raw.status_code.unwrap_or(-1),
            submitted: raw.submitted.unwrap_or(-1.0),
            started: raw.started.unwrap_or(-1.0),
            finished: raw.finished.unwrap_or(-1.0),
            measurements: text("measurements", raw.measurements),
        };
        Self { row, unread }
    }
}

fn utf8(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}
