//! From the first signal to the exit.
//!
//! Two tokens: *soft* asks every task to finish what it has begun and take nothing new; *hard* says that time is up.
//! SIGTERM or SIGINT cancels soft, a second one cancels hard and ends the process. A task that panics stops the whole
//! service the soft way and makes its exit code tell of it: half a service is worse than none, and a supervisor
//! starts a whole one again. A process that ends at any moment loses nothing that was promised, so hard is safe.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks get to heed the hard token, and the process to exit after the second signal.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// The life of the service. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    facts: Arc<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    failed: AtomicBool,
    signalled: AtomicBool,
    /// The number of the second signal; 0 if there was none.
    killed_by: AtomicU8,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every task finished.
    Clean,
    /// Every task finished, and one of them, or whoever called [`Lifecycle::fail`], had failed before.
    Failed,
    /// The deadline passed, or the hard token was cancelled, with these many tasks unfinished.
    Late {
        /// How many.
        left: usize,
    },
    /// A second signal came, with this number.
    Killed {
        /// 2 for SIGINT, 15 for SIGTERM.
        signal: u8,
    },
}

impl Ending {
    /// 0 for a clean end, 128 and the signal's number after a second signal (130 or 143), else 1.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed | Self::Late { .. } => 1,
            Self::Killed { signal } => signal.saturating_add(128),
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        ending.code().into()
    }
}

impl Lifecycle {
    /// A life that no signal ends before [`Lifecycle::listen_for_signals`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the service is to take nothing new.
    #[must_use]
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when time is up.
    #[must_use]
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Starts a task that the shutdown waits for. If it panics, the service stops; it is dropped where it stands when
    /// the hard token is cancelled.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let life = self.clone();
        self.tasks.spawn(async move {
            let task = AssertUnwindSafe(task).catch_unwind();
            if let Some(Err(_)) = life.hard.run_until_cancelled(task).await {
                life.fail(&format!("the task `{name}` panicked"));
            }
        });
    }

    /// Stops the service the soft way; it will not have ended well.
    pub fn fail(&self, reason: &str) {
        tracing::error!(reason, "stopping because of a failure");
        self.facts.failed.store(true, Ordering::SeqCst);
        self.soft.cancel();
    }

    /// Heeds SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn listen_for_signals(&self) -> std::io::Result<()> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        let (mut interrupts, mut terminates) = (signal(interrupt)?, signal(terminate)?);
        let life = self.clone();
        // Not one of the tracked tasks: it listens until the very end.
        tokio::spawn(async move {
            loop {
                let kind = tokio::select! {
                    _ = interrupts.recv() => interrupt,
                    _ = terminates.recv() => terminate,
                };
                if let Some(ending) = life.heed(u8::try_from(kind.as_raw_value()).unwrap_or_default()) {
                    // Whoever waits in `shutdown` returns at once; this is for the case that nobody does.
                    tokio::time::sleep(LAST_MOMENT).await;
                    std::process::exit(ending.code().into());
                }
            }
        });
        Ok(())
    }

    /// The first signal stops the soft way; at the second the ending is returned, with which to exit.
    fn heed(&self, signal: u8) -> Option<Ending> {
        if self.facts.signalled.swap(true, Ordering::SeqCst) {
            tracing::warn!(signal, "second signal: ending at once");
            self.facts.killed_by.store(signal, Ordering::SeqCst);
            self.hard.cancel();
            return Some(Ending::Killed { signal });
        }
        tracing::info!(signal, "stopping: finishing what has begun; a second signal ends at once");
        self.soft.cancel();
        None
    }

    /// Cancels soft and waits for every task: until `deadline` is over or the hard token is cancelled. Then hard is
    /// cancelled and what is left gets a last moment.
    pub async fn shutdown(&self, deadline: Duration) -> Ending {
        self.soft.cancel();
        self.tasks.close();
        let finished = tokio::time::timeout(deadline, self.hard.run_until_cancelled(self.tasks.wait())).await;
        self.hard.cancel();
        let left = self.tasks.len();
        if !matches!(finished, Ok(Some(()))) {
            let _ = tokio::time::timeout(LAST_MOMENT, self.tasks.wait()).await;
        }
        let ending = match self.facts.killed_by.load(Ordering::SeqCst) {
            0 if !matches!(finished, Ok(Some(()))) => Ending::Late { left },
            0 if self.facts.failed.load(Ordering::SeqCst) => Ending::Failed,
            0 => Ending::Clean,
            signal => Ending::Killed { signal },
        };
        tracing::info!(?ending, "stopped");
        ending
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn the_shutdown_waits_for_what_has_begun() {
        let life = Lifecycle::new();
        let done = Arc::new(AtomicBool::new(false));
        let (soft, flag) = (life.soft().clone(), Arc::clone(&done));
        life.spawn("worker", async move {
            soft.cancelled().await;
            tokio::task::yield_now().await;
            flag.store(true, Ordering::SeqCst);
        });
        assert_eq!(life.shutdown(LONG).await, Ending::Clean);
        assert!(done.load(Ordering::SeqCst));
        assert_eq!(Ending::Clean.code(), 0);
    }

    #[tokio::test]
    async fn the_deadline_bounds_it() {
        let life = Lifecycle::new();
        life.spawn("stuck", std::future::pending());
        let ending = life.shutdown(Duration::from_millis(10)).await;
        assert_eq!((ending, ending.code()), (Ending::Late { left: 1 }, 1));
        assert!(life.hard().is_cancelled());
        assert!(life.tasks.is_empty(), "the hard token ended it");
    }

    #[tokio::test]
    async fn a_panic_stops_the_service_and_is_told() {
        let life = Lifecycle::new();
        life.spawn("broken", async { panic!("on purpose") });
        assert!(tokio::time::timeout(LONG, life.soft().cancelled()).await.is_ok());
        let ending = life.shutdown(LONG).await;
        assert_eq!((ending, ending.code()), (Ending::Failed, 1));
    }

    #[tokio::test]
    async fn the_first_signal_does_not_cut_short_a_stop_that_has_begun() {
        let life = Lifecycle::new();
        life.fail("on purpose");
        assert_eq!(life.heed(15), None);
        assert!(!life.hard().is_cancelled());
        assert_eq!(life.shutdown(LONG).await, Ending::Failed);
    }

    #[tokio::test]
    async fn the_second_signal_ends_at_once() {
        let life = Lifecycle::new();
        life.spawn("stuck", std::future::pending());
        assert_eq!(life.heed(15), None);
        assert!(life.soft().is_cancelled() && !life.hard().is_cancelled());
        let waiting = tokio::spawn({
            let life = life.clone();
            async move { life.shutdown(LONG).await }
        });
        assert_eq!(life.heed(2), Some(Ending::Killed { signal: 2 }));
        let ending = waiting.await.unwrap();
        assert_eq!((ending, ending.code()), (Ending::Killed { signal: 2 }, 130));
    }

    /// Names the part that this test plays when it runs itself as another process.
    const PART: &str = "TESTYARD_TEST_SIGNALS";

    /// A process that does not outlive the test, however the test ends.
    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// As a process of its own: says that it listens, stops at the first signal, and never ends by itself.
    fn play() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let life = Lifecycle::new();
            life.listen_for_signals().unwrap();
            println!("\nlistening");
            life.soft().cancelled().await;
            println!("\nsoft");
            std::future::pending::<()>().await;
        });
    }

    #[test]
    fn real_signals_are_heeded() {
        if std::env::var_os(PART).is_some() {
            return play();
        }
        for (name, code) in [("TERM", 143), ("INT", 130)] {
            let mut child = Ended(
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "--nocapture", "lifecycle::tests::real_signals_are_heeded"])
                    .env(PART, "1")
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap(),
            );
            let pid = child.0.id().to_string();
            let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
            for word in ["listening", "soft"] {
                assert!(lines.any(|line| line == word), "the process says `{word}`");
                let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status().unwrap();
                assert!(sent.success());
            }
            assert_eq!(child.0.wait().unwrap().code(), Some(code), "SIG{name}");
        }
    }
}
