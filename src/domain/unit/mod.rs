//! Units, as Plainbox has them: jobs, templates, test plans, categories, manifest entries. What a unit is, how its fields
//! are read, which of two are the same, and what a test plan chooses.
//!
//! A [`Unit`] is a flat map of fields, as written. [`Job`] and [`TestPlan`] are units that were read. Sessions over them
//! stand in `domain/session`.

pub mod category;
pub mod check;
pub mod duration;
pub mod field;
pub mod job;
mod kind;
pub mod lists;
pub mod manifest;
pub mod overrides;
pub mod pattern;
pub mod plan;
pub mod pxu;
mod python_regex;
pub mod qualifier;
pub mod siblings;
pub mod template;
mod value;
pub mod words;

pub use category::Category;
pub use field::qualified;
pub use job::{Job, JobError, RequiresError};
pub use kind::Kind;
pub use manifest::ManifestEntry;
pub use overrides::{Effective, Overrides};
pub use pattern::{Form, Pattern, PatternError};
pub use plan::{PlanError, TestPlan};
pub use qualifier::{Qualifier, Test, Vote, select};
pub use siblings::{Siblings, SiblingsError};
pub use template::Template;
pub use value::{FieldValue, Unit};

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod text_tests;
