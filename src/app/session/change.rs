//! How a session is asked, and how it is changed: one transaction, one version.

use tokio::sync::OwnedMutexGuard;

use crate::app::condition::OnlyIf;
use crate::app::session::Sessions;
use crate::app::session::kept::Held;
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::composition::fields::SPEC;
use crate::domain::composition::results::{Came, session_name, spec_results_of, status_of};
use crate::domain::session::{Changes, Misfit, Report, Session};
use crate::domain::spec_result::result::SpecResult;
use crate::ids::SessionId;
use crate::store;
use crate::store::expected::Change as Noted;
use crate::store::session::{Change, Loaded, Stand};
use crate::store::{Conn, Tx};

/// What a session was asked, or made to do, and the version that it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The version.
    pub version: i64,
    /// What it answered.
    pub value: T,
}

/// Who changes a session, and what they have seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who, where that is known.
    pub who: Option<String>,
    /// The version that the session must stand at.
    pub only_if: Option<i64>,
}

pub(super) fn no_such(id: SessionId) -> AppError {
    AppError::NotFound { what: "session", id: id.to_string() }
}

/// A session that this process has to itself.
type Guard = OwnedMutexGuard<Option<Held>>;

/// Rows that make no session: only somebody who writes past the service brings them about.
fn misfit(error: &Misfit) -> AppError {
    AppError::Unavailable(error.to_string())
}

/// The session as it stands in the database, from what is kept where that will do.
async fn current(conn: &mut Conn<'_>, id: SessionId, stand: Stand, kept: Option<Held>) -> Result<Held> {
    let kept = match kept {
        Some(held) if held.stand == stand => return Ok(held),
        kept => kept,
    };
    let since = kept.as_ref().map(|held| held.stand).filter(|held| held.version < stand.version);
    let loaded = store::session::load(conn, id.0, since).await?;
    let Loaded { stand, whole, changes } = loaded.ok_or_else(|| no_such(id))?;
    blocking(move || {
        let held = match kept {
            Some(mut held) if !whole => {
                let bytes = changes.weight();
                held.session.absorb(changes).map_err(|error| misfit(&error))?;
                held.grew(stand, bytes);
                held
            }
            _ => Held::new(stand, Session::restore_without_past(changes).map_err(|error| misfit(&error))?),
        };
        Ok(held)
    })
    .await
}

/// Makes sure that a session stands at the version that somebody has seen.
pub(super) fn check_version(version: i64, only_if: Option<i64>) -> Result<()> {
    only_if.map_or(Ok(()), |seen| OnlyIf::Version(seen).check("session", Some(version)))
}

/// Asks a session as it stands now.
///
/// # Errors
/// [`AppError::NotFound`]; what the question is refused for.
pub(super) async fn ask<T: Send + 'static>(
    sessions: &Sessions,
    id: SessionId,
    question: impl FnOnce(&Session) -> Result<T> + Send + 'static,
) -> Result<At<T>> {
    let mut slot: Guard = sessions.kept.slot(id.0).lock_owned().await;
    let stand = {
        let mut db = sessions.db.read().await?;
        store::session::stand(&mut db.conn(), id.0).await?
    };
    let Some(stand) = stand else {
        sessions.kept.forget(id.0);
        return Err(no_such(id));
    };
    let held = match slot.take() {
        Some(held) if held.stand == stand => held,
        kept => {
            let mut snapshot = sessions.db.snapshot().await?;
            current(&mut snapshot.conn(), id, stand, kept).await?
        }
    };
    let (held, answer) = blocking(move || {
        let answer = question(&held.session);
        Ok((held, answer))
    })
    .await?;
    let version = held.stand.version;
    put_back(sessions, id, &mut slot, held);
    Ok(At { version, value: answer? })
}

/// Why a result is what it is, in words, as far as it says.
fn why(report: &Report) -> Option<String> {
    let skipped = report.skip_reason.as_ref().filter(|reason| !reason.is_empty()).map(|reason| {
        let listed = |what: &str, names: &[String]| {
            (!names.is_empty()).then(|| {
                format!("{what} {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
            })
        };
        let all = [
            listed("these jobs did not pass:", &reason.related_dependencies),
            listed("resources are not as required:", &reason.related_resources),
            listed("the machine's manifest is not as required:", &reason.related_manifests),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join("; ")
    });
    report.comments.clone().or(skipped)
}

/// What a result says of the one that is expected of its job; nothing if nobody has decided what came of it.
#[must_use]
pub fn noted(job: &str, report: &Report) -> Option<Noted> {
    Some(Noted {
        job_id: job.to_owned(),
        status: Some(status_of(report.outcome.as_ref()?)?),
        reason: why(report).map(|why| cut(&why, 2_000)),
        run: None,
        is_reported: false,
    })
}

/// A session that is being changed, in one transaction: nobody else changes it before [`Turn::commit`], and without that
/// nothing has changed.
#[derive(Debug)]
pub struct Turn<'s> {
    sessions: &'s Sessions,
    id: SessionId,
    slot: Guard,
    /// Empty once something was refused half-way: the next to come reads the session anew.
    held: Option<Held>,
    stand: Stand,
    tx: Tx,
    who: Option<String>,
    has_changed: bool,
    /// Results of specs that came with those of their jobs. They are recorded last, for that everybody waits.
    spec_results: Vec<SpecResult>,
}

impl<'s> Turn<'s> {
    /// Begins to change a session: whoever else wants to waits.
    ///
    /// # Errors
    /// [`AppError::NotFound`]; [`AppError::PreconditionFailed`] if it does not stand at the version that the caller has seen.
    pub async fn begin(sessions: &'s Sessions, id: SessionId, by: By) -> Result<Self> {
        // In this process changes of a session queue here and not in the pool of connections.
        let mut slot: Guard = sessions.kept.slot(id.0).lock_owned().await;
        let mut tx = sessions.db.begin().await?;
        let Some(stand) = store::session::lock(&mut tx.conn(), id.0).await? else {
            sessions.kept.forget(id.0);
            return Err(no_such(id));
        };
        let held = current(&mut tx.conn(), id, stand, slot.take()).await?;
        if let Err(error) = check_version(stand.version, by.only_if) {
            put_back(sessions, id, &mut slot, held);
            return Err(error);
        }
        Ok(Self {
            sessions,
            id,
            slot,
            held: Some(held),
            stand,
            tx,
            who: by.who,
            has_changed: false,
            spec_results: Vec::new(),
        })
    }

    /// The transaction, for what is written together with the session.
    pub fn conn(&mut self) -> Conn<'_> {
        self.tx.conn()
    }

    /// Changes the session, and writes what has changed: a version, unless nothing has.
    ///
    /// # Errors
    /// What the operation is refused for.
    pub async fn apply<T: Send + 'static>(
        &mut self,
        operation: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut held = self.held.take().ok_or_else(|| no_such(self.id))?;
        let (mut held, changes, answer) = blocking(move || {
            let answer = operation(&mut held.session);
            let changes = held.session.take_changes();
            Ok((held, changes, answer))
        })
        .await?;
        if changes.is_empty() {
            self.held = Some(held);
            return answer;
        }
        // What was refused half-way is not kept.
        let value = answer?;
        let stand = Stand { version: self.stand.version + 1, ..self.stand };
        let change = Change {
            id: self.id.0,
            version: stand.version,
            life: stand.life,
            now: self.sessions.now(),
            by: self.who.as_deref(),
        };
        store::session::write(&mut self.tx.conn(), change, &changes).await?;
        self.note(&changes).await?;
        self.note_specs(&held.session, &changes).await?;
        held.grew(stand, changes.weight());
        self.stand = stand;
        self.held = Some(held);
        self.has_changed = true;
        Ok(value)
    }

    /// What is expected of the session has come, whoever brought it.
    async fn note(&mut self, changes: &Changes) -> Result<()> {
        let came: Vec<Noted> = changes.history.iter().filter_map(|row| noted(&row.job, &row.report)).collect();
        if came.is_empty() || store::execution::get(&mut self.tx.conn(), self.id).await?.is_none() {
            return Ok(());
        }
        Ok(store::expected::note(&mut self.tx.conn(), self.id, &came, self.sessions.now()).await?)
    }

    /// What came of jobs that were made of specs came of the specs.
    async fn note_specs(&mut self, session: &Session, changes: &Changes) -> Result<()> {
        let of_spec = |job: &&str| session.job(job).is_some_and(|view| view.job().unit.text(SPEC).is_some());
        let mut jobs: Vec<&str> = changes.history.iter().map(|row| row.job.as_str()).filter(of_spec).collect();
        jobs.dedup();
        if jobs.is_empty() {
            return Ok(());
        }
        let made = store::session::get(&mut self.tx.conn(), self.id.0).await?.ok_or_else(|| no_such(self.id))?;
        let name = session_name(&self.id.to_string(), made.created_at);
        let finished_at = self.sessions.now();
        let came: Vec<Came<'_>> = jobs.into_iter().map(|job| Came { job, how: None, finished_at }).collect();
        self.spec_results.extend(spec_results_of(&name, session, &came));
        Ok(())
    }

    /// Makes all that was changed durable; the version that the session stands at now.
    ///
    /// # Errors
    /// If the database refuses: then nothing has changed.
    pub async fn commit(self) -> Result<i64> {
        let Self { sessions, id, mut slot, held, stand, mut tx, has_changed, spec_results, .. } = self;
        store::spec_result::record(&mut tx.conn(), &spec_results, sessions.now()).await?;
        tx.commit().await?;
        if let Some(held) = held {
            put_back(sessions, id, &mut slot, held);
        }
        if has_changed {
            sessions.tell(id);
        }
        Ok(stand.version)
    }

    /// Gives the session back as it was found, if nothing has been changed.
    pub fn leave(mut self) {
        if !self.has_changed
            && let Some(held) = self.held.take()
        {
            put_back(self.sessions, self.id, &mut self.slot, held);
        }
    }
}

/// Changes a session. What is refused changes nothing; what changes nothing makes no version. An execution of the session
/// looks at it afterwards.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::PreconditionFailed`] if it does not stand at the version that the caller has seen;
/// what the operation is refused for.
pub(super) async fn change<T: Send + 'static>(
    sessions: &Sessions,
    id: SessionId,
    by: By,
    operation: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
) -> Result<At<T>> {
    let mut turn = Turn::begin(sessions, id, by).await?;
    let value = match turn.apply(operation).await {
        Ok(value) => value,
        Err(error) => {
            turn.leave();
            return Err(error);
        }
    };
    if !turn.has_changed {
        let version = turn.stand.version;
        turn.leave();
        return Ok(At { version, value });
    }
    let is_run_here = store::execution::wake(&mut turn.conn(), id, sessions.now()).await?;
    let version = turn.commit().await?;
    if is_run_here {
        sessions.advance.ring();
    }
    Ok(At { version, value })
}

/// Keeps a session that was made here.
pub(super) fn keep(sessions: &Sessions, id: SessionId, held: Held) {
    // Nobody else knows it yet.
    if let Ok(mut slot) = sessions.kept.slot(id.0).try_lock_owned() {
        put_back(sessions, id, &mut slot, held);
    }
}

fn put_back(sessions: &Sessions, id: SessionId, slot: &mut Guard, held: Held) {
    let bytes = held.weight();
    **slot = Some(held);
    sessions.kept.note(id.0, bytes);
}
