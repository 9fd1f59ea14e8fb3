//! What happened in sessions, in order, for those who listen.

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::app::Result;
use crate::app::session::Sessions;
use crate::app::session::look::must_be;
use crate::domain::session::Source;
use crate::ids::SessionId;
use crate::store;
use crate::store::page::Stretch;
use crate::store::session::Happened;

/// How many events are read at once.
const STRETCH: u32 = 500;

/// How many events are looked at for one page.
const MOST_LOOKED_AT: usize = 20_000;

/// How long a listener sleeps at most: other processes ring no bell here.
const LOOK: Duration = Duration::from_secs(2);

/// A page of what happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// What happened, in order.
    pub happened: Vec<Happened>,
    /// The number behind which there is more; `None` if there is nothing more yet.
    pub next: Option<i64>,
}

/// A page of what happened in a session, of those that tell of it, or of all if none is named. It may be short, and even
/// empty, although there is more: what others tell is looked through in stretches.
///
/// # Errors
/// [`crate::app::AppError::NotFound`].
pub async fn list(sessions: &Sessions, id: SessionId, tellers: &[Source], page: &Stretch<i64>) -> Result<Heard> {
    must_be(sessions, id).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut db = sessions.db.read().await?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut stretch = Stretch { limit: if tellers.is_empty() { page.limit } else { STRETCH }, after: page.after };
    loop {
        let (rows, more) = store::session::events(&mut db.conn(), id.0, &stretch).await?;
        looked_at += rows.len();
        for row in rows {
            let is_wanted = is_told_by(&row, tellers);
            if is_wanted && found.len() == limit {
                return Ok(Heard { happened: found, next: stretch.after });
            }
            stretch.after = Some(row.number);
            if is_wanted {
                found.push(row);
            }
        }
        if !more {
            return Ok(Heard { happened: found, next: None });
        }
        if found.len() == limit || looked_at >= MOST_LOOKED_AT {
            return Ok(Heard { happened: found, next: stretch.after });
        }
    }
}

/// Whether one of these tells of it; of no one in particular, anybody.
#[must_use]
pub fn is_told_by(happened: &Happened, tellers: &[Source]) -> bool {
    tellers.is_empty() || tellers.contains(&happened.event.0.source)
}

/// Somebody who listens to a session: hears all that happened after a number, each thing once, in order.
#[derive(Debug)]
pub struct Listener {
    sessions: Sessions,
    id: SessionId,
    after: Option<i64>,
    news: broadcast::Receiver<SessionId>,
}

impl Listener {
    /// Listens from behind a number on; from the beginning without one.
    ///
    /// # Errors
    /// [`crate::app::AppError::NotFound`].
    pub async fn new(sessions: &Sessions, id: SessionId, after: Option<i64>) -> Result<Self> {
        // Before the first look, so that nothing falls between.
        let news = sessions.listen();
        must_be(sessions, id).await?;
        Ok(Self { sessions: sessions.clone(), id, after, news })
    }

    /// What happened since the last time, at least one thing; sleeps until something does.
    ///
    /// Whoever stops waiting misses nothing: what was not returned is returned the next time.
    ///
    /// # Errors
    /// If the database fails; [`crate::app::AppError::NotFound`] if the session is gone.
    pub async fn next(&mut self) -> Result<Vec<Happened>> {
        loop {
            let page = Stretch { limit: STRETCH, after: self.after };
            let Heard { happened, .. } = list(&self.sessions, self.id, &[], &page).await?;
            if let Some(last) = happened.last() {
                self.after = Some(last.number);
                return Ok(happened);
            }
            self.sleep().await;
        }
    }

    /// Sleeps until the session changes here, or for as long as a change elsewhere may go unnoticed.
    async fn sleep(&mut self) {
        let id = self.id;
        let heard = async {
            loop {
                match self.news.recv().await {
                    Ok(changed) if changed != id => {}
                    // Whoever missed something looks.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => return,
                }
            }
        };
        let _ = timeout(LOOK, heard).await;
    }
}
