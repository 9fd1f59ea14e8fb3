//! Batches of documents: a JSON array, or lines of JSON (NDJSON) that are read as they come.

use std::fmt;

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use futures_util::StreamExt as _;
use serde::Deserializer as _;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde_json::Value;

use crate::app::App;
use crate::http::body;
use crate::http::problem::{Code, Problem, Result};

/// The most bytes of a batch, whatever `catalogue.max_import_bytes` says: it is held in memory.
const MAX_BYTES: u64 = 64 << 20;

/// How many bytes of lines are read at once.
const STRETCH: usize = 256 << 10;

/// The content types of lines of JSON.
const LINES: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

/// How many bytes a batch, or a body with many ids, may have.
#[must_use]
pub fn most_bytes(app: &App) -> usize {
    usize::try_from(app.catalogue.limits.max_import_bytes.min(MAX_BYTES)).unwrap_or(usize::MAX)
}

/// Works where it holds up nobody.
///
/// # Errors
/// As the work; 500 if it breaks down.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let words = "the service failed; its log says why under this request's id";
        Err(Problem::new(Code::Internal, words).because(error.to_string()))
    })
}

/// Reads a JSON object that may be long.
///
/// # Errors
/// As [`body::json`].
pub async fn json<T: DeserializeOwned + Send + 'static>(app: &App, headers: &HeaderMap, body: Body) -> Result<T> {
    body::want_json(headers)?;
    let bytes = body::read(body, most_bytes(app)).await?;
    apart(move || body::object(&bytes)).await
}

/// Reads a batch of at most this many documents.
///
/// # Errors
/// 415 for another content type; 413; 400 for what is not JSON, with the line; 422 for too many, and for JSON that is no
/// list.
pub async fn read(app: &App, headers: &HeaderMap, body: Body, most: usize) -> Result<Vec<Value>> {
    if LINES.contains(&body::essence(headers).as_str()) {
        return lines(body, most_bytes(app), most).await;
    }
    body::want_json(headers)?;
    let bytes = body::read(body, most_bytes(app)).await?;
    apart(move || {
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let documents = reader.deserialize_seq(List { most }).and_then(|read| reader.end().map(|()| read));
        documents.map_err(|error| body::unreadable(&error))
    })
    .await
}

fn too_many(most: usize) -> String {
    format!("want at most {most} documents: send them in several requests")
}

/// A list that is given up where it becomes too long, before it fills the memory.
struct List {
    most: usize,
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Value>, A::Error> {
        let mut documents = Vec::new();
        while let Some(document) = list.next_element()? {
            if documents.len() >= self.most {
                return Err(A::Error::custom(too_many(self.most)));
            }
            documents.push(document);
        }
        Ok(documents)
    }
}

/// Reads lines while they come: what is whole is read, the rest is kept until its line ends.
async fn lines(body: Body, most_bytes: usize, most: usize) -> Result<Vec<Value>> {
    let too_large = || Problem::new(Code::TooLarge, format!("the body is longer than {most_bytes} bytes"));
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > most_bytes {
        return Err(too_large());
    }
    let mut reader = Lines { documents: Vec::new(), line: 0, most };
    let (mut pending, mut whole, mut length) = (Vec::new(), 0, 0_usize);
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| body::broken_off(&error))?;
        length = length.saturating_add(piece.len());
        if length > most_bytes {
            return Err(too_large());
        }
        if let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') {
            whole = pending.len() + end + 1;
        }
        pending.extend_from_slice(&piece);
        if whole >= STRETCH {
            let rest = pending.split_off(whole);
            let lines = std::mem::replace(&mut pending, rest);
            whole = 0;
            reader = apart(move || reader.take(&lines)).await?;
        }
    }
    Ok(apart(move || reader.take(&pending)).await?.documents)
}

/// The lines that were read so far.
struct Lines {
    documents: Vec<Value>,
    line: usize,
    most: usize,
}

impl Lines {
    /// Reads lines; empty ones are passed over.
    fn take(mut self, lines: &[u8]) -> Result<Self> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.line += 1;
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if self.documents.len() >= self.most {
                return Err(Problem::new(Code::Invalid, too_many(self.most)));
            }
            let document = serde_json::from_slice(line).map_err(|error| {
                let words = error.to_string();
                // Where in the document: that is one line, whatever the error says.
                let what = words.split(" at line ").next().unwrap_or_default();
                Problem::new(Code::BadRequest, format!("line {}, column {}: {what}", self.line, error.column()))
            })?;
            self.documents.push(document);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(pieces: &[&str], most_bytes: usize, most: usize) -> Result<Vec<Value>, String> {
        let pieces: Vec<Result<Vec<u8>, std::convert::Infallible>> =
            pieces.iter().map(|piece| Ok(piece.as_bytes().to_vec())).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(lines(body, most_bytes, most)).map_err(|problem| problem.words())
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let whole = "{\"a\": 1}\n\n \r\n[2]\r\n\"\\n\"";
        let wanted: Vec<Value> = vec![serde_json::json!({"a": 1}), serde_json::json!([2]), serde_json::json!("\n")];
        assert_eq!(read_in(&[whole], 100, 3).unwrap(), wanted);
        let pieces: Vec<String> = whole.chars().map(String::from).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        assert_eq!(read_in(&pieces, 100, 3).unwrap(), wanted);
        assert_eq!(read_in(&[], 100, 3).unwrap(), Vec::<Value>::new());
        // More than is read at once, cut in the midst of lines.
        let many: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
        let many = many.join("\n");
        let pieces: Vec<&str> = many.as_bytes().chunks(70_001).map(|it| std::str::from_utf8(it).unwrap()).collect();
        let read = read_in(&pieces, many.len(), 100_000).unwrap();
        assert_eq!(read, (0..100_000).map(Value::from).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let wrong = read_in(&["1\n\n{\"a\": }\n"], 100, 10).unwrap_err();
        assert!(wrong.starts_with("line 3, column 7: "), "{wrong}");
        assert!(!wrong.contains("at line"), "{wrong}");
        assert!(read_in(&["1\n2\n3\n"], 100, 2).unwrap_err().contains("at most 2"));
        assert!(read_in(&["1\n2\n"], 3, 2).unwrap_err().contains("longer than 3 bytes"));
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(read_in(&[&deep], 10_000, 2).is_err(), "nesting is bounded");
    }
}
