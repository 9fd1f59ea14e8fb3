//! What comes of specs, with Canary's meanings.
//!
//! A [`status`] says how far a spec is and what came of it, and [`mapping`] what that is in KCIDB's words. A [`result`] is
//! what is kept of one run of a spec. [`readiness`] answers which of many specs can run, given what came of those that they
//! depend on.
//!
//! The meanings were measured on Canary and stand in the golden cases under `tests/golden/canary`; where Canary is plainly
//! wrong, `tests/golden/DEVIATIONS.md` says what is done instead.

pub mod mapping;
pub mod readiness;
pub mod result;
pub mod status;
