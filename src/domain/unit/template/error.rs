//! What can be wrong with a template, and with filling it in.

use serde::{Deserialize, Serialize};

use crate::domain::program::{ImportError, ProgramError};
use crate::domain::unit::Kind;

/// Why a text of a template could not be filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "error")]
pub enum RenderError {
    /// The record has no such field.
    #[error("the record has no field `{name}`")]
    Missing {
        /// The name, as the text has it.
        name: String,
    },
    /// The name stands for a text, and a text has no attributes and no entries.
    #[error("`{name}{part}` is nothing: `{name}` is a text, and has no parts; write `{{{name}}}`")]
    NoParts {
        /// The name before the part.
        name: String,
        /// What is to be taken of it: `.attribute` or `[entry]`.
        part: String,
    },
    /// A field of a record has a name, never a position.
    #[error("`{{{name}}}` is a position; want the name of a field of the record")]
    Position {
        /// The position as written; empty for the next one.
        name: String,
    },
    /// A format specification that the value cannot take.
    #[error("the format specification of `{name}`: {detail}")]
    Specification {
        /// The name, as the text has it.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// The text cannot be read.
    #[error("{detail}")]
    Syntax {
        /// What is wrong and where.
        detail: String,
    },
    /// The text can be read, and fails.
    #[error("{detail}")]
    Failed {
        /// What is wrong and where.
        detail: String,
    },
    /// It would come to more than may be.
    #[error("it comes to more than {most} bytes")]
    TooLong {
        /// How many bytes there may be.
        most: usize,
    },
    /// Lists and maps are within one another more deeply than may be.
    #[error("lists and maps are more than {most} deep")]
    TooDeep {
        /// How deep they may be.
        most: usize,
    },
}

/// Why a unit is no template from which anything can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is something else.
    #[error("a {0} is no template")]
    OtherKind(Kind),
    /// It names no resource.
    #[error("a template needs a `template-resource`")]
    NoResource,
    /// Its imports cannot be read.
    #[error("template-imports: {0}")]
    Imports(#[from] ImportError),
    /// It has more imports than one.
    #[error("template-imports: want one line, the import of the template's resource, not {0}")]
    ManyImports(usize),
    /// Its filter cannot be read.
    #[error("template-filter: {0}")]
    Filter(#[from] ProgramError),
    /// Its filter is a list or a map.
    #[error("template-filter: want a text or a list of texts")]
    NoFilter,
    /// Its filter asks about another resource, of which there is nothing to ask.
    #[error("template-filter: it asks for `{other}`; want expressions about `{resource}` alone")]
    OtherResource {
        /// What it asks for.
        other: String,
        /// The template's resource.
        resource: String,
    },
    /// An engine that there is not.
    #[error("template-engine: `{0}` is not known; want `default` or `jinja2`")]
    Engine(String),
}

impl TemplateError {
    /// The field that is wrong.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::OtherKind(_) => "unit",
            Self::NoResource => "template-resource",
            Self::Imports(_) | Self::ManyImports(_) => "template-imports",
            Self::Filter(_) | Self::NoFilter | Self::OtherResource { .. } => "template-filter",
            Self::Engine(_) => "template-engine",
        }
    }
}
