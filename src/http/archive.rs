//! Tar archives, in and out.

use std::fs::File;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use crate::http::body;
use crate::http::problem::{Code, Problem, Result};

/// Writes a body that is an archive of at most `most` bytes to a temporary file, as it streams.
///
/// # Errors
/// 415 for another content type; 413; 400 if it breaks off; 503 if there is no room.
pub async fn receive(headers: &HeaderMap, body: Body, most: u64) -> Result<File> {
    if !matches!(body::essence(headers).as_str(), "application/x-tar" | "application/tar") {
        let words = "send a tar archive, with `content-type: application/x-tar`";
        return Err(Problem::new(Code::UnsupportedMediaType, words));
    }
    let failed = |error: std::io::Error| {
        Problem::new(Code::Unavailable, "there is no room for the archive now; repeat the request later")
            .because(error.to_string())
    };
    let mut out = tokio::fs::File::from_std(tempfile::tempfile().map_err(failed)?);
    let mut length: u64 = 0;
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| body::broken_off(&error))?;
        length += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if length > most {
            return Err(Problem::new(Code::TooLarge, format!("the archive is longer than {most} bytes")));
        }
        out.write_all(&piece).await.map_err(failed)?;
    }
    out.flush().await.map_err(failed)?;
    out.rewind().await.map_err(failed)?;
    Ok(out.into_std().await)
}

/// Answers with an archive of so many bytes, to be kept under a name.
#[must_use]
pub fn answer(file: File, length: u64, name: &str) -> Response {
    let file = tokio::fs::File::from_std(file);
    let mut response = Body::from_stream(ReaderStream::new(file)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
