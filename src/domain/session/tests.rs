use serde_json::json;

use super::controller::{Controller, Exit, Machine, outcome_of};
use super::*;
use crate::domain::unit::{FieldValue, Job, Qualifier, Test, Unit};

fn unit(fields: &[(&str, &str)]) -> Unit {
    let job = [("plugin", "shell"), ("command", "true")];
    let fields = job.iter().chain(fields);
    Unit::new(None, None, fields.map(|(name, text)| ((*name).to_owned(), FieldValue::from(*text))).collect())
}

/// A session of these jobs, all of them selected in order.
fn selected(jobs: &[&[(&str, &str)]]) -> Session {
    let mut session = Session::new(jobs.iter().map(|fields| unit(fields)).collect()).expect("no clash");
    let ids: Vec<String> = session.jobs().map(|job| job.id().to_owned()).collect();
    assert_eq!(session.select(&ids, true), []);
    session
}

fn record(session: &mut Session, job: &str, outcome: &str) {
    session.record(job, Report::of(Outcome::of(outcome))).expect("a known job");
}

fn printed(outcome: Outcome, text: &str) -> Report {
    let entry = |line: &str| LogEntry { delay: 0.0, stream: Stream::Stdout, data: line.as_bytes().to_vec() };
    Report { io_log: text.split_inclusive('\n').map(entry).collect(), ..Report::of(outcome) }
}

#[test]
fn what_can_never_start_is_skipped_and_so_is_what_waits_for_it() {
    let mut session = selected(&[
        &[("id", "a")],
        &[("id", "b"), ("depends", "a")],
        &[("id", "c"), ("depends", "b")],
        &[("id", "d"), ("after", "c")],
        &[("id", "e"), ("salvages", "a")],
        &[("id", "f"), ("salvages", "d")],
    ]);
    assert_eq!(session.settle_skips(), []);
    record(&mut session, "a", "fail");
    let skipped = session.settle_skips();
    let told: Vec<_> = skipped.iter().map(|one| (one.job.as_str(), one.given_up.outcome.as_str())).collect();
    assert_eq!(told, [("b", "skipped-dependency"), ("c", "skipped-dependency")]);
    assert_eq!(skipped[1].given_up.skip_reason.related_dependencies, ["b"]);
    let c = session.job("c").expect("a job").result().expect("a result");
    assert_eq!(c.skip_reason.as_ref().expect("a reason").related_dependencies, ["b"]);
    assert!(session.job("d").expect("a job").can_start());
    assert!(session.job("e").expect("a job").can_start());
    assert_eq!(session.settle_skips(), []);
    record(&mut session, "d", "pass");
    let skipped = session.settle_skips();
    assert_eq!((skipped[0].job.as_str(), skipped[0].given_up.outcome.as_str()), ("f", "skip"));
    assert_eq!(session.cannot_start_outcome("f"), Ok(None));
}

#[test]
fn skipping_tells_the_manifest_from_resources() {
    let mut session = selected(&[
        &[("id", "manifest"), ("plugin", "resource")],
        &[("id", "hw"), ("plugin", "resource")],
        &[("id", "a"), ("requires", "manifest.has_x == 'True' and manifest.has_y == 'manifest.z'")],
        &[("id", "b"), ("requires", "hw.kind == 'real'")],
    ]);
    session.record("manifest", printed(Outcome::Pass, "has_x: False\n")).expect("a job");
    session.record("hw", printed(Outcome::Pass, "kind: fake\n")).expect("a job");
    let skipped = session.settle_skips();
    let reasons: Vec<_> = skipped.iter().map(|one| json!(one)).collect();
    assert_eq!(
        reasons,
        [
            json!({"job": "a", "outcome": "skipped-manifest", "skip_reason": {
                "related_dependencies": [], "related_resources": [], "related_manifests": ["has_x", "has_y"]}}),
            json!({"job": "b", "outcome": "skipped-resource", "skip_reason": {
                "related_dependencies": [], "related_resources": ["hw.kind == 'real'"], "related_manifests": []}}),
        ]
    );
}

#[test]
fn why_tells_what_is_behind() {
    let mut session = selected(&[
        &[("id", "a")],
        &[("id", "b"), ("after", "a")],
        &[("id", "r"), ("plugin", "resource"), ("depends", "b")],
        &[("id", "c"), ("requires", "r.k == 'v'")],
        &[("id", "x"), ("depends", "c")],
    ]);
    let why = session.why("x").expect("a job");
    assert!(!why.can_start);
    assert_eq!(why.inhibitors, [Inhibitor::job(Cause::PendingDep, "c")]);
    assert_eq!(why.behind, [Behind { job: "a".to_owned(), can_start: true, inhibitors: vec![] }]);
    assert_eq!(why.given_up, None);
    record(&mut session, "a", "pass");
    record(&mut session, "b", "fail");
    let why = session.why("x").expect("a job");
    let stuck = vec![Inhibitor::job(Cause::FailedDep, "b")];
    assert_eq!(why.behind, [Behind { job: "r".to_owned(), can_start: false, inhibitors: stuck }]);
    assert_eq!(session.why("ghost"), Err(Refused::UnknownJob("ghost".to_owned())));
    assert_eq!(session.needs("c", "r"), [Need::Resource]);
}

#[test]
fn a_job_is_begun_once_at_a_time_and_as_often_as_it_may() {
    let mut session = selected(&[&[("id", "a")], &[("id", "b")], &[("id", "c"), ("depends", "b")]]);
    session.begin("a", 10.0).expect("it can start");
    assert_eq!(session.metadata().running_job_name.as_deref(), Some("a"));
    assert_eq!(session.begin("b", 11.0), Err(Refused::Running("a".to_owned()).into()));
    record(&mut session, "a", "fail");
    assert_eq!(session.metadata().running_job_name, None);
    let inhibitors = vec![Inhibitor::job(Cause::PendingDep, "b")];
    let not = session.begin("c", 12.0).expect_err("it waits");
    assert_eq!(not, NotBegun::Inhibited { job: "c".to_owned(), inhibitors });
    assert_eq!(not.to_string(), "`c` cannot start: PENDING_DEP (b)");
    for _ in 1..ATTEMPTS {
        session.begin("a", 13.0).expect("attempts are left");
    }
    let not = session.begin("a", 14.0).expect_err("no attempts");
    assert_eq!(not.to_string(), "`a` cannot start: no attempts are left");
}

#[test]
fn what_was_running_is_decided_after_a_crash() {
    let mut session = selected(&[&[("id", "a")], &[("id", "reboot"), ("flags", "noreturn")]]);
    assert_eq!(session.recover(), None);
    session.begin("a", 1.0).expect("it can start");
    let bytes = serde_json::to_vec(&session.image()).expect("JSON");
    let image = Image::read(&bytes).expect("an image");
    let mut resumed = Session::resume(&image, image.session.units.clone(), false).expect("resumable");
    let told = |recovered: Option<Recovered>| recovered.map(|one| (one.job, one.outcome.to_string(), one.was_recorded));
    assert_eq!(told(resumed.recover()), Some(("a".to_owned(), "crash".to_owned(), false)));
    assert_eq!(resumed.recover(), None);
    resumed.begin("reboot", 2.0).expect("it can start");
    assert_eq!(told(resumed.recover()), Some(("reboot".to_owned(), "pass".to_owned(), false)));
    let mut metadata = resumed.metadata().clone();
    metadata.running_job_name = Some("a".to_owned());
    resumed.set_metadata(metadata.clone());
    assert_eq!(told(resumed.recover()), Some(("a".to_owned(), "crash".to_owned(), true)));
    metadata.remaining_todo_jobs = Some(false);
    resumed.set_metadata(metadata);
    assert_eq!(resumed.recover(), None);
}

#[test]
fn a_verdict_counts_blockers() {
    let mut session = selected(&[
        &[("id", "a"), ("certification-status", "blocker")],
        &[("id", "b")],
        &[("id", "c"), ("certification-status", "blocker"), ("depends", "b")],
    ]);
    let verdict = session.verdict();
    assert_eq!((verdict.verdict, verdict.not_run.len()), (Ruling::Incomplete, 3));
    record(&mut session, "a", "pass");
    record(&mut session, "b", "fail");
    session.settle_skips();
    let verdict = session.verdict();
    assert_eq!(verdict.verdict, Ruling::Pass);
    assert_eq!((verdict.non_blockers_failed, verdict.blockers_skipped), (vec!["b".to_owned()], vec!["c".to_owned()]));
    record(&mut session, "a", "undecided");
    assert_eq!(session.verdict().verdict, Ruling::Incomplete);
    session.apply_overrides("b", &[("certification_status".to_owned(), "blocker".to_owned())]).expect("a field");
    let verdict = session.verdict();
    assert_eq!((verdict.verdict, verdict.blockers_failed), (Ruling::Fail, vec!["b".to_owned()]));
}

#[test]
fn what_was_left_out_has_not_run() {
    let jobs: [&[(&str, &str)]; 4] = [
        &[("id", "a")],
        &[("id", "b"), ("depends", "gone")],
        &[("id", "c"), ("depends", "b")],
        &[("id", "r"), ("salvages", "gone")],
    ];
    let mut session = Session::new(jobs.into_iter().map(unit).collect()).expect("no clash");
    let asked: Vec<String> = ["a", "c", "x", "r"].map(str::to_owned).to_vec();
    let problems = session.select(&asked, true);
    assert_eq!(session.problems(), problems);
    for job in ["a", "r"] {
        record(&mut session, job, "pass");
    }
    let verdict = session.verdict();
    let left: Vec<&str> = verdict.left_out.iter().map(|left| left.job.as_str()).collect();
    assert_eq!((verdict.verdict, left.len()), (Ruling::Incomplete, 3), "r only waits: {left:?}");
    assert!(["b", "c", "x"].iter().all(|job| left.contains(job)), "{left:?}");
    assert_eq!(verdict.not_run, left);
    let b = verdict.left_out.iter().find(|left| left.job == "b").expect("b");
    assert_eq!(b.reason, "`b` needs `gone` (depends), which is not there or was left out");

    // Whoever holds the rows knows it too, and it stays when other plans are set.
    let mut restored = Session::restore(session.rows()).expect("rows that fit");
    assert_eq!(restored.verdict(), verdict);
    let plan = unit(&[("unit", "test plan"), ("id", "p"), ("name", "P"), ("include", "a")]);
    restored.add_units(vec![plan]).expect("a plan");
    restored.set_plans(&["p".to_owned()]).expect("a plan that is there");
    assert_eq!(restored.verdict().left_out, verdict.left_out);
    restored.select(&["a".to_owned()], true);
    assert_eq!((restored.verdict().verdict, restored.problems().len()), (Ruling::Pass, 0));
}

#[test]
fn refused_operations_change_nothing() {
    let mut session = selected(&[&[("id", "a")], &[("id", "b"), ("depends", "a")], &[("id", "c")]]);
    session.select(&["b".to_owned()], true);
    session.enter_context();
    session.add_provider("one", "one", vec![]).expect("a new provider");
    session.take_changes();
    let a = session.job("a").expect("a job").job().unit.clone();
    let other = unit(&[("id", "a"), ("summary", "another")]);
    assert_eq!(session.remove_unit(&a), Err(Refused::OnRunList(vec!["a".to_owned()])));
    let all =
        Qualifier::including(Test::AnyOf(["c", "b"].map(|id| Qualifier::including(Test::Id(id.to_owned()))).to_vec()));
    assert_eq!(session.trim(&all), Err(Refused::OnRunList(vec!["b".to_owned()]).into()));
    assert!(matches!(session.add_unit(other.clone()), Err(Refused::Clash(clash)) if clash.id == "a"));
    assert_eq!(session.add_context_unit(a.clone()), Err(Refused::UnitThere("a".to_owned())));
    let fresh = unit(&[("id", "new")]);
    assert!(matches!(session.add_provider("two", "two", vec![fresh.clone(), other]), Err(Refused::Clash(_))));
    assert!(matches!(
        session.add_provider("two", "two", vec![fresh.clone(), fresh.clone()]),
        Err(Refused::UnitThere(_))
    ));
    let twin = unit(&[("id", "new"), ("summary", "another")]);
    assert!(matches!(session.add_provider("two", "two", vec![fresh, twin]), Err(Refused::Clash(_))));
    assert_eq!(session.add_provider("one", "one", vec![]), Err(Refused::ProviderThere("one".to_owned())));
    let fields = [("auto_retry".to_owned(), "no".to_owned()), ("colour".to_owned(), "red".to_owned())];
    assert_eq!(session.apply_overrides("a", &fields), Err(Refused::UnknownField("colour".to_owned())));
    assert!(matches!(session.set_plans(&["p".to_owned()]), Err(PlanRefused::Refused(Refused::UnknownPlan(_)))));
    assert_eq!(session.record("ghost", Report::default()), Err(Refused::UnknownJob("ghost".to_owned())));
    assert!(session.take_changes().is_empty());
}

#[test]
fn rows_of_another_session_do_not_fit() {
    let mut session = selected(&[&[("id", "a")], &[("id", "b")]]);
    let rows = session.take_changes();
    let mut other = Session::restore(rows.clone()).expect("all rows");
    record(&mut session, "a", "pass");
    session.take_changes();
    record(&mut session, "a", "fail");
    let second = session.take_changes();
    assert!(other.absorb(second).is_err(), "the first result is not there");
    let without_units = Changes { units: vec![], ..rows };
    assert!(Session::restore(without_units).is_err());
}

#[test]
fn one_result_is_one_row_however_many_wait() {
    let mut all: Vec<Unit> = (0..2_000).map(|number| unit(&[("id", &format!("j{number}"))])).collect();
    let ids: Vec<String> = all.iter().filter_map(|unit| unit.id().map(str::to_owned)).collect();
    all.push(unit(&[("id", "last"), ("after", &ids.join(" "))]));
    let mut session = Session::new(all).expect("no clash");
    session.select(&["last".to_owned()], true);
    session.take_changes();
    for (place, id) in ids.iter().enumerate() {
        record(&mut session, id, "pass");
        session.settle_skips();
        let changes = session.take_changes();
        let ends = place + 1 == ids.len();
        let rows: Vec<&str> = changes.jobs.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(rows, if ends { vec![id.as_str(), "last"] } else { vec![id.as_str()] });
        assert_eq!(changes.history.len(), 1);
    }
    assert!(session.job("last").expect("a job").can_start());
}

#[test]
fn controllers_weigh_what_the_machine_allows() {
    let job = |fields| Job::read(&unit(fields)).expect("a job");
    let (plain, root) = (job(&[("id", "a")]), job(&[("id", "b"), ("user", "root")]));
    let trusted = Machine { has_launcher: true, provider_is_secure: true, ..Machine::default() };
    assert_eq!(Controller::TrustedLauncher.score(&root, &trusted), 3);
    assert_eq!(Controller::TrustedLauncher.score(&plain, &trusted), 0);
    for machine in [
        Machine { provider_is_secure: false, ..trusted.clone() },
        Machine { over_ssh: true, ..trusted.clone() },
        Machine { in_snap: true, ..trusted.clone() },
    ] {
        assert_eq!(Controller::TrustedLauncher.score(&root, &machine), -1);
    }
    let best = |job: &Job, machine: &Machine| {
        controller::choose(Controller::ALL.map(|one| (one, Some(one.score(job, machine))))).map(Controller::as_str)
    };
    assert_eq!(best(&plain, &trusted), Ok("user"));
    assert_eq!(best(&root, &trusted), Ok("trusted_launcher"));
    assert_eq!(best(&job(&[("id", "w"), ("flags", "win32")]), &trusted), Err(controller::NoController::Unfit));
}

#[test]
fn what_a_command_comes_to() {
    let come =
        |plugin: &str, exit| outcome_of(&Job::read(&unit(&[("id", "a"), ("plugin", plugin)])).expect("a job"), exit);
    assert_eq!(come("shell", Some(Exit::Code(0))), Outcome::Pass);
    assert_eq!(come("shell", Some(Exit::Code(2))), Outcome::Fail);
    assert_eq!(come("shell", Some(Exit::Signal(9))), Outcome::Crash);
    assert_eq!(come("shell", None), Outcome::Fail);
    assert_eq!(come("manual", None), Outcome::Undecided);
    assert_eq!(come("user-verify", Some(Exit::Code(0))), Outcome::Undecided);
}

#[test]
fn comments_are_told_without_what_terminals_read() {
    let report = |comments: &str| Report { comments: Some(comments.to_owned()), ..Report::default() };
    let plain = |comments| report(comments).plain_comments().map(std::borrow::Cow::into_owned);
    assert_eq!(plain("plain"), Some("plain".to_owned()));
    assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m, \u{1b}cdone\u{1b}"), Some("red, done".to_owned()));
    assert_eq!(plain("open \u{1b}[12"), Some("open ".to_owned()));
    assert!(report("\u{1b}[0m").plain_comments().is_some_and(|plain| plain.is_empty()));
}

#[test]
fn rows_are_plain_json() {
    let mut session = selected(&[&[("id", "a")], &[("id", "b"), ("depends", "a")]]);
    session.take_changes();
    let report = json!({"outcome": "pass", "execution_duration": 2, "io_log": [[0.5, "stderr", "aGkK"]]});
    session.record("a", serde_json::from_value(report).expect("a report")).expect("a job");
    let changes = json!(session.take_changes());
    assert_eq!(
        changes["jobs"][1],
        json!({
            "id": "b", "position": 1, "unit": 1, "results": 0, "can_start": true, "attempts": 3, "run_position": 1,
            "effective": {"category_id": "com.canonical.plainbox::uncategorised", "certification_status": "non-blocker",
                "auto_retry": "unspecified"},
        })
    );
    assert_eq!(changes["history"][0]["report"]["io_log"], json!([[0.5, "stderr", "aGkK"]]));
    let events: Vec<_> =
        changes["events"].as_array().expect("events").iter().map(|event| event["event"].clone()).collect();
    assert_eq!(events, ["state_map_changed", "result_changed", "readiness_changed"]);
    assert_eq!(
        changes["events"][1],
        json!({"number": 2, "source": "state", "event": "result_changed", "job": "a", "outcome": "pass"})
    );
}
