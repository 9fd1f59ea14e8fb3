//! Good bodies, spoiled at random and sent to both databases: neither fails, and both answer the same.
//!
//! The spoiling is drawn from a fixed seed, so that every run sends the same.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use testyard::store::db::Dialect;

use super::{JSON, assert_refused, doors, places, report, rows, with, without};
use crate::support::app::TestApp;
use crate::support::db::TestDb;

const CASES: u32 = 250;

/// One way to spoil a body: at the place of this number (as many as there are, over again), with what.
#[derive(Clone, Debug)]
enum Spoil {
    Replace(usize, Value),
    Remove(usize),
    Add(usize, String, Value),
    /// After it was written: at the byte of this number.
    Byte(usize, u8),
    Cut(usize),
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[\\x00-\\x20\"\\\\{}\\[\\],:]{0,10}",
        Just("a\0b".to_owned()),
        (1_usize..3000).prop_map(|many| "\u{1F600}".repeat(many)),
        Just("https://git.example.org/".to_owned()),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any_text(), inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn any_spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        5 => (any::<usize>(), any_json()).prop_map(|(place, value)| Spoil::Replace(place, value)),
        2 => any::<usize>().prop_map(Spoil::Remove),
        2 => (any::<usize>(), any_text(), any_json()).prop_map(|(place, name, value)| Spoil::Add(place, name, value)),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(place, byte)| Spoil::Byte(place, byte)),
        1 => any::<usize>().prop_map(Spoil::Cut),
    ]
}

fn spoiled(good: &Value, spoils: &[Spoil]) -> Vec<u8> {
    let mut body = good.clone();
    for spoil in spoils {
        let places = places(&body);
        let place = |number: &usize| (!places.is_empty()).then(|| places[number % places.len()].clone());
        match spoil {
            Spoil::Replace(number, value) => match place(number) {
                // A name with a slash or a tilde in it is no place that can be pointed to.
                Some(place) if body.pointer(&place).is_some() => body = with(&body, &place, value.clone()),
                _ => {}
            },
            Spoil::Remove(number) => match place(number) {
                Some(place) if body.pointer(&place).is_some() => body = without(&body, &place),
                _ => {}
            },
            Spoil::Add(number, name, value) => {
                let place = place(number).unwrap_or_default();
                match body.pointer_mut(&place) {
                    Some(Value::Object(fields)) => drop(fields.insert(name.clone(), value.clone())),
                    Some(Value::Array(items)) => items.push(value.clone()),
                    _ => {}
                }
            }
            Spoil::Byte(..) | Spoil::Cut(_) => {}
        }
    }
    let mut text = body.to_string().into_bytes();
    for spoil in spoils {
        match spoil {
            Spoil::Byte(number, byte) if !text.is_empty() => {
                let at = number % text.len();
                text[at] = *byte;
            }
            Spoil::Cut(number) if !text.is_empty() => text.truncate(number % text.len()),
            _ => {}
        }
    }
    text
}

#[test]
fn the_seed_is_fixed() {
    let draw = || {
        let mut runner = runner();
        (0..20).map(|_| format!("{:?}", any_spoil().new_tree(&mut runner).unwrap().current())).collect::<Vec<_>>()
    };
    assert_eq!(draw(), draw());
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoiled_bodies_are_answered_alike_on_both_databases() {
    let mut apps = Vec::new();
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        apps.push(TestApp::start(TestDb::new(dialect).await).await);
    }
    let mut doors: Vec<(&str, Value)> = doors().into_iter().map(|door| (door.path, door.good)).collect();
    doors.push(("/submit", report()));
    let strategy = (any::<usize>(), vec(any_spoil(), 1..4));
    let mut runner = runner();
    let mut refused = 0;
    for case in 0..CASES {
        let (number, spoils) = strategy.new_tree(&mut runner).unwrap().current();
        let (path, good) = &doors[number % doors.len()];
        let body = spoiled(good, &spoils);
        let what = format!("case {case}: {path}: {}", String::from_utf8_lossy(&body));
        let mut statuses = Vec::new();
        for app in &apps {
            let before = rows(&app.app.db).await;
            let answered = app.post_raw(path, &[JSON], body.clone()).await;
            if answered.status >= 300 {
                if *path == "/submit" {
                    assert_eq!(answered.status, 400, "{what}: {}", answered.text);
                } else {
                    assert_refused(&answered, &[400, 422], &what);
                }
                assert_eq!(rows(&app.app.db).await, before, "{what}");
            }
            statuses.push(answered.status);
        }
        assert_eq!(statuses[0], statuses[1], "{what}");
        refused += u32::from(statuses[0] >= 300);
    }
    assert!((CASES / 4..CASES).contains(&refused), "{refused} of {CASES} are refused: too few or too many to tell");
    for app in &apps {
        app.settle().await;
        app.get("/readyz").await.expect(200);
        let (waiting,): (i64,) = {
            let mut tx = app.app.db.begin().await.unwrap();
            let left = "SELECT count(*) FROM submission WHERE state = 'ready'";
            tx.conn().query(left).fetch_one().await.unwrap()
        };
        assert_eq!(waiting, 0, "each submission is looked at, whatever was in the others");
    }
    let (sqlite, postgres) = (rows(&apps[0].app.db).await, rows(&apps[1].app.db).await);
    assert_eq!(sqlite, postgres, "both keep the same");
    assert_ne!(json!(sqlite), json!(null));
}
