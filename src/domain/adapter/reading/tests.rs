use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

fn some(text: &str) -> Option<Pointer> {
    Pointer::parse(text).ok()
}

fn words() -> Words {
    Words {
        phases: BTreeMap::from([("Submitted".to_owned(), Phase::Waiting), ("true".to_owned(), Phase::Finished)]),
        statuses: BTreeMap::from([("Complete".to_owned(), Status::Pass), ("0".to_owned(), Status::Pass)]),
    }
}

fn reading() -> Reading {
    Reading {
        uid: some("/id"),
        phase: some("/state"),
        verdict: some("/health"),
        message: some("/comment"),
        started_at: some("/start"),
        duration_s: some("/took"),
        device: some("/on"),
        download_url: some("/files"),
        log_url: some("/log"),
        build: BTreeMap::from([
            ("compiler".to_owned(), at("/facts/0")),
            ("errors_count".to_owned(), at("/facts/1")),
            ("kernel_version".to_owned(), at("/facts/2")),
        ]),
        results: Some(Results {
            at: at("/results"),
            name: some("/name"),
            status: at("/result"),
            reason: some("/why"),
            duration_s: some("/s"),
            log: some("/log"),
            cases: some("/cases"),
        }),
    }
}

#[test]
fn an_answer_is_read_by_its_pointers() {
    let answer = json!({
        "id": 77, "state": "FINISHED", "health": "Complete", "comment": "fine", "start": "2026-01-02 03:04:05.5",
        "took": "12.5", "on": "board-1", "files": "https://f.example/", "log": "https://l.example/",
        "results": [
            {"name": "a", "result": "pass", "s": 3},
            {"name": "b", "result": "burnt", "log": "smoke\n"},
            {"name": "c", "result": 0, "cases": {"x": {"result": "FAIL", "why": "no"}, "y": {"result": "skip"}}},
            {"name": "d"}, {"result": "pass"}, {"name": "a", "result": "fail", "s": -1},
        ],
    });
    let told = reading().observation(&words(), &answer, Subject::Tests, None).unwrap();
    assert_eq!((told.uid.as_str(), told.phase, told.verdict), ("77", Phase::Finished, Some(Status::Pass)));
    assert_eq!(
        (told.message.as_deref(), told.duration_s, told.device.as_deref()),
        (Some("fine"), Some(12.5), Some("board-1"))
    );
    assert_eq!(told.started_at, Some("2026-01-02T03:04:05.5Z".parse().unwrap()));
    assert_eq!((told.build, told.download_url.as_deref()), (None, Some("https://f.example/")));
    assert_eq!(reading().log_url(&answer).as_deref(), Some("https://l.example/"));
    let statuses: Vec<_> =
        told.tests.iter().map(|(name, test)| (name.as_str(), test.status, test.duration_s)).collect();
    assert_eq!(
        statuses,
        [("a", Status::Fail, None), ("b", Status::Error, None), ("c", Status::Pass, None), ("d", Status::Miss, None)]
    );
    assert!(told.tests["b"].reason.as_deref().unwrap().contains("`burnt`"));
    assert_eq!(told.tests["b"].log_excerpt.as_deref(), Some("smoke\n"));
    let cases: Vec<_> = told.tests["c"].cases.iter().map(|case| (case.name.as_str(), case.status)).collect();
    assert_eq!(cases, [("x", Status::Fail), ("y", Status::Skip)]);
    assert_eq!(told.tests["c"].cases[0].reason.as_deref(), Some("no"));
}

#[test]
fn a_map_of_bare_words_is_read_too() {
    let results =
        Results { at: at("/r"), name: None, status: at(""), reason: None, duration_s: None, log: None, cases: None };
    let reading = Reading { results: Some(results), ..Reading::default() };
    let told = reading
        .observation(&words(), &json!({"r": {"a": "PASS", "b": "Complete"}}), Subject::Tests, Some("u"))
        .unwrap();
    assert_eq!(
        (told.uid.as_str(), told.phase, told.verdict),
        ("u", Phase::Finished, None),
        "who says no phase speaks at the end"
    );
    assert!(told.tests.values().all(|test| *test == TestOutcome::bare(Status::Pass)) && told.tests.len() == 2);
    let odd = reading.observation(&words(), &json!({"r": "none"}), Subject::Tests, Some("u")).unwrap_err();
    assert!(odd.contains("`/r` is no list or map"), "{odd}");
}

#[test]
fn phases_are_words_numbers_or_truths() {
    let reading = Reading { verdict: some("/v"), phase: some("/p"), ..Reading::default() };
    for (told, phase) in [
        (json!("Submitted"), Phase::Waiting),
        (json!("waiting"), Phase::Waiting),
        (json!("Baking"), Phase::Running),
        (json!(3), Phase::Running),
        (json!(true), Phase::Finished),
    ] {
        let answer = json!({"p": told, "v": "Complete"});
        let seen = reading.observation(&words(), &answer, Subject::Tests, Some("u")).unwrap();
        assert_eq!(
            (seen.phase, seen.verdict.is_some()),
            (phase, phase == Phase::Finished),
            "{told}: a verdict comes at the end"
        );
    }
    for (answer, why) in [(json!({}), "`/p`"), (json!({"p": null}), "`/p`"), (json!([]), "`/p`")] {
        let error = reading.observation(&words(), &answer, Subject::Tests, Some("u")).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let nameless = reading.observation(&words(), &json!({"p": "x"}), Subject::Tests, None).unwrap_err();
    assert!(nameless.contains("names no job"), "{nameless}");
}

#[test]
fn a_build_tells_its_facts() {
    let answer = json!({"id": "u", "state": "finished", "health": "odd", "facts": ["gcc 14", 3, {"no": "text"}]});
    let told = reading().observation(&words(), &answer, Subject::Build, None).unwrap();
    let want = BuildFacts { compiler: Some("gcc 14".to_owned()), errors_count: Some(3), ..BuildFacts::default() };
    assert_eq!((told.build, told.verdict), (Some(want), Some(Status::Error)));
    assert!(told.message.unwrap().contains("`odd`"));
}

#[test]
fn every_fact_has_its_field() {
    let facts: Map<String, Value> = FACTS
        .iter()
        .map(|name| ((*name).to_owned(), if name.ends_with("_count") { json!(1) } else { json!("x") }))
        .collect();
    let read: BuildFacts = serde_json::from_value(Value::Object(facts.clone())).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), Value::Object(facts));
}

#[test]
fn only_pointers_are_pointers() {
    for good in ["", "/", "/a/0/~0~1", "/a b"] {
        assert!(Pointer::parse(good).is_ok(), "{good}");
    }
    for bad in ["a", "a/b", "/~", "/a~2", "$.a"] {
        assert!(Pointer::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn too_many_results_are_refused() {
    let many: Vec<Value> = (0..=MAX_RESULTS).map(|n| json!({"name": n, "result": "pass"})).collect();
    let error = reading().tests(&words(), &json!({ "results": many })).unwrap_err();
    assert!(error.contains("more than 20000"), "{error}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let keys = prop_oneof!["id", "state", "health", "results", "name", "result", "cases", "start", "facts"].boxed();
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(keys.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused(answer in any_json()) {
        for subject in [Subject::Tests, Subject::Build] {
            if let Ok(told) = reading().observation(&words(), &answer, subject, Some("u")) {
                prop_assert!(told.duration_s.is_none_or(|s| s >= 0.0));
                prop_assert!(told.verdict.is_none() || told.phase == Phase::Finished);
            }
        }
    }
}
