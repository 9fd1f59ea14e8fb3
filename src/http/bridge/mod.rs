//! The bridge door: the paths, bodies, statuses and strictness of riscv-kcidb-bridge, so that its callers move without a
//! change. `docs/migrating-from-the-bridge.md` says what differs.

pub mod body;
pub mod callback;
pub mod fields;
#[cfg(test)]
mod golden;
pub mod json;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use crate::app::callback::Door;
use crate::app::submit::{Submitted, SubmittedTest};
use crate::app::{self, App, AppError};
use crate::domain::conclusion::BOOT;
use crate::domain::kcidb::object::ObjectKind;
use crate::domain::observation::Subject;
use crate::domain::run::{BuildRequest, RunKind, TestsRequest};
use crate::domain::tuxsuite::repair;
use crate::http::body::{read, text};
use crate::http::bridge::body::{BootTestSuite, BuildData, RunnerTestsResults, TestSuite};
use crate::http::bridge::callback::{TuxSuiteBuildRequest, TuxSuiteTestRequest};
use crate::http::builds::{idempotency_key, mark_replayed};
use crate::http::callbacks::SIGNATURE;
use crate::http::problem::{Problem, ProblemBody, Result, ValidationProblemBody};
use crate::ids::RunId;
use crate::runner::{Signatures, tuxsuite};

/// The header that tells how many objects a sync made due.
pub const MADE_DUE: HeaderName = HeaderName::from_static("testyard-made-due");

async fn read_as<T: body::Body>(app: &App, headers: &HeaderMap, body: Body) -> Result<T> {
    app.writer.has_room()?;
    let bytes = read(body, app.settings.server.max_body_bytes).await?;
    body::read(text(headers, header::CONTENT_TYPE.as_str()), &bytes).map_err(Problem::fields)
}

fn done(location: Option<String>) -> Response {
    match location {
        Some(location) => (StatusCode::NO_CONTENT, [(header::LOCATION, location)]).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A refusal in the shape that callers of the bridge's routes read: what makes no sense is a list of problems, whoever
/// found it.
fn refused(error: AppError) -> Problem {
    match error {
        AppError::Invalid(words) => Problem::fields(vec![fields::Detail::value_error(vec!["body".into()], &words)]),
        error => error.into(),
    }
}

/// Schedules a build
#[utoipa::path(
    post, path = "/api/v1/builds/run", tag = "bridge",
    request_body = BuildData,
    params(("idempotency-key" = Option<String>, Header, description = "Repeated under one key, the request is one build")),
    responses(
        (status = 204, description = "Durable; the runner is asked in the background", headers(("location" = String, description = "The build"))),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "The body is not as wanted", body = ValidationProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn run_build(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    let data: BuildData = read_as(&app, &headers, body).await?;
    let request = BuildRequest {
        tree: data.tree,
        branch: data.branch,
        toolchain: data.toolchain,
        kconfig: data.kconfig,
        fragments: data.fragments,
        architecture: app.settings.tuxsuite.target_arch.clone(),
    };
    let key = idempotency_key(&headers)?;
    let scheduled = app::build::schedule(&app, data.runner.as_str(), request, key).await.map_err(refused)?;
    Ok(mark_replayed(done(Some(format!("/api/v1/builds/{}", scheduled.build.id))), scheduled.replayed))
}

/// Schedules those of the tests that have not run for this build
#[utoipa::path(
    post, path = "/api/v1/tests/run", tag = "bridge",
    request_body = TestSuite,
    responses(
        (status = 204, description = "Durable, or nothing to do", headers(("location" = String, description = "The run; none when there was nothing to do"))),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "The body is not as wanted", body = ValidationProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn run_tests(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    let suite: TestSuite = read_as(&app, &headers, body).await?;
    let request = TestsRequest {
        kernel_image_url: suite.kernel_image_url,
        modules_url: suite.modules_url,
        device: app.settings.tuxsuite.device.clone(),
        collection: suite.collection,
        tests: suite.tests,
    };
    schedule(&app, suite.runner.as_str(), &suite.build_id, RunKind::Tests, request).await
}

/// Schedules the boot test, unless it has run for this build
#[utoipa::path(
    post, path = "/api/v1/boot-test/run", tag = "bridge",
    request_body = BootTestSuite,
    responses(
        (status = 204, description = "Durable, or nothing to do", headers(("location" = String, description = "The run; none when there was nothing to do"))),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "The body is not as wanted", body = ValidationProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn run_boot_test(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    let suite: BootTestSuite = read_as(&app, &headers, body).await?;
    let request = TestsRequest {
        kernel_image_url: suite.kernel_image_url,
        modules_url: suite.modules_url,
        device: app.settings.tuxsuite.device.clone(),
        collection: BOOT.to_owned(),
        tests: Vec::new(),
    };
    schedule(&app, suite.runner.as_str(), &suite.build_id, RunKind::Boot, request).await
}

async fn schedule(app: &App, runner: &str, build: &str, kind: RunKind, request: TestsRequest) -> Result<Response> {
    let planned = app::run::schedule(app, runner, build, kind, request).await.map_err(refused)?;
    Ok(done(planned.map(|(run, _): (RunId, _)| format!("/api/v1/runs/{run}"))))
}

/// Keeps and delivers results that were run elsewhere
#[utoipa::path(
    post, path = "/api/v1/tests/submit", tag = "bridge",
    request_body = RunnerTestsResults,
    responses(
        (status = 204, description = "Durable; delivered in the background"),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "The body is not as wanted", body = ValidationProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn submit_results(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    let results: RunnerTestsResults = read_as(&app, &headers, body).await?;
    let submitted = Submitted {
        uid: results.test_uid,
        build_ref: results.build_id,
        device: results.device,
        runtime: results.runtime,
        tests: results
            .tests
            .into_iter()
            .map(|test| SubmittedTest {
                name: test.test_name,
                collection: test.test_collection,
                status: test.result,
                log: test.logs,
            })
            .collect(),
    };
    app::submit::submit(&app, submitted).await.map_err(refused)?;
    Ok(done(None))
}

/// Delivers all builds that are not delivered, now
#[utoipa::path(
    post, path = "/api/v1/sync/builds", tag = "bridge",
    responses(
        (status = 204, description = "They are due now", headers(("testyard-made-due" = u64, description = "How many objects"))),
        (status = 503, description = "Nothing has changed: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn sync_builds(State(app): State<App>) -> Result<Response> {
    sync(&app, &[ObjectKind::Checkout, ObjectKind::Build]).await
}

/// Delivers all results that are not delivered, now
#[utoipa::path(
    post, path = "/api/v1/sync/results", tag = "bridge",
    responses(
        (status = 204, description = "They are due now", headers(("testyard-made-due" = u64, description = "How many objects"))),
        (status = 503, description = "Nothing has changed: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn sync_results(State(app): State<App>) -> Result<Response> {
    sync(&app, &[ObjectKind::Test]).await
}

async fn sync(app: &App, kinds: &[ObjectKind]) -> Result<Response> {
    let due = app::delivery::sync(app, kinds).await?;
    Ok((StatusCode::NO_CONTENT, [(MADE_DUE, due.to_string())]).into_response())
}

/// Takes TuxSuite's callback for a build
#[utoipa::path(
    post, path = "/api/v1/tuxsuite/callback/build", tag = "bridge",
    request_body = TuxSuiteBuildRequest,
    params(("x-tux-payload-signature" = Option<String>, Header, description = "TuxSuite's signature, where it can sign")),
    responses(
        (status = 204, description = "Durable, or known already; what it means is worked out in the background"),
        (status = 401, description = "The signature is wrong, or missing where one is demanded", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "The body is not as wanted", body = ValidationProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn build_callback(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    callback::<TuxSuiteBuildRequest>(&app, Subject::Build, &headers, body).await
}

/// Takes TuxSuite's callback for tests
#[utoipa::path(
    post, path = "/api/v1/tuxsuite/callback/test", tag = "bridge",
    request_body = TuxSuiteTestRequest,
    params(("x-tux-payload-signature" = Option<String>, Header, description = "TuxSuite's signature, where it can sign")),
    responses(
        (status = 204, description = "Durable, or known already; what it means is worked out in the background"),
        (status = 401, description = "The signature is wrong, or missing where one is demanded", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "The body is not as wanted", body = ValidationProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn test_callback(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    callback::<TuxSuiteTestRequest>(&app, Subject::Tests, &headers, body).await
}

/// Takes TuxSuite's callback for a boot test
#[utoipa::path(
    post, path = "/api/v1/tuxsuite/callback/boot", tag = "bridge",
    request_body = TuxSuiteTestRequest,
    params(("x-tux-payload-signature" = Option<String>, Header, description = "TuxSuite's signature, where it can sign")),
    responses(
        (status = 204, description = "Durable, or known already; what it means is worked out in the background"),
        (status = 401, description = "The signature is wrong, or missing where one is demanded", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 422, description = "The body is not as wanted", body = ValidationProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It may not be stored: repeat the request later", body = ProblemBody),
    )
)]
pub(crate) async fn boot_callback(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response> {
    callback::<TuxSuiteTestRequest>(&app, Subject::Tests, &headers, body).await
}

async fn callback<T: body::Body>(app: &App, subject: Subject, headers: &HeaderMap, body: Body) -> Result<Response> {
    app.writer.has_room()?;
    let bytes = read(body, app.settings.server.max_body_bytes).await?;
    let kind = text(headers, header::CONTENT_TYPE.as_str());
    if kind.is_some_and(|kind| !json::is_json(kind)) {
        return Err(Problem::fields(refusal::<T>(kind, &bytes)));
    }
    let door = Door::Open(subject);
    // The signature is looked at before anything else, and what is signed is kept even if it cannot be understood.
    let signatures = Signatures { tuxsuite: text(headers, SIGNATURE), ..Signatures::default() };
    let received = app::callback::receive(app, tuxsuite::NAME, door, signatures, bytes.clone()).await;
    match received {
        Ok(_) => Ok(done(None)),
        Err(error @ AppError::Invalid(_)) => match refusal::<T>(kind, &bytes) {
            details if details.is_empty() => Err(refused(error)),
            details => Err(Problem::fields(details)),
        },
        Err(error) => Err(refused(error)),
    }
}

/// What the bridge says of a body that it refuses; nothing of one that it takes. TuxSuite's known faults are mended
/// first.
fn refusal<T: body::Body>(kind: Option<&str>, bytes: &Bytes) -> Vec<fields::Detail> {
    match repair::parse(bytes) {
        Ok((value, _)) if kind.is_none_or(json::is_json) => body::read_value::<T>(&value).err(),
        _ => body::read::<T>(kind, bytes).err(),
    }
    .unwrap_or_default()
}
