//! The way out: everything this service sends over HTTP leaves through one guarded client.
//!
//! `client` sends, bounded in time and size, to addresses that [`crate::domain::address`] lets a caller make us reach;
//! `retry_after` reads how long another side asks us to wait.

pub mod client;
mod retry_after;
