//! Runs and the tests that they plan.

mod list;
mod plan;
mod steps;
