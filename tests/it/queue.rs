//! Whose turn it is at a runner: limits, fair shares, slots, and why the others wait.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::types::Json;
use testyard::app::queue;
use testyard::config::{Pool, Settings, Token};
use testyard::domain::agent::Labels;
use testyard::domain::queue::Offer;
use testyard::ids::RunId;
use testyard::store::run::{self, PlannedTest, Terms};
use testyard::{config, store};

use crate::store::{committed, digest, read, tests_of};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// One run at a time, and a pool of three.
fn narrow(settings: &mut Settings) {
    settings.queue.max_running = [("tuxsuite".to_owned(), 1)].into();
    settings.queue.pools =
        vec![Pool { runner: "tuxsuite".into(), name: "gpu".into(), slots: Some(3), ids: Vec::new() }];
}

impl TestApp {
    /// Plans a run at TuxSuite on these terms, a moment after the one before.
    async fn plan_on(&self, terms: Terms) -> String {
        self.clock.advance(TimeDelta::milliseconds(1));
        let mut run = tests_of("riscv:queue", &["t"], self.app.now());
        run.tests = vec![PlannedTest { name: "t".into(), identity: digest(&run.id.to_string()) }];
        run.terms = terms;
        committed!(self.app.db, conn => run::plan(conn, std::slice::from_ref(&run)));
        run.id.to_string()
    }

    async fn plan_of(&self, project: &str) -> String {
        self.plan_on(Terms { project: project.into(), ..Terms::default() }).await
    }

    async fn plan_with_gpus(&self, gpus: u32) -> String {
        let slots = Some(Json(BTreeMap::from([("gpu".to_owned(), gpus)])));
        self.plan_on(Terms { slots, ..Terms::default() }).await
    }

    /// Which of these runs are at TuxSuite.
    async fn at_tuxsuite(&self, runs: &[&String]) -> Vec<bool> {
        let mut at = Vec::new();
        for run in runs {
            at.push(self.run(run).await["state"] == "running");
        }
        at
    }

    async fn why(&self, run: &str) -> Value {
        self.show(&format!("/api/v1/runs/{run}/why")).await
    }

    async fn cancel(&self, run: &str) {
        self.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
    }
}

fn words(why: &Value) -> Vec<String> {
    why["blockers"].as_array().unwrap().iter().map(|blocker| text(blocker, "words")).collect()
}

on_both! {
    async fn no_more_runs_are_at_a_runner_than_it_may_have_and_the_others_say_so(db: TestDb) {
        let app = TestApp::start_with(db, narrow).await;
        let first = app.plan_build().await;
        app.clock.advance(TimeDelta::milliseconds(1));
        let second = app.plan_build().await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&first, &second]).await, [true, false]);
        let why = app.why(&second).await;
        assert_eq!(words(&why), ["the runner has 1 of 1 runs that it may have"]);
        assert_eq!((&why["place"], &why["of"], &why["exact"]), (&json!(1), &json!(1), &json!(true)));
        assert_eq!(why["blockers"][0]["kind"], "runner_limit");
        assert!(text(&why["blockers"][0], "change").contains("`queue.max_running`"));
        assert!(text(&app.why(&first).await, "words").contains("it is at `tuxsuite`"));
        app.cancel(&first).await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&second]).await, [true]);
        assert!(text(&app.why(&first).await, "words").starts_with("it does not wait: it is over (MISS: canceled"));
    }

    async fn a_flood_of_one_project_leaves_room_for_another_and_what_was_served_is_remembered(db: TestDb) {
        let app = TestApp::start_with(db, narrow).await;
        let mut flood = Vec::new();
        for _ in 0..5 {
            flood.push(app.plan_of("flood").await);
        }
        app.settle().await;
        app.clock.advance(TimeDelta::seconds(100));
        let small = app.plan_of("small").await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&flood[0], &small]).await, [true, false]);
        let why = app.why(&flood[1]).await;
        assert_eq!((&why["place"], &why["of"]), (&json!(2), &json!(5)));
        assert_eq!(words(&why)[1], "others go first: place 2 of 5 (1 of projects that were served less)");
        app.cancel(&flood[0]).await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&flood[1], &small]).await, [false, true]);
        let queue = app.show("/api/v1/queue?runner=tuxsuite").await;
        let projects = queue["runners"][0]["projects"].as_array().unwrap();
        let of = |name: &str| projects.iter().find(|project| project["project"] == name).unwrap();
        assert_eq!((&of("flood")["waiting"], &of("flood")["running"]), (&json!(4), &json!(0)));
        assert_eq!((&of("small")["waiting"], &of("small")["running"]), (&json!(0), &json!(1)));
        assert!((of("flood")["served_s"].as_f64().unwrap() - 100.0).abs() < 0.01, "{queue}");
        // Half of it is forgotten after a half-life.
        app.clock.advance(TimeDelta::hours(1));
        let queue = app.show("/api/v1/queue?runner=tuxsuite").await;
        let served = queue.pointer("/runners/0/projects/0/served_s").and_then(Value::as_f64);
        assert!((served.unwrap() - 50.0).abs() < 0.01, "{queue}");
    }

    async fn slots_are_given_by_their_ids_and_freed_with_the_end_of_their_run(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            narrow(settings);
            settings.queue.max_running.clear();
        }).await;
        let (two, large, one, none) =
            (app.plan_with_gpus(2).await, app.plan_with_gpus(3).await, app.plan_with_gpus(1).await, app.plan_of("x").await);
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&two, &large, &one, &none]).await, [true, false, false, true]);
        let why = app.why(&large).await;
        let blocker = &why["blockers"][0];
        assert_eq!(
            (&blocker["kind"], &blocker["pool"], &blocker["needs"], &blocker["free"], &blocker["runs"]),
            (&json!("slots"), &json!("gpu"), &json!(3), &json!(1), &json!([two]))
        );
        assert_eq!(blocker["change"], "2 more slots of `gpu` have to become free");
        let why = app.why(&one).await;
        assert!(words(&why)[0].contains("1 needed, 0 free of 3, 1 more kept for runs that go first"), "{why}");
        let pools = app.show("/api/v1/queue?runner=tuxsuite").await["runners"][0]["pools"].clone();
        let slot = |slot: &str, run: Option<&String>| json!({"slot": slot, "run": run});
        assert_eq!(
            pools,
            json!([{"pool": "gpu", "size": 3, "free": 1,
                "slots": [slot("0", Some(&two)), slot("1", Some(&two)), slot("2", None)]}])
        );
        app.cancel(&two).await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&large, &one]).await, [true, false]);
        let id: RunId = large.parse().unwrap();
        let held = read!(app.app.db, conn => store::queue::slots_of(conn, id));
        assert_eq!(held.iter().map(|slot| slot.slot.as_str()).collect::<Vec<_>>(), ["0", "1", "2"]);
    }

    async fn the_more_urgent_goes_first_and_may_become_so_while_it_waits(db: TestDb) {
        let app = TestApp::start_with(db, narrow).await;
        let now = app.plan_build().await;
        app.settle().await;
        let (early, late) = (app.plan_of("a").await, app.plan_of("a").await);
        let put = async |run: &str, body: &str| {
            app.send(Method::PUT, &format!("/api/v1/runs/{run}/priority"), JSON, body.to_owned()).await
        };
        put(&late, r#"{"priority": 1}"#).await.expect(204);
        assert!(put(&late, r#"{"priority": 1001}"#).await.expect(422).text.contains("-1000 to 1000"));
        put(&late, r#"{"priority": "high"}"#).await.expect(422);
        assert!(put(&now, r#"{"priority": 1}"#).await.expect(409).text.contains("does not wait any more (running)"));
        assert_eq!(app.why(&late).await["place"], 1);
        assert_eq!(words(&app.why(&early).await)[1], "others go first: place 2 of 2 (1 more urgent)");
        app.cancel(&now).await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&early, &late]).await, [false, true]);
    }

    async fn a_run_that_is_held_back_or_whose_runner_is_away_says_so(db: TestDb) {
        let app = TestApp::start(db).await;
        let held = app.plan_of("a").await;
        let id: RunId = held.parse().unwrap();
        committed!(app.app.db, conn => conn.query("UPDATE run SET held = 'its build is not over' WHERE id = $1").bind(id).execute());
        app.settle().await;
        let why = app.why(&held).await;
        assert_eq!((words(&why), &why["place"]), (vec!["held back: its build is not over".to_owned()], &Value::Null));
        app.tuxsuite.server.answer_next(
            crate::support::fake_tuxsuite::SUBMIT_TESTS,
            crate::support::runs::unavailable(),
        );
        let waits = app.plan_tests("maestro:1", &["ltp-smoke"]).await;
        let why = app.why(&waits).await;
        assert!(text(&why, "words").starts_with("it is its turn: `tuxsuite` is asked in a moment"), "{why}");
        app.settle().await;
        let why = app.why(&waits).await;
        assert_eq!(why["blockers"][0]["kind"], "away", "{why}");
        assert!(words(&why)[0].contains("in vain"), "{why}");
        assert!(text(&why["blockers"][0], "change").contains("next at 2026-01-02T03:04"), "{why}");
    }

    async fn two_deciders_at_once_pass_no_limit_and_give_no_slot_twice(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            narrow(settings);
            settings.queue.max_running = [("tuxsuite".to_owned(), 5)].into();
        }).await;
        for place in 0..12 {
            app.plan_with_gpus(u32::from(place % 3 == 0)).await;
        }
        let decide = async || {
            let offer = Offer { by: "tuxsuite".into(), labels: Labels::default(), places: 4 };
            let mut tx = app.app.db.begin().await.unwrap();
            let taken = queue::pick(&app.app, &mut tx.conn(), "tuxsuite", &[offer]).await.unwrap();
            let ids: Vec<RunId> = taken.iter().map(|taken| taken.id).collect();
            store::step::asking(&mut tx.conn(), &ids, app.app.now()).await.unwrap();
            tx.commit().await.unwrap();
            taken
        };
        let (one, other, third) = tokio::join!(decide(), decide(), decide());
        let all: Vec<_> = [one, other, third].concat();
        assert_eq!(all.len(), 5);
        let ids: std::collections::BTreeSet<RunId> = all.iter().map(|taken| taken.id).collect();
        assert_eq!(ids.len(), 5, "one is taken twice");
        let slots: Vec<&String> = all.iter().flat_map(|taken| taken.slots.values().flatten()).collect();
        assert_eq!(slots.len(), slots.iter().collect::<std::collections::BTreeSet<_>>().len());
        assert_eq!(read!(app.app.db, conn => store::queue::taken(conn, "tuxsuite")).len(), slots.len());
    }

    async fn an_agent_is_given_what_it_fits_however_much_waits_that_it_does_not(db: TestDb) {
        let app = TestApp::start(db).await;
        let labels = |name: &str| Labels([("board".to_owned(), name.to_owned())].into());
        let requiring = |name: &str| Terms { requires: Some(Json(labels(name))), ..Terms::default() };
        for _ in 0..30 {
            app.plan_on(requiring("k1")).await;
        }
        app.clock.advance(TimeDelta::seconds(1));
        let fits = app.plan_on(requiring("jh7110")).await;
        let ask = async |name: &str, places| {
            let offer = Offer { by: name.into(), labels: labels(name), places };
            let mut tx = app.app.db.begin().await.unwrap();
            let taken = queue::pick(&app.app, &mut tx.conn(), "tuxsuite", std::slice::from_ref(&offer)).await.unwrap();
            tx.rollback().await.unwrap();
            taken.into_iter().map(|taken| taken.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ask("jh7110", 1).await, std::slice::from_ref(&fits));
        assert_eq!(ask("jh7110", 0).await, Vec::<String>::new());
        assert_eq!(ask("visionfive", 1).await, Vec::<String>::new());
        app.settle().await;
        let why = app.why(&fits).await;
        assert_eq!(words(&why)[0], "none of 1 has the labels `board=jh7110`", "{why}");
        assert_eq!(app.asked(crate::support::fake_tuxsuite::SUBMIT_TESTS), 0, "a runner that is asked has no labels");
    }

    async fn where_there_are_more_lanes_than_one_decision_reads_the_next_one_goes_on_behind_them(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            narrow(settings);
            settings.queue.max_running.clear();
        }).await;
        let all = app.plan_with_gpus(3).await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&all]).await, [true]);
        let slots = || Some(Json(BTreeMap::from([("gpu".to_owned(), 1)])));
        let runs: Vec<_> = (0..4_100)
            .map(|number| {
                let mut run = tests_of("riscv:many", &[], app.app.now());
                run.tests = vec![PlannedTest { name: "t".into(), identity: digest(&run.id.to_string()) }];
                run.terms = Terms { project: number.to_string(), slots: slots(), ..Terms::default() };
                run
            })
            .collect();
        committed!(app.app.db, conn => run::plan(conn, &runs));
        let last = runs.iter().map(|run| run.terms.lane()).max().unwrap();
        let free = (0..1_000_000)
            .map(|number| Terms { project: format!("free {number}"), ..Terms::default() })
            .find(|terms| terms.lane() > last)
            .unwrap();
        let free = app.plan_on(free).await;
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&free]).await, [false], "its lane was not read yet");
        assert_eq!(app.why(&free).await["exact"], false);
        app.settle().await;
        assert_eq!(app.at_tuxsuite(&[&free]).await, [true]);
    }

    async fn what_could_never_run_is_refused_when_it_is_asked_for(db: TestDb) {
        let app = TestApp::start_with(db, narrow).await;
        let needs = |pool: &str, slots| BTreeMap::from([(pool.to_owned(), slots)]);
        let check = |runner: &str, slots: &BTreeMap<String, u32>| {
            queue::check_possible(&app.app, runner, "p", 0, &Labels::default(), slots).map_err(|error| error.to_string())
        };
        assert_eq!(check("tuxsuite", &needs("gpu", 3)), Ok(()));
        let refused = check("tuxsuite", &needs("gpu", 4)).unwrap_err();
        assert!(refused.contains("`tuxsuite` could never run it: the pool `gpu` has 3 slots in all, and 4"), "{refused}");
        assert!(check("lava", &needs("gpu", 1)).unwrap_err().contains("no runner `lava`"));
    }

    async fn a_token_has_a_highest_priority(db: TestDb) {
        let app = TestApp::start_with(db, |settings| {
            settings.access.tokens = vec![Token {
                name: "ops".into(),
                sha256: hex::encode(digest("secret")),
                scope: config::Scope::Operate,
                max_priority: 10,
            }];
        }).await;
        let run = app.plan_of("a").await;
        let headers = [("content-type", "application/json"), ("authorization", "Bearer secret")];
        let put = async |priority: i64| {
            let body = json!({ "priority": priority }).to_string();
            app.send(Method::PUT, &format!("/api/v1/runs/{run}/priority"), &headers, body).await
        };
        assert!(put(11).await.expect(403).text.contains("the token `ops` may ask for a priority of at most 10"));
        put(10).await.expect(204);
    }
}
