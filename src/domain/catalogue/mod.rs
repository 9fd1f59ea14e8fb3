//! The catalogue: tests, suites and resources under dotted labels, with QMTest's semantics.
//!
//! An [`item`] is what is stored under a [`label`]; its class ([`class`]) says which arguments it has, and each argument
//! is a [`value`] of a [`field`]. [`index`] answers what is where and what a suite comes to; [`plan`] what a run of tests
//! comes to; [`expectation`] whether that was expected.
//!
//! The semantics were measured on QMTest and stand in the golden cases under `tests/golden/qmtest`; where QMTest is
//! plainly wrong, `tests/golden/DEVIATIONS.md` says what is done instead.

mod bounds;
pub mod builtin;
pub mod class;
pub mod command;
pub mod context;
pub mod descriptor;
pub mod document;
pub mod expectation;
pub mod field;
pub mod index;
pub mod item;
pub mod label;
pub mod limits;
pub mod literal;
pub mod outcome;
pub mod pattern;
pub mod plan;
pub mod schema;
pub mod text;
pub mod time;
pub mod value;

#[cfg(test)]
pub(crate) mod golden_classes;
