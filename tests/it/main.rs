//! All tests that need a database or a server, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod architecture;
mod idempotency;
mod journey;
mod support;
