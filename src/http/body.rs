//! Bodies: read within bounds, then as what they are.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::http::problem::{Code, Problem, Result};

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// 413 that names the limit if it is longer; 400 if it breaks off.
pub async fn read(body: Body, most: usize) -> Result<Bytes> {
    let too_large = || Problem::new(Code::TooLarge, format!("the body is longer than {most} bytes"));
    // What is announced as too long need not be waited for.
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > most {
        return Err(too_large());
    }
    axum::body::to_bytes(body, most).await.map_err(|error| {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            if cause.to_string().contains("length limit exceeded") {
                return too_large();
            }
            source = cause.source();
        }
        broken_off(&error)
    })
}

/// The problem with a body that breaks off.
#[must_use]
pub fn broken_off(error: &axum::Error) -> Problem {
    Problem::new(Code::BadRequest, "the body breaks off").because(error.to_string())
}

/// A header's value, if it is there and text.
#[must_use]
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The content type, without parameters and in small letters; empty where there is none.
#[must_use]
pub fn essence(headers: &HeaderMap) -> String {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Lets through what says that it is JSON.
///
/// # Errors
/// 415 for another content type.
pub fn want_json(headers: &HeaderMap) -> Result<()> {
    let essence = essence(headers);
    if essence != "application/json" && !essence.ends_with("+json") {
        let words = format!("send `content-type: application/json`, not `{}`", crate::app::cut(&essence, 80));
        return Err(Problem::new(Code::UnsupportedMediaType, words));
    }
    Ok(())
}

/// Reads JSON of a certain shape.
///
/// # Errors
/// 400 for what is not JSON, 422 for JSON of another shape, each with the place.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

/// The problem with a body that cannot be read.
#[must_use]
pub fn unreadable(error: &serde_json::Error) -> Problem {
    let code = if error.is_data() { Code::Invalid } else { Code::BadRequest };
    // It may repeat what was sent, however long that is.
    Problem::new(code, format!("the body: {}", crate::app::cut(&error.to_string(), 1_000)))
}

/// Reads a JSON object of a certain shape. A list, of which the members of an object can be read in their order, is none.
///
/// # Errors
/// As [`parse`].
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let read = parse(body)?;
    if body.trim_ascii_start().first() == Some(&b'{') {
        return Ok(read);
    }
    Err(Problem::new(Code::Invalid, "the body: want an object"))
}

/// Reads a JSON object of the native door.
///
/// # Errors
/// 415 for another content type; 413; 400 for what is not JSON, 422 for JSON of another shape, each with the place.
pub async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, most: usize) -> Result<T> {
    want_json(headers)?;
    object(&read(body, most).await?)
}

/// Reads a JSON body of the native door, be it an object or not: what is wrong with it is told by whoever reads on.
///
/// # Errors
/// 415 for another content type; 413; 400 for what is not JSON.
pub async fn any_json(headers: &HeaderMap, body: Body, most: usize) -> Result<serde_json::Value> {
    want_json(headers)?;
    parse(&read(body, most).await?)
}
