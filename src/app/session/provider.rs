//! Providers: units that sessions are made of, kept under a name.

use crate::app::condition::OnlyIf;
use crate::app::session::Sessions;
use crate::app::session::source::{self, Doubts, Source};
use crate::app::{AppError, Result, TRIES, blocking, cut};
use crate::domain::fault::Fault;
use crate::domain::session::MAX_UNITS;
use crate::domain::unit::Unit;
use crate::store;
use crate::store::page::{Pages, Stretch};
use crate::store::provider::{NewProvider, Provider, ProviderUnit};
use crate::store::verbatim::Verbatim;

/// The longest name, in characters.
pub const MAX_NAME: usize = 200;

/// How many units are read at once.
const STRETCH: u32 = 5_000;

/// What storing a provider came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Whether there was none of that name.
    pub is_new: bool,
    /// The provider.
    pub provider: Provider,
    /// What validation says of its units.
    pub doubts: Doubts,
}

fn no_such(name: &str) -> AppError {
    AppError::NotFound { what: "provider", id: cut(name, 80) }
}

/// What a provider is called, for people.
fn called(name: &str) -> String {
    format!("provider `{}`", cut(name, 80))
}

/// Nothing has a name that is none, and no database need be asked for it: PostgreSQL cannot be asked for a NUL.
fn must_be_name(name: &str) -> Result<()> {
    if wrong_name(name).is_some() { Err(no_such(name)) } else { Ok(()) }
}

fn check_names(name: &str, namespace: Option<&str>) -> Result<()> {
    let mut faults = Vec::new();
    if let Some(detail) = wrong_name(name) {
        faults.push(Fault { pointer: "/name".to_owned(), detail: detail.to_owned() });
    }
    if let Some(detail) = namespace.and_then(wrong_namespace) {
        faults.push(Fault { pointer: "/namespace".to_owned(), detail: detail.to_owned() });
    }
    AppError::refuse(format!("the provider `{}`", cut(name, 80)), faults)
}

/// What is wrong with the name of a provider.
#[must_use]
pub fn wrong_name(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.chars().count() > MAX_NAME {
        Some("want 1 to 200 characters")
    } else if name.chars().any(|letter| letter.is_control() || letter == '/') || matches!(name, "." | "..") {
        Some("want no control characters, no slash, and neither `.` nor `..`")
    } else {
        None
    }
}

/// What is wrong with a namespace.
#[must_use]
pub fn wrong_namespace(namespace: &str) -> Option<&'static str> {
    if namespace.is_empty() || namespace.chars().count() > MAX_NAME {
        Some("want 1 to 200 characters")
    } else if namespace.contains("::") || namespace.chars().any(|letter| letter.is_control() || letter.is_whitespace())
    {
        Some("want neither `::` nor blanks nor control characters, such as `com.example.lab`")
    } else {
        None
    }
}

/// Stores a provider over the one of its name. Units that a session would refuse beside each other are refused here.
///
/// # Errors
/// [`AppError::Faults`] for a name or a namespace that is none; [`AppError::Invalid`] for too many units;
/// [`AppError::Conflict`] for two jobs of one id that differ, and two units that do not;
/// [`AppError::PreconditionFailed`].
pub async fn put(
    sessions: &Sessions,
    name: &str,
    namespace: Option<&str>,
    units: Vec<Source>,
    who: Option<&str>,
    only_if: OnlyIf,
) -> Result<Put> {
    check_names(name, namespace)?;
    if units.len() > MAX_UNITS {
        return Err(AppError::Invalid(format!("a provider has at most {MAX_UNITS} units, not {}", units.len())));
    }
    let (units, doubts) = blocking(move || {
        let (units, rejected) = source::part(units);
        if let Some(first) = rejected.first() {
            return Err(AppError::Conflict(format!("{}: {}", first.place, first.reason)));
        }
        let doubts = Doubts::of(&units);
        Ok((units, doubts))
    })
    .await?;
    let rows: Vec<ProviderUnit> = (0..)
        .zip(units)
        .map(|(place, Source { unit, file, line, .. })| ProviderUnit {
            place,
            unit: Verbatim(unit),
            file,
            line: line.map(i64::from),
        })
        .collect();
    for _ in 0..TRIES {
        let mut tx = sessions.db.begin().await?;
        let conn = &mut tx.conn();
        let revision = store::provider::lock(conn, name).await?.map(|known| known.revision);
        only_if.check(&called(name), revision)?;
        let new =
            NewProvider { name, namespace, revision: revision.unwrap_or_default() + 1, now: sessions.now(), by: who };
        match store::provider::put(conn, &new, &rows).await {
            // Somebody made one meanwhile: it is to be looked at.
            Err(store::Error::Conflict(_)) if revision.is_none() => continue,
            put => put?,
        }
        let provider = store::provider::get(conn, name).await?.ok_or_else(|| no_such(name))?;
        tx.commit().await?;
        return Ok(Put { is_new: revision.is_none(), provider, doubts });
    }
    Err(AppError::kept_changing("the provider"))
}

/// The provider of a name.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(sessions: &Sessions, name: &str) -> Result<Provider> {
    must_be_name(name)?;
    let mut db = sessions.db.read().await?;
    found(store::provider::get(&mut db.conn(), name).await?, name)
}

fn found(provider: Option<Provider>, name: &str) -> Result<Provider> {
    provider.ok_or_else(|| no_such(name))
}

/// A page of providers by name, and whether there are more.
///
/// # Errors
/// If the database fails.
pub async fn list(sessions: &Sessions, page: &Stretch<String>) -> Result<(Vec<Provider>, bool)> {
    let mut db = sessions.db.read().await?;
    Ok(store::provider::list(&mut db.conn(), page).await?)
}

/// A page of a provider's units, whether there are more, and the revision that they are of.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn units(sessions: &Sessions, name: &str, page: &Stretch<i64>) -> Result<(i64, (Vec<ProviderUnit>, bool))> {
    must_be_name(name)?;
    let mut snapshot = sessions.db.snapshot().await?;
    let conn = &mut snapshot.conn();
    let provider = found(store::provider::get(conn, name).await?, name)?;
    Ok((provider.revision, store::provider::units(conn, name, page).await?))
}

/// Removes a provider. Sessions that have its units keep them.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::PreconditionFailed`].
pub async fn delete(sessions: &Sessions, name: &str, only_if: OnlyIf) -> Result<()> {
    must_be_name(name)?;
    let mut tx = sessions.db.begin().await?;
    let conn = &mut tx.conn();
    let provider = found(store::provider::lock(conn, name).await?, name)?;
    only_if.check(&called(name), Some(provider.revision))?;
    store::provider::delete(conn, name).await?;
    tx.commit().await?;
    Ok(())
}

/// A provider with all its units.
#[derive(Clone, Debug)]
pub struct Whole {
    /// What it is called.
    pub name: String,
    /// What the ids of its units begin with.
    pub namespace: Option<String>,
    /// How often it was written.
    pub revision: i64,
    /// Its units, in order.
    pub units: Vec<Unit>,
}

/// A provider with all its units.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn whole(sessions: &Sessions, name: &str) -> Result<Whole> {
    must_be_name(name)?;
    let mut snapshot = sessions.db.snapshot().await?;
    let conn = &mut snapshot.conn();
    let provider = found(store::provider::get(conn, name).await?, name)?;
    let mut pages = Pages::of(STRETCH);
    let mut units = Vec::new();
    while let Some(page) = pages.next() {
        let found = store::provider::units(conn, name, page).await?;
        units.extend(pages.turn(found, |row| row.place).into_iter().map(|row| row.unit.0));
    }
    let Provider { name, namespace, revision, .. } = provider;
    Ok(Whole { name, namespace, revision, units })
}
