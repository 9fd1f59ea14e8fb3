//! One SQL text, one Rust code path, two databases.
//!
//! [`Conn::query`] starts a [`Query`]: bind any value that both databases can encode ([`Value`]), fetch any type that
//! both can decode ([`Record`], which `#[derive(sqlx::FromRow)]` gives for free). Each database keeps its own column
//! types: unlike `sqlx::Any`, nothing is reduced to a common set.
//!
//! Both number their placeholders `$1, $2, …`, so most statements are one `&'static str`. A statement that must differ
//! is a [`Sql`] with one text a dialect. Text is never built from values: [`Query::push_list`] and [`Insert`] write
//! only placeholders.

use std::fmt::Write as _;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, FromRow, Postgres, Sqlite, Type};

use crate::store::db::{Conn, Dialect};
use crate::store::error::{Error, Result};

impl Dialect {
    /// How many parameters one batch statement may carry.
    ///
    /// PostgreSQL allows 65,535. SQLite allows 32,766, but nothing is won past a few hundred, and its numbered
    /// placeholders are searched linearly, so a batch writes plain `?` there.
    const fn batch_parameters(self) -> usize {
        match self {
            Self::Sqlite => 700,
            Self::Postgres => 60_000,
        }
    }
}

/// A value that both databases can encode.
pub trait Value<'q>: Type<Sqlite> + Type<Postgres> + Encode<'q, Sqlite> + Encode<'q, Postgres> {}
impl<'q, T> Value<'q> for T where T: Type<Sqlite> + Type<Postgres> + Encode<'q, Sqlite> + Encode<'q, Postgres> {}

/// A row type that both databases can decode.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A statement: the same text for both databases, or one text each.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// The text for SQLite.
    pub sqlite: &'static str,
    /// The text for PostgreSQL.
    pub postgres: &'static str,
}

/// Locks the rows that a claim selects and passes over those that another worker is claiming. SQLite has one writer.
pub const SKIP_LOCKED: Sql = Sql { sqlite: "", postgres: " FOR UPDATE SKIP LOCKED" };

/// Locks the rows that a transaction has read and will change. SQLite has one writer. Keys do not change: who adds a row that
/// names one of these does not wait, and so cannot wait in a circle.
pub const FOR_UPDATE: Sql = Sql { sqlite: "", postgres: " FOR NO KEY UPDATE" };

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }
}

enum Args {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// A statement with its bound values.
#[must_use = "a query does nothing until it is run"]
pub struct Query<'c, 'a> {
    conn: &'a mut Conn<'c>,
    text: String,
    args: Args,
    count: usize,
    /// False for a text whose length depends on the data: it would push the fixed texts out of the statement cache.
    persistent: bool,
    failed: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Runs the same expression over whichever connection and arguments are live.
macro_rules! on_both {
    ($query:expr, $make:ident, |$q:ident, $c:ident| $body:expr) => {{
        let Query { conn, text, args, failed, persistent, .. } = $query;
        if let Some(error) = failed {
            return Err(Error::Encode(error));
        }
        let text = AssertSqlSafe(text);
        match (conn, args) {
            (Conn::Sqlite($c), Args::Sqlite(args)) => {
                let $q = sqlx::$make::<Sqlite, _>(text, args).persistent(persistent);
                $body
            }
            (Conn::Postgres($c), Args::Postgres(args)) => {
                let $q = sqlx::$make::<Postgres, _>(text, args).persistent(persistent);
                $body
            }
            _ => unreachable!("a query's arguments are made for its own connection"),
        }
    }};
    ($query:expr, $make:ident as $row:ty, |$q:ident, $c:ident| $body:expr) => {{
        let Query { conn, text, args, failed, persistent, .. } = $query;
        if let Some(error) = failed {
            return Err(Error::Encode(error));
        }
        let text = AssertSqlSafe(text);
        match (conn, args) {
            (Conn::Sqlite($c), Args::Sqlite(args)) => {
                let $q = sqlx::$make::<Sqlite, $row, _>(text, args).persistent(persistent);
                $body
            }
            (Conn::Postgres($c), Args::Postgres(args)) => {
                let $q = sqlx::$make::<Postgres, $row, _>(text, args).persistent(persistent);
                $body
            }
            _ => unreachable!("a query's arguments are made for its own connection"),
        }
    }};
}

impl<'c> Conn<'c> {
    /// Starts a statement.
    pub fn query<'a>(&'a mut self, sql: impl Into<Sql>) -> Query<'c, 'a> {
        let sql = sql.into();
        let (text, args) = match self {
            Self::Sqlite(_) => (sql.sqlite, Args::Sqlite(SqliteArguments::default())),
            Self::Postgres(_) => (sql.postgres, Args::Postgres(PgArguments::default())),
        };
        Query { conn: self, text: text.to_owned(), args, count: 0, persistent: true, failed: None }
    }
}

impl Query<'_, '_> {
    /// Binds the next placeholder.
    pub fn bind<'q, T: Value<'q>>(mut self, value: T) -> Self {
        self.add(value);
        self
    }

    /// Appends a fixed piece of SQL.
    pub fn push(mut self, sql: impl Into<Sql>) -> Self {
        let sql = sql.into();
        self.text.push_str(match self.args {
            Args::Sqlite(_) => sql.sqlite,
            Args::Postgres(_) => sql.postgres,
        });
        self
    }

    /// Appends `($n, $n+1, …)` and binds the values: an IN-list. An empty list becomes `(NULL)`, which matches nothing.
    pub fn push_list<'q, T: Value<'q>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.persistent = false;
        self.text.push('(');
        let before = self.count;
        for value in values {
            if self.count > before {
                self.text.push(',');
            }
            self.add(value);
            let n = self.count;
            let _ = write!(self.text, "${n}");
        }
        if self.count == before {
            self.text.push_str("NULL");
        }
        self.text.push(')');
        self
    }

    /// Appends the next placeholder and binds its value: for statements whose conditions depend on what was asked.
    pub fn push_bind<'q, T: Value<'q>>(mut self, value: T) -> Self {
        self.add(value);
        let n = self.count;
        let _ = write!(self.text, "${n}");
        self
    }

    fn add<'q, T: Value<'q>>(&mut self, value: T) {
        self.count += 1;
        let added = match &mut self.args {
            Args::Sqlite(args) => args.add(value),
            Args::Postgres(args) => args.add(value),
        };
        if let Err(error) = added {
            self.failed.get_or_insert(error);
        }
    }

    /// SQLite reads a placeholder that nobody bound as NULL, silently; PostgreSQL refuses. Refuse on both.
    fn check(&self) {
        debug_assert!(
            self.text.contains('?') || highest_placeholder(&self.text) == self.count,
            "{} values bound to: {}",
            self.count,
            self.text
        );
    }

    /// Runs it and returns how many rows it touched.
    ///
    /// # Errors
    /// If a value does not encode or the database refuses.
    pub async fn execute(self) -> Result<u64> {
        self.check();
        Ok(on_both!(self, query_with, |q, c| q.execute(&mut **c).await?.rows_affected()))
    }

    /// Runs what is meant for one row; tells whether it touched it, or found none that is still as the condition wants.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn execute_one(self) -> Result<bool> {
        Ok(self.execute().await? == 1)
    }

    /// Fetches every row.
    ///
    /// # Errors
    /// If a value does not encode, the database refuses, or a row does not decode.
    pub async fn fetch_all<R: Record>(self) -> Result<Vec<R>> {
        self.check();
        Ok(on_both!(self, query_as_with as R, |q, c| q.fetch_all(&mut **c).await?))
    }

    /// Fetches one row if there is one.
    ///
    /// # Errors
    /// As [`Self::fetch_all`].
    pub async fn fetch_optional<R: Record>(self) -> Result<Option<R>> {
        self.check();
        Ok(on_both!(self, query_as_with as R, |q, c| q.fetch_optional(&mut **c).await?))
    }

    /// Fetches exactly one row.
    ///
    /// # Errors
    /// As [`Self::fetch_all`], and if there is no row.
    pub async fn fetch_one<R: Record>(self) -> Result<R> {
        self.check();
        Ok(on_both!(self, query_as_with as R, |q, c| q.fetch_one(&mut **c).await?))
    }
}

/// The rows of one multi-row INSERT: `head` ends in `VALUES `, `columns` values are bound for each row, and `tail` (an
/// ON CONFLICT or RETURNING clause) follows and binds nothing: it refers to `excluded`.
#[derive(Clone, Copy, Debug)]
pub struct Insert {
    /// `INSERT INTO t (a, b) VALUES `.
    pub head: &'static str,
    /// How many values a row has.
    pub columns: usize,
    /// What follows the rows.
    pub tail: &'static str,
}

impl Insert {
    /// How many of `left` rows the next statement takes: a power of two, so that a connection meets few different texts
    /// and keeps them prepared.
    fn chunk(self, dialect: Dialect, left: usize) -> usize {
        let most = (dialect.batch_parameters() / self.columns.max(1)).max(1).min(left);
        1 << most.ilog2()
    }

    fn query<'c, 'a, T>(
        self,
        conn: &'a mut Conn<'c>,
        rows: &[T],
        bind: impl Fn(Query<'c, 'a>, &T) -> Query<'c, 'a>,
    ) -> Query<'c, 'a> {
        let dialect = conn.dialect();
        let mut query = conn.query(self.head);
        for (i, row) in rows.iter().enumerate() {
            query.text.push_str(if i == 0 { "(" } else { ",(" });
            for column in 1..=self.columns {
                if column > 1 {
                    query.text.push(',');
                }
                match dialect {
                    Dialect::Sqlite => query.text.push('?'),
                    Dialect::Postgres => {
                        let _ = write!(query.text, "${}", i * self.columns + column);
                    }
                }
            }
            query.text.push(')');
            query = bind(query, row);
            debug_assert_eq!(query.count, (i + 1) * self.columns, "bind exactly `columns` values a row");
        }
        query.push(self.tail)
    }

    /// Inserts the rows, as many a statement as the database likes; returns how many it touched.
    ///
    /// # Errors
    /// If a value does not encode or the database refuses.
    pub async fn execute<T>(
        self,
        conn: &mut Conn<'_>,
        rows: &[T],
        bind: impl for<'c, 'a> Fn(Query<'c, 'a>, &T) -> Query<'c, 'a>,
    ) -> Result<u64> {
        let (dialect, mut rest, mut touched) = (conn.dialect(), rows, 0);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.chunk(dialect, rest.len()));
            touched += self.query(conn, now, &bind).execute().await?;
            rest = later;
        }
        Ok(touched)
    }

    /// Inserts the rows and returns what `tail`'s RETURNING gives of those that went in.
    ///
    /// # Errors
    /// As [`Self::execute`], and if a row does not decode.
    pub async fn fetch_all<T, R: Record>(
        self,
        conn: &mut Conn<'_>,
        rows: &[T],
        bind: impl for<'c, 'a> Fn(Query<'c, 'a>, &T) -> Query<'c, 'a>,
    ) -> Result<Vec<R>> {
        let (dialect, mut rest, mut returned) = (conn.dialect(), rows, Vec::new());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.chunk(dialect, rest.len()));
            returned.extend(self.query(conn, now, &bind).fetch_all().await?);
            rest = later;
        }
        Ok(returned)
    }
}

fn highest_placeholder(text: &str) -> usize {
    text.split('$')
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            rest[..digits].parse().ok()
        })
        .max()
        .unwrap_or(0)
}
