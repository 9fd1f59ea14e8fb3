//! The catalogue: what can be run, versioned.
//!
//! Every change, of one item or of a whole import, is one transaction that makes one revision ([`change`]). Nothing is
//! overwritten: each answer can be had as of any revision. [`Catalogue`] needs no server around it, so that the command
//! line works on a database as the service does.

pub mod apply;
pub mod attachment;
pub mod beside;
pub mod change;
pub mod compare;
pub mod export;
pub mod import;
pub mod index;
pub mod item;
pub mod sweep;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::app::shelf::Shelf;
use crate::app::{AppError, Result};
use crate::clock::Clock;
use crate::config;
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::class::Classes;
use crate::domain::catalogue::index::Index;
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::objects::Objects;
use crate::store::catalogue::State;
use crate::store::{self, Conn, Db};

/// What the use cases of the catalogue share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The database.
    pub db: Db,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where large attachments are kept.
    pub objects: Objects,
    /// The catalogue's limits.
    pub limits: Arc<config::Catalogue>,
    /// The index that was last asked for.
    pub shelf: Shelf<Index>,
}

/// Who makes a change, and what for.
#[derive(Clone, Debug, Default)]
pub struct By {
    /// The holder of the token, where one was asked for.
    pub author: Option<String>,
    /// What the change is for, in the caller's words.
    pub message: Option<String>,
}

impl Catalogue {
    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// How the catalogue stands.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn state(&self) -> Result<State> {
        let mut db = self.db.read().await?;
        Ok(store::catalogue::state(&mut db.conn()).await?)
    }

    /// Makes the catalogue read-only for a reason that every refused writer is told, or lets it be changed again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_read_only(&self, reason: Option<&str>) -> Result<State> {
        let mut tx = self.db.begin().await?;
        let conn = &mut tx.conn();
        store::catalogue::set_read_only(conn, reason).await?;
        let state = store::catalogue::state(conn).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// The classes that are known now, or were as of a revision: those built in and those registered.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn classes(&self, revision: Option<i64>) -> Result<Classes> {
        let mut db = self.db.read().await?;
        classes(&mut db.conn(), revision).await
    }

    /// How the catalogue stands, and the classes that are known: what a change is worked out from.
    async fn state_and_classes(&self) -> Result<(State, Classes)> {
        let mut db = self.db.read().await?;
        let conn = &mut db.conn();
        Ok((store::catalogue::state(conn).await?, classes(conn, None).await?))
    }
}

/// The classes that are known as of a revision.
async fn classes(conn: &mut Conn<'_>, revision: Option<i64>) -> Result<Classes> {
    let mut known = builtin::classes();
    for version in store::catalogue_item::all(conn, &[ItemKind::Class], revision).await? {
        if let Item::Class(class) = version.document.0 {
            known.insert(class);
        }
    }
    Ok(known)
}

/// Refuses a revision that there has not been.
///
/// # Errors
/// [`AppError::NotFound`] that says which is the latest.
pub(crate) fn check_revision(state: &State, revision: Option<i64>) -> Result<()> {
    match revision {
        Some(revision) if !(0..=state.revision).contains(&revision) => {
            let id = format!("{revision}` (the latest is `{}", state.revision);
            Err(AppError::NotFound { what: "catalogue revision", id })
        }
        _ => Ok(()),
    }
}
