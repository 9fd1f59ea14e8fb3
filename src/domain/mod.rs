//! The semantics, as plain functions over plain values: no async, no SQL, no HTTP, no clock or randomness of its own.
//!
//! What stands here can be replayed against golden cases, property-tested and fuzzed without a server.

pub mod adapter;
pub mod address;
pub mod agent;
pub mod agent_lease;
pub mod artifact;
pub mod callback;
pub mod canary;
pub mod catalogue;
pub mod composition;
pub mod conclusion;
pub mod definition;
pub mod delivery;
pub mod digest;
pub mod event;
pub mod execution;
pub mod fault;
pub mod glob;
pub mod graph;
pub mod kcidb;
pub(crate) mod lists;
pub mod log;
pub mod observation;
pub mod pool;
pub mod program;
pub mod qmtest;
pub mod queue;
pub(crate) mod regex;
pub mod result;
pub mod retry;
pub mod run;
pub mod selection;
pub mod session;
pub mod spec;
pub mod spec_result;
pub mod status;
pub mod tap;
pub mod tuxsuite;
pub mod unit;
pub mod webhook;
pub mod words;

#[cfg(test)]
pub(crate) mod golden;
