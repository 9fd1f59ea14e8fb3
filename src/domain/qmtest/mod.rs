//! QMTest's files: its XML, and the layout of its databases.
//!
//! [`tree`] is what lies below a database's root; [`import`] reads one into the catalogue's items, [`export`] writes the
//! items as one. Each form of file has a module of its own; they stand on [`xml`], a bounded tree over XML.
//!
//! What QMTest reads is read with the same meaning. Where it stumbles over what XML permits (comments and CDATA in values,
//! blanks in tuples), its files are read all the same. What is written keeps to what QMTest itself can read; what QMTest
//! has no place for stands where its readers do not look (`about`).

pub mod about;
pub mod classes;
pub mod configuration;
pub mod expectations;
pub mod export;
pub mod extension;
pub mod import;
pub mod layout;
mod names;
pub mod results;
pub mod suite;
pub mod targets;
pub mod tree;
pub mod value;
mod walk;
pub mod xml;

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod golden_database_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod golden_value_tests;
#[cfg(test)]
mod round_trip_tests;
