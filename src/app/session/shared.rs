//! Values that clients of a session share: the first to tell one under a key decides, and all others read it.

use serde_json::Value;

use crate::app::session::Sessions;
use crate::app::session::look::must_be;
use crate::app::{AppError, Result, cut};
use crate::ids::SessionId;
use crate::store;
use crate::store::session::Shared;

/// The most values of a session.
pub const MAX_VALUES: i64 = 1_000;

/// The longest key, in characters.
pub const MAX_KEY: usize = 200;

fn no_such(key: &str) -> AppError {
    AppError::NotFound { what: "shared value", id: cut(key, MAX_KEY) }
}

/// Whether a value may stand under it. PostgreSQL cannot even be asked for a NUL.
fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.chars().count()) && !key.chars().any(char::is_control)
}

/// The value under a key.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn get(sessions: &Sessions, id: SessionId, key: &str) -> Result<Shared> {
    must_be(sessions, id).await?;
    if !is_key(key) {
        return Err(no_such(key));
    }
    let mut db = sessions.db.read().await?;
    store::session::shared(&mut db.conn(), id.0, key).await?.ok_or_else(|| no_such(key))
}

/// Keeps a value under a key unless there is one; answers with the one that stays, and whether it is this.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`] for a key that is none; [`AppError::Conflict`] if there are as many as
/// there may be.
pub async fn put(
    sessions: &Sessions,
    id: SessionId,
    key: &str,
    value: Value,
    by: Option<String>,
) -> Result<(Shared, bool)> {
    if !is_key(key) {
        return Err(AppError::Invalid(format!(
            "a key has 1 to {MAX_KEY} characters, none of them a control character"
        )));
    }
    let new = Shared {
        key: key.to_owned(),
        value: store::verbatim::Verbatim(value),
        created_at: sessions.now(),
        created_by: by,
    };
    let mut tx = sessions.db.begin().await?;
    let conn = &mut tx.conn();
    store::session::lock(conn, id.0).await?.ok_or_else(|| super::change::no_such(id))?;
    let is_new = store::session::share(conn, id.0, &new).await?;
    if is_new && store::session::count_shared(conn, id.0).await? > MAX_VALUES {
        return Err(AppError::Conflict(format!("the session has {MAX_VALUES} shared values, the most there may be")));
    }
    let stays = store::session::shared(conn, id.0, key).await?.ok_or_else(|| no_such(key))?;
    tx.commit().await?;
    Ok((stays, is_new))
}

/// Forgets the value under a key.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn delete(sessions: &Sessions, id: SessionId, key: &str) -> Result<()> {
    must_be(sessions, id).await?;
    if !is_key(key) {
        return Err(no_such(key));
    }
    let mut tx = sessions.db.begin().await?;
    let deleted = store::session::unshare(&mut tx.conn(), id.0, key).await?;
    tx.commit().await?;
    if deleted { Ok(()) } else { Err(no_such(key)) }
}
