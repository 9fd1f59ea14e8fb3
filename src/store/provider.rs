//! Providers: units that sessions are made of, kept under a name.

use chrono::{DateTime, Utc};

use crate::domain::unit::Unit;
use crate::store::Conn;
use crate::store::error::Result;
use crate::store::page::Stretch;
use crate::store::query::{FOR_UPDATE, Insert};
use crate::store::verbatim::Verbatim;

/// A provider, without its units.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Provider {
    /// What it is called.
    pub name: String,
    /// What the ids of its units begin with, before `::`; `None` if nothing.
    pub namespace: Option<String>,
    /// How often it was written.
    pub revision: i64,
    /// How many units it has.
    pub units: i64,
    /// When it was first written.
    pub created_at: DateTime<Utc>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// Who wrote it last, where that is known.
    pub updated_by: Option<String>,
}

/// A provider that is to be stored.
#[derive(Clone, Debug)]
pub struct NewProvider<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What the ids of its units begin with.
    pub namespace: Option<&'a str>,
    /// One more than the revision that stands there, or 1.
    pub revision: i64,
    /// Now.
    pub now: DateTime<Utc>,
    /// Who writes it, where that is known.
    pub by: Option<&'a str>,
}

/// A unit of a provider.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct ProviderUnit {
    /// Its place in the provider's order, from 0.
    pub place: i64,
    /// The unit.
    #[sqlx(rename = "document")]
    pub unit: Verbatim<Unit>,
    /// The file that it was read from, below the provider's folder.
    pub file: Option<String>,
    /// The line of that file that it begins in, from 1.
    pub line: Option<i64>,
}

macro_rules! columns {
    () => {
        "name, namespace, revision, units, created_at, updated_at, updated_by"
    };
}

/// The provider of this name.
///
/// # Errors
/// If the database refuses.
pub async fn get(conn: &mut Conn<'_>, name: &str) -> Result<Option<Provider>> {
    conn.query(concat!("SELECT ", columns!(), " FROM provider WHERE name = $1")).bind(name).fetch_optional().await
}

/// The provider of this name, locked until the transaction ends.
///
/// # Errors
/// If the database refuses.
pub async fn lock(conn: &mut Conn<'_>, name: &str) -> Result<Option<Provider>> {
    conn.query(concat!("SELECT ", columns!(), " FROM provider WHERE name = $1"))
        .bind(name)
        .push(FOR_UPDATE)
        .fetch_optional()
        .await
}

/// A page of providers by name; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn list(conn: &mut Conn<'_>, page: &Stretch<String>) -> Result<(Vec<Provider>, bool)> {
    let query = conn
        .query(concat!("SELECT ", columns!(), " FROM provider WHERE name > $1 ORDER BY name LIMIT $2"))
        .bind(page.after.as_deref().unwrap_or_default())
        .bind(page.fetch());
    Ok(page.cut(query.fetch_all().await?))
}

/// Stores a provider with all its units. Revision 1 makes it; each later one is written over the one that is there, which
/// must be locked. Places are given anew, from 0.
///
/// # Errors
/// [`crate::store::Error::Conflict`] if the revision is 1 and there is a provider of that name.
pub async fn put(conn: &mut Conn<'_>, new: &NewProvider<'_>, units: &[ProviderUnit]) -> Result<()> {
    const UNIT: Insert = Insert {
        head: "INSERT INTO provider_unit (provider_name, place, document, file, line) VALUES ",
        columns: 5,
        tail: "",
    };
    let statement = if new.revision == 1 {
        "INSERT INTO provider (name, namespace, revision, units, created_at, updated_at, updated_by)
         VALUES ($1, $2, $3, $4, $5, $5, $6)"
    } else {
        "UPDATE provider SET namespace = $2, revision = $3, units = $4, updated_at = $5, updated_by = $6 WHERE name = $1"
    };
    conn.query(statement)
        .bind(new.name)
        .bind(new.namespace)
        .bind(new.revision)
        .bind(i64::try_from(units.len()).unwrap_or(i64::MAX))
        .bind(new.now)
        .bind(new.by)
        .execute()
        .await?;
    conn.query("DELETE FROM provider_unit WHERE provider_name = $1").bind(new.name).execute().await?;
    let placed: Vec<(i64, &ProviderUnit)> = (0..).zip(units).collect();
    UNIT.execute(conn, &placed, |query, (place, of)| {
        query.bind(new.name).bind(*place).bind(&of.unit).bind(of.file.as_deref()).bind(of.line)
    })
    .await?;
    Ok(())
}

/// Removes a provider; tells whether there was one.
///
/// # Errors
/// If the database refuses.
pub async fn delete(conn: &mut Conn<'_>, name: &str) -> Result<bool> {
    conn.query("DELETE FROM provider WHERE name = $1").bind(name).execute_one().await
}

/// A page of a provider's units in their order; the flag tells whether there are more.
///
/// # Errors
/// If the database refuses.
pub async fn units(conn: &mut Conn<'_>, name: &str, page: &Stretch<i64>) -> Result<(Vec<ProviderUnit>, bool)> {
    let query = conn
        .query(
            "SELECT place, document, file, line FROM provider_unit
             WHERE provider_name = $1 AND place > $2 ORDER BY place LIMIT $3",
        )
        .bind(name)
        .bind(page.after.unwrap_or(-1))
        .bind(page.fetch());
    Ok(page.cut(query.fetch_all().await?))
}
