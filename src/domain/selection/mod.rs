//! Which tests a run takes: what people write to pick them, and what that means.
//!
//! The rules were measured on Canary (`tests/golden/canary/`). Texts are read once into values that hold of a test or do not;
//! reading and asking take no more than the text is long, whatever it is: no recursion, no going back over what was read.

mod evaluate;
pub mod facts;
#[cfg(test)]
mod golden_cases;
mod interner;
pub mod keyword;
mod logic;
pub mod parameter;
pub mod reason;
pub mod rule;
pub mod runtime;
pub mod selector;
pub mod snapshot;
mod syntax;
pub mod table;
mod texts;
pub mod when;

pub use logic::MAX_DEPTH;
pub use syntax::{MAX_EXPRESSION_BYTES, SyntaxError, SyntaxErrorKind};
