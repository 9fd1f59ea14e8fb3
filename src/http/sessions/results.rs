//! Results of jobs as they come in, and what follows from them.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::session::result::{self, MAX_RESULTS, Reported, Reports};
use crate::app::{App, cut};
use crate::domain::fault::Fault;
use crate::domain::session::{DroppedRecord, LogEntry, Outcome, Recorded, Report, SkipReason, Skipped, Stream};
use crate::http::body;
use crate::http::params::{Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::sessions::jobs::JobStateView;
use crate::http::sessions::schema::{
    BatchResultDocument, LogEntryDocument, OutcomeDocument, SkipReasonDocument, SkippedDocument,
};
use crate::http::sessions::units::AddedView;
use crate::http::sessions::{Changing, Told, changed, id_of, refuse, session_of};
use crate::http::specs::documents;
use crate::ids::SessionId;

/// The most bytes of a result as JSON.
const MAX_RESULT: usize = 4 << 20;

/// The most pieces of what a job wrote.
const MAX_ENTRIES: usize = 100_000;

/// A result of a job. All may be left out; one that says nothing takes the current result away and leaves no trace.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewJobResult, example = json!({
    "outcome": "pass", "return_code": 0, "execution_duration": 0.4, "stdout": "kind: wired\nname: eth0\n",
}))]
pub struct AskedResult {
    /// What came of it.
    #[schema(value_type = Option<OutcomeDocument>)]
    outcome: Option<Outcome>,
    /// What somebody says of it.
    comments: Option<String>,
    /// What its command returned.
    return_code: Option<i64>,
    /// How long it took, in seconds.
    #[schema(minimum = 0)]
    execution_duration: Option<f64>,
    /// What it wrote, in order: at most 100000 pieces.
    #[schema(value_type = Vec<LogEntryDocument>)]
    io_log: Vec<LogEntry>,
    /// What it wrote to its standard output, as text, in place of `io_log`: each line is a piece.
    stdout: Option<String>,
    /// The name of a log that is kept elsewhere.
    log: Option<String>,
    /// Why it was skipped.
    #[schema(value_type = Option<SkipReasonDocument>)]
    skip_reason: Option<SkipReason>,
}

impl AskedResult {
    /// Reads it; faults are told below this place.
    fn read(self, pointer: &str, faults: &mut Vec<Fault>) -> Report {
        let Self { outcome, comments, return_code, execution_duration, mut io_log, stdout, log, skip_reason } = self;
        if execution_duration.is_some_and(|seconds| seconds < 0.0) {
            faults.push(Fault::new(format!("{pointer}/execution_duration"), "want no less than 0 seconds"));
        }
        let mut from = "io_log";
        if let Some(text) = stdout {
            if !io_log.is_empty() {
                faults
                    .push(Fault::new(format!("{pointer}/stdout"), "it stands in place of `io_log`: want one of them"));
            }
            from = "stdout";
            io_log = text
                .split_inclusive('\n')
                .take(MAX_ENTRIES + 1)
                .map(|line| LogEntry { delay: 0.0, stream: Stream::Stdout, data: line.as_bytes().to_vec() })
                .collect();
        }
        if io_log.len() > MAX_ENTRIES {
            faults.push(Fault::new(format!("{pointer}/{from}"), format!("want at most {MAX_ENTRIES} pieces of a log")));
        }
        Report { outcome, comments, return_code, execution_duration, io_log, log, skip_reason }
    }
}

/// A record of a job's output that made no unit, though it should have.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DroppedRecord)]
pub struct DroppedView {
    /// The template that should have made it; null if the record itself should have been a job.
    #[schema(example = "net::ping-{interface}")]
    template: Option<String>,
    /// Its place among the records, from 0.
    #[schema(example = 2)]
    record: usize,
    /// Why.
    #[schema(example = "id: the record has no field `interface`")]
    reason: String,
}

impl From<DroppedRecord> for DroppedView {
    fn from(dropped: DroppedRecord) -> Self {
        let DroppedRecord { template, record, reason } = dropped;
        Self { template, record, reason: cut(&reason, 1_000) }
    }
}

/// What recording a result came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobResultRecorded)]
pub struct RecordedView {
    /// The job.
    #[schema(example = "net::nic")]
    job: String,
    /// Whether the history has it: it said something, and not what the result before it said.
    is_new: bool,
    /// How many records a resource job came to; null of any other.
    #[schema(example = 1)]
    records: Option<usize>,
    /// Where the output ends to be records, with its line, and why; what stands behind is lost.
    #[schema(
        example = "line 3: want `name: value`, more of a value behind a space, a blank line or `#`, and there is `eth0`"
    )]
    unread: Option<String>,
    /// The units that its output made.
    made: AddedView,
    /// The records of its output that made no unit, though they should have.
    dropped: Told<DroppedView>,
}

impl RecordedView {
    fn new((job, recorded): (String, Recorded)) -> Self {
        let Recorded { is_new, records, unread, made, dropped } = recorded;
        Self { job, is_new, records, unread, made: made.into(), dropped: Told::of(dropped, DroppedView::from) }
    }
}

/// A result that was recorded, and what followed from it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobResultReported)]
pub struct ReportedView {
    /// How the job stands now.
    job: Option<JobStateView>,
    /// What recording it came to.
    recorded: Option<RecordedView>,
    /// The jobs that were given up because they can never start any more; none unless `skip` was asked for.
    #[schema(value_type = Told<SkippedDocument>)]
    skipped: Told<Skipped>,
    /// The jobs that can start now and could not before.
    ready: Told<String>,
}

impl From<Reported> for ReportedView {
    fn from(reported: Reported) -> Self {
        let Reported { mut recorded, skipped, ready, state } = reported;
        Self {
            job: state.map(JobStateView::from),
            recorded: recorded.pop().map(RecordedView::new),
            skipped: Told::of(skipped, |it| it),
            ready: Told::of(ready, |job| job),
        }
    }
}

/// Results that were recorded, and what followed from them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobResultsReported)]
pub struct BatchView {
    /// What recording each came to, in their order.
    recorded: Told<RecordedView>,
    /// The jobs that were given up because they can never start any more; none unless `skip` was asked for.
    #[schema(value_type = Told<SkippedDocument>)]
    skipped: Told<Skipped>,
    /// The jobs that can start now and could not before.
    ready: Told<String>,
}

impl From<Reported> for BatchView {
    fn from(reported: Reported) -> Self {
        let Reported { recorded, skipped, ready, state: _ } = reported;
        Self {
            recorded: Told::of(recorded, RecordedView::new),
            skipped: Told::of(skipped, |it| it),
            ready: Told::of(ready, |job| job),
        }
    }
}

fn skips(params: Params) -> Result<bool> {
    Ok(params.only(&["skip"])?.one("skip")?.unwrap_or(false))
}

/// Records a result of a job
///
/// Of any job of the session, be it on the run list or not. The output of a resource job is its new records, from which
/// templates make units. The same result brought again makes no second one: it is told as an event, and makes a version.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/jobs/{job}/results", tag = "sessions",
    request_body(content = AskedResult, description = "At most 4 MiB"),
    params(
        ("id" = SessionId, Path),
        ("job" = String, Path, description = "Its full id, percent-encoded", example = "net::nic"),
        ("skip" = Option<bool>, Query, description = "Give up what can never start any more, as `POST /api/v1/sessions/{id}/skip` does"),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "What came of it", body = ReportedView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; a query field or the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session or job", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "More than 4 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn create_job_result(
    State(app): State<App>,
    Changing(by): Changing,
    Path((id, job)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let skip = skips(params)?;
    body::want_json(&headers)?;
    let bytes = body::read(body, MAX_RESULT.min(documents::most_bytes(&app))).await?;
    let report = documents::apart(move || {
        let asked: AskedResult = body::object(&bytes)?;
        let mut faults = Vec::new();
        let report = asked.read("", &mut faults);
        refuse("the result", faults)?;
        Ok(report)
    })
    .await?;
    let (id, job) = (session_of(&id)?, id_of("job", job)?);
    let at = result::record(&app.sessions, id, Reports::One(job, report), skip, by).await?;
    Ok(changed(at, ReportedView::from))
}

/// Counts the bytes of JSON without keeping them.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn size_of(document: &Value) -> usize {
    let mut counter = Counter(0);
    // Counting cannot fail.
    drop(serde_json::to_writer(&mut counter, document));
    counter.0
}

fn batch(documents: Vec<Value>) -> Result<Reports> {
    let mut faults = Vec::new();
    let mut reports = Vec::with_capacity(documents.len());
    for (place, document) in documents.into_iter().enumerate() {
        let size = size_of(&document);
        if size > MAX_RESULT {
            let words = format!("the result at {place} is {size} bytes long: want at most {MAX_RESULT}");
            return Err(Problem::new(Code::TooLarge, words));
        }
        if let Some(report) = batch_result(document, &format!("/{place}"), &mut faults) {
            reports.push(report);
        }
    }
    refuse("the results", faults)?;
    Ok(Reports::Many(reports))
}

fn batch_result(document: Value, pointer: &str, faults: &mut Vec<Fault>) -> Option<(String, Report)> {
    let Value::Object(mut members) = document else {
        faults.push(Fault::new(pointer, "want an object: a result, with its `job`"));
        return None;
    };
    let job = job_of(&mut members);
    if job.is_none() {
        faults.push(Fault::new(format!("{pointer}/job"), "want the id of a job, as text"));
    }
    match serde_json::from_value::<AskedResult>(Value::Object(members)) {
        Ok(asked) => {
            let report = asked.read(pointer, faults);
            job.map(|job| (job, report))
        }
        Err(error) => {
            faults.push(Fault::new(pointer, cut(&error.to_string(), 400)));
            None
        }
    }
}

fn job_of(members: &mut Map<String, Value>) -> Option<String> {
    match members.remove("job") {
        Some(Value::String(job)) => Some(job),
        _ => None,
    }
}

/// Records results of many jobs
///
/// All or none, in their order, as one version of the session. Send a JSON array, or one result a line as
/// `application/x-ndjson`. Each `pointer` of a refusal begins with the place in the batch, from 0.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/results", tag = "sessions",
    request_body(content(
        (Vec<BatchResultDocument> = "application/json"),
        (BatchResultDocument = "application/x-ndjson"),
    ), description = "At most 10000 results of 4 MiB each, in 64 MiB"),
    params(
        ("id" = SessionId, Path),
        ("skip" = Option<bool>, Query, description = "Give up what can never start any more, as `POST /api/v1/sessions/{id}/skip` does"),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "What came of them", body = BatchView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; a query field or the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`, or a result of more than 4 MiB", body = ProblemBody),
        (status = 415, description = "Sent neither as JSON nor as lines of JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where. Nothing is recorded", body = ProblemBody),
    )
)]
pub(crate) async fn create_job_results(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let skip = skips(params)?;
    let documents = documents::read(&app, &headers, body, MAX_RESULTS).await?;
    let reports = documents::apart(move || batch(documents)).await?;
    let at = result::record(&app.sessions, session_of(&id)?, reports, skip, by).await?;
    Ok(changed(at, BatchView::from))
}
