//! Resources: the records that resource jobs print, and the programs that ask for them.
//!
//! A program is a part of Python, read and worked out here: `package.name == 'bash'` holds if some record of the resource
//! `package` has that name. What it means was measured on Checkbox (`tests/golden/plainbox/`).

mod error;
mod evaluate;
mod import;
mod integer;
mod lines;
mod literal;
mod number;
mod parser;
mod record;
mod search;
mod text;
mod token;
mod tree;
mod value;

#[cfg(test)]
mod golden_tests;

pub use error::{ProgramError, ProgramErrorKind};
pub use import::{Import, ImportError, parse_imports};
pub use lines::{Expression, MAX_EXPRESSIONS, MAX_STEPS, Program, Verdict};
pub use record::{Located, Reader, Record, RecordError, RecordFault, parse_records, records_of_output};
