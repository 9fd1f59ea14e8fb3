//! SQL: one file an aggregate, plain functions over a connection that is SQLite or PostgreSQL.
//!
//! A function takes `&mut Conn<'_>` and so runs in or out of a transaction; the use case opens and commits it. A
//! statement is written once, in the subset that both databases speak; where they must differ it carries one text for
//! each (see [`query::Sql`]).

pub mod agent;
pub mod agent_lease;
pub mod artifact;
pub mod build;
pub mod callback;
pub mod canary;
pub mod catalogue;
pub mod catalogue_item;
pub mod content;
pub mod db;
pub mod delivery;
pub mod error;
pub mod event;
pub mod execution;
pub mod expected;
pub mod lease;
pub mod log;
pub mod page;
pub mod provider;
pub mod query;
pub mod queue;
pub mod result;
pub mod run;
pub mod selection;
pub mod session;
pub mod session_copy;
pub mod session_run;
pub mod spec;
pub mod spec_result;
pub mod step;
pub mod submission;
pub mod verbatim;
mod words;

pub use db::{Conn, Db, Dialect, Tx};
pub use error::{Error, Result};
