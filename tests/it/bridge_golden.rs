//! Replays what was recorded off the running bridge, over HTTP, against a whole service: what a caller sees, what
//! TuxSuite is asked, and what reaches KCIDB.
//!
//! The recorded uids and addresses are exchanged for those of our fake TuxSuite; the recorded signature, which was none,
//! for a real one. What TuxSuite's storage served is not in the recording: it is told from the results that the bridge
//! made of it. Scenarios whose name says that the sink or TuxSuite answers with a number are replayed so.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::TimeDelta;
use futures_util::{StreamExt as _, future, stream};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testyard::domain::kcidb::schema;

use crate::bridge_bugs::signing;
use crate::bridge_rules::{self as rules, SERVED, Seen};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::fake_server::Answer;
use crate::support::fake_sink::SUBMIT;
use crate::support::fake_tuxsuite::{STORAGE, SUBMIT_BUILDS, SUBMIT_TESTS};
use crate::support::runs::text;
use crate::support::{golden, on_both};

on_both! {
    async fn golden_scenarios_of_the_bridge(db: TestDb) {
        for file in golden::files("wire/bridge_http.json") {
            let scenarios: Vec<&Value> =
                file.as_object().unwrap().values().filter_map(Value::as_array).flatten().collect();
            let replayed = stream::iter(scenarios)
                .map(async |scenario| Replay::run(TestDb::new(db.dialect()).await, scenario).await)
                .buffer_unordered(4)
                .fold([0; 3], async |all, one| [0, 1, 2].map(|at| all[at] + one[at]))
                .await;
            assert!(!replayed.contains(&0), "steps, jobs and results: {replayed:?}");
        }
    }
}

/// One scenario on its way.
struct Replay<'a> {
    app: TestApp,
    name: &'a str,
    scenario: &'a Value,
    /// The tests that runs hold: build, collection, test and modules.
    held: HashSet<[String; 4]>,
    /// What KCIDB must get of each job that called back, by uid: path and status of each test.
    results: BTreeMap<String, Vec<(String, String)>>,
    /// The status of each build that called back, by uid.
    builds: BTreeMap<String, &'static str>,
    /// The jobs whose results could be fetched.
    served: BTreeSet<String>,
    /// The callbacks' addresses and client tokens that TuxSuite was given.
    secrets: HashSet<String>,
    /// How many of TuxSuite's requests for jobs were compared.
    seen: usize,
}

impl<'a> Replay<'a> {
    /// Replays a scenario; returns how many steps it had, and how many jobs and results were compared.
    async fn run(db: TestDb, scenario: &'a Value) -> [usize; 3] {
        let name = scenario["scenario"].as_str().unwrap();
        let steps: Vec<&Value> =
            scenario["steps"].as_array().unwrap().iter().filter(|step| step["request"].is_object()).collect();
        let dry_run = name.contains("DEBUG=true");
        let app = signing(db, |settings| {
            settings.kcidb.dry_run = dry_run;
            // What never comes is given up soon.
            settings.runs.deadline_s = 3600;
            settings.runs.collect_max_tries = 2;
        })
        .await;
        if let Some(status) = ["sink answers ", "sink says "].iter().find_map(|words| rules::number_behind(name, words))
        {
            app.sink.server.answer_next(SUBMIT, Answer::Status(status, "not now".into(), Vec::new()));
        }
        if let Some(status) = rules::number_behind(name, "TuxSuite answers ") {
            app.tuxsuite.server.answer_next(SUBMIT_BUILDS, Answer::Status(status, "{}".into(), Vec::new()));
        }
        let mut replay = Replay {
            app,
            name,
            scenario,
            held: HashSet::new(),
            results: BTreeMap::new(),
            builds: BTreeMap::new(),
            served: BTreeSet::new(),
            secrets: HashSet::new(),
            seen: 0,
        };
        for (index, step) in steps.iter().enumerate() {
            replay.step(&format!("{name}, step {index}"), step).await;
        }
        if dry_run {
            replay = replay.end_dry_run().await;
        }
        let compared =
            [steps.len(), replay.seen, replay.results.values().map(Vec::len).sum::<usize>() + replay.builds.len()];
        replay.end().await;
        compared
    }

    async fn step(&mut self, what: &str, step: &Value) {
        let down = |label: &str| label.contains("sink down");
        if self.name.contains("sink unreachable, ") && rules::is_callback(rules::route(step))
            || step["label"].as_str().is_some_and(down)
        {
            self.app.sink.server.answer_next(SUBMIT, Answer::Close);
        }
        let (sent, shift) = self.body(step);
        let seen = rules::expected(step, &sent, shift);
        self.serve(step, &sent);
        let at_once = step["response"]["statuses"].as_array().map_or(1, Vec::len);
        let answers = future::join_all((0..at_once).map(|_| self.send(step, &sent))).await;
        for answered in &answers {
            check_answer(what, answered, &seen);
        }
        if let Some(location) = answers[0].headers.get("location").filter(|_| answers[0].status == 204) {
            self.app.show(location.to_str().unwrap()).await;
        }
        self.app.settle().await;
        self.check_jobs(what, step, &sent, &seen);
        if rules::is_callback(rules::route(step)) && matches!(seen, Seen::Answer(204, _)) {
            self.note_callback(step, &sent).await;
        }
    }

    /// What was recorded, with our uids and addresses.
    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (letter, jobs) in [("T", self.app.tuxsuite.tests()), ("B", self.app.tuxsuite.builds())] {
            for (index, job) in jobs.iter().enumerate() {
                let recorded = format!("{letter}{:026}", index + 1);
                let folder = format!("http://TUX/art/{recorded}/");
                text = text.replace(&folder, job["download_url"].as_str().unwrap());
                text = text.replace(&recorded, job["uid"].as_str().unwrap());
            }
        }
        text.replace("http://TUX/", &format!("{}/", self.app.tuxsuite.url()))
    }

    /// The body to send, and by how many characters it is longer than the one that was recorded.
    fn body(&self, step: &Value) -> (Vec<u8>, i64) {
        let body = &step["request"]["body"];
        let recorded = match body["<raw>"].as_str() {
            Some(raw) => raw.to_owned(),
            None if body.is_null() => String::new(),
            None => body.to_string(),
        };
        // The recording put `TUX` for the stub's address and port.
        let length = |text: &str| i64::try_from(text.chars().count()).unwrap();
        let before = length(&recorded.replace("http://TUX/", "http://127.0.0.1:12345/"));
        let filled = self.filled(&recorded);
        let shift = length(&filled) - before;
        // And U+FFFD for a byte that is not UTF-8.
        let parts: Vec<&[u8]> = filled.split('\u{FFFD}').map(str::as_bytes).collect();
        (parts.join(&0xFF), shift)
    }

    async fn send(&self, step: &Value, sent: &[u8]) -> Answered {
        let request = &step["request"];
        let method: Method = request["method"].as_str().unwrap().parse().unwrap();
        let url = format!("{}{}", self.app.base, request["path"].as_str().unwrap());
        let mut builder = self.app.http.request(method, url);
        let headers = request["headers"].as_object();
        let named =
            |name: &str| headers.is_some_and(|headers| headers.keys().any(|key| key.eq_ignore_ascii_case(name)));
        if !request["body"].is_null() && !named("content-type") {
            builder = builder.header("content-type", "application/json");
        }
        for (name, value) in headers.into_iter().flatten() {
            let value = value.as_str().unwrap();
            let signed = name == "x-tux-payload-signature" && !value.is_empty();
            let value = if signed { self.app.tuxsuite.sign(sent) } else { value.to_owned() };
            builder = builder.header(name, value);
        }
        Answered::of(builder.body(sent.to_vec()).send().await.unwrap()).await
    }

    /// The results that the bridge made of a callback: path and word of each test.
    fn told(&self, step: &Value, uid: &str) -> Vec<(String, String)> {
        let sent = step["kcidb_sink_requests"].as_array().into_iter().flatten();
        let mut tests: Vec<Value> =
            sent.filter_map(|request| request["body"]["tests"].as_array()).flatten().cloned().collect();
        if tests.is_empty() {
            let mut rows = self.scenario["database_after"]["test_results"].as_array().into_iter().flatten();
            let row = rows.rfind(|row| self.filled(row["test_uid"].as_str().unwrap()) == uid);
            tests = match row.map(|row| &row["results"]) {
                Some(Value::String(list)) => serde_json::from_str(list).unwrap(),
                Some(Value::Array(list)) => list.clone(),
                _ => Vec::new(),
            };
        }
        tests
            .iter()
            .filter(|test| test["path"].is_string())
            .map(|test| (text(test, "path"), text(test, "status")))
            .collect()
    }

    fn served(&self) -> Option<&'static rules::Served> {
        SERVED.iter().find(|served| self.name.contains(served.scenario))
    }

    /// Puts into TuxSuite's storage what the recorded one must have served: the results that the bridge told, or none
    /// where it read the file and told nothing.
    fn serve(&mut self, step: &Value, sent: &[u8]) {
        let Some(status) = status(sent).filter(|_| rules::route(step).ends_with("/callback/test")) else { return };
        let uid = status["uid"].as_str().unwrap_or_default();
        let told = self.told(step, uid);
        let fetched = step["tuxsuite_requests"].as_array().is_some_and(|requests| !requests.is_empty());
        let was_read = fetched && step["response"]["status"] == 204;
        if (told.is_empty() && !was_read) || !self.app.tuxsuite.tests().iter().any(|job| job["uid"] == uid) {
            return;
        }
        let names = status["tests"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
        let steps: BTreeMap<&str, Value> = names
            .zip(&told)
            .filter(|(_, (_, word))| word != "MISS")
            .map(|(name, (_, word))| (name, json!({"result": word.to_lowercase()})))
            .collect();
        let file = self.served().map_or_else(|| json!({ "lava": steps }).to_string(), |it| it.results_json.to_owned());
        self.app.tuxsuite.put_file(uid, "results.json", file);
        self.app.tuxsuite.put_file(uid, "logs.txt", "a log\n");
        self.served.insert(uid.to_owned());
    }

    /// TuxSuite is asked for what the bridge asked it for, once, and with a callback's address that is a secret.
    fn check_jobs(&mut self, what: &str, step: &Value, sent: &[u8], seen: &Seen) {
        let requests = self.app.tuxsuite.server.requests();
        let asked: Vec<_> =
            requests.iter().filter(|request| [SUBMIT_BUILDS, SUBMIT_TESTS].contains(&request.route.as_str())).collect();
        let new = &asked[self.seen..];
        self.seen = asked.len();
        let request: Value = serde_json::from_slice(sent).unwrap_or_default();
        let is_taken = *seen == Seen::Answer(204, Value::Null);
        let Some(tests) = is_taken.then(|| self.plan(rules::route(step), &request)).flatten() else {
            assert_eq!(new.len(), 0, "{what}: TuxSuite was asked for something");
            return;
        };
        let [asked] = new else { panic!("{what}: TuxSuite was asked {} times", new.len()) };
        let mut body = asked.json();
        self.check_secrets(what, &mut body);
        assert_eq!(body.get("tests").cloned().unwrap_or(json!([])), json!(tests), "{what}");
        let recorded = step["tuxsuite_requests"].as_array().into_iter().flatten().find(|it| it["body"].is_object());
        let Some(recorded) = recorded else { return };
        assert_eq!(asked.uri.path(), recorded["path"], "{what}");
        let mut theirs = recorded["body"].clone();
        if let Some(build) = theirs.pointer_mut("/builds/0").and_then(Value::as_object_mut) {
            build.remove("callback");
            build.remove("client_token");
            // Empty entries name nothing.
            build["kconfig"].as_array_mut().unwrap().retain(|entry| entry != "");
        } else {
            let job = theirs.as_object_mut().unwrap();
            job.remove("callback");
            // Which tests are new is compared above.
            job.remove("tests");
            body.as_object_mut().unwrap().remove("tests");
        }
        assert_eq!(body, theirs, "{what}");
    }

    fn check_secrets(&mut self, what: &str, body: &mut Value) {
        let is_build = body["builds"].is_array();
        let job = if is_build { &mut body["builds"][0] } else { body };
        let job = job.as_object_mut().unwrap();
        let callback = job.remove("callback").unwrap_or_default().as_str().unwrap_or_default().to_owned();
        let door = format!("{}/api/v1/callbacks/tuxsuite/", self.app.base);
        assert!(callback.strip_prefix(&door).is_some_and(|secret| secret.len() > 20), "{what}: {callback}");
        assert!(self.secrets.insert(callback), "{what}: two jobs have one callback");
        if is_build {
            let token = job.remove("client_token").unwrap_or_default();
            assert!(token.as_str().is_some_and(|token| token.len() == 36), "{what}: {token}");
            assert!(self.secrets.insert(token.to_string()), "{what}: two jobs have one token");
        }
    }

    /// The tests that a request must bring to TuxSuite (none with a build): those that no run holds. `None` when there is
    /// nothing to ask for.
    fn plan(&mut self, route: &str, request: &Value) -> Option<Vec<String>> {
        let field = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let (collection, names) = match route {
            "/api/v1/builds/run" => {
                let entries =
                    std::iter::once(&request["kconfig"]).chain(request["fragments"].as_array().into_iter().flatten());
                return entries.filter_map(Value::as_str).any(|entry| !entry.is_empty()).then(Vec::new);
            }
            "/api/v1/boot-test/run" => ("boot".to_owned(), vec!["boot".to_owned()]),
            "/api/v1/tests/run" => (
                field("collection"),
                request["tests"].as_array()?.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            ),
            _ => return None,
        };
        let is_new = |name: &String| {
            self.held.insert([field("build_id"), collection.clone(), name.clone(), field("modules_url")])
        };
        let mut new: Vec<String> = names.into_iter().filter(is_new).collect();
        if new.is_empty() {
            return None;
        }
        new.retain(|name| name != "boot");
        Some(new)
    }

    /// Remembers what KCIDB must get of a job that called back. The first word counts.
    async fn note_callback(&mut self, step: &Value, sent: &[u8]) {
        let status = status(sent).unwrap();
        let uid = text(&status, "uid");
        let known = |jobs: &[Value]| jobs.iter().any(|job| job["uid"] == uid.as_str());
        if rules::route(step).ends_with("/build") && known(&self.app.tuxsuite.builds()) {
            let word = status["build_status"].as_str().unwrap_or_default();
            self.builds.entry(uid).or_insert(rules::build_status(word));
        } else if known(&self.app.tuxsuite.tests()) {
            let is_boot = rules::route(step).ends_with("/boot");
            let mut told = self.told(step, &uid);
            let names = status["tests"].as_array().cloned().unwrap_or_default();
            // What was never planned is no result.
            let mut names = names.iter();
            told.retain(|(path, _)| names.next().is_some_and(|name| self.is_planned(name, path)));
            for (index, (path, word)) in told.iter_mut().enumerate() {
                *path = rules::path(path);
                *word = match self.served() {
                    Some(served) => served.statuses[index].to_owned(),
                    None => rules::status(word, is_boot).to_owned(),
                };
            }
            self.results.entry(uid).or_insert(told);
        } else {
            // An unknown job's callback waits in the inbox.
            let waiting = self.app.items(&format!("/api/v1/callbacks?uid={uid}")).await;
            assert_eq!((waiting.len(), &waiting[0]["state"]), (1, &json!("pending")), "{}", self.name);
        }
    }

    fn is_planned(&self, name: &Value, path: &str) -> bool {
        self.held.iter().any(|[_, collection, test, _]| name == test && path.starts_with(collection.as_str()))
    }

    /// A dry run has sent nothing and has marked nothing as sent; afterwards the service runs on in earnest.
    async fn end_dry_run(mut self) -> Self {
        let deliveries = self.app.items("/api/v1/deliveries?limit=1000").await;
        assert!(!deliveries.is_empty() && self.app.sink.server.requests().is_empty(), "{}", self.name);
        assert!(deliveries.iter().all(|delivery| delivery["state"] == "pending"), "{}: {deliveries:?}", self.name);
        self.app = self.app.restart().await;
        self
    }

    /// Lets time pass until everything is over, and looks at what reached KCIDB.
    async fn end(self) {
        let Self { app, name, .. } = &self;
        app.deliver().await;
        for route in ["/api/v1/sync/builds", "/api/v1/sync/results"] {
            app.post_empty(route).await.expect(204);
        }
        // Fetches and deliveries that failed are repeated; then the deadline passes.
        for _ in 0..12 {
            let waiting = app.items("/api/v1/runs?state=running&state=collecting&state=submitting&state=planned").await;
            let unsent = app.items("/api/v1/deliveries?state=pending&state=sent").await;
            if waiting.is_empty() && unsent.is_empty() {
                break;
            }
            app.advance(TimeDelta::hours(2)).await;
        }
        for run in app.items("/api/v1/runs?limit=1000").await {
            assert_eq!(run["state"], "finished", "{name}: {run}");
            if run["kind"] != "build" {
                let results = app.items(&format!("/api/v1/results?limit=1000&run={}", text(&run, "id"))).await;
                let of_test =
                    |name: &Value| results.iter().filter(|row| row["test"] == *name && row["case"].is_null()).count();
                assert!(
                    run["tests"].as_array().unwrap().iter().all(|name| of_test(name) == 1),
                    "{name}: {run} {results:?}"
                );
            }
        }
        for delivery in app.items("/api/v1/deliveries?limit=1000").await {
            // Only a build's id that is none keeps a result from KCIDB.
            let build = delivery["object"]["build_id"].as_str();
            let state = if build.is_none_or(rules::is_kcidb_id) { "delivered" } else { "dead" };
            assert_eq!(delivery["state"], state, "{name}: {delivery}");
        }
        for report in app.sink.reports() {
            assert_eq!(schema::validate(&report.body), Ok(()), "{name}");
        }
        self.check_objects();
        self.check_fetches();
    }

    fn check_objects(&self) {
        let (tests, builds, name) = (self.app.sink.objects("tests"), self.app.sink.objects("builds"), self.name);
        for (id, objects) in tests.iter().chain(&builds) {
            assert_eq!(objects.len(), 1, "{name}: {id} came {} times", objects.len());
        }
        for (uid, status) in &self.builds {
            let id = format!("riscv:{uid}");
            assert_eq!(builds[&id][0]["status"], *status, "{name}: {id}");
        }
        let found: BTreeMap<(&str, &str), &Value> = tests
            .values()
            .flatten()
            .map(|test| ((test["id"].as_str().unwrap(), test["path"].as_str().unwrap()), &test["status"]))
            .collect();
        for (uid, results) in &self.results {
            for (path, status) in results {
                let matching = |((id, at), _): &(&(&str, &str), _)| *at == path && self.is_id(id, uid, path);
                let (_, word) =
                    found.iter().find(matching).unwrap_or_else(|| panic!("{name}: {path} is missing: {found:?}"));
                assert_eq!(**word, status.as_str(), "{name}: {path}");
            }
        }
    }

    /// Whether a test's id is made by the bridge's formula from the uid that we were given.
    fn is_id(&self, id: &str, uid: &str, path: &str) -> bool {
        let mut held = self.held.iter().map(|[_, collection, test, _]| (collection, test));
        held.any(|(collection, test)| {
            let digest = hex::encode(Sha256::digest(format!("{uid}-{collection}-{test}")));
            id == format!("riscv:{digest}") && path.starts_with(&rules::path(collection))
        })
    }

    /// What the bridge fetched of a job we fetch, once, and nothing else.
    fn check_fetches(&self) {
        let mut fetched = BTreeMap::<(String, String), usize>::new();
        for request in self.app.tuxsuite.server.requests_to(STORAGE) {
            let mut place = request.uri.path().rsplit('/');
            let (file, uid) = (place.next().unwrap().to_owned(), place.next().unwrap().to_owned());
            assert!(["results.json", "logs.txt"].contains(&file.as_str()), "{}: {file}", self.name);
            *fetched.entry((uid, file)).or_default() += 1;
        }
        for uid in &self.served {
            for file in ["results.json", "logs.txt"] {
                let times = fetched.get(&(uid.clone(), file.to_owned()));
                assert_eq!(times, Some(&1), "{}: how often {file} of {uid} was fetched", self.name);
            }
        }
        let elsewhere = self.app.tuxsuite.server.requests();
        assert!(!elsewhere.iter().any(|request| request.uri.path() == "/internal/secret"), "{}", self.name);
    }
}

/// The status that a callback's body carries, also where the body is a JSON text, or one that needs mending.
fn status(sent: &[u8]) -> Option<Value> {
    let body: Value = testyard::domain::tuxsuite::repair::parse(sent).ok()?.0;
    body.get("status").cloned()
}

fn check_answer(what: &str, answered: &Answered, seen: &Seen) {
    let problem = |status: u16| {
        assert_eq!(answered.status, status, "{what}: {}", answered.text);
        assert_eq!(answered.header("content-type"), "application/problem+json", "{what}");
        answered.json()
    };
    match seen {
        Seen::Answer(status, members) => {
            if *status >= 400 {
                problem(*status);
            }
            assert_eq!(answered.status, *status, "{what}: {}", answered.text);
            assert!(*status != 204 || answered.text.is_empty(), "{what}: {}", answered.text);
            for (name, value) in members.as_object().into_iter().flatten() {
                assert_eq!(answered.json()[name], *value, "{what}");
            }
        }
        Seen::Unsigned => {
            problem(401);
        }
        Seen::Refused(wanted) => {
            let problem = problem(422);
            let details = problem["detail"].as_array().unwrap_or_else(|| panic!("{what}: {problem}"));
            assert_eq!(details.len(), wanted.len(), "{what}: {problem}");
            for (detail, wanted) in details.iter().zip(wanted) {
                assert!(detail.get("input").is_none(), "{what}: what was sent is echoed");
                for (name, value) in wanted.as_object().unwrap() {
                    assert_eq!(detail[name], *value, "{what}: {problem}");
                }
            }
        }
    }
}
