//! Sessions that come and go.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::session::change::At;
use crate::app::session::make::{self, New, Numbers};
use crate::app::session::what::What;
use crate::domain::session::{Blob, Metadata};
use crate::http::condition::etag;
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{ProblemBody, Result};
use crate::http::sessions::given::AskedUnits;
use crate::http::sessions::notes::faults_of_notes;
use crate::http::sessions::schema::UnitFields;
use crate::http::sessions::units::AddedView;
use crate::http::sessions::what::{AskedWhat, OriginView};
use crate::http::sessions::{Changing, Told, WrongView, faults_of_ids, refuse, session_of, shown};
use crate::http::specs::documents;
use crate::ids::SessionId;
use crate::store;
use crate::store::session::Session as Stored;

/// A session, without what is in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its id.
    id: SessionId,
    /// How often it was changed, its making counted. The `ETag` of every answer about it says the same: `"r7"`.
    #[schema(example = 7)]
    version: i64,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// The name of the token that made it, where one was asked for.
    #[schema(example = "ci")]
    created_by: Option<String>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// What it is called. Any JSON.
    #[schema(example = "nightly on board-7")]
    title: Value,
    /// Words about it.
    #[schema(example = json!(["incomplete"]))]
    flags: BTreeSet<String>,
    /// Whose `app_blob` it is.
    #[schema(example = "checkbox")]
    app_id: Option<String>,
    /// Whether somebody chose among the jobs of the test plans.
    custom_joblist: bool,
    /// The job that was begun and has no result yet.
    #[schema(example = "net::ping")]
    running_job_name: Option<String>,
    /// When the last job was begun, in seconds since 1970.
    last_job_start_time: Option<f64>,
    /// Whether other jobs were left to do when it was.
    remaining_todo_jobs: Option<bool>,
}

impl From<Stored> for SessionView {
    fn from(stored: Stored) -> Self {
        let metadata = stored.metadata.0;
        Self {
            id: SessionId(stored.id),
            version: stored.version,
            created_at: stored.created_at,
            created_by: stored.created_by,
            updated_at: stored.updated_at,
            title: metadata.title,
            flags: metadata.flags,
            app_id: metadata.app_id,
            custom_joblist: metadata.custom_joblist,
            running_job_name: metadata.running_job_name,
            last_job_start_time: metadata.last_job_start_time,
            remaining_todo_jobs: metadata.remaining_todo_jobs,
        }
    }
}

/// How a session stands, in numbers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionNumbers)]
pub struct NumbersView {
    /// Units, jobs among them.
    #[schema(example = 12)]
    units: usize,
    /// Jobs.
    #[schema(example = 9)]
    jobs: usize,
    /// Jobs on the run list.
    #[schema(example = 4)]
    run_list: usize,
    /// Jobs on the run list that have no outcome.
    #[schema(example = 3)]
    todo: usize,
    /// Those of them that can start.
    #[schema(example = 1)]
    ready: usize,
    /// The jobs of each outcome, on the run list or not.
    #[schema(example = json!({"pass": 1}))]
    outcomes: BTreeMap<String, u64>,
}

/// A session, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionInFull)]
pub struct WholeView {
    #[serde(flatten)]
    session: SessionView,
    /// What the application keeps, in base64; null if it took that away.
    #[schema(value_type = Option<String>, example = "aGkK")]
    app_blob: Option<Blob>,
    /// The jobs that somebody took away.
    rejected_jobs: Vec<String>,
    /// The providers, in the order in which they were added.
    #[schema(example = json!(["checkbox-base"]))]
    providers: Vec<String>,
    /// The test plans that are set.
    #[schema(example = json!(["net::smoke"]))]
    test_plans: Vec<String>,
    /// What it was made from, where that is not units alone.
    origin: Option<OriginView>,
    /// How it stands, in numbers.
    numbers: NumbersView,
    /// What is wrong with what was desired last; it was left out.
    problems: Told<WrongView>,
}

impl WholeView {
    pub(super) fn new((mut stored, numbers): (Stored, Numbers)) -> Self {
        let app_blob = stored.metadata.0.app_blob.take();
        let rejected_jobs = std::mem::take(&mut stored.metadata.0.rejected_jobs);
        let origin = stored.metadata.0.origin.take().map(OriginView::from);
        let Numbers { units, jobs, run_list, todo, ready, outcomes, providers, plans, problems } = numbers;
        let outcomes = outcomes.into_iter().map(|(outcome, count)| (outcome.to_string(), count)).collect();
        Self {
            session: stored.into(),
            app_blob,
            rejected_jobs,
            providers,
            test_plans: plans,
            origin,
            numbers: NumbersView { units, jobs, run_list, todo, ready, outcomes },
            problems: Told::of(problems, WrongView::from),
        }
    }
}

/// A session that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionMade)]
pub struct MadeView {
    #[serde(flatten)]
    session: WholeView,
    /// What came of adding its units.
    added: AddedView,
}

/// What a session is to be made of. All may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewSession, example = json!({
    "title": "nightly on board-7",
    "providers": [],
    "namespace": "net",
    "units": [
        {"id": "nic", "plugin": "resource", "command": "lsnic"},
        {"id": "link", "plugin": "shell", "command": "ip link | grep -q 'state UP'"},
    ],
    "pxu": "id: ping\nplugin: shell\ncommand: ping -c 1 example.org\ndepends: link\nrequires: nic.kind == 'wired'\n",
    "desired": ["net::ping"],
}))]
pub struct AskedSession {
    /// What it is called. Any JSON, of at most 10000 bytes.
    title: Value,
    /// Words about it: at most 100. `strict_template_expansion` has instances of templates that are not valid fail, instead
    /// of being left out.
    flags: BTreeSet<String>,
    /// Whose `app_blob` it is.
    app_id: Option<String>,
    /// What the application keeps, in base64: at most 1 MiB.
    #[schema(value_type = Option<String>)]
    app_blob: Option<Blob>,
    /// Whether somebody chose among the jobs of the test plans.
    custom_joblist: bool,
    /// The jobs that somebody took away.
    rejected_jobs: Vec<String>,
    /// The names of the providers whose units it has, in order.
    providers: Vec<String>,
    /// What comes before the ids of `units` and `pxu`, and a `::`. Without it an id stands alone.
    namespace: Option<String>,
    /// Units of its own, behind those of the providers.
    #[schema(value_type = Vec<UnitFields>)]
    units: Vec<Value>,
    /// Units as Checkbox's `.pxu` files have them, behind `units`.
    pxu: Option<String>,
    /// The test plans that are set, and whose jobs are desired.
    test_plans: Vec<String>,
    /// The mandatory jobs, where no test plan says which they are.
    mandatory: Vec<String>,
    /// The jobs that are desired, behind those of the test plans.
    desired: Vec<String>,
    /// What is to be run: units are made of it, and it is desired, behind what else is.
    what: Option<AskedWhat>,
}

impl AskedSession {
    fn read(self) -> Result<(New, Option<What>)> {
        let Self { title, flags, app_id, app_blob, custom_joblist, rejected_jobs, providers, .. } = self;
        let mut faults = faults_of_notes(Some(&title), Some(&flags), app_id.as_deref(), app_blob.as_ref());
        let lists = [
            ("/rejected_jobs", &rejected_jobs),
            ("/providers", &providers),
            ("/test_plans", &self.test_plans),
            ("/mandatory", &self.mandatory),
            ("/desired", &self.desired),
        ];
        for (pointer, ids) in lists {
            faults.extend(faults_of_ids(pointer, ids));
        }
        let what = self.what.map(|what| what.read(&mut faults));
        refuse("the session", faults)?;
        let metadata = Metadata {
            title,
            flags,
            app_id,
            app_blob: Some(app_blob.unwrap_or_default()),
            custom_joblist,
            rejected_jobs,
            ..Metadata::default()
        };
        let units = AskedUnits { namespace: self.namespace, units: self.units, pxu: self.pxu }.read()?;
        let (plans, mandatory, desired) = (self.test_plans, self.mandatory, self.desired);
        Ok((New { metadata, providers, units, plans, mandatory, desired }, what))
    }
}

/// Makes a session
///
/// Adds the units, sets the test plans and desires what is desired: all of it or nothing. What is wrong with what is desired
/// makes no refusal: it is left out, and `problems` says so.
///
/// Of `what`, units are made: a job of each spec, of each test of the catalogue and of the resources that these need, each with
/// what is executed for it. What is named there must be there.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions",
    request_body = AskedSession,
    responses(
        (status = 201, description = "It is made", body = MadeView, headers(
            ("etag" = String, description = "Names the version"), ("location" = String, description = "The session"))),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There is no such provider", body = ProblemBody),
        (status = 409, description = "Two jobs of one id differ, providers have the same unit, or a stale selection is to be refused", body = ProblemBody),
        (status = 413, description = "More than 64 MiB, or than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense, or names in `what` what is not there: `errors` says what and where, with the line of `pxu`", body = ProblemBody),
    )
)]
pub(crate) async fn create_session(
    State(app): State<App>,
    Changing(by): Changing,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let asked: AskedSession = documents::json(&app, &headers, body).await?;
    let (new, what) = documents::apart(move || asked.read()).await?;
    let who = by.who.as_deref();
    let At { value: made, .. } = match what {
        None => make::create(&app.sessions, new, who).await?,
        Some(what) => make::create_from(&app.sessions, &app.specs, new, what, who).await?,
    };
    let At { version, value: whole } = make::get(&app.sessions, made.id).await?;
    let shown = MadeView { session: WholeView::new(whole), added: made.added.into() };
    let location = format!("/api/v1/sessions/{}", made.id);
    Ok((StatusCode::CREATED, [(header::ETAG, etag(version))], [(header::LOCATION, location)], Json(shown))
        .into_response())
}

/// Lists sessions, the newest first
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    params(
        ("app_id" = Option<String>, Query, description = "Only those of this application", example = "checkbox"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of sessions", body = Listing<SessionView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_sessions(State(app): State<App>, params: Params) -> Result<Json<Listing<SessionView>>> {
    let params = params.only(&["app_id"])?;
    let app_id: Option<String> = params.one("app_id")?;
    let page = params.page(|id: SessionId| id.0)?;
    let mut db = app.read().await?;
    let found = store::session::list(&mut db.conn(), app_id.as_deref(), page).await?;
    Ok(Json(Listing::of(found, |session| SessionId(session.id).to_string(), SessionView::from)))
}

/// Shows a session: what is noted about it, and how it stands in numbers
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The session", body = WholeView, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 404, description = "There is no such session", body = ProblemBody),
    )
)]
pub(crate) async fn get_session(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let at = make::get(&app.sessions, session_of(&id)?).await?;
    Ok(shown(&headers, at, WholeView::new))
}

/// Removes a session with all that came of it
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(
        ("id" = SessionId, Path),
        ("if-match" = Option<String>, Header, description = "The ETag of the version that must stand"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "The condition cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such session", body = ProblemBody),
        (status = 412, description = "Another version stands", body = ProblemBody),
    )
)]
pub(crate) async fn delete_session(
    State(app): State<App>,
    Changing(by): Changing,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    make::delete(&app.sessions, session_of(&id)?, by.only_if).await?;
    Ok(StatusCode::NO_CONTENT)
}
