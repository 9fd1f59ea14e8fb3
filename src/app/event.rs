//! The feed of events, for those who listen.

use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use crate::app::{App, Result};
use crate::domain::event::{AskedKind, Place};
use crate::ids::SessionId;
use crate::store;
use crate::store::event::{Event, Filter};
use crate::store::page::Stretch;

/// How many events are read at once.
const STRETCH: u32 = 500;

/// How many events are looked at for one page.
const MOST_LOOKED_AT: usize = 20_000;

/// How long a listener sleeps at most: other processes ring no bell here, and what has happened may have to wait for what
/// is under way.
const LOOK: Duration = Duration::from_secs(1);

/// Which events are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those of one of these kinds; all, if none is named.
    pub kinds: Vec<AskedKind>,
    /// What they are about.
    pub about: Filter,
}

impl Asked {
    fn wants(&self, event: &Event) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.has(&event.kind))
    }
}

/// A page of what happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The place behind which there is more; `None` if there is nothing more yet.
    pub next: Option<Place>,
    /// The place up to which was looked: whoever goes on behind it misses nothing.
    pub seen: Option<Place>,
}

/// A page of what happened. It may be short, and even empty, although there is more: other kinds are looked through in
/// stretches.
///
/// # Errors
/// If the database fails.
pub async fn list(app: &App, asked: &Asked, page: &Stretch<Place>) -> Result<Heard> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut db = app.read().await?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut stretch = Stretch { limit: if asked.kinds.is_empty() { page.limit } else { STRETCH }, after: page.after };
    loop {
        let (rows, more) = store::event::page(&mut db.conn(), &asked.about, &stretch).await?;
        looked_at += rows.len();
        for row in rows {
            let is_wanted = asked.wants(&row);
            if is_wanted && found.len() == limit {
                return Ok(Heard { events: found, next: stretch.after, seen: stretch.after });
            }
            stretch.after = Some(row.place());
            if is_wanted {
                found.push(row);
            }
        }
        if !more {
            return Ok(Heard { events: found, next: None, seen: stretch.after });
        }
        if found.len() == limit || looked_at >= MOST_LOOKED_AT {
            return Ok(Heard { events: found, next: stretch.after, seen: stretch.after });
        }
    }
}

/// Somebody who listens to the feed: hears all that happens behind a place, each thing once, in order.
#[derive(Debug)]
pub struct Listener {
    app: App,
    asked: Asked,
    after: Option<Place>,
    bells: [watch::Receiver<()>; 4],
    sessions: broadcast::Receiver<SessionId>,
}

impl Listener {
    /// Listens from behind a place on; from the beginning without one.
    #[must_use]
    pub fn new(app: &App, asked: Asked, after: Option<Place>) -> Self {
        // These ring whenever runs, sessions and deliveries have changed here. That one is missing costs a moment.
        let bells = &app.bells;
        let bells = [&bells.dispatch, &bells.stop, &bells.deliver, &bells.receipts].map(crate::app::Bell::listen);
        Self { app: app.clone(), asked, after, bells, sessions: app.sessions.listen() }
    }

    /// What happened since the last time, at least one thing; sleeps until something does.
    ///
    /// Whoever stops waiting misses nothing: what was not returned is returned the next time.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next(&mut self) -> Result<Vec<Event>> {
        self.next_of(STRETCH).await.map(|heard| heard.events)
    }

    /// As [`Listener::next`], of at most so many: a page with something in it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next_of(&mut self, limit: u32) -> Result<Heard> {
        loop {
            let page = Stretch { limit, after: self.after };
            let heard = list(&self.app, &self.asked, &page).await?;
            self.after = heard.seen;
            if !heard.events.is_empty() {
                return Ok(heard);
            }
            if heard.next.is_none() {
                self.sleep().await;
            }
        }
    }

    /// Sleeps until something changes here, or for as long as a change elsewhere may go unnoticed.
    async fn sleep(&mut self) {
        let Self { bells: [dispatch, stop, deliver, receipts], sessions, .. } = self;
        let heard = async {
            // Whoever missed something looks, and so does who will hear nothing more.
            tokio::select! {
                _ = dispatch.changed() => {}
                _ = stop.changed() => {}
                _ = deliver.changed() => {}
                _ = receipts.changed() => {}
                _ = sessions.recv() => {}
            }
        };
        let _ = timeout(LOOK, heard).await;
    }
}
