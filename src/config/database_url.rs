//! Database URLs: the many spellings there are, brought to `sqlite:PATH` and `postgres://…`.
//!
//! `sqlite:///x.db` means two things: SQLAlchemy, and so the bridge's `DB_URL`, reads the relative path `x.db`; sqlx, and so
//! our `DATABASE_URL`, reads the absolute path `/x.db`. So the spelling is an argument. A URL may hold a password: no
//! message here repeats any part of one but the names of its parameters.

use std::fmt::Write as _;
use std::path::Path;

use url::Url;

use super::text::SET;

/// The databases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl DatabaseKind {
    /// Which database `url` (as [`normalise`] leaves it) is for.
    pub(super) fn of(url: &str) -> Result<Self, String> {
        if url.starts_with("sqlite:") {
            Ok(Self::Sqlite)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Ok(Self::Postgres)
        } else {
            Err(UNKNOWN.to_owned())
        }
    }
}

/// How a URL is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As sqlx and libpq do.
    Own,
    /// As SQLAlchemy does.
    SqlAlchemy,
}

const UNKNOWN: &str = "this is not the URL of a database there is: write sqlite:PATH or postgres://user@host/name";
const IN_MEMORY: &str = "a database in memory forgets every result when the service stops: \
                         give a file, as in sqlite:testyard.sqlite";

/// The URL of the database in `state_dir`.
pub(super) fn default_for(state_dir: &Path) -> String {
    format!("sqlite:{}", escaped(&state_dir.join("testyard.sqlite").to_string_lossy()))
}

/// sqlx takes the path of a `sqlite:` URL as percent-encoded, up to a `?`.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3F")
}

/// Brings `text` to `sqlite:PATH[?…]` or `postgres://…`.
///
/// Returns the URL and what is to be told to the operator; else a sentence that says what to change.
pub(super) fn normalise(text: &str, spelling: Spelling) -> Result<(String, Vec<String>), String> {
    let (scheme, rest) = text.trim().split_once(':').ok_or(UNKNOWN)?;
    let scheme = scheme.to_ascii_lowercase();
    let (database, driver) =
        scheme.split_once('+').map_or((scheme.as_str(), None), |(left, right)| (left, Some(right)));
    match (database, driver) {
        ("sqlite", None) if spelling == Spelling::Own => own_sqlite(rest),
        ("sqlite", None | Some("pysqlite" | "aiosqlite")) => sqlalchemy_sqlite(rest),
        ("postgres" | "postgresql", None | Some("psycopg" | "psycopg2" | "psycopg2cffi" | "asyncpg" | "pg8000")) => {
            postgres(rest)
        }
        ("sqlite" | "postgres" | "postgresql", Some(_)) => Err("this names a driver that is not known: \
            leave out the `+` and the word after it"
            .to_owned()),
        _ => Err(UNKNOWN.to_owned()),
    }
}

fn split_query(rest: &str) -> (&str, Vec<(String, String)>) {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    (path, url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

fn with_query(mut url: String, parameters: &[(String, String)]) -> String {
    for (place, (name, value)) in parameters.iter().enumerate() {
        url.push(if place == 0 { '?' } else { '&' });
        url.push_str(&url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish());
    }
    url
}

fn own_sqlite(rest: &str) -> Result<(String, Vec<String>), String> {
    let (path, parameters) = split_query(rest.strip_prefix("//").unwrap_or(rest));
    if path.is_empty() || path == ":memory:" || path.starts_with("file::memory:") {
        return Err(IN_MEMORY.to_owned());
    }
    for (name, value) in &parameters {
        match (name.as_str(), value.as_str()) {
            ("mode", "memory") => return Err(IN_MEMORY.to_owned()),
            ("mode", "rw" | "rwc") | ("cache", "private") | ("vfs", _) => {}
            ("mode" | "immutable", _) => {
                return Err("the database must be writable: leave out `mode` and `immutable`".to_owned());
            }
            ("cache", _) => return Err("a shared cache breaks locking: leave out `cache`".to_owned()),
            _ => return Err(format!("SQLite knows no parameter `{}`: leave it out", short(name))),
        }
    }
    Ok((with_query(format!("sqlite:{path}"), &parameters), Vec::new()))
}

fn sqlalchemy_sqlite(rest: &str) -> Result<(String, Vec<String>), String> {
    let (path, parameters) = split_query(rest);
    let path = match path.strip_prefix("//") {
        None => path,
        Some("") => "",
        Some(path) => path
            .strip_prefix('/')
            .ok_or("this sqlite URL has too few slashes: three before a relative path, four before an absolute one")?,
    };
    if path.is_empty()
        || path == ":memory:"
        || parameters.iter().any(|(name, value)| name == "mode" && value == "memory")
    {
        return Err(IN_MEMORY.to_owned());
    }
    if path.starts_with("file:") {
        return Err("SQLite's own file: URIs are not understood here: give the path alone".to_owned());
    }
    let notes = parameters.iter().map(|(name, _)| without_effect(name)).collect();
    Ok((format!("sqlite:{}", escaped(path)), notes))
}

fn postgres(rest: &str) -> Result<(String, Vec<String>), String> {
    let (address, parameters) = split_query(rest);
    let url = format!("postgres:{}", with_host(address));
    // Anything after an unescaped `#` in a password would be lost as a fragment.
    if !address.starts_with("//")
        || Url::parse(&url).is_ok_and(|url| url.fragment().is_some())
        || Url::parse(&url).is_err()
    {
        return Err("this is not a postgres URL: write postgres://user:password@host:port/name, one host, and \
                    percent-encode the characters :/?#@% in the user's name and the password"
            .to_owned());
    }
    let mut kept = Vec::new();
    let mut notes = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            // asyncpg's spelling, which also takes a boolean.
            "ssl" | "sslmode" | "ssl-mode" => kept.push(("sslmode".to_owned(), ssl_mode(&value)?.to_owned())),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => kept.push(("sslrootcert".to_owned(), value)),
            "host" | "hostaddr" if value.contains(',') || kept.iter().any(|(name, _)| name.starts_with("host")) => {
                return Err("this names several hosts: give one".to_owned());
            }
            "sslcert"
            | "ssl-cert"
            | "sslkey"
            | "ssl-key"
            | "host"
            | "hostaddr"
            | "port"
            | "dbname"
            | "user"
            | "password"
            | "application_name"
            | "options"
            | "statement-cache-capacity" => kept.push((name, value)),
            name if name.starts_with("options[") => kept.push((name.to_owned(), value)),
            _ => notes.push(without_effect(&name)),
        }
    }
    Ok((with_query(url, &kept), notes))
}

/// libpq lets `//user@/name` be without a host, which then is a parameter; a URL with a user must have one.
fn with_host(address: &str) -> String {
    let authority = address.strip_prefix("//").unwrap_or_default().split('/').next().unwrap_or_default();
    if authority.ends_with('@') {
        let rest = address.get(2 + authority.len()..).unwrap_or_default();
        format!("//{authority}localhost{rest}")
    } else {
        address.to_owned()
    }
}

fn ssl_mode(value: &str) -> Result<&'static str, String> {
    let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    let value = value.to_ascii_lowercase().replace('_', "-");
    match value.as_str() {
        "true" | "1" => Ok("require"),
        "false" | "0" => Ok("disable"),
        _ => modes
            .into_iter()
            .find(|mode| *mode == value)
            .ok_or_else(|| format!("sslmode is one of {}", modes.join(", "))),
    }
}

fn without_effect(name: &str) -> String {
    format!("the parameter `{}` of the database's URL has no effect here", short(name))
}

fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

/// `url` with `ca_cert` as its `sslrootcert`, and with `sslmode=verify-full` where it asks for no mode: an authority
/// that is not checked against would be a false comfort. Other databases than PostgreSQL have no such thing.
pub(super) fn with_ca_cert(url: &str, ca_cert: &Path) -> String {
    if DatabaseKind::of(url) != Ok(DatabaseKind::Postgres) {
        return url.to_owned();
    }
    let (address, mut parameters) = split_query(url);
    parameters.retain(|(name, _)| name != "sslrootcert");
    parameters.push(("sslrootcert".to_owned(), ca_cert.to_string_lossy().into_owned()));
    if !parameters.iter().any(|(name, _)| name == "sslmode") {
        parameters.push(("sslmode".to_owned(), "verify-full".to_owned()));
    }
    with_query(address.to_owned(), &parameters)
}

/// One parameter of a URL that [`normalise`] made.
pub(super) fn parameter(url: &str, name: &str) -> Option<String> {
    split_query(url).1.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The URL as people may see it.
pub(super) fn masked(url: &str) -> String {
    match DatabaseKind::of(url) {
        Ok(DatabaseKind::Sqlite) => url.to_owned(),
        Ok(DatabaseKind::Postgres) => masked_postgres(url).unwrap_or_else(|| SET.to_owned()),
        Err(_) => SET.to_owned(),
    }
}

fn masked_postgres(url: &str) -> Option<String> {
    let (address, parameters) = split_query(url);
    let mut address = Url::parse(address).ok()?;
    if address.password().is_some() {
        address.set_password(Some("***")).ok()?;
    }
    let mut masked = address.to_string();
    for (place, (name, value)) in parameters.iter().enumerate() {
        // What `options` sets may be a secret too.
        let open =
            matches!(name.as_str(), "sslmode" | "sslrootcert" | "host" | "hostaddr" | "port" | "dbname" | "user");
        write!(masked, "{}{name}={}", if place == 0 { '?' } else { '&' }, if open { value } else { "***" }).ok()?;
    }
    Some(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, spelling: Spelling) -> String {
        normalise(text, spelling).map_or_else(|error| format!("refused: {error}"), |(url, _)| url)
    }

    #[test]
    fn the_spellings_of_sqlalchemy_are_understood() {
        for (text, url) in [
            ("sqlite:///rel.db", "sqlite:rel.db"),
            ("sqlite:///./data/rel.db", "sqlite:./data/rel.db"),
            ("sqlite:////abs/x.db", "sqlite:/abs/x.db"),
            ("sqlite+aiosqlite:////db/x.db", "sqlite:/db/x.db"),
            ("sqlite+pysqlite:///a%b.db?check_same_thread=False", "sqlite:a%25b.db"),
            ("sqlite:rel.db", "sqlite:rel.db"),
            ("postgresql+psycopg2://u:p%40@h:5433/d", "postgres://u:p%40@h:5433/d"),
            ("postgresql+asyncpg://u:p@h/d?ssl=require", "postgres://u:p@h/d?sslmode=require"),
            ("postgresql+asyncpg://h/d?ssl=true", "postgres://h/d?sslmode=require"),
            (
                "postgresql+psycopg://h/d?sslmode=verify-full&sslrootcert=%2Fca.pem",
                "postgres://h/d?sslmode=verify-full&sslrootcert=%2Fca.pem",
            ),
            ("postgresql://h/d?connect_timeout=3", "postgres://h/d"),
            ("postgresql+psycopg2:///d?host=/run/postgresql", "postgres:///d?host=%2Frun%2Fpostgresql"),
            (
                "postgresql+psycopg2://u:p@/d?host=/run/postgresql",
                "postgres://u:p@localhost/d?host=%2Frun%2Fpostgresql",
            ),
            ("POSTGRES://h/d", "postgres://h/d"),
        ] {
            assert_eq!(read(text, Spelling::SqlAlchemy), url, "{text}");
        }
    }

    #[test]
    fn our_own_spellings_are_those_of_sqlx() {
        for (text, url) in [
            ("sqlite:rel.db", "sqlite:rel.db"),
            ("sqlite://rel.db", "sqlite:rel.db"),
            ("sqlite:///abs.db", "sqlite:/abs.db"),
            ("sqlite:/abs.db?mode=rwc", "sqlite:/abs.db?mode=rwc"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgresql://h/d?options[search_path]=x", "postgres://h/d?options%5Bsearch_path%5D=x"),
        ] {
            assert_eq!(read(text, Spelling::Own), url, "{text}");
        }
    }

    #[test]
    fn the_driver_reads_what_comes_out() {
        let sqlite = |text: &str| normalise(text, Spelling::SqlAlchemy).map(|(url, _)| url).expect(text);
        let options: sqlx::sqlite::SqliteConnectOptions =
            sqlite("sqlite:////srv/a%b?timeout=5").parse().expect("a URL");
        assert_eq!(options.get_filename(), Path::new("/srv/a%b"));
        let url = sqlite("postgresql+psycopg2://u:p%40@/d?host=/run/postgresql&port=5433&sslmode=disable");
        let options: sqlx::postgres::PgConnectOptions = url.parse().expect("a URL");
        assert_eq!(options.get_socket().map(std::path::PathBuf::as_path), Some(Path::new("/run/postgresql")));
        assert_eq!((options.get_port(), options.get_username(), options.get_database()), (5433, "u", Some("d")));
    }

    #[test]
    fn what_cannot_be_used_is_refused_in_words_without_the_url() {
        let table = [
            ("sqlite://", "in memory"),
            ("sqlite:///", "in memory"),
            ("sqlite:///:memory:", "in memory"),
            ("sqlite+aiosqlite://", "in memory"),
            ("sqlite:///s3cret?mode=memory", "in memory"),
            ("sqlite://s3cret.db", "too few slashes"),
            ("sqlite:///file:s3cret?uri=true", "file: URIs"),
            ("sqlite+s3cret:///x", "driver"),
            ("mysql://u:s3cret@h/d", "sqlite:PATH or postgres://"),
            ("s3cret.db", "sqlite:PATH or postgres://"),
            ("postgres://u:s3cret#x@h/d", "percent-encode"),
            ("postgres://u:s3/cret@h/d", "percent-encode"),
            ("postgres:s3cret", "percent-encode"),
            ("postgres://u:s3cret@a:1,b:2/d", "percent-encode"),
            ("postgres://u:s3cret@/d?host=a&host=b", "several hosts"),
            ("postgres://u:s3cret@h/d?sslmode=s3cret", "verify-ca"),
        ];
        for (text, words) in table {
            let error = normalise(text, Spelling::SqlAlchemy).expect_err(text);
            assert!(error.contains(words) && !error.contains("s3cret"), "{text}: {error}");
        }
        for (text, words) in [
            ("sqlite::memory:", "in memory"),
            ("sqlite:x?mode=memory", "in memory"),
            ("sqlite:x?mode=ro", "writable"),
            ("sqlite:x?cache=shared", "shared cache"),
            ("sqlite:x?timeout=5", "no parameter `timeout`"),
        ] {
            let error = normalise(text, Spelling::Own).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn parameters_without_effect_are_told() {
        let (_, notes) = normalise("sqlite:///x.db?check_same_thread=False", Spelling::SqlAlchemy).expect("a URL");
        assert_eq!(notes, ["the parameter `check_same_thread` of the database's URL has no effect here"]);
        let (_, notes) =
            normalise("postgresql+asyncpg://h/d?async_fallback=s3cret", Spelling::SqlAlchemy).expect("a URL");
        assert_eq!(notes, ["the parameter `async_fallback` of the database's URL has no effect here"]);
    }

    #[test]
    fn an_authority_asks_for_full_verification_unless_the_url_says_otherwise() {
        let ca = Path::new("/etc/ca.pem");
        assert_eq!(
            with_ca_cert("postgres://h/d", ca),
            "postgres://h/d?sslrootcert=%2Fetc%2Fca.pem&sslmode=verify-full"
        );
        assert_eq!(
            with_ca_cert("postgres://h/d?sslmode=verify-ca", ca),
            "postgres://h/d?sslmode=verify-ca&sslrootcert=%2Fetc%2Fca.pem"
        );
        assert_eq!(with_ca_cert("sqlite:x.db", ca), "sqlite:x.db");
    }

    #[test]
    fn passwords_are_masked() {
        for (url, seen) in [
            ("postgres://u:s3cret@h/d", "postgres://u:***@h/d"),
            ("postgres://u@h/d?password=s3cret&sslmode=require", "postgres://u@h/d?password=***&sslmode=require"),
            ("sqlite:/var/x.db", "sqlite:/var/x.db"),
            ("nonsense:s3cret", SET),
        ] {
            assert_eq!(masked(url), seen);
        }
    }

    #[test]
    fn the_default_is_a_file_under_the_state_directory() {
        assert_eq!(default_for(Path::new("/a b/50%?")), "sqlite:/a b/50%25%3F/testyard.sqlite");
    }
}
