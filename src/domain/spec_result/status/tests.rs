use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What goes together, as the table says it.
const TABLE: [(&str, &str, &str, i32); 16] = [
    ("PENDING", "NONE", "NONE", -1),
    ("READY", "NONE", "NONE", -1),
    ("RUNNING", "NONE", "NONE", -1),
    ("NOTRUN", "SKIP", "SKIPPED", 80),
    ("NOTRUN", "SKIP", "BLOCKED", 81),
    ("COMPLETE", "PASS", "SUCCESS", 0),
    ("COMPLETE", "PASS", "XDIFF", 10),
    ("COMPLETE", "PASS", "XFAIL", 11),
    ("COMPLETE", "FAIL", "DIFFED", 64),
    ("COMPLETE", "FAIL", "FAILED", 65),
    ("COMPLETE", "FAIL", "ERROR", 66),
    ("COMPLETE", "FAIL", "BROKEN", 67),
    ("COMPLETE", "FAIL", "TIMEOUT", 68),
    ("COMPLETE", "FAIL", "INVALID", 69),
    ("COMPLETE", "CANCEL", "CANCELLED", 70),
    ("COMPLETE", "CANCEL", "INTERRUPTED", 71),
];

fn change(state: Option<&str>, category: Option<&str>, status: Option<&str>) -> Change {
    let owned = |word: Option<&str>| word.map(str::to_owned);
    Change { state: owned(state), category: owned(category), status: owned(status), ..Change::default() }
}

fn row(status: &CaseStatus) -> (&'static str, &'static str, &'static str, i32) {
    (status.state().as_str(), status.category().as_str(), status.status().as_str(), status.code())
}

/// Every combination of words, and of words left out, comes to the first row of the table that agrees with it, or to nothing
/// where no row does; or where too little is told.
#[test]
fn what_is_told_picks_the_first_row_that_agrees() {
    fn words<W: Word>() -> Vec<Option<&'static str>> {
        [None, Some("bogus"), Some("")].into_iter().chain(W::ALL.iter().map(|word| Some(word.as_str()))).collect()
    }
    for state in words::<State>() {
        for category in words::<Category>() {
            for status in words::<Status>() {
                let agrees = |told: Option<&str>, word: &str| told.is_none_or(|told| told == word);
                let first =
                    TABLE.into_iter().find(|(s, c, t, _)| agrees(state, s) && agrees(category, c) && agrees(status, t));
                let too_little = matches!(
                    (state, category, status),
                    (None, None | Some("NONE"), None) | (Some("COMPLETE" | "NOTRUN"), None, None)
                );
                let expected = first.filter(|_| !too_little);
                let got = change(state, category, status).apply();
                assert_eq!(got.as_ref().ok().map(row), expected, "{state:?} {category:?} {status:?}: {got:?}");
            }
        }
    }
}

#[test]
fn a_refusal_says_what_would_do() {
    let message = |state, category, status| change(state, category, status).apply().unwrap_err().to_string();
    assert_eq!(message(Some("NOTRUN"), Some("FAIL"), None), "FAIL does not go with NOTRUN; want one of SKIP");
    assert_eq!(message(None, Some("NONE"), None), "NONE goes with several; want one of PENDING, READY, RUNNING");
    assert_eq!(message(None, None, None), "nothing is told; want a state, a category or a status");
    assert_eq!(
        message(Some("COMPLETE"), None, None),
        "COMPLETE alone does not tell it; want one of PASS, FAIL, CANCEL"
    );
    assert_eq!(
        message(None, Some("SKIP"), Some("FAILED")),
        "FAILED does not go with SKIP; want one of SKIPPED, BLOCKED"
    );
    assert!(message(None, None, Some("success")).starts_with("`success` is not a status: want one of SUCCESS, "));
    assert!(message(None, Some("bogus"), None).contains("`bogus` is not a category: want one of PASS, "));
}

#[test]
fn a_map_that_breaks_the_table_is_refused() {
    let good = json!({"state": "COMPLETE", "category": "CANCEL", "status": "INTERRUPTED", "reason": "why", "code": 2});
    let read: CaseStatus = serde_json::from_value(good.clone()).unwrap();
    assert_eq!(json!(read), good);
    for (member, value) in
        [("state", json!("NOTRUN")), ("category", json!("PASS")), ("status", json!("NONE")), ("other", json!(1))]
    {
        let mut bad = good.clone();
        bad[member] = value;
        assert!(serde_json::from_value::<CaseStatus>(bad).is_err(), "{member}");
    }
}

#[test]
fn the_reason_of_a_broken_spec_is_kept() {
    for status in Status::ALL.iter().copied() {
        assert_eq!(CaseStatus::of(status).because("why").reason(), Some("why"));
        let told = Change { status: Some(status.to_string()), reason: Some("why".into()), ..Change::default() };
        assert_eq!(told.apply().unwrap(), CaseStatus::of(status).because("why"));
    }
}

#[test]
fn each_way_of_making_one_keeps_to_the_table() {
    let rows: BTreeSet<_> = TABLE.into_iter().collect();
    let mut made: Vec<CaseStatus> = Status::ALL.iter().map(|status| CaseStatus::of(*status)).collect();
    made.extend([CaseStatus::ready(), CaseStatus::running(), CaseStatus::default()]);
    let seen: BTreeSet<_> = made.iter().map(row).collect();
    assert_eq!(seen, rows);
}

proptest! {
    #[test]
    fn a_code_is_kept_unless_it_is_negative(status in prop::sample::select(Status::ALL), code: i32) {
        let stands = CaseStatus::of(status).with_code(code);
        prop_assert_eq!(stands.code(), if code < 0 { status.code() } else { code });
        let read: CaseStatus = serde_json::from_value(json!(stands)).unwrap();
        prop_assert_eq!(read, stands);
    }
}
