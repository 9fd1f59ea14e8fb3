//! PostgreSQL stops and starts again under load: whoever asks meanwhile is told to ask again, at once or soon, and
//! nothing that was taken is lost.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::app::Answered;
use crate::support::fake_server::{PATIENCE, lock};
use crate::support::fake_sink::FakeSink;
use crate::support::fake_tuxsuite::FakeTuxSuite;
use crate::support::http_client;
use crate::support::postgres::PostgresServer;
use crate::support::process::{self, Service};

/// How long a request may take at worst: five seconds for a connection to the database, behind another batch that waits
/// for one.
const LONGEST: Duration = Duration::from_secs(15);

/// How long a question about the process's own health may take: two seconds for the database, and none to live.
const LONGEST_HEALTH: Duration = Duration::from_secs(4);

/// How many times the database goes away.
const OUTAGES: usize = 2;

/// What was answered, and how fast.
#[derive(Debug)]
struct Asked {
    what: Request,
    number: usize,
    answer: Answered,
    took: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Build,
    Tests,
    Results,
    Callback,
    Listing,
    Livez,
    Readyz,
}

const ALL: [Request; 7] = [
    Request::Build,
    Request::Tests,
    Request::Results,
    Request::Callback,
    Request::Listing,
    Request::Livez,
    Request::Readyz,
];

impl Request {
    /// The method is POST if there is a body.
    fn parts(self, number: usize) -> (&'static str, Option<Value>) {
        match self {
            Self::Build => (
                "/api/v1/builds/run",
                Some(json!({
                    "toolchain": "gcc-14", "tree": "https://git.example.org/linux.git", "branch": format!("b{number}"),
                    "kconfig": "defconfig",
                })),
            ),
            Self::Tests => (
                "/api/v1/tests/run",
                Some(json!({
                    "build_id": format!("riscv:{number}"), "kernel_image_url": "https://files.example.org/Image",
                    "tests": ["ltp-a"], "collection": "ltp",
                })),
            ),
            Self::Results => (
                "/api/v1/tests/submit",
                Some(json!({
                    "build_id": format!("riscv:lab-{number}"), "test_uid": format!("lab-{number}"), "device": "board",
                    "runtime": "lab", "tests": [{"test_name": "ltp-a", "test_collection": "ltp", "result": "PASS"}],
                })),
            ),
            Self::Callback => (
                "/api/v1/tuxsuite/callback/test",
                Some(json!({"kind": "test", "status": {"uid": callback_uid(number), "tests": [], "result": "pass"}})),
            ),
            Self::Listing => ("/api/v1/runs?limit=1", None),
            Self::Livez => ("/livez", None),
            Self::Readyz => ("/readyz", None),
        }
    }

    fn longest(self) -> Duration {
        if matches!(self, Self::Livez | Self::Readyz) { LONGEST_HEALTH } else { LONGEST }
    }
}

fn callback_uid(number: usize) -> String {
    format!("early-{number}")
}

/// Asks one kind of thing again and again until it is told to stop.
async fn ask(what: Request, base: String, suite: FakeTuxSuite, book: Book, stop: watch::Receiver<bool>) {
    let http = http_client();
    let mut number = 0;
    while !*stop.borrow() {
        number += 1;
        let (path, body) = what.parts(number);
        let url = format!("{base}{path}");
        let mut request = match body.map(|body| body.to_string()) {
            None => http.get(url),
            Some(body) => {
                let signature = suite.sign(body.as_bytes());
                http.post(url)
                    .header("x-tux-payload-signature", signature)
                    .header("content-type", "application/json")
                    .body(body)
            }
        };
        request = request.timeout(PATIENCE);
        let begun = Instant::now();
        let answer = process::send(request).await.expect("every request is answered");
        let is_away = answer.status == 503;
        book.enter(Asked { what, number, answer, took: begun.elapsed() });
        if is_away {
            // As a caller does who was told to ask later, and a little sooner.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Every answer, in the order in which they came.
#[derive(Clone, Default)]
struct Book(Arc<(Mutex<Vec<Asked>>, watch::Sender<()>)>);

impl Book {
    fn enter(&self, asked: Asked) {
        lock(&self.0.0).push(asked);
        self.0.1.send_replace(());
    }

    /// Waits until each kind was answered with one of these statuses from now on.
    async fn wait_for(&self, kinds: &[Request], status: std::ops::Range<u16>) {
        let mut news = self.0.1.subscribe();
        let from = lock(&self.0.0).len();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !kinds.iter().all(|kind| {
                let book = lock(&self.0.0);
                let mut its = book.iter().skip(from).filter(|asked| asked.what == *kind);
                its.any(|asked| status.contains(&asked.answer.status))
            }) {
                news.changed().await.expect("we hold the sender");
            }
        });
        if waited.await.is_err() {
            let book = lock(&self.0.0);
            let last: Vec<&Asked> = book.iter().rev().take(10).collect();
            panic!("not every one of {kinds:?} was answered with {status:?}; the last: {last:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_callers_are_told_so_and_nothing_taken_is_lost() {
    let postgres = PostgresServer::own();
    let folder = TempDir::new().unwrap();
    let (suite, sink) = (FakeTuxSuite::start().await, FakeSink::start().await);
    let service = Service::up(process::serve(folder.path(), postgres.url(), &process::settings(&suite, &sink))).await;
    let (book, (stopping, stop)) = (Book::default(), watch::channel(false));
    let mut load = JoinSet::new();
    for what in ALL {
        load.spawn(ask(what, service.base().to_owned(), suite.clone(), book.clone(), stop.clone()));
    }
    let needs_database: Vec<Request> = ALL.into_iter().filter(|what| *what != Request::Livez).collect();
    book.wait_for(&ALL, 200..300).await;
    for _ in 0..OUTAGES {
        tokio::task::block_in_place(|| postgres.stop());
        book.wait_for(&needs_database, 503..504).await;
        book.wait_for(&[Request::Livez], 200..201).await;
        tokio::task::block_in_place(|| postgres.start());
        book.wait_for(&ALL, 200..300).await;
    }
    stopping.send_replace(true);
    load.join_all().await;

    let book = std::mem::take(&mut *lock(&book.0.0));
    for asked in &book {
        let right = match asked.answer.status {
            200..300 => true,
            503 => {
                asked.what != Request::Livez && asked.answer.header("retry-after").parse::<u32>().is_ok_and(|s| s > 0)
            }
            _ => false,
        };
        assert!(right && asked.took < asked.what.longest(), "{asked:?}\nits log:\n{}", service.log());
    }
    for asked in book.iter().filter(|asked| (200..300).contains(&asked.answer.status)) {
        is_there(&service, asked).await;
    }
    // And it works on by itself: what was planned reaches the runner, what was submitted the sink.
    let of = |what: Request| book.iter().filter(move |asked| asked.what == what && asked.answer.status < 300);
    suite.wait_for("every job", |suite| suite.tests().len() >= of(Request::Tests).count()).await;
    sink.wait_for("every result", |sink| sink.objects("tests").len() >= of(Request::Results).count()).await;
}

/// What was answered with 2xx is stored.
async fn is_there(service: &Service, asked: &Asked) {
    match asked.what {
        Request::Build | Request::Tests => {
            let location = asked.answer.header("location");
            // A repetition of a request whose answer was lost plans nothing; here nothing was repeated.
            assert!(!location.is_empty(), "{asked:?}");
            service.get(location).await.expect(200);
        }
        Request::Results => {
            let found = service.items(&format!("/api/v1/results?build_id=riscv:lab-{}", asked.number)).await;
            assert_eq!(found.len(), 1, "{asked:?}");
        }
        Request::Callback => {
            let found = service.items(&format!("/api/v1/callbacks?uid={}", callback_uid(asked.number))).await;
            assert_eq!(found.len(), 1, "{asked:?}");
        }
        Request::Listing | Request::Livez | Request::Readyz => {}
    }
}
