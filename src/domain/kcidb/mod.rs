//! KCIDB's report format: what we send to a KCIDB sink, made so that it cannot be refused.
//!
//! [`object`] has the typed objects, [`id`] and [`path`] the names in them, [`text`] turns what runners and people say
//! into what the format allows, and [`schema`] has the last word: an object is checked on its own before it joins a
//! report, because the ingester fails a whole report for one bad object.

mod edition;
pub mod format;
pub mod id;
pub mod object;
pub mod path;
pub mod schema;
pub mod text;

#[cfg(test)]
mod legality;
