//! Sessions over HTTP: which jobs are wanted, which can run, what holds the others up, and what came of them.

pub mod controllers;
pub mod ending;
pub mod events;
pub mod execution;
pub mod given;
pub mod history;
pub mod jobs;
pub mod lists;
pub mod make;
pub mod notes;
pub mod numbers;
pub mod plans;
pub mod portable;
pub mod qualifier;
pub mod resources;
pub mod results;
pub mod schema;
pub mod shared;
pub mod units;
pub mod what;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::app::condition::OnlyIf;
use crate::app::session::change::{At, By};
use crate::app::{AppError, MAX_FAULTS, cut};
use crate::domain::fault::Fault;
use crate::domain::session::{MAX_ID, Problem as Wrong};
use crate::http::builds::{missing, read_id};
use crate::http::catalogue::Author;
use crate::http::condition::{etag, only_if, unchanged};
use crate::http::problem::{Code, Problem, Result};
use crate::http::sessions::schema::ProblemDocument;
use crate::ids::SessionId;

/// How many things of a kind are told at most where an answer does not have pages.
const MAX_TOLD: usize = 1_000;

/// The most ids of a list.
const MAX_IDS: usize = 200_000;

/// The session that a part of a path names. What is no id names nothing.
///
/// # Errors
/// 404.
pub fn session_of(text: &str) -> Result<SessionId> {
    read_id("session", text)
}

/// The job or resource that a part of a path names. Nothing has an id that cannot be kept.
///
/// # Errors
/// 404.
fn id_of(what: &'static str, text: String) -> Result<String> {
    if text.contains('\0') || text.len() > MAX_ID {
        return Err(missing(what, cut(&text, 80)));
    }
    Ok(text)
}

/// Who changes a session, and the version of it that they have seen: from the token, and from `If-Match`.
#[derive(Debug)]
pub struct Changing(pub By);

impl<S: Send + Sync> FromRequestParts<S> for Changing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let only_if = match only_if(&parts.headers)? {
            // Without a session there is nothing to change.
            OnlyIf::Any | OnlyIf::There => None,
            OnlyIf::Version(version) => Some(version),
            OnlyIf::Absent => {
                let words = "If-None-Match: `POST /api/v1/sessions` makes a session, under an id of its own";
                return Err(Problem::new(Code::BadRequest, words));
            }
        };
        let who = Author::from_request_parts(parts, state).await?.by().author;
        Ok(Self(By { who, only_if }))
    }
}

/// The answer to a question, or 304 for a caller who has this version of the session.
fn shown<T, V: Serialize>(headers: &HeaderMap, at: At<T>, view: impl FnOnce(T) -> V) -> Response {
    let tag = etag(at.version);
    unchanged(headers, &tag).unwrap_or_else(|| ([(header::ETAG, tag)], Json(view(at.value))).into_response())
}

/// The answer to a change, under the version that it made.
fn changed<T, V: Serialize>(at: At<T>, view: impl FnOnce(T) -> V) -> Response {
    ([(header::ETAG, etag(at.version))], Json(view(at.value))).into_response()
}

/// How many there are, and the first of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Told<T> {
    /// How many.
    #[schema(example = 1)]
    pub count: usize,
    /// The first 1000 of them.
    pub items: Vec<T>,
}

impl<T> Told<T> {
    /// Tells of these, each shown by `view`.
    pub fn of<Row>(rows: Vec<Row>, view: impl FnMut(Row) -> T) -> Self {
        Self { count: rows.len(), items: rows.into_iter().take(MAX_TOLD).map(view).collect() }
    }
}

/// Something wrong with what is desired, as data and in words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionProblem)]
pub struct WrongView {
    #[serde(flatten)]
    #[schema(value_type = ProblemDocument)]
    problem: Wrong,
    /// The same in words.
    #[schema(example = "`net::ping` needs `net::link` (depends), which is not there or was left out")]
    sentence: String,
}

impl From<Wrong> for WrongView {
    fn from(problem: Wrong) -> Self {
        Self { sentence: problem.to_string(), problem }
    }
}

/// Refuses a body, if there are faults in it.
///
/// # Errors
/// 422 with the first of them.
fn refuse(what: &str, mut faults: Vec<Fault>) -> Result<()> {
    faults.truncate(MAX_FAULTS);
    Ok(AppError::refuse(what, faults)?)
}

/// What is wrong with a list of ids at this place of a body.
fn faults_of_ids(pointer: &str, ids: &[String]) -> Vec<Fault> {
    if ids.len() > MAX_IDS {
        return vec![Fault::new(pointer, format!("want at most {MAX_IDS}, not {}", ids.len()))];
    }
    let wrong = |(place, id): (usize, &String)| {
        let words = if id.is_empty() {
            "it is empty".to_owned()
        } else if id.contains('\0') {
            "it holds a NUL character, which cannot be stored".to_owned()
        } else if id.len() > MAX_ID {
            format!("it is {} bytes long: want at most {MAX_ID}", id.len())
        } else {
            return None;
        };
        Some(Fault::new(format!("{pointer}/{place}"), words))
    };
    ids.iter().enumerate().filter_map(wrong).take(MAX_FAULTS).collect()
}

/// The pointer's part for a member of an object (RFC 6901).
fn escaped(member: &str) -> String {
    cut(member, 80).replace('~', "~0").replace('/', "~1")
}

/// A member of a JSON merge patch, in which null is not the same as nothing.
#[derive(Debug, Default)]
pub enum Member<T> {
    /// It is left out.
    #[default]
    LeftOut,
    /// It is null.
    Null,
    /// It is this.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T> Member<T> {
    /// What is to change: nothing, or to that value, which inside is `None` where it is to be taken away.
    #[must_use]
    pub fn told(self) -> Option<Option<T>> {
        match self {
            Self::LeftOut => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_null_is_not_one_that_is_left_out() {
        #[derive(Deserialize)]
        struct Patch {
            #[serde(default)]
            member: Member<String>,
        }
        let told = |text: &str| serde_json::from_str::<Patch>(text).map(|patch| patch.member.told()).ok();
        assert_eq!(told("{}"), Some(None));
        assert_eq!(told(r#"{"member": null}"#), Some(Some(None)));
        assert_eq!(told(r#"{"member": "a"}"#), Some(Some(Some("a".to_owned()))));
        assert_eq!(told(r#"{"member": 7}"#), None);
    }

    #[test]
    fn faults_of_ids_are_told_with_their_places_and_bounded() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let pointers =
            |ids: &[String]| faults_of_ids("/jobs", ids).into_iter().map(|it| it.pointer).collect::<Vec<_>>();
        assert_eq!(pointers(&ids(&["a", "", "a\0", "b"])), ["/jobs/1", "/jobs/2"]);
        assert_eq!(pointers(&vec![String::new(); 500]).len(), MAX_FAULTS);
        assert_eq!(pointers(&vec![String::new(); MAX_IDS + 1]), ["/jobs"]);
        assert_eq!(escaped("a/b~c"), "a~1b~0c");
    }
}
