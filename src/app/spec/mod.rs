//! Specs, what came of them, and selections of them.
//!
//! Specs are written by [`put`]; every change of them is one transaction and one revision. [`find`] answers what there is
//! and who depends on whom, [`result`] records what came of them, [`selection`] selects, [`canary`]
//! takes over what a workspace of Canary's knows. [`Specs`] needs no server around it, so that the command line works on a
//! database as the service does.

pub mod canary;
pub mod find;
pub mod generate;
pub mod hook;
pub mod index;
pub mod put;
pub mod result;
pub mod selection;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use crate::app::catalogue::Catalogue;
use crate::app::shelf::Shelf;
use crate::clock::Clock;
use crate::domain::selection::table::Table;
use crate::domain::spec::Timeouts;
use crate::net::client::Client;
use crate::store::Db;

/// What the use cases of specs share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Specs {
    /// The database.
    pub db: Db,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where the contents of files are.
    pub catalogue: Catalogue,
    /// How long specs may run that do not say.
    pub timeouts: Arc<Timeouts>,
    /// The table that was last asked for.
    pub shelf: Shelf<Table>,
    /// By which hooks are asked.
    pub client: Client,
    /// How long a hook may take to answer.
    pub hook_timeout: Duration,
    /// Where hooks find this service; where that is not known, they are told paths.
    pub base_url: Option<Url>,
}

impl Specs {
    /// The specs of a database, with the usual timeouts.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>, catalogue: Catalogue, client: Client) -> Self {
        Self {
            db,
            clock,
            catalogue,
            timeouts: Arc::default(),
            shelf: Shelf::default(),
            client,
            hook_timeout: hook::TIMEOUT,
            base_url: None,
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
