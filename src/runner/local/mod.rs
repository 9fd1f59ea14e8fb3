//! The `local` runner: builds and tests on this very machine, by recipes that the operator wrote into the settings.
//!
//! A request chooses and never commands. Its `toolchain` is the name of a recipe; its `tree` must be one that the recipe
//! lists; a request for tests names the build that they test as `local:<uid of the build>` where others name a kernel
//! image (a finished build reports exactly that as its image); an empty list of tests means all, and a test that the
//! recipe does not have is MISS. Configurations, modules, devices and architectures mean nothing here.
//!
//! A job's uid is its client token, and its folder says how far it is (see `folder`): asked twice, the runner starts it
//! once, also across a restart. A job that an earlier process began and did not end is run again from the beginning when
//! it is next submitted or polled: recipes are repeatable, and its results were told to nobody. So that no two processes do
//! this to each other, the work folder is locked. Nothing is ever removed from it: that is the operator's to do.

mod callback;
mod folder;
mod outcome;
mod recipe;
#[cfg(test)]
mod tests;
mod work;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use self::folder::{Folder, Intent, State};
use self::work::{Done, Task, work};
use crate::clock::Clock;
use crate::domain::observation::{Observation, Phase, Subject};
use crate::domain::run::{BuildRequest, RunRequest, TestsRequest};
use crate::domain::status::Status;
use crate::net::client::Client;
use crate::runner::{Arrival, Collected, Job, Runner, RunnerError};

pub use self::callback::{InvalidCallback, read_callback};
pub use self::recipe::{Recipe, TestRecipe};

/// What stands before a build's uid where a request for tests names a kernel image.
pub const BUILD_PREFIX: &str = "local:";

/// How the runner is set up.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Where it works; made if it is not there. One process at a time may use it.
    pub work_dir: PathBuf,
    /// What it may be asked.
    pub recipes: Vec<Recipe>,
    /// How many jobs run at a time, at least 1; the others wait. The usual choice is 2.
    pub max_jobs: usize,
}

/// Why the runner cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A recipe makes no sense.
    #[error("{0}")]
    Recipe(String),
    /// The work folder cannot be used.
    #[error("the work folder {} of the local runner cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// Another process works there.
    #[error("another process uses the work folder {}: stop it, or give this one another folder", .0.display())]
    Busy(PathBuf),
}

/// The runner.
#[derive(Clone, Debug)]
pub struct LocalRunner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: LocalOptions,
    clock: Arc<dyn Clock>,
    client: Client,
    /// Where programs are looked for: as for the service itself.
    path: OsString,
    slots: Semaphore,
    /// The jobs that are waiting or running, by their uid.
    live: Mutex<HashMap<String, Live>>,
    tasks: TaskTracker,
    closing: CancellationToken,
    /// Held for as long as anything of this runner lives.
    _lock: File,
}

#[derive(Clone, Debug, Default)]
struct Live {
    cancel: CancellationToken,
    started_at: Arc<OnceLock<DateTime<Utc>>>,
    over: CancellationToken,
}

impl LocalRunner {
    /// A runner that reports to its jobs' callback URLs through `client`.
    ///
    /// # Errors
    /// [`LocalError`] when the recipes contradict themselves or the work folder cannot be used.
    pub fn new(options: LocalOptions, clock: Arc<dyn Clock>, client: Client) -> Result<Self, LocalError> {
        if let Some(fault) = recipe::fault(&options.recipes) {
            return Err(LocalError::Recipe(fault));
        }
        let failed = |source| LocalError::Folder { path: options.work_dir.clone(), source };
        // Nobody else's business: it holds whole trees.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&options.work_dir).map_err(failed)?;
        let work_dir = options.work_dir.canonicalize().map_err(failed)?;
        let lock = File::create(work_dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LocalError::Busy(work_dir)),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let slots = Semaphore::new(options.max_jobs.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self(Arc::new(Inner {
            options: LocalOptions { work_dir, ..options },
            clock,
            client,
            path: std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            slots,
            live: Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            _lock: lock,
        })))
    }

    /// Stops all that runs and waits until it has stopped. Those jobs are not over: the next runner on the same folder
    /// runs them again. This one takes no more.
    pub async fn shutdown(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Runner for LocalRunner {
    fn name(&self) -> &'static str {
        "local"
    }

    fn authenticate(&self, arrival: &Arrival<'_>) -> Result<bool, String> {
        // It signs nothing: that only it knows the run's own URL is all that speaks for it.
        if arrival.by_capability {
            Ok(false)
        } else {
            Err("the local runner calls back to the URL of the run and nowhere else".to_owned())
        }
    }

    fn read_callback(&self, body: &[u8], _: Subject) -> Result<Observation, String> {
        read_callback(body).map_err(|error| error.to_string())
    }

    fn submit<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<String, RunnerError>> {
        Box::pin(async {
            let uid = uid(job);
            let folder = self.0.folder(&uid)?;
            let live = self.0.live.lock().await;
            if !live.contains_key(&uid) && folder.state().await.map_err(unreadable)?.is_none() {
                Inner::start(&self.0, live, job, &uid, folder).await?;
            }
            Ok(uid)
        })
    }

    fn submit_is_idempotent(&self, _job: &Job) -> bool {
        true
    }

    fn find<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Option<String>, RunnerError>> {
        Box::pin(async {
            let uid = uid(job);
            Ok(self.0.folder(&uid)?.intent().await.map_err(unreadable)?.map(|_| uid))
        })
    }

    fn poll<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Observation, RunnerError>> {
        Box::pin(async {
            let (uid, folder) = self.0.known(job).await?;
            let live = self.0.live.lock().await;
            let subject = job.request.kind().subject();
            if let Some(live) = live.get(&uid) {
                return Ok(underway(uid, subject, live.started_at.get().copied()));
            }
            if let Some(state) = folder.state().await.map_err(unreadable)? {
                return Ok(state.observation);
            }
            Inner::start(&self.0, live, job, &uid, folder).await?;
            Ok(underway(uid, subject, None))
        })
    }

    fn cancel<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async {
            let (uid, folder) = self.0.known(job).await?;
            let live = self.0.live.lock().await;
            if let Some(this) = live.get(&uid).cloned() {
                drop(live);
                this.cancel.cancel();
                this.over.cancelled().await;
            } else if folder.state().await.map_err(unreadable)?.is_none() {
                let observation = canceled(uid, job.request.kind().subject());
                return folder.finish(&State { observation, log_excerpt: None }).await.map_err(unreadable);
            }
            Ok(())
        })
    }

    fn collect<'a>(&'a self, job: &'a Job, _: &'a Observation) -> BoxFuture<'a, Result<Collected, RunnerError>> {
        Box::pin(async {
            let (uid, folder) = self.0.known(job).await?;
            let Some(State { observation, log_excerpt }) = folder.state().await.map_err(unreadable)? else {
                let message = format!("the local runner is not done with job {uid}");
                return Err(RunnerError::Unavailable { message, retry_after: None });
            };
            Ok(Collected { tests: observation.tests, boot: None, log_url: None, log_excerpt })
        })
    }
}

impl Inner {
    fn folder(&self, uid: &str) -> Result<Folder, RunnerError> {
        Folder::of(&self.options.work_dir, uid).ok_or_else(|| unknown(uid))
    }

    /// The job's uid and folder, if it was ever submitted here.
    async fn known(&self, job: &Job) -> Result<(String, Folder), RunnerError> {
        let uid = uid(job);
        let folder = self.folder(&uid)?;
        let same = job.uid.as_ref().is_none_or(|given| *given == uid);
        match folder.intent().await.map_err(unreadable)? {
            Some(_) if same => Ok((uid, folder)),
            _ => Err(unknown(job.uid.as_ref().unwrap_or(&uid))),
        }
    }

    /// Writes the intent, then starts the work. `live` is locked all the while, so that nobody starts it a second time.
    async fn start(
        inner: &Arc<Self>,
        mut live: MutexGuard<'_, HashMap<String, Live>>,
        job: &Job,
        uid: &str,
        folder: Folder,
    ) -> Result<(), RunnerError> {
        if inner.closing.is_cancelled() {
            let message = "the local runner is stopping".to_owned();
            return Err(RunnerError::Unavailable { message, retry_after: None });
        }
        let task = inner.plan(&job.request).await?;
        if folder.intent().await.map_err(unreadable)?.is_none() {
            let intent = Intent { run: job.run, request: job.request.clone(), accepted_at: inner.clock.now() };
            folder.create(&intent).await.map_err(unreadable)?;
        }
        let this = Live::default();
        live.insert(uid.to_owned(), this.clone());
        let (owner, uid, callback_url) = (Arc::clone(inner), uid.to_owned(), job.callback_url.clone());
        inner.tasks.spawn(async move { owner.carry_out(uid, task, folder, this, callback_url).await });
        Ok(())
    }

    /// Checks a request against the recipes.
    async fn plan(&self, request: &RunRequest) -> Result<Task, RunnerError> {
        match request {
            RunRequest::Build(request) => self.plan_build(request),
            RunRequest::Tests(request) => self.plan_tests(request).await,
            RunRequest::Boot(_) => Err(refused("the local runner boots nothing: ask it for tests")),
            RunRequest::Jobs(_) => Err(refused("the local runner runs recipes, and no other commands")),
        }
    }

    fn plan_build(&self, request: &BuildRequest) -> Result<Task, RunnerError> {
        let recipe = recipe::find(&self.options.recipes, &request.toolchain)?.clone();
        if !recipe.allows(&request.tree) {
            let (name, trees) = (&recipe.name, recipe.trees.join(", "));
            return Err(refused(&format!("recipe `{name}` does not build this tree: want one of {trees}")));
        }
        let branch = &request.branch;
        if branch.is_empty() || branch.starts_with('-') || branch.contains(char::is_control) {
            return Err(refused("this is not the name of a branch or tag"));
        }
        Ok(Task::Build { recipe, request: request.clone() })
    }

    async fn plan_tests(&self, request: &TestsRequest) -> Result<Task, RunnerError> {
        let named = request.kernel_image_url.strip_prefix(BUILD_PREFIX);
        let Some(folder) = named.and_then(|uid| Folder::of(&self.options.work_dir, uid)) else {
            return Err(refused("the local runner tests its own builds: name one as `local:<uid of the build>`"));
        };
        let Some(Intent { request: RunRequest::Build(build), .. }) = folder.intent().await.map_err(unreadable)? else {
            return Err(refused("the local runner has no such build"));
        };
        match folder.state().await.map_err(unreadable)? {
            Some(state) if state.observation.verdict == Some(Status::Pass) => {}
            Some(_) => return Err(refused("that build did not pass: there is nothing to test")),
            None => {
                let message = "the local runner has not finished that build".to_owned();
                return Err(RunnerError::Unavailable { message, retry_after: None });
            }
        }
        let recipe = recipe::find(&self.options.recipes, &build.toolchain)?.clone();
        Ok(Task::Tests { recipe, source: folder.source(), asked: request.tests.clone() })
    }

    async fn carry_out(&self, uid: String, task: Task, folder: Folder, live: Live, callback_url: Url) {
        let subject = match task {
            Task::Build { .. } => Subject::Build,
            Task::Tests { .. } => Subject::Tests,
        };
        let working = async {
            let slot = self.slots.acquire().await;
            let started_at = *live.started_at.get_or_init(|| self.clock.now());
            let began = Instant::now();
            let done = work(&task, &folder, &uid, &self.path).await;
            drop(slot);
            finished(uid.clone(), subject, started_at, began.elapsed().as_secs_f64(), done)
        };
        let (state, tell) = tokio::select! {
            biased;
            () = self.closing.cancelled() => (None, false),
            () = live.cancel.cancelled() => {
                let observation = canceled(uid.clone(), subject);
                (Some(State { observation, log_excerpt: None }), false)
            }
            state = working => (Some(state), true),
        };
        if let Some(state) = &state
            && let Err(error) = folder.finish(state).await
        {
            tracing::error!(uid, %error, "what came of a job could not be kept: it will be run again");
        }
        self.live.lock().await.remove(&uid);
        live.over.cancel();
        if let (Some(state), true) = (&state, tell) {
            tokio::select! {
                () = self.closing.cancelled() => {}
                () = callback::send(&self.client, &callback_url, &state.observation) => {}
            }
        }
    }
}

/// The client token itself: the same token can have no second job.
fn uid(job: &Job) -> String {
    job.client_token.simple().to_string()
}

fn refused(why: &str) -> RunnerError {
    RunnerError::Refused(why.to_owned())
}

fn unknown(uid: &str) -> RunnerError {
    let uid: String = uid.chars().take(80).collect();
    RunnerError::Unknown(format!("the local runner knows no job `{uid}`"))
}

/// The disk failed us: nothing was started.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unreadable(error: std::io::Error) -> RunnerError {
    let message = format!("the folder of the job could not be read or written: {error}");
    RunnerError::Unavailable { message, retry_after: None }
}

fn underway(uid: String, subject: Subject, started_at: Option<DateTime<Utc>>) -> Observation {
    let phase = if started_at.is_some() { Phase::Running } else { Phase::Waiting };
    Observation {
        uid,
        subject,
        phase,
        verdict: None,
        message: None,
        started_at,
        duration_s: None,
        download_url: None,
        device: None,
        build: None,
        tests: std::collections::BTreeMap::new(),
    }
}

fn canceled(uid: String, subject: Subject) -> Observation {
    let message = Some("canceled".to_owned());
    Observation { phase: Phase::Finished, message, ..underway(uid, subject, None) }
}

fn finished(uid: String, subject: Subject, started_at: DateTime<Utc>, duration_s: f64, done: Done) -> State {
    let Done { verdict, message, build, tests, log_excerpt } = done;
    let observation = Observation {
        phase: Phase::Finished,
        verdict,
        message,
        duration_s: Some(duration_s),
        build,
        tests,
        ..underway(uid, subject, Some(started_at))
    };
    State { observation, log_excerpt }
}
