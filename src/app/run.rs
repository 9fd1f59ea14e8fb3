//! Runs of tests: asked for, cancelled, run again.

use chrono::{DateTime, Utc};

use crate::app::build::client_token;
use crate::app::{App, AppError, Result, Write, Written, progress, queue};
use crate::domain::conclusion::BOOT;
use crate::domain::digest::Digest;
use crate::domain::run::{RunKind, RunRequest, RunState, TestsRequest};
use crate::ids::RunId;
use crate::store::run::{NewRun, PlannedTest, Run, Terms};
use crate::{entropy, store};

/// The most bytes of a name or id that a caller gives: both databases index them.
pub const MAX_NAME_BYTES: usize = 512;

/// Refuses values that are too long to be indexed, by the name of their field.
///
/// # Errors
/// [`AppError::Invalid`] that names the field and the limit.
pub fn check_lengths<'a>(fields: impl IntoIterator<Item = (&'a str, &'a String)>) -> Result<()> {
    for (name, value) in fields {
        if value.len() > 4 * MAX_NAME_BYTES {
            return Err(AppError::Invalid(format!("`{name}` is longer than {} bytes", 4 * MAX_NAME_BYTES)));
        }
        if value.contains('\0') {
            return Err(AppError::Invalid(format!("`{name}` holds a NUL character, which cannot be stored")));
        }
    }
    Ok(())
}

/// The most items of a list that a caller gives.
const MAX_ITEMS: usize = 1_000;

/// Refuses lists that are too long, by the name of their field.
///
/// # Errors
/// [`AppError::Invalid`] that names the field and the limit.
pub fn check_count(name: &str, count: usize) -> Result<()> {
    if count > MAX_ITEMS {
        return Err(AppError::Invalid(format!("`{name}` has more than {MAX_ITEMS} items: send several requests")));
    }
    Ok(())
}

fn check_names<'a>(fields: impl IntoIterator<Item = (&'a str, &'a String)>) -> Result<()> {
    for (name, value) in fields {
        check_lengths([(name, value)])?;
        if value.len() > MAX_NAME_BYTES {
            return Err(AppError::Invalid(format!("`{name}` is longer than {MAX_NAME_BYTES} bytes")));
        }
    }
    Ok(())
}

/// Plans those of the tests that no live run holds; returns the run and the tests that it holds once that is durable,
/// and `None` when there was nothing to do. The runner is asked in the background.
///
/// A test that is named twice is planned once. A boot run plans the one test `boot`.
///
/// # Errors
/// [`AppError::Invalid`] if there is no such runner or a field is too long; otherwise as [`crate::app::Writer::write`].
pub async fn schedule(
    app: &App,
    runner: &str,
    build_ref: &str,
    kind: RunKind,
    mut request: TestsRequest,
) -> Result<Option<(RunId, Vec<String>)>> {
    app.runners.known(runner)?;
    check_names([
        ("build_id", &build_ref.to_owned()),
        ("collection", &request.collection),
        ("device", &request.device),
    ])?;
    check_count("tests", request.tests.len())?;
    check_names(request.tests.iter().map(|test| ("tests", test)))?;
    check_lengths([("kernel_image_url", &request.kernel_image_url)])?;
    check_lengths(request.modules_url.iter().map(|url| ("modules_url", url)))?;
    let mut seen = std::collections::HashSet::new();
    request.tests.retain(|test| seen.insert(test.clone()));
    let names = if kind == RunKind::Boot { vec![BOOT.to_owned()] } else { request.tests.clone() };
    if names.is_empty() {
        return Ok(None);
    }
    let tests =
        names.into_iter().map(|name| PlannedTest { identity: identity(build_ref, &request, &name), name }).collect();
    let now = app.now();
    let id = RunId::new(now);
    let run = NewRun {
        id,
        build_id: None,
        build_ref: Some(build_ref.to_owned()),
        runner: runner.to_owned(),
        attempt: 1,
        previous_id: None,
        request: if kind == RunKind::Boot { RunRequest::Boot(request) } else { RunRequest::Tests(request) },
        client_token: client_token(id),
        capability: entropy::secret("cap"),
        now,
        tests,
        terms: Terms::default(),
    };
    let Written::Tests(Some(held)) = app.writer.write(Write::Tests(Box::new(run))).await? else { return Ok(None) };
    app.bells.dispatch.ring();
    Ok(Some((id, held)))
}

/// The SHA-256 of all that makes two tests the same.
fn identity(build_ref: &str, request: &TestsRequest, test: &str) -> [u8; 32] {
    let modules = request.modules_url.as_deref().unwrap_or_default();
    Digest::of_parts([build_ref, &request.collection, test, &request.device, modules]).into()
}

/// The tests that a run plans: `boot` of a boot test, none of a build.
#[must_use]
pub fn planned_tests(request: &RunRequest) -> Vec<String> {
    match request {
        RunRequest::Build(_) => Vec::new(),
        RunRequest::Boot(_) => vec![BOOT.to_owned()],
        RunRequest::Tests(request) => request.tests.clone(),
        RunRequest::Jobs(request) => request.jobs.iter().map(|definition| definition.job.clone()).collect(),
    }
}

/// Plans another attempt at what a run that is over ran. The first attempt and its results stay.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if the run is not over or another attempt has taken its place.
pub async fn retry(app: &App, id: RunId) -> Result<RunId> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let run = store::run::lock(&mut tx.conn(), id).await?.ok_or_else(|| not_found(id))?;
    let Some(next) = plan_next(&mut tx.conn(), &run, now).await? else {
        return Err(AppError::Conflict(if run.state.is_over() {
            format!("{id} has been run again already: retry its latest attempt")
        } else {
            format!("{id} is not over ({}): wait for it or cancel it first", run.state)
        }));
    };
    tx.commit().await?;
    app.bells.dispatch.ring();
    Ok(next)
}

/// Plans another attempt at what a run that is over ran, which it is the latest attempt at. `None` if it is not.
///
/// # Errors
/// If the database refuses.
pub async fn plan_next(conn: &mut store::Conn<'_>, run: &Run, now: DateTime<Utc>) -> store::Result<Option<RunId>> {
    if !store::run::supersede(conn, run.id).await? {
        return Ok(None);
    }
    let tests = store::run::tests(conn, run.id).await?;
    let next = RunId::new(now);
    let attempt = NewRun {
        id: next,
        build_id: run.build_id,
        build_ref: run.build_ref.clone(),
        runner: run.runner.clone(),
        attempt: run.attempt + 1,
        previous_id: Some(run.id),
        request: run.request.0.clone(),
        client_token: client_token(next),
        capability: entropy::secret("cap"),
        now,
        tests: tests
            .into_iter()
            .filter_map(|(name, identity)| Some(PlannedTest { name, identity: identity.try_into().ok()? }))
            .collect(),
        terms: run.terms.clone(),
    };
    store::run::plan(conn, &[attempt]).await?;
    Ok(Some(next))
}

/// Ends a run now: what it planned is MISS, and its runner is told to stop in the background. What the runner still
/// reports is kept as evidence and changes nothing.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Conflict`] if the run is over already, here or at its runner.
pub async fn cancel(app: &App, id: RunId) -> Result<()> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let run = store::run::lock(&mut tx.conn(), id).await?.ok_or_else(|| not_found(id))?;
    if run.state == RunState::Collecting {
        // Whoever fetches them does not pass over a row that is locked.
        tx.rollback().await?;
        let words = format!("{id} is over at its runner and its results are being fetched: they will be kept");
        return Err(AppError::Conflict(words));
    }
    let (state, why) = (RunState::Canceled, "canceled by an operator");
    if !progress::end_without_results(app, &mut tx.conn(), &run, state, why, now).await? {
        return Err(AppError::Conflict(format!("{id} is over already ({})", run.state)));
    }
    tx.commit().await?;
    app.bells.stop.ring();
    app.bells.deliver.ring();
    queue::freed(app);
    Ok(())
}

/// The error for a run that does not exist.
#[must_use]
pub fn not_found(id: RunId) -> AppError {
    AppError::NotFound { what: "run", id: id.to_string() }
}
