//! The logs of runs: in pages, as text, as a stream of server-sent events, and searched.

mod follow;
pub mod search;
mod text;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::log::read::{self, Lines};
use crate::app::{App, cut};
use crate::domain::log::{LogStream, Numbered, Wanted};
use crate::http::accept::prefers;
use crate::http::builds::read_id;
use crate::http::params::{Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::ids::RunId;

/// The content types beside JSON.
const TEXT: &str = "text/plain";
const STREAM: &str = "text/event-stream";

/// How many lines a page has where nothing is asked for, and at most.
const DEFAULT_LINES: usize = 200;
const MAX_LINES: usize = 1_000;

/// A line of a log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogLine)]
pub struct LineView {
    /// Its place in the log, from 0.
    #[schema(example = 217)]
    number: u64,
    /// When it was written, by the clock of whoever wrote it.
    at: DateTime<Utc>,
    /// The job that wrote it, or that it is about.
    #[schema(example = "com.example.lab::net/ping")]
    job: Option<String>,
    /// Where it was written: `note` is what whoever runs the jobs, or the service, says of the run.
    stream: LogStream,
    /// What was written, without the end of the line; at most 65536 bytes, of which a longer line ends in `…`.
    #[schema(example = "64 bytes from 192.0.2.1: icmp_seq=1")]
    text: String,
}

impl From<Numbered> for LineView {
    fn from(numbered: Numbered) -> Self {
        let Numbered { number, line } = numbered;
        Self { number, at: line.at, job: line.job, stream: line.stream, text: line.text }
    }
}

/// A page of a log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogPage {
    /// The lines.
    items: Vec<LineView>,
    /// What to give as `cursor` for the next page; absent if nothing more is there yet. A page may be short, and even empty,
    /// although there is more.
    #[schema(example = "417")]
    next_cursor: Option<String>,
    /// How many lines the log has.
    #[schema(example = 5120)]
    lines: u64,
    /// How many bytes its text has.
    #[schema(example = 401_233)]
    bytes: u64,
    /// How many lines came after the limits (`logs.max_lines`, `logs.max_bytes`) and were not kept.
    dropped: u64,
    /// Whether no more lines come.
    ended: bool,
}

impl From<Lines> for LogPage {
    fn from(found: Lines) -> Self {
        let length = found.log.length();
        Self {
            items: found.lines.into_iter().map(LineView::from).collect(),
            next_cursor: found.next.map(|number| number.to_string()),
            lines: length.lines,
            bytes: length.bytes,
            dropped: length.dropped,
            ended: found.log.ended,
        }
    }
}

/// Shows the log of a run
///
/// As a page of lines; with `Accept: text/plain` as text, of which parts can be asked for (`Range`); with
/// `Accept: text/event-stream` or `follow` as server-sent events: each line as an event `line` with its number as `id`, as it
/// is written, and an event `end` when the run is over and the log complete. Whoever goes on behind the last number that
/// they have misses no line.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/log", tag = "runs",
    params(
        ("id" = RunId, Path),
        ("from" = Option<u64>, Query, description = "From the line with this number on. Not of the text", example = 217),
        ("tail" = Option<usize>, Query, description = "Only the last lines, so many at most; of a stream, the lines that it begins with"),
        ("job" = Option<String>, Query, description = "Only lines of this job"),
        ("stream" = Option<Vec<LogStream>>, Query, description = "Only lines of these streams; may be repeated"),
        ("follow" = Option<bool>, Query, description = "Stream it, whatever `Accept` says"),
        ("limit" = Option<u32>, Query, description = "How many lines, 1 to 1000; 200 where it is left out. Of pages"),
        ("cursor" = Option<u64>, Query, description = "`next_cursor` of the page before. Of pages"),
        ("range" = Option<String>, Header, description = "Of the text: some of its bytes, as in `bytes=1000-`"),
        ("last-event-id" = Option<u64>, Header, description = "Of streams: the number of the last line that the client has; goes before `from`"),
    ),
    responses(
        (status = 200, description = "Lines, or all of the text", content((LogPage = "application/json"), (String = "text/plain"), (String = "text/event-stream")),
            headers(("etag" = String, description = "Of the text of a log that has ended"))),
        (status = 206, description = "Some bytes of the text", content_type = "text/plain", body = String),
        (status = 304, description = "The caller has the text"),
        (status = 400, description = "A query field or `Last-Event-ID` is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such run, or it has no log here: `log_url` says where it has one", body = ProblemBody),
        (status = 416, description = "The text has none of these bytes", body = ProblemBody),
        (status = 503, description = "Too many streams are open (`server.max_event_streams`), or the database is away: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn get_run_log(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response> {
    let params = params.only(&["from", "tail", "job", "stream", "follow"])?;
    let run: RunId = read_id("run", &id)?;
    let wanted = wanted(&params)?;
    let tail = tail(&params)?;
    let wants_stream = prefers(&headers, STREAM, "application/json") && prefers(&headers, STREAM, TEXT);
    if params.flag("follow")?.unwrap_or(wants_stream) {
        refuse(&params, &["limit", "cursor"], "a stream")?;
        return follow::follow(&app, run, wanted, params.one("from")?, tail, &headers).await;
    }
    if prefers(&headers, TEXT, "application/json") {
        refuse(&params, &["from", "limit", "cursor"], "the text")?;
        return text::text(&app, run, wanted, tail, &headers).await;
    }
    let page = match tail {
        Some(count) => {
            refuse(&params, &["from", "limit", "cursor"], "a page of the last lines")?;
            read::last(&app, run, &wanted, count).await?
        }
        None => read::page(&app, run, &wanted, from(&params)?, limit(&params)?).await?,
    };
    let vary = [(header::VARY, HeaderValue::from_static("accept"))];
    Ok((vary, Json(LogPage::from(page))).into_response())
}

fn refused(words: String) -> Problem {
    Problem::new(Code::BadRequest, words)
}

/// Refuses fields that are of other ways to read a log.
fn refuse(params: &Params, fields: &[&str], what: &str) -> Result<()> {
    for field in fields {
        if params.one::<String>(field)?.is_some() {
            return Err(refused(format!("the query field `{field}`: {what} has none")));
        }
    }
    Ok(())
}

/// Which lines are asked for.
fn wanted(params: &Params) -> Result<Wanted> {
    Ok(Wanted { job: params.one("job")?, streams: params.all("stream")? })
}

/// The number of the line from which on a page is asked for.
fn from(params: &Params) -> Result<u64> {
    match (params.one::<u64>("from")?, params.one::<u64>("cursor")?) {
        (Some(_), Some(_)) => Err(refused("send `from` or `cursor`, not both".to_owned())),
        (from, cursor) => Ok(cursor.or(from).unwrap_or_default()),
    }
}

fn limit(params: &Params) -> Result<usize> {
    let limit = params.one::<usize>("limit")?.unwrap_or(DEFAULT_LINES);
    if (1..=MAX_LINES).contains(&limit) {
        Ok(limit)
    } else {
        Err(refused(format!("`limit` must be from 1 to {MAX_LINES}")))
    }
}

fn tail(params: &Params) -> Result<Option<usize>> {
    match params.one::<usize>("tail")? {
        Some(count) if !(1..=MAX_LINES).contains(&count) => Err(refused(format!(
            "the query field `tail`: want from 1 to {MAX_LINES} lines, not {}",
            cut(&count.to_string(), 20)
        ))),
        tail => Ok(tail),
    }
}
