use serde_json::json;

use super::*;
use crate::domain::composition::fields;
use crate::domain::session::SkipReason;
use crate::domain::unit::FieldValue;

fn unit(id: &str, spec: Option<&str>, xstatus: &str) -> Unit {
    let mut of = vec![("id", id), ("plugin", "shell"), ("command", "x"), (fields::XSTATUS, xstatus)];
    of.extend(spec.map(|spec| (fields::SPEC, spec)));
    let of = of.into_iter().filter(|(_, text)| !text.is_empty());
    Unit::new(None, None, of.map(|(name, text)| (name.to_owned(), FieldValue::from(text))).collect())
}

fn report(outcome: &str, code: Option<i64>) -> Report {
    Report { return_code: code, ..Report::of(Outcome::of(outcome)) }
}

#[test]
fn outcomes_are_statuses_of_specs() {
    for (outcome, code, xstatus, how, status) in [
        ("pass", Some(0), "", None, Some(SpecStatus::Success)),
        ("pass", Some(64), "64", None, Some(SpecStatus::XDiff)),
        ("pass", Some(0), "-1", None, Some(SpecStatus::XFail)),
        ("fail", Some(64), "", None, Some(SpecStatus::Diffed)),
        ("fail", Some(1), "", None, Some(SpecStatus::Failed)),
        ("crash", None, "", None, Some(SpecStatus::Error)),
        ("crash", None, "", Some(How::TimedOut { after_s: 3 }), Some(SpecStatus::Timeout)),
        ("crash", None, "", Some(How::Canceled), Some(SpecStatus::Cancelled)),
        ("skip", None, "", None, Some(SpecStatus::Skipped)),
        ("skipped-dependency", None, "", None, Some(SpecStatus::Blocked)),
        ("undecided", None, "", None, None),
        ("something", None, "", None, None),
    ] {
        let stands = spec_status(&unit("a", Some("0a1b2c3d"), xstatus), &report(outcome, code), how.as_ref());
        assert_eq!(stands.as_ref().map(CaseStatus::status), status, "{outcome} {xstatus}");
        if let (Some(stands), Some(code)) = (stands, code) {
            assert_eq!(i64::from(stands.code()), code);
        }
    }
}

#[test]
fn results_of_jobs_are_results_of_their_specs_and_repeat_themselves() {
    let units = vec![unit("a", Some("0a1b2c3d"), ""), unit("b", None, ""), unit("c", Some("ffffffff"), "")];
    let mut session = Session::new(units).unwrap();
    session.select(&["a", "b", "c"].map(str::to_owned), true);
    session.record("a", report("fail", Some(1))).unwrap();
    let skipped = SkipReason { related_dependencies: vec!["x".to_owned()], ..SkipReason::default() };
    let again =
        Report { execution_duration: Some(1.5), skip_reason: Some(skipped), ..report("skipped-dependency", None) };
    session.record("a", again).unwrap();
    session.record("b", report("pass", Some(0))).unwrap();
    let at: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
    let name = session_name("ses_1", at);
    assert_eq!(name, "2026-01-02T03-04-05.ses_1");
    let came = |job| Came { job, how: None, finished_at: at };
    let jobs = ["a", "b", "c", "ghost"].map(came);
    let results = spec_results_of(&name, &session, &jobs);
    assert_eq!(results, spec_results_of(&name, &session, &jobs));
    assert_eq!(results.len(), 1, "b is no spec, c has not run");
    let result = serde_json::to_value(&results[0]).unwrap();
    assert_eq!(result["id"], "2026-01-02T03-04-05.ses_1/0a1b2c3d/2");
    assert_eq!((&result["spec_id"], &result["session"]), (&json!("0a1b2c3d"), &json!(name)));
    assert_eq!(
        (&result["status"]["status"], &result["status"]["reason"]),
        (&json!("BLOCKED"), &json!("it depends on x"))
    );
    assert_eq!(result["started_at"], "2026-01-02T03:04:03.500Z");
}
