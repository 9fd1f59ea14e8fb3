//! Random sessions and random operations: what is computed step by step is what is computed from scratch, and what is
//! written down is all there is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::unit::{FieldValue, Kind, Qualifier, Test, Unit};

const JOBS: usize = 10;

fn unit(fields: &[(&str, String)]) -> Unit {
    let fields = fields.iter().filter(|(_, text)| !text.is_empty());
    Unit::new(
        None,
        Some("p"),
        fields.map(|(name, text)| ((*name).to_owned(), FieldValue::from(text.clone()))).collect(),
    )
}

fn id() -> impl Strategy<Value = String> {
    (0..JOBS).prop_map(|number| format!("j{number}"))
}

fn ids() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 2 => id(), 1 => (id(), id()).prop_map(|(one, other)| format!("{one} {other}"))]
}

fn requires() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(""),
        2 => Just("r0.k == 'a'"),
        1 => Just("r1.k == r0.k"),
        1 => Just("r0.k == 'b'\nr1.k"),
        1 => Just("not readable"),
        1 => Just("j0.k"),
    ]
    .prop_map(str::to_owned)
}

fn job(id: String) -> impl Strategy<Value = Unit> {
    let plugin = prop_oneof![6 => Just("shell"), 1 => Just("manual"), 1 => Just("local"), 1 => Just("resource")];
    let group = prop_oneof![5 => Just(""), 1 => Just("g"), 1 => Just("h")];
    let extra = prop_oneof![
        8 => Just(("summary", String::new())),
        1 => Just(("siblings", r#"[{"id": "s0"}, {"id": "s1", "depends": "j1"}]"#.to_owned())),
        1 => Just(("flags", "also-after-suspend".to_owned())),
        1 => Just(("flags", "noreturn fail-on-resource".to_owned())),
        1 => Just(("certification-status", "blocker".to_owned())),
        1 => Just(("summary", "another".to_owned())),
    ];
    (plugin, ids(), ids(), ids(), ids(), requires(), group, extra).prop_map(
        move |(plugin, depends, after, before, salvages, requires, group, (name, text))| {
            unit(&[
                ("id", id.clone()),
                ("plugin", plugin.to_owned()),
                ("command", "true".to_owned()),
                ("depends", depends),
                ("after", after),
                ("before", before),
                ("salvages", salvages),
                ("requires", requires),
                ("group", group.to_owned()),
                (name, text),
            ])
        },
    )
}

fn others() -> Vec<Unit> {
    let text = |text: &str| text.to_owned();
    vec![
        unit(&[("id", text("r0")), ("plugin", text("resource")), ("command", text("true"))]),
        unit(&[
            ("id", text("r1")),
            ("plugin", text("resource")),
            ("command", text("true")),
            ("requires", text("r0.k")),
        ]),
        unit(&[
            ("unit", text("template")),
            ("template-resource", text("r0")),
            ("id", text("t-{k}")),
            ("plugin", text("shell")),
            ("command", text("true")),
            ("depends", text("j0")),
            ("template-id", text("tpl")),
        ]),
        unit(&[
            ("unit", text("template")),
            ("template-resource", text("t-a")),
            ("id", text("u-{k}")),
            ("plugin", text("shell")),
        ]),
        unit(&[("unit", text("category")), ("id", text("j0")), ("name", text("J"))]),
        unit(&[
            ("unit", text("test plan")),
            ("id", text("p0")),
            ("name", text("P")),
            ("include", text("j.*\ntpl\n")),
            ("exclude", text("j3")),
            ("mandatory_include", text("j4 certification-status=blocker")),
            ("bootstrap_include", text("r0 r1")),
            ("category_overrides", text("apply k to j[0-4]\n")),
        ]),
        unit(&[
            ("unit", text("test plan")),
            ("id", text("p1")),
            ("name", text("Q")),
            ("include", text("j1 category-id=z\nj2\n")),
        ]),
        Unit::new(
            None,
            None,
            [
                (text("unit"), FieldValue::from("setup job")),
                (text("id"), FieldValue::from("m0")),
                (text("command"), FieldValue::from("true")),
                (text("requires_manifest"), FieldValue::List(vec![json!("has_x"), json!({"n": 2})])),
            ]
            .into(),
        ),
    ]
}

fn units() -> impl Strategy<Value = Vec<Unit>> {
    let jobs: Vec<_> = (0..JOBS).map(|number| proptest::option::weighted(0.8, job(format!("j{number}")))).collect();
    let others: Vec<_> = others()
        .into_iter()
        .map(|unit| (Just(unit), proptest::bool::weighted(0.8)).prop_map(|(unit, there)| there.then_some(unit)))
        .collect();
    (jobs, others).prop_map(|(jobs, others)| jobs.into_iter().chain(others).flatten().collect())
}

#[derive(Clone, Debug)]
enum Step {
    Select(Vec<String>, bool),
    Mandatory(Vec<String>),
    Record(String, Report),
    SetRecords(String, Vec<&'static str>),
    Add(Unit),
    AddToContext(Unit),
    AddProvider(String, Vec<Unit>),
    Remove(String),
    RemoveOther(usize),
    Trim(Vec<String>),
    Manifest(bool, u8),
    Attempts(String, u32),
    Override(String, &'static str, &'static str),
    Plans(Vec<&'static str>),
    Bootstrap(bool),
    Begin(String),
    Recover,
    Skips,
    Settle,
    Context,
    Flag(&'static str),
}

fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => id(),
        1 => prop_oneof![Just("r0"), Just("r1"), Just("m0"), Just("t-a"), Just("s0"), Just("l0"), Just("ghost")].prop_map(str::to_owned),
    ]
}

fn any_ids() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(any_id(), 0..6)
}

fn any_report() -> impl Strategy<Value = Report> {
    let outcome = prop_oneof![
        1 => Just(None),
        4 => Just(Some(Outcome::Pass)),
        3 => Just(Some(Outcome::Fail)),
        1 => Just(Some(Outcome::Skip)),
        1 => Just(Some(Outcome::Crash)),
    ];
    let lines = prop_oneof![
        2 => Just(""),
        2 => Just("k: a\n"),
        1 => Just("k: b\n\nk: a\n"),
        1 => Just("junk\n"),
        1 => Just("id: l0\nplugin: shell\ncommand: true\n\nid: j0\nplugin: shell\ncommand: true\n"),
        1 => Just("id: l1\nplugin: local\ncommand: true\n"),
    ];
    let comments = proptest::option::weighted(0.2, Just("hm".to_owned()));
    (outcome, lines, comments).prop_map(|(outcome, lines, comments)| {
        let entry = |line: &str| LogEntry { delay: 0.0, stream: Stream::Stdout, data: line.as_bytes().to_vec() };
        Report { outcome, comments, io_log: lines.split_inclusive('\n').map(entry).collect(), ..Report::default() }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let new_job = || any_id().prop_flat_map(job);
    prop_oneof![
        6 => (any_ids(), any::<bool>()).prop_map(|(jobs, mandatory)| Step::Select(jobs, mandatory)),
        1 => any_ids().prop_map(Step::Mandatory),
        12 => (any_id(), any_report()).prop_map(|(job, report)| Step::Record(job, report)),
        4 => (prop_oneof![Just("r0".to_owned()), Just("r1".to_owned())], any_report()).prop_map(|(job, report)| Step::Record(job, report)),
        2 => (any_id(), proptest::collection::vec(prop_oneof![Just("a"), Just("b")], 0..3)).prop_map(|(id, ks)| Step::SetRecords(id, ks)),
        2 => new_job().prop_map(Step::Add),
        1 => new_job().prop_map(Step::AddToContext),
        1 => (id(), proptest::collection::vec(new_job(), 0..3)).prop_map(|(name, units)| Step::AddProvider(name, units)),
        2 => any_id().prop_map(Step::Remove),
        1 => (0..20usize).prop_map(Step::RemoveOther),
        1 => any_ids().prop_map(Step::Trim),
        1 => (any::<bool>(), 1..3u8).prop_map(|(x, n)| Step::Manifest(x, n)),
        1 => (any_id(), 0..3u32).prop_map(|(id, attempts)| Step::Attempts(id, attempts)),
        1 => (any_id(), prop_oneof![Just("category_id"), Just("certification_status"), Just("auto_retry")], prop_oneof![Just("blocker"), Just("no")])
            .prop_map(|(id, field, value)| Step::Override(id, field, value)),
        1 => prop_oneof![Just(vec![]), Just(vec!["p0"]), Just(vec!["p0", "p1"]), Just(vec!["p1"])].prop_map(Step::Plans),
        1 => any::<bool>().prop_map(Step::Bootstrap),
        3 => any_id().prop_map(Step::Begin),
        1 => Just(Step::Recover),
        2 => Just(Step::Skips),
        1 => Just(Step::Settle),
        1 => Just(Step::Context),
        1 => prop_oneof![Just("incomplete"), Just("setting_up"), Just("strict_template_expansion")].prop_map(Step::Flag),
    ]
}

fn take(session: &mut Session, step: &Step) {
    // Many steps are refused; that they change nothing then is what the comparisons show.
    match step.clone() {
        Step::Select(jobs, mandatory) => drop(session.select(&jobs, mandatory)),
        Step::Mandatory(jobs) => session.set_mandatory(&jobs),
        Step::Record(job, report) => drop(session.record(&job, report)),
        Step::SetRecords(id, ks) => {
            session.set_records(&id, ks.into_iter().map(|k| [("k", k)].into_iter().collect()).collect());
        }
        Step::Add(unit) => drop(session.add_unit(unit)),
        Step::AddToContext(unit) => drop(session.add_context_unit(unit)),
        Step::AddProvider(name, units) => drop(session.add_provider(&name, "ns", units)),
        Step::Remove(id) => {
            if let Some(unit) = session.job(&id).map(|job| job.job().unit.clone()) {
                drop(session.remove_unit(&unit));
            }
        }
        Step::RemoveOther(place) => {
            let unit = session.units().nth(place).cloned();
            if let Some(unit) = unit {
                drop(session.remove_unit(&unit));
            }
        }
        Step::Trim(ids) => {
            let test = Test::AnyOf(ids.into_iter().map(Test::Id).map(Qualifier::including).collect());
            drop(session.trim(&Qualifier::including(test)));
        }
        Step::Manifest(x, n) => {
            session.save_manifest([("has_x".to_owned(), json!(x)), ("n".to_owned(), json!(n))].into());
        }
        Step::Attempts(job, attempts) => drop(session.set_attempts(&job, attempts)),
        Step::Override(job, field, value) => {
            drop(session.apply_overrides(&job, &[(field.to_owned(), value.to_owned())]));
        }
        Step::Plans(plans) => drop(session.set_plans(&plans.into_iter().map(str::to_owned).collect::<Vec<_>>())),
        Step::Bootstrap(start) => {
            let plans = ["p0".to_owned()];
            drop(if start { session.start_bootstrap(&plans) } else { session.finish_bootstrap(&plans) });
        }
        Step::Begin(job) => drop(session.begin(&job, 1.5)),
        Step::Recover => drop(session.recover()),
        Step::Skips => drop(session.settle_skips()),
        Step::Settle => session.settle(),
        Step::Context => session.enter_context(),
        Step::Flag(flag) => {
            let mut metadata = session.metadata().clone();
            metadata.flags.insert(flag.to_owned());
            session.set_metadata(metadata);
        }
    }
}

/// Everything about the jobs that there is to see.
fn seen(session: &Session) -> BTreeMap<String, (Vec<Inhibitor>, bool, usize)> {
    let jobs = session.jobs().map(|job| {
        let entry = session.names.find(job.id()).and_then(|number| session.entry(number)).expect("an entry");
        (job.id().to_owned(), (job.inhibitors(), job.can_start(), entry.unmet))
    });
    jobs.collect()
}

fn rows(session: &Session) -> Changes {
    Changes { counters: None, ..session.rows() }
}

fn check_from_scratch(session: &Session) {
    let mut settled = session.clone();
    settled.settle();
    let mut fresh = session.clone();
    fresh.refresh();
    assert_eq!(rows(&settled), rows(&fresh));
    assert_eq!(seen(&settled), seen(&fresh));
    for job in session.jobs() {
        assert_eq!(job.can_start(), job.run_position().is_some() && job.inhibitors().is_empty() && job.attempts() > 0);
    }
    let places: Vec<_> = session.run_list().map(|id| session.job(id).and_then(|job| job.run_position())).collect();
    let counted: Vec<_> = (0..).take(places.len()).map(Some).collect();
    assert_eq!(places, counted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn step_by_step_is_from_scratch((units, steps) in (units(), proptest::collection::vec(step(), 1..40))) {
        let mut session = Session::new(units).expect("no clash");
        for step in &steps {
            take(&mut session, step);
            check_from_scratch(&session);
        }
    }

    #[test]
    fn rows_are_all_there_is((units, steps) in (units(), proptest::collection::vec((step(), any::<bool>()), 1..40))) {
        let mut session = Session::new(units).expect("no clash");
        let mut mirror = Session::default();
        let mut told = 0;
        let mut hand_over = |session: &mut Session, mirror: &mut Session| {
            let changes = session.take_changes();
            for event in &changes.events {
                assert_eq!(event.number, told);
                told += 1;
            }
            let written = serde_json::to_string(&changes).expect("JSON");
            mirror.absorb(serde_json::from_str(&written).expect("the same JSON")).expect("rows that fit");
            assert!(session.take_changes().is_empty());
            assert!(mirror.take_changes().is_empty());
            assert_eq!(session.rows(), mirror.rows());
            assert_eq!(seen(session), seen(mirror));
            let restored = Session::restore(session.rows()).expect("rows that fit");
            assert_eq!(session.rows(), restored.rows());
            assert_eq!(seen(session), seen(&restored));
        };
        hand_over(&mut session, &mut mirror);
        for (step, swap) in &steps {
            take(&mut session, step);
            hand_over(&mut session, &mut mirror);
            if *swap {
                std::mem::swap(&mut session, &mut mirror);
            }
        }
    }

    #[test]
    fn restored_sessions_go_on_alike((units, before, after) in
        (units(), proptest::collection::vec(step(), 0..20), proptest::collection::vec(step(), 1..20)))
    {
        let mut session = Session::new(units).expect("no clash");
        for step in &before {
            take(&mut session, step);
        }
        session.take_changes();
        let mut restored = Session::restore(session.rows()).expect("rows that fit");
        for step in &after {
            take(&mut session, step);
            take(&mut restored, step);
            let (one, other) = (session.take_changes(), restored.take_changes());
            let sorted = |changes: &Changes| {
                let told: BTreeSet<String> = changes.events.iter().map(|row| json!(row.event).to_string()).collect();
                told
            };
            prop_assert_eq!(sorted(&one), sorted(&other));
            prop_assert_eq!(Changes { events: vec![], ..one }, Changes { events: vec![], ..other });
        }
    }

    #[test]
    fn images_are_resumed((units, steps) in (units(), proptest::collection::vec(step(), 0..30))) {
        let mut session = Session::new(units).expect("no clash");
        for step in &steps {
            take(&mut session, step);
        }
        let image = session.image();
        let written = serde_json::to_vec(&image).expect("JSON");
        let read = Image::read(&written).expect("an image");
        prop_assert_eq!(&read, &image);
        let mut resumed = Session::resume(&read, read.session.units.clone(), false).expect("a session");
        check_from_scratch(&resumed);
        let again = resumed.image().session;
        let states = |stored: &image::Stored| {
            let kept = stored.states.iter().filter(|(id, _)| stored.jobs.contains_key(*id));
            kept.map(|(id, state)| (id.clone(), image::StoredState { via: None, ..state.clone() })).collect::<Vec<_>>()
        };
        prop_assert_eq!(&again.results, &image.session.results);
        prop_assert_eq!(&again.mandatory_job_list, &image.session.mandatory_job_list);
        prop_assert_eq!(&again.metadata, &image.session.metadata);
        prop_assert_eq!(&again.manifest, &image.session.manifest);
        prop_assert_eq!(states(&again), states(&image.session));
        prop_assert_eq!(&again.desired_job_list, &image.session.desired_job_list);
        prop_assert_eq!(resumed.unit("p0", Some(&Kind::TestPlan)), session.unit("p0", Some(&Kind::TestPlan)));
        let mut stored = Session::default();
        stored.absorb(resumed.take_changes()).expect("all rows");
        prop_assert_eq!(stored.rows(), resumed.rows());
    }
}
