//! All tests that need a database or a server, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod access;
mod architecture;
mod attempts;
mod bad_input;
mod bridge_bugs;
mod bridge_bugs_requests;
mod bridge_golden;
mod bridge_rules;
mod callbacks;
mod callbacks_trust;
mod collecting;
mod crash;
mod database_outage;
mod delivery;
mod dispatch;
mod idempotency;
mod intake;
mod intake_golden;
mod journey;
mod openapi;
mod outbox;
mod patience;
mod polling;
mod process;
mod process_commands;
mod process_logs;
mod receipts;
mod refusals;
mod relay;
mod replicas;
mod schema_parity;
mod store;
mod support;
mod writer;
