//! Canary's workspace databases, as far as their contents decide: what stands in their rows becomes values of ours.
//!
//! A workspace is one SQLite file, `workspace.sqlite3`. Its specs are pickled Python objects: [`pickle`] reads those and runs
//! nothing, [`spec`] makes specs of them, and [`join`] specs of ours. [`results`] reads the rows of results. Whoever opens the
//! file hands the rows in.

pub mod join;
pub mod pickle;
pub mod results;
pub mod spec;
