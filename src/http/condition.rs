//! Conditions: entity tags of what is read, and what `If-Match` and `If-None-Match` ask of a change.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::condition::OnlyIf;
use crate::http::body;
use crate::http::problem::{Code, Problem, Result};

/// The entity tag of what a revision made.
#[must_use]
pub fn etag(revision: i64) -> HeaderValue {
    entity_tag(format_args!("r{revision}"))
}

/// An entity tag of this word, which needs no escapes.
#[must_use]
pub fn entity_tag(word: impl std::fmt::Display) -> HeaderValue {
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
            .ok_or_else(|| wrong("If-Match: want `*` or the one ETag that it was read with, such as `\"r7\"`")),
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
