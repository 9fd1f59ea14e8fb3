//! The text of a log, whole or in parts.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::app::log::read;
use crate::domain::log::Wanted;
use crate::http::condition::{entity_tag, unchanged};
use crate::http::problem::Result;
use crate::http::ranges::{self, Part};
use crate::ids::RunId;

/// Answers with the text: that of all lines as bytes of which parts can be had, that of some lines as they are found.
pub(super) async fn text(
    app: &App,
    run: RunId,
    wanted: Wanted,
    tail: Option<usize>,
    headers: &HeaderMap,
) -> Result<Response> {
    if let Some(count) = tail {
        let found = read::last(app, run, &wanted, count).await?;
        let mut text = String::new();
        for line in &found.lines {
            line.line.render(&mut text);
        }
        return Ok(as_text(text.into_response()));
    }
    let log = {
        let mut db = app.read().await?;
        read::find(&mut db.conn(), run).await?
    };
    if !wanted.is_all() {
        return Ok(as_text(Body::from_stream(read::filtered_text(app, run, log, wanted)).into_response()));
    }
    let length = log.length();
    // What has ended never changes, and so its length names it.
    let tag = log.ended.then(|| entity_tag(format_args!("{}-{}", length.lines, length.bytes)));
    if let Some(response) = tag.as_ref().and_then(|tag| unchanged(headers, tag)) {
        return Ok(response);
    }
    let range = match ranges::part(headers, length.bytes, tag.as_ref()) {
        Part::Whole => None,
        Part::Bytes(range) => Some(range),
        Part::Outside => return Ok(ranges::outside(length.bytes)),
    };
    let bytes = read::text(app, run, range.clone().unwrap_or(0..length.bytes));
    Ok(as_text(ranges::answer(Body::from_stream(bytes), range.as_ref(), length.bytes, tag)))
}

/// Says that it is text, which no browser takes for a page of ours.
fn as_text(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
