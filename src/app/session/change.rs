//! How a session is asked, and how it is changed: one transaction, one version.

use tokio::sync::OwnedMutexGuard;

use crate::app::condition::OnlyIf;
use crate::app::session::Sessions;
use crate::app::session::kept::Held;
use crate::app::{AppError, Result, blocking};
use crate::domain::session::{Misfit, Session};
use crate::ids::SessionId;
use crate::store;
use crate::store::Conn;
use crate::store::session::{Change, Loaded, Stand};

/// What a session was asked, or made to do, and the version that it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The version.
    pub version: i64,
    /// What it answered.
    pub value: T,
}

/// Who changes a session, and what they have seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who, where that is known.
    pub who: Option<String>,
    /// The version that the session must stand at.
    pub only_if: Option<i64>,
}

pub(super) fn no_such(id: SessionId) -> AppError {
    AppError::NotFound { what: "session", id: id.to_string() }
}

/// A session that this process has to itself.
type Guard = OwnedMutexGuard<Option<Held>>;

/// Rows that make no session: only somebody who writes past the service brings them about.
fn misfit(error: &Misfit) -> AppError {
    AppError::Unavailable(error.to_string())
}

/// The session as it stands in the database, from what is kept where that will do.
async fn current(conn: &mut Conn<'_>, id: SessionId, stand: Stand, kept: Option<Held>) -> Result<Held> {
    let kept = match kept {
        Some(held) if held.stand == stand => return Ok(held),
        kept => kept,
    };
    let since = kept.as_ref().map(|held| held.stand).filter(|held| held.version < stand.version);
    let loaded = store::session::load(conn, id.0, since).await?;
    let Loaded { stand, whole, changes } = loaded.ok_or_else(|| no_such(id))?;
    blocking(move || {
        let held = match kept {
            Some(mut held) if !whole => {
                let bytes = changes.weight();
                held.session.absorb(changes).map_err(|error| misfit(&error))?;
                held.grew(stand, bytes);
                held
            }
            _ => Held::new(stand, Session::restore_without_past(changes).map_err(|error| misfit(&error))?),
        };
        Ok(held)
    })
    .await
}

/// Makes sure that a session stands at the version that somebody has seen.
pub(super) fn check_version(version: i64, only_if: Option<i64>) -> Result<()> {
    only_if.map_or(Ok(()), |seen| OnlyIf::Version(seen).check("session", Some(version)))
}

/// Asks a session as it stands now.
///
/// # Errors
/// [`AppError::NotFound`]; what the question is refused for.
pub(super) async fn ask<T: Send + 'static>(
    sessions: &Sessions,
    id: SessionId,
    question: impl FnOnce(&Session) -> Result<T> + Send + 'static,
) -> Result<At<T>> {
    let mut slot: Guard = sessions.kept.slot(id.0).lock_owned().await;
    let stand = {
        let mut db = sessions.db.read().await?;
        store::session::stand(&mut db.conn(), id.0).await?
    };
    let Some(stand) = stand else {
        sessions.kept.forget(id.0);
        return Err(no_such(id));
    };
    let held = match slot.take() {
        Some(held) if held.stand == stand => held,
        kept => {
            let mut snapshot = sessions.db.snapshot().await?;
            current(&mut snapshot.conn(), id, stand, kept).await?
        }
    };
    let (held, answer) = blocking(move || {
        let answer = question(&held.session);
        Ok((held, answer))
    })
    .await?;
    let version = held.stand.version;
    put_back(sessions, id, &mut slot, held);
    Ok(At { version, value: answer? })
}

/// Changes a session. What is refused changes nothing; what changes nothing makes no version.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::PreconditionFailed`] if it does not stand at the version that the caller has seen;
/// what the operation is refused for.
pub(super) async fn change<T: Send + 'static>(
    sessions: &Sessions,
    id: SessionId,
    by: By,
    operation: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
) -> Result<At<T>> {
    // In this process changes of a session queue here and not in the pool of connections.
    let mut slot: Guard = sessions.kept.slot(id.0).lock_owned().await;
    let mut tx = sessions.db.begin().await?;
    let Some(stand) = store::session::lock(&mut tx.conn(), id.0).await? else {
        sessions.kept.forget(id.0);
        return Err(no_such(id));
    };
    let mut held = current(&mut tx.conn(), id, stand, slot.take()).await?;
    if let Err(error) = check_version(stand.version, by.only_if) {
        put_back(sessions, id, &mut slot, held);
        return Err(error);
    }
    let (mut held, changes, answer) = blocking(move || {
        let answer = operation(&mut held.session);
        let changes = held.session.take_changes();
        Ok((held, changes, answer))
    })
    .await?;
    if changes.is_empty() {
        put_back(sessions, id, &mut slot, held);
        return Ok(At { version: stand.version, value: answer? });
    }
    // What was refused half-way is not kept: the next to come reads the session anew.
    let value = answer?;
    let stand = Stand { version: stand.version + 1, ..stand };
    let change =
        Change { id: id.0, version: stand.version, life: stand.life, now: sessions.now(), by: by.who.as_deref() };
    store::session::write(&mut tx.conn(), change, &changes).await?;
    tx.commit().await?;
    held.grew(stand, changes.weight());
    put_back(sessions, id, &mut slot, held);
    sessions.tell(id);
    Ok(At { version: stand.version, value })
}

/// Keeps a session that was made here.
pub(super) fn keep(sessions: &Sessions, id: SessionId, held: Held) {
    // Nobody else knows it yet.
    if let Ok(mut slot) = sessions.kept.slot(id.0).try_lock_owned() {
        put_back(sessions, id, &mut slot, held);
    }
}

fn put_back(sessions: &Sessions, id: SessionId, slot: &mut Guard, held: Held) {
    let bytes = held.weight();
    **slot = Some(held);
    sessions.kept.note(id.0, bytes);
}
