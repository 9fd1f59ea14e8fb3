//! Which tests a run takes: what people write to pick them, and what that means.
//!
//! The rules were measured on Canary (`tests/golden/canary/`). Texts are read once into values that hold of a test or do not;
//! reading and asking take no more than the text is long, whatever it is: no recursion, no going back over what was read.

pub mod glob;
pub mod keyword;
mod logic;
pub mod parameter;
mod syntax;
pub mod when;

pub use logic::MAX_DEPTH;
pub use syntax::{MAX_EXPRESSION_BYTES, SyntaxError, SyntaxErrorKind};
