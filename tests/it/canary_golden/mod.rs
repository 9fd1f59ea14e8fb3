//! What Canary's `WorkspaceDatabase` was seen to do, replayed through the use cases on both databases.
//!
//! Every answer of ours must be that of the [oracle], and the oracle's must be the recorded one unless a [rule](rules) says
//! by what a step or its case holds that the two differ. `tests/golden/DEVIATIONS.md` lists the rules.

mod given;
mod oracle;
mod rules;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::given::texts;
use self::oracle::{Oracle, error};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::golden::files;
use crate::support::on_both;

/// A case on its way.
struct Scene {
    /// The case's specs as they were given last, by id.
    sources: BTreeMap<String, Value>,
    oracle: Oracle,
    /// A rule had something stored here that Canary did not store, or the other way round: what is recorded from here on
    /// tells of another database.
    has_parted: bool,
    /// A repeated id has left Canary's connection unusable until it is opened again.
    is_poisoned: bool,
}

/// Replays the steps of a case. Returns how many answers are as recorded, and how many differ by a rule.
async fn replay(mut app: TestApp, case: &Value) -> (TestApp, usize, usize) {
    let what = case["name"].as_str().unwrap();
    let by_id = |given: &Value| (given["id"].as_str().unwrap().to_owned(), given.clone());
    let sources = case["given"]["specs"].as_array().into_iter().flatten().map(by_id).collect();
    let mut scene = Scene { sources, oracle: Oracle::default(), has_parted: false, is_poisoned: false };
    let (mut same, mut other) = (0, 0);
    let steps = case["call"]["steps"].as_array().unwrap();
    let recorded = case["expect"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), recorded.len(), "{what}");
    for (step, recorded) in steps.iter().zip(recorded) {
        let what = format!("{what}: {step}");
        let recorded = normal(step, recorded);
        let mut expected = None;
        let answer = match step["op"].as_str().unwrap() {
            "reopen" => {
                app = app.restart().await;
                scene.is_poisoned = false;
                Value::Null
            }
            "put_specs" | "redefine" => put(&app, &mut scene, case, step).await,
            "put_results" => {
                record(&app, &mut scene, step["results"].as_array().unwrap()).await;
                Value::Null
            }
            "listener" => listen(&app, &mut scene, step).await,
            _ => {
                expected = Some(scene.oracle.answer(step));
                steps::answer(&app, step).await
            }
        };
        assert_eq!(answer, expected.unwrap_or_else(|| answer.clone()), "{what}");
        if answer == recorded {
            same += 1;
        } else {
            let may_differ = scene.has_parted || rules::differs(&scene, step, &recorded, &answer);
            assert!(may_differ, "{what}: {answer} where Canary has {recorded}");
            other += 1;
        }
        scene.has_parted |= rules::parts(step, &recorded, &answer);
        scene.is_poisoned |= recorded == error("duplicate") && step["then_reopen"] == false;
    }
    (app, same, other)
}

/// What was recorded, as we compare it: a refusal is its kind, a set has no order, the spool's state is nobody's here.
fn normal(step: &Value, recorded: &Value) -> Value {
    if let Some(kind) = recorded["error"]["kind"].as_str() {
        return error(kind);
    }
    let mut recorded = recorded.clone();
    match step["op"].as_str().unwrap() {
        "listener" => json!({"processed": recorded["processed"]}),
        "resolve_many" => json!({"ids": texts(&recorded["ids"]).into_iter().collect::<BTreeSet<_>>()}),
        "history" => {
            let history = recorded["history"].as_array_mut().unwrap();
            // Within a session the order is left open.
            history.sort_by_key(|entry| (entry["session"].to_string(), entry["id"].to_string()));
            recorded
        }
        _ => recorded,
    }
}

async fn put(app: &TestApp, scene: &mut Scene, case: &Value, step: &Value) -> Value {
    if step["op"] == "redefine" {
        for given in step["specs"].as_array().unwrap() {
            scene.sources.insert(given["id"].as_str().unwrap().to_owned(), given.clone());
        }
    }
    let of_case = case["given"]["specs"].as_array().unwrap();
    let given: Vec<&Value> = match (step["specs"].as_array(), step["ids"].as_array()) {
        (Some(specs), _) => specs.iter().collect(),
        (None, Some(ids)) => ids.iter().map(|id| of_case.iter().find(|given| given["id"] == *id).unwrap()).collect(),
        (None, None) => of_case.iter().collect(),
    };
    steps::put(app, &given).await;
    scene.oracle.put(&given);
    Value::Null
}

async fn record(app: &TestApp, scene: &mut Scene, results: &[Value]) {
    steps::record(app, &mut scene.oracle, &scene.sources, results).await;
}

/// Records what Canary's listener finds in its spool, batch after batch. Tells of which specs.
async fn listen(app: &TestApp, scene: &mut Scene, step: &Value) -> Value {
    let mut processed = BTreeSet::new();
    for batch in rules::spooled(step) {
        processed.extend(batch.iter().map(|result| result["id"].as_str().unwrap().to_owned()));
        record(app, scene, &batch).await;
    }
    json!({"processed": processed})
}

/// Replays every case of a file. At least so many answers are as recorded.
async fn replay_all(db: TestDb, file: &str, at_least: usize) {
    let mut app = TestApp::start(db).await;
    let (mut same, mut other) = (0, 0);
    for recorded in files(&format!("canary/{file}.json")) {
        for case in recorded["cases"].as_array().unwrap().iter().filter(|case| case["call"]["op"] == "db") {
            steps::clean(&app).await;
            let (kept, alike, different) = replay(app, case).await;
            app = kept;
            same += alike;
            other += different;
        }
    }
    assert!(same >= at_least, "{file}: only {same} answers are as recorded, {other} differ by a rule");
    assert!(other * 4 <= same, "{file}: {other} of {same} answers differ by a rule");
}

on_both! {
    async fn golden_graphs_are_as_canary_has_them(db: TestDb) {
        replay_all(db, "graph_queries", 100).await;
    }

    async fn golden_beginnings_of_ids_stand_for_what_they_do_in_canary(db: TestDb) {
        replay_all(db, "id_prefix", 80).await;
    }

    async fn golden_results_are_kept_as_canary_keeps_them(db: TestDb) {
        replay_all(db, "results", 100).await;
    }

    async fn golden_selections_are_kept_as_canary_keeps_them(db: TestDb) {
        replay_all(db, "selections", 100).await;
    }

    async fn golden_views_are_matched_as_canary_matches_them(db: TestDb) {
        replay_all(db, "view_select", 50).await;
    }

    async fn golden_reruns_are_planned_as_canary_plans_them(db: TestDb) {
        replay_all(db, "rerun_plan", 60).await;
    }

    async fn golden_spooled_results_are_recorded_as_canary_records_them(db: TestDb) {
        replay_all(db, "result_listener", 30).await;
    }

    /// No case asks for it: Canary's command hands the tag on to the list of specs, which takes it for all.
    async fn golden_the_tag_for_all_is_run_again_as_all(db: TestDb) {
        let app = TestApp::start(db).await;
        let given = json!({"id": "0123456789abcdef", "file_path": "a.pyt"});
        steps::put(&app, &[&given]).await;
        for (tag, answer) in [
            (oracle::ALL, json!({"ids": ["0123456789abcdef"]})),
            ("nosuch", json!({"ids": []})),
        ] {
            let step = json!({"op": "rerun_ids", "strategy": "not_run", "tag": tag});
            assert_eq!(steps::answer(&app, &step).await, answer, "{tag}");
        }
    }
}
