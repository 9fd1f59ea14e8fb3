//! What the storage layer reports.

/// Why a statement did not do its work. `http` maps it to a problem; a client never sees the driver's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no database that this build supports.
    #[error("unsupported database URL: want `sqlite:PATH` or `postgres://…`")]
    Url,
    /// The database was migrated by a newer Testyard.
    #[error("the database is newer than this program (it holds migration {0}): run a Testyard that is at least as new")]
    Newer(i64),
    /// A unique constraint refused the write.
    #[error("already exists")]
    Conflict(#[source] sqlx::Error),
    /// A foreign key, not-null or check constraint refused the write.
    #[error("refused by a constraint of the database")]
    Constraint(#[source] sqlx::Error),
    /// A value could not be encoded for the database.
    #[error("cannot encode a value for the database")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be reached, is starting or stopping, or has no connection free: try again.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// Anything else that the driver reports.
    #[error("database failure")]
    Driver(#[source] sqlx::Error),
    /// A migration would leave a row that names another that is not there.
    #[error("after the migration a row would name another that is not there: the database was not changed")]
    Dangling,
    /// A migration failed.
    #[error("cannot migrate the database")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// A result of the storage layer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the same statement may succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// PostgreSQL's classes of errors that say "not now" rather than "not this": connection exceptions (08), transaction
/// rollbacks such as deadlocks (40), insufficient resources (53), operator intervention such as a shutdown (57).
const NOT_NOW: [&str; 4] = ["08", "40", "53", "57"];

/// SQLite's primary result codes that say the same: BUSY (5), LOCKED (6), IOERR (10), FULL (13).
const SQLITE_NOT_NOW: [&str; 4] = ["5", "6", "10", "13"];

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        if matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        ) {
            return Self::Unavailable(error);
        }
        let Some(database) = error.as_database_error() else { return Self::Driver(error) };
        match database.kind() {
            ErrorKind::UniqueViolation => Self::Conflict(error),
            ErrorKind::ForeignKeyViolation | ErrorKind::CheckViolation | ErrorKind::NotNullViolation => {
                Self::Constraint(error)
            }
            _ => {
                let code = database.code().unwrap_or_default();
                let not_now = match code.len() {
                    5 => NOT_NOW.iter().any(|class| code.starts_with(class)),
                    _ => code.parse::<i64>().is_ok_and(|n| SQLITE_NOT_NOW.contains(&(n & 0xff).to_string().as_str())),
                };
                if not_now { Self::Unavailable(error) } else { Self::Driver(error) }
            }
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::VersionMissing(version) => Self::Newer(version),
            other => Self::Migrate(other),
        }
    }
}
