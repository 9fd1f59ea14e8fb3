use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::golden::cases;
use crate::domain::spec_result::status::{CaseStatus, Status};

fn row() -> Row {
    Row {
        spec_id: "9f8e".into(),
        spec_name: "a".into(),
        spec_fullname: "unit/a".into(),
        file_root: "/suite".into(),
        file_path: "unit/a.pyt".into(),
        session: "2026-02-01T10-00-00.000001".into(),
        workspace: "unit/a".into(),
        state: "COMPLETE".into(),
        category: "FAIL".into(),
        status: "TIMEOUT".into(),
        reason: String::new(),
        code: 68,
        submitted: -1.0,
        started: 1_795_959_322.124_639_3,
        finished: 1_795_959_322.5,
        measurements: r#"{"a \"NaN\"": NaN, "b": [-Infinity, 1], "c": Infinity, "d": "NaN\\"}"#.into(),
    }
}

#[test]
fn a_row_becomes_a_result() {
    let result = row().read().unwrap();
    assert_eq!(result.status, CaseStatus::of(Status::Timeout));
    assert_eq!(result.submitted_at, None);
    assert_eq!(result.started_at.unwrap().to_rfc3339(), "2026-11-29T13:35:22.124639+00:00");
    assert_eq!(Value::Object(result.measurements), json!({"a \"NaN\"": null, "b": [null, 1], "c": null, "d": "NaN\\"}));
    assert_eq!(row().read().unwrap().id, result.id);
    for other in [
        Row { session: "s".into(), ..row() },
        Row { code: 1, ..row() },
        Row { finished: 1_795_959_323.0, ..row() },
        Row { workspace: "unit/a2026".into(), ..row() },
    ] {
        assert_ne!(other.read().unwrap().id, result.id, "a row that was written anew is another result");
    }
}

#[test]
fn a_row_that_holds_no_result_is_refused() {
    for (row, told) in [
        (Row { state: "RUNNING".into(), ..row() }, "/status/category: FAIL does not go with RUNNING; want one of NONE"),
        (Row { status: "done".into(), ..row() }, "/status/status: `done` is not a status"),
        (Row { code: i64::MAX, ..row() }, "/status/code: want a code of 32 bits"),
        (Row { measurements: "[]".into(), ..row() }, "/measurements: want an object"),
        (Row { measurements: "{\"a\": N}".into(), ..row() }, "/measurements: want an object as JSON"),
        (Row { session: String::new(), ..row() }, "/session: want 1 to 200 characters"),
    ] {
        let faults = row.read().unwrap_err();
        assert!(faults.len() == 1 && faults[0].to_string().starts_with(told), "{faults:?}");
    }
}

#[test]
fn times_that_no_calendar_has_are_not_known() {
    for seconds in [-1.0, -0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        assert_eq!(time(seconds), None);
    }
    assert_eq!(time(0.0), Some(DateTime::UNIX_EPOCH));
    assert_eq!(time(253_402_300_799.0).unwrap().to_rfc3339(), "9999-12-31T23:59:59+00:00");
}

/// Rows that Canary wrote, as they stand in its table.
#[test]
fn golden_rows_of_workspaces_are_read() {
    for case in cases("canary_workspace/rows.json", "rows") {
        let text = |name: &str| case[name].as_str().expect(name).to_owned();
        let number = |name: &str| case[name].as_f64().expect(name);
        let row = Row {
            spec_id: text("spec_id"),
            spec_name: text("spec_name"),
            spec_fullname: text("spec_fullname"),
            file_root: text("file_root"),
            file_path: text("file_path"),
            session: text("session"),
            workspace: text("workspace"),
            state: text("status_state"),
            category: text("status_category"),
            status: text("status_status"),
            reason: text("status_reason"),
            code: case["status_code"].as_i64().expect("a code"),
            submitted: number("submitted"),
            started: number("started"),
            finished: number("finished"),
            measurements: text("measurements"),
        };
        let result = row.read().unwrap();
        assert_eq!(result.status.status().to_string(), row.status);
        assert_eq!(result.status.reason().unwrap_or_default(), row.reason);
        assert_eq!(i64::from(result.status.code()), row.code);
        assert_eq!(result.finished_at.is_some(), row.finished >= 0.0);
        assert_eq!(json!(result.measurements), serde_json::from_str::<Value>(&row.measurements).unwrap());
    }
}

proptest! {
    #[test]
    fn no_row_panics(measurements: String, state: String, seconds: f64, code: i64) {
        let _ = Row { measurements, state, started: seconds, code, ..row() }.read();
        if let Some(time) = time(seconds) {
            let back: f64 = format!("{}.{:06}", time.timestamp(), time.timestamp_subsec_micros()).parse().unwrap();
            prop_assert!((back - seconds).abs() < 1e-3, "{back}");
        }
    }

    /// JSON that has none of the three words stays as it is.
    #[test]
    fn json_is_left_alone(text in r#"[\[\]{}:,"\\a-z0-9é. -]*"#) {
        prop_assert_eq!(without_non_numbers(&text), text);
    }
}
