//! Callbacks: taken in first, understood later.
//!
//! In the request a callback is authenticated, read and stored; the answer leaves when it is durable. What it means is
//! worked out by the inbox task from the stored row, so that nothing is lost if the process dies in between.
//!
//! A callback that nobody can authenticate is not believed: it is a hint to go and ask the runner, which is what a
//! forger gets who knows a uid. One whose run is not known yet waits for it.

use bytes::Bytes;
use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};

use crate::app::progress::{self, Progress};
use crate::app::run::MAX_NAME_BYTES;
use crate::app::{App, AppError, Result, Ring, Write, Written, cut, seconds};
use crate::domain::callback::{CallbackState, Trust};
use crate::domain::observation::{Observation, Subject};
use crate::ids::{CallbackId, RunId};
use crate::runner::{Arrival, Signatures};
use crate::store::callback::{Callback, NewCallback};
use crate::store::lease::Lease;
use crate::{domain::words::Word as _, store};

/// For how long a hint about a run makes others about it needless.
const HINT_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// How much is kept of the body of a callback that nobody can authenticate, in bytes.
const MAX_HINT_BYTES: usize = 16 << 10;

/// Which door a callback came to.
#[derive(Clone, Copy, Debug)]
pub enum Door<'a> {
    /// The URL that one run's runner was given.
    Capability(&'a str),
    /// A door that anybody can find, for one kind of job.
    Open(Subject),
}

/// A callback that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Whether it had not come before.
    pub new: bool,
    /// The run that its capability names.
    pub run: Option<RunId>,
}

/// Takes a callback in; returns once it is durable.
///
/// # Errors
/// [`AppError::NotFound`] if there is no such runner; [`AppError::Unauthenticated`] if its capability or its signature is
/// wrong; [`AppError::Invalid`] if it cannot be understood (one that is authenticated is kept all the same) or tells of
/// another kind of job than its door is for; otherwise as [`crate::app::Writer::write`].
pub async fn receive(
    app: &App,
    runner_name: &str,
    door: Door<'_>,
    signatures: Signatures<'_>,
    body: Bytes,
) -> Result<Received> {
    let Ok(runner) = app.runners.known(runner_name) else {
        return Err(AppError::NotFound { what: "runner", id: cut(runner_name, 80) });
    };
    let run = match door {
        Door::Capability(capability) => Some(run_of(app, runner_name, capability).await?),
        Door::Open(_) => None,
    };
    let subject = match (door, run) {
        (Door::Open(subject), _) | (Door::Capability(_), Some((_, subject))) => subject,
        (Door::Capability(_), None) => return Err(forged()),
    };
    let arrival = Arrival { body: &body, signatures, by_capability: run.is_some(), now: app.now() };
    let signed = runner.authenticate(&arrival).map_err(AppError::Unauthenticated)?;
    let run = run.map(|(run, _)| run);
    let trust = trust(signed, run.is_some());
    let read = runner.read_callback(&body, subject).and_then(|observation| match () {
        () if observation.subject != subject => Err("it tells of another kind of job than this door is for".to_owned()),
        () if observation.uid.is_empty()
            || observation.uid.len() > MAX_NAME_BYTES
            || observation.uid.contains('\0') =>
        {
            Err(format!("its uid is empty, longer than {MAX_NAME_BYTES} bytes or holds a NUL character"))
        }
        () => Ok(observation),
    });
    let observation = match read {
        Ok(observation) => observation,
        Err(problem) => {
            refuse(app, runner_name, trust, run, &body, &problem).await?;
            return Err(AppError::Invalid(problem));
        }
    };
    if trust == Trust::None && !worth_keeping(app, runner_name, &observation.uid).await? {
        return Ok(Received { new: false, run: None });
    }
    let callback = NewCallback {
        uid: Some(observation.uid),
        ..inbox_row(app, runner_name, trust, run, &body, CallbackState::Pending)
    };
    let written = app.writer.write(Write::Callback(callback)).await?;
    app.bells.inbox.ring();
    Ok(Received { new: written == Written::Callback(true), run })
}

fn forged() -> AppError {
    AppError::Unauthenticated("no run of this runner has this capability".into())
}

async fn run_of(app: &App, runner: &str, capability: &str) -> Result<(RunId, Subject)> {
    if capability.contains('\0') {
        return Err(forged());
    }
    let mut db = app.read().await?;
    store::run::by_capability(&mut db.conn(), capability)
        .await?
        .filter(|(_, its_runner, _)| its_runner == runner)
        .map(|(run, _, kind)| (run, kind.subject()))
        .ok_or_else(forged)
}

fn trust(signed: bool, by_capability: bool) -> Trust {
    match (by_capability, signed) {
        (true, _) => Trust::Capability,
        (false, true) => Trust::Signature,
        (false, false) => Trust::None,
    }
}

/// Keeps what somebody who may call sent and nobody can use, so that an operator can look at it.
async fn refuse(app: &App, runner: &str, trust: Trust, run: Option<RunId>, body: &Bytes, reason: &str) -> Result<()> {
    if trust != Trust::None {
        let row = NewCallback {
            reason: Some(cut(reason, 2_000)),
            ..inbox_row(app, runner, trust, run, body, CallbackState::Refused)
        };
        app.writer.write(Write::Callback(row)).await?;
    }
    Ok(())
}

fn inbox_row(
    app: &App,
    runner: &str,
    trust: Trust,
    run: Option<RunId>,
    body: &Bytes,
    state: CallbackState,
) -> NewCallback {
    let now = app.now();
    // A forger's copy must not pass for the real one, nor one run's for another's, nor what was refused at one door for
    // what comes to the right one: trust, run and state are part of what makes two callbacks the same.
    let mut digest = Sha256::new();
    let run_bytes = run.map(|run| run.0).unwrap_or_default();
    for part in [runner.as_bytes(), trust.as_str().as_bytes(), run_bytes.as_bytes(), state.as_str().as_bytes()] {
        digest.update(part);
        digest.update([0xFF]);
    }
    digest.update(body);
    NewCallback {
        id: CallbackId::new(now),
        runner: runner.to_owned(),
        digest: digest.finalize().into(),
        trust,
        run_id: run,
        uid: None,
        body: body[..if trust == Trust::None { body.len().min(MAX_HINT_BYTES) } else { body.len() }].to_vec(),
        state,
        reason: None,
        now,
    }
}

/// Whether a callback that nobody can authenticate is kept: it is anybody's to send. For a run that is known one hint a
/// minute will do; for jobs that nobody knows there is a bound.
async fn worth_keeping(app: &App, runner: &str, uid: &str) -> Result<bool> {
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    if let Some(run) = store::run::by_uid(conn, runner, uid).await? {
        return Ok(!store::callback::hinted_since(conn, run, app.now() - HINT_PAUSE).await?);
    }
    if store::callback::count_unknown(conn).await? < i64::from(app.settings.callbacks.max_unknown) {
        return Ok(true);
    }
    Err(AppError::Overloaded { retry_after: std::time::Duration::from_mins(1) })
}

/// Works out what leased callbacks mean, in one transaction with their settlement. Returns the bells to ring once that
/// is durable.
///
/// # Errors
/// If the database refuses.
pub async fn settle(
    app: &App,
    conn: &mut store::Conn<'_>,
    lease: Lease,
    callbacks: &[Callback],
) -> store::Result<Vec<Ring>> {
    let mut rings = Vec::new();
    let mut applied = Vec::new();
    for callback in callbacks {
        let (is_applied, ring) = settle_one(app, conn, lease, callback).await?;
        applied.extend(is_applied.then_some(callback.id));
        rings.extend(ring);
    }
    store::callback::applied(conn, lease.worker, &applied, app.now()).await?;
    Ok(rings)
}

/// Settles a callback, unless it was simply applied: then its settlement can wait for that of the others.
async fn settle_one(
    app: &App,
    conn: &mut store::Conn<'_>,
    lease: Lease,
    callback: &Callback,
) -> store::Result<(bool, Option<Ring>)> {
    let now = app.now();
    let run = match (callback.run_id, &callback.uid) {
        (Some(run), _) => Some(run),
        (None, Some(uid)) => store::run::by_uid(conn, &callback.runner, uid).await?,
        (None, None) => None,
    };
    let Some(run) = run else {
        let again = callback.received_at + seconds(app.settings.callbacks.unknown_retention_s);
        let reason = "no run is known by this uid; it is looked at again as soon as one is";
        store::callback::postpone(conn, lease.worker, callback.id, reason, again).await?;
        // A run that became known since it was looked for has woken its callbacks too early for this one.
        if let Some(uid) = &callback.uid
            && store::run::by_uid(conn, &callback.runner, uid).await?.is_some()
        {
            store::callback::wake(conn, &callback.runner, uid, now).await?;
        }
        return Ok((false, None));
    };
    let mut ring: Option<Ring> = None;
    let (state, reason) = if callback.trust == Trust::None {
        if store::step::poll_now(conn, run, now).await? {
            ring = Some(|bells| &bells.poll);
        }
        (CallbackState::Hint, Some("it was not authenticated: the runner was asked instead".to_owned()))
    } else {
        let (state, reason, bell) = apply(app, conn, callback, run).await?;
        ring = bell;
        (state, reason)
    };
    if state == CallbackState::Applied && reason.is_none() && callback.run_id.is_some() {
        return Ok((true, ring));
    }
    store::callback::settle(conn, lease.worker, callback.id, (state, Some(run), reason.as_deref()), now).await?;
    Ok((false, ring))
}

type Applied = (CallbackState, Option<String>, Option<Ring>);

async fn apply(app: &App, conn: &mut store::Conn<'_>, callback: &Callback, run: RunId) -> store::Result<Applied> {
    let Some(run) = store::run::lock(conn, run).await? else {
        return Ok((CallbackState::Refused, Some("its run is gone".into()), None));
    };
    let read = match app.runners.known(&callback.runner) {
        Ok(runner) => runner.read_callback(&callback.body, run.kind.subject()).map(Observation::without_nul),
        Err(error) => Err(error.to_string()),
    };
    let observation = match read {
        Ok(observation) => observation,
        Err(why) => return Ok((CallbackState::Refused, Some(cut(&why, 2_000)), None)),
    };
    Ok(match progress::observe(app, conn, &run, &observation, app.now()).await? {
        Progress::Running => (CallbackState::Applied, None, None),
        Progress::Collecting => (CallbackState::Applied, None, Some(|bells| &bells.collect)),
        Progress::Finished => (CallbackState::Applied, None, Some(|bells| &bells.deliver)),
        Progress::Late => {
            let why = format!("{} was {} already: kept as evidence, changes nothing", run.id, run.state);
            (CallbackState::Late, Some(why), None)
        }
        Progress::Contradiction(why) => (CallbackState::Refused, Some(why), None),
    })
}
