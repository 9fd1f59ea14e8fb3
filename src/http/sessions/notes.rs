//! What applications note about a session.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::make::{self, Patch};
use crate::domain::fault::Fault;
use crate::domain::session::Blob;
use crate::http::body;
use crate::http::params::Path;
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::make::WholeView;
use crate::http::sessions::{Changing, Member, changed, faults_of_ids, refuse, session_of};
use crate::ids::SessionId;

/// The most bytes of a title, as JSON.
const MAX_TITLE: usize = 10_000;

/// The most bytes of what an application keeps.
const MAX_BLOB: usize = 1 << 20;

/// The most flags, and the most characters of one.
const MAX_FLAGS: usize = 100;
const MAX_FLAG: usize = 200;

/// The most characters of an application's id.
const MAX_APP_ID: usize = 200;

/// What is wrong with what is to be noted.
pub(super) fn faults_of_notes(
    title: Option<&Value>,
    flags: Option<&BTreeSet<String>>,
    app_id: Option<&str>,
    app_blob: Option<&Blob>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if title.is_some_and(|title| title.to_string().len() > MAX_TITLE) {
        faults.push(Fault::new("/title", format!("want at most {MAX_TITLE} bytes of JSON")));
    }
    if let Some(flags) = flags {
        if flags.len() > MAX_FLAGS {
            faults.push(Fault::new("/flags", format!("want at most {MAX_FLAGS}, not {}", flags.len())));
        }
        let is_wrong =
            |flag: &String| flag.is_empty() || flag.chars().count() > MAX_FLAG || flag.chars().any(char::is_control);
        if flags.iter().any(is_wrong) {
            let words = format!("a flag has 1 to {MAX_FLAG} characters, none of them a control character");
            faults.push(Fault::new("/flags", words));
        }
    }
    if app_id.is_some_and(|id| id.chars().count() > MAX_APP_ID || id.contains('\0')) {
        faults.push(Fault::new("/app_id", format!("want at most {MAX_APP_ID} characters, and no NUL")));
    }
    if let Some(Blob(blob)) = app_blob.filter(|blob| blob.0.len() > MAX_BLOB) {
        faults.push(Fault::new("/app_blob", format!("want at most {MAX_BLOB} bytes, not {}", blob.len())));
    }
    faults
}

/// What is to be noted otherwise: a JSON merge patch (RFC 7396). What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionPatch, example = json!({"flags": ["submitted"], "app_blob": null}))]
pub struct AskedPatch {
    /// What it is called.
    #[serde(default)]
    #[schema(value_type = Value)]
    title: Member<Value>,
    /// Words about it, all of them.
    flags: Option<BTreeSet<String>>,
    /// What the application keeps, in base64; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    app_blob: Member<Blob>,
    /// Whose that is; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    app_id: Member<String>,
    /// Whether somebody chose among the jobs of the test plans.
    custom_joblist: Option<bool>,
    /// The jobs that somebody took away, all of them.
    rejected_jobs: Option<Vec<String>>,
}

impl AskedPatch {
    fn read(self) -> Result<Patch> {
        let Self { flags, custom_joblist, rejected_jobs, .. } = self;
        let (app_blob, app_id) = (self.app_blob.told(), self.app_id.told());
        let title = self.title.told().map(Option::unwrap_or_default);
        let (id, blob) = (app_id.as_ref().and_then(Option::as_deref), app_blob.as_ref().and_then(Option::as_ref));
        let mut faults = faults_of_notes(title.as_ref(), flags.as_ref(), id, blob);
        faults.extend(faults_of_ids("/rejected_jobs", rejected_jobs.as_deref().unwrap_or_default()));
        refuse("the session", faults)?;
        Ok(Patch { title, flags, app_blob, app_id, custom_joblist, rejected_jobs })
    }
}

/// Changes what is noted about a session
#[utoipa::path(
    patch, path = "/api/v1/sessions/{id}", tag = "sessions",
    request_body = AskedPatch,
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 200, description = "The session", body = WholeView, headers(("etag" = String, description = "Names the version"))),
        (status = 400, description = "Not JSON; the condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn patch_session(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedPatch = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let patch = asked.read()?;
    let id = session_of(&id)?;
    make::patch(&app.sessions, id, patch, by).await?;
    let at = make::get(&app.sessions, id).await?;
    Ok(changed(at, WholeView::new))
}
