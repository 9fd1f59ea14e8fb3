//! The catalogue over HTTP: items by kind and name, what they come to, how they changed, and their files.

pub mod attachments;
pub mod classes;
pub mod items;
pub mod questions;
pub mod revisions;
pub mod schema;
pub mod transfer;
pub mod whole;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::catalogue::By;
use crate::domain::catalogue::item::ItemKind;
use crate::domain::words::words;
use crate::http::builds::missing;
use crate::http::log::Caller;
use crate::http::params::Params;
use crate::http::problem::{Code, Problem, Result};

words!(
    /// A kind of items, as addresses have it.
    Collection, "kind of catalogue items", {
        /// Tests.
        Tests = "tests",
        /// Resources.
        Resources = "resources",
        /// Suites, directories included.
        Suites = "suites",
        /// Directories alone.
        Directories = "directories",
        /// Expectations, by the label of their test.
        Expectations = "expectations",
    }
);

impl Collection {
    /// The kind of its items; of suites that of those with explicit members.
    #[must_use]
    pub fn kind(self) -> ItemKind {
        match self {
            Self::Tests => ItemKind::Test,
            Self::Resources => ItemKind::Resource,
            Self::Suites => ItemKind::Suite,
            Self::Directories => ItemKind::Directory,
            Self::Expectations => ItemKind::Expectation,
        }
    }

    /// The collection in whose listing an item of this kind stands under its own kind; `None` of classes.
    #[must_use]
    pub fn of(kind: ItemKind) -> Option<Self> {
        match kind {
            ItemKind::Test => Some(Self::Tests),
            ItemKind::Resource => Some(Self::Resources),
            ItemKind::Suite => Some(Self::Suites),
            ItemKind::Directory => Some(Self::Directories),
            ItemKind::Expectation => Some(Self::Expectations),
            ItemKind::Class => None,
        }
    }

    /// Reads the part of a path. What is no kind names nothing.
    ///
    /// # Errors
    /// 404 that names the kinds there are.
    pub fn read(text: &str) -> Result<Self> {
        text.parse().map_err(|error| Problem::new(Code::NotFound, format!("{error}")))
    }
}

/// How the root directory is written in a path, where an empty label would be no part of it.
pub const ROOT: &str = "~";

/// The label that a part of a path stands for.
#[must_use]
pub fn label_of(text: &str) -> &str {
    if text == ROOT { "" } else { text }
}

/// Who makes a change, and what for: the holder of the token and the query field `message`.
#[derive(Debug)]
pub struct Author(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(parts.extensions.get::<Caller>().map(|caller| caller.0.clone())))
    }
}

/// The most letters of a message.
const MAX_MESSAGE: usize = 1_000;

impl Author {
    /// The author alone.
    #[must_use]
    pub fn by(self) -> By {
        By { author: self.0, message: None }
    }

    /// Joins the author with the message of the query.
    ///
    /// # Errors
    /// 400 if the message is too long.
    pub fn with(self, params: &Params) -> Result<By> {
        let message = params.one::<String>("message")?;
        if message.as_ref().is_some_and(|message| message.chars().count() > MAX_MESSAGE) {
            return Err(Problem::new(Code::BadRequest, format!("`message` is longer than {MAX_MESSAGE} letters")));
        }
        Ok(By { author: self.0, message })
    }
}

/// The problem that there is no such item.
fn no_such(kind: ItemKind, name: &str) -> Problem {
    missing(crate::app::catalogue::item::what(kind), crate::app::cut(name, 80))
}

/// The revision that is asked for as a query field.
fn revision(params: &Params) -> Result<Option<i64>> {
    params.one("revision")
}

/// Reads a yes or no of a query; no where it is left out.
fn flag(params: &Params, name: &str) -> Result<bool> {
    Ok(params.one(name)?.unwrap_or(false))
}
