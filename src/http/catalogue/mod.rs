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
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::catalogue::By;
use crate::app::catalogue::change::OnlyIf;
use crate::domain::catalogue::item::ItemKind;
use crate::domain::words::words;
use crate::http::body;
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

/// The entity tag of what a revision made.
#[must_use]
pub fn etag(revision: i64) -> HeaderValue {
    entity_tag(format_args!("r{revision}"))
}

/// An entity tag of this word, which needs no escapes.
fn entity_tag(word: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{word}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Reads an entity tag that [`etag`] wrote.
fn revision_of(tag: &str) -> Option<i64> {
    tag.trim().strip_prefix("\"r")?.strip_suffix('"')?.parse().ok()
}

/// What `If-Match` and `If-None-Match` ask of a change.
///
/// # Errors
/// 400 for a header that is neither `*` nor one entity tag that was given out here, and for both headers at once.
pub fn only_if(headers: &HeaderMap) -> Result<OnlyIf> {
    let wrong = |words: &str| Problem::new(Code::BadRequest, words);
    match (body::text(headers, header::IF_MATCH.as_str()), body::text(headers, header::IF_NONE_MATCH.as_str())) {
        (None, None) => Ok(OnlyIf::Any),
        (Some(_), Some(_)) => Err(wrong("send If-Match or If-None-Match, not both")),
        (Some("*"), None) => Ok(OnlyIf::There),
        (Some(tag), None) => revision_of(tag)
            .map(OnlyIf::Version)
            .ok_or_else(|| wrong("If-Match: want `*` or the one ETag that the item was read with, such as `\"r7\"`")),
        (None, Some("*")) => Ok(OnlyIf::Absent),
        (None, Some(_)) => Err(wrong("If-None-Match: a change takes only `*`, which means: only if there is none yet")),
    }
}

/// The answer to a reader who has this version already: 304 without a body, or `None`.
#[must_use]
pub fn unchanged(headers: &HeaderMap, tag: &HeaderValue) -> Option<Response> {
    let known = body::text(headers, header::IF_NONE_MATCH.as_str())?;
    let tag_text = tag.to_str().ok()?;
    let same = known.split(',').any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == tag_text);
    same.then(|| (StatusCode::NOT_MODIFIED, [(header::ETAG, tag.clone())]).into_response())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn conditions_are_read() {
        let read = |pairs: &[(header::HeaderName, &'static str)]| only_if(&headers(pairs)).map_err(|it| it.words());
        assert_eq!(read(&[]), Ok(OnlyIf::Any));
        assert_eq!(read(&[(header::IF_MATCH, "*")]), Ok(OnlyIf::There));
        assert_eq!(read(&[(header::IF_MATCH, "\"r12\"")]), Ok(OnlyIf::Version(12)));
        assert_eq!(read(&[(header::IF_NONE_MATCH, "*")]), Ok(OnlyIf::Absent));
        for wrong in ["r12", "\"12\"", "\"r12\", \"r13\"", "", "\"r99999999999999999999\""] {
            assert!(read(&[(header::IF_MATCH, wrong)]).is_err(), "{wrong}");
        }
        assert!(read(&[(header::IF_NONE_MATCH, "\"r1\"")]).is_err());
        assert!(read(&[(header::IF_MATCH, "*"), (header::IF_NONE_MATCH, "*")]).is_err());
    }

    #[test]
    fn a_reader_who_has_the_version_gets_no_body() {
        let has = |known: &'static str| unchanged(&headers(&[(header::IF_NONE_MATCH, known)]), &etag(7)).is_some();
        assert!(has("\"r7\"") && has("*") && has("W/\"r7\"") && has("\"r6\", \"r7\""));
        assert!(!has("\"r6\"") && !has("r7"));
        assert!(unchanged(&HeaderMap::new(), &etag(7)).is_none());
    }
}
