//! What is composed, as a session makes of it.

use serde_json::{Value, json};

use super::definition::{NoDefinitionCause, executable};
use super::*;
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::item::ItemKind;
use crate::domain::catalogue::{document, item::Item};
use crate::domain::session::{Outcome, Report, Session};
use crate::domain::spec::Timeouts;
use crate::domain::spec::document::Draft;

fn spec(document: Value) -> Spec {
    Draft::read(document, &Timeouts::default()).expect("a spec").spec
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Specs, of which these are wanted, by the digit of their ids.
fn specs(documents: Vec<Value>, wanted: &[char]) -> Sources {
    Sources {
        specs: documents.into_iter().map(spec).collect(),
        wanted: wanted.iter().map(|digit| id(*digit)).collect(),
        session: "ses_1".to_owned(),
        ..Sources::default()
    }
}

fn items(kind: ItemKind, documents: Value) -> BTreeMap<String, Extension> {
    let classes = builtin::classes();
    let Value::Object(documents) = documents else { panic!("no items: {documents}") };
    let read = |(label, document): (String, Value)| match document::read(kind, &document, &classes) {
        Ok(Item::Test(extension) | Item::Resource(extension)) => (label, extension),
        other => panic!("{label}: {other:?}"),
    };
    documents.into_iter().map(read).collect()
}

/// Tests and resources of revision 7, of which these tests are wanted.
fn catalogue(tests: Value, resources: Value, wanted: &[&str]) -> Sources {
    let known = Catalogue {
        tests: items(ItemKind::Test, tests),
        resources: items(ItemKind::Resource, resources),
        classes: builtin::classes(),
    };
    Sources {
        tests: wanted.iter().map(|label| (*label).to_owned()).collect(),
        revision: 7,
        catalogue: [(7, known)].into(),
        session: "ses_1".to_owned(),
        ..Sources::default()
    }
}

fn sh(command: &str) -> Value {
    json!({"class": "command.ShellCommandTest", "arguments": {"command": command}})
}

/// A session of what is composed, in which what is to be desired is, without any problem.
fn session(sources: &Sources) -> (Session, Vec<String>) {
    let composed = compose(sources);
    let mut session = Session::new(composed.units).expect("no clash");
    let problems = session.select(&composed.desired, true);
    assert_eq!(problems, []);
    (session, composed.notes)
}

fn ready(session: &Session) -> Vec<&str> {
    session.todo().filter(super::super::session::JobView::can_start).map(|job| job.id()).collect()
}

fn record(session: &mut Session, job: &str, outcome: &str) {
    session.record(job, Report::of(Outcome::of(outcome))).expect("recorded");
}

#[test]
fn specs_become_jobs_that_wait_for_each_other() {
    let sources = specs(
        vec![
            json!({"id": id('a'), "file_path": "d/setup.pyt", "attributes": {"command": ["setup"]}, "keywords": ["Fast one"]}),
            json!({"id": id('b'), "file_path": "d/mesh.pyt", "parameters": {"np": 4}, "attributes": {"command": "mesh $X"},
                   "timeout": 90, "environment": {"X": "1"}, "dependencies": [{"id": id('a')}]}),
            json!({"id": id('c'), "file_path": "d/report.pyt", "attributes": {"command": ["report"]},
                   "dependencies": [{"id": id('b'), "when": "*"}]}),
        ],
        &['c'],
    );
    let (mut session, notes) = session(&sources);
    assert_eq!(notes, Vec::<String>::new());
    // What is depended on comes along, and only what is wanted is desired.
    assert_eq!(session.run_list().collect::<Vec<_>>(), ["spec::setup", "spec::mesh.np=4", "spec::report"]);
    assert_eq!(session.desired().collect::<Vec<_>>(), ["spec::report"]);
    assert_eq!(ready(&session), ["spec::setup"]);
    record(&mut session, "spec::setup", "pass");
    record(&mut session, "spec::mesh.np=4", "fail");
    assert_eq!(ready(&session), ["spec::report"]);
    let mesh = session.job("spec::mesh.np=4").unwrap().job();
    assert_eq!(mesh.unit.text(fields::SPEC), Some(id('b').as_str()));
    assert_eq!((mesh.summary(), mesh.estimated_duration), ("d/mesh.np=4", Some(90.0)));
    assert_eq!(mesh.environ(), ["X".to_owned()].into());
    let setup = session.job("spec::setup").unwrap().job();
    assert_eq!(setup.category_id, "spec::Fast_one");
    assert!(session.units().any(|unit| unit.id() == Some("spec::Fast_one")), "the category is a unit too");
}

#[test]
fn names_that_clash_are_told_apart_by_ids() {
    let same =
        |digit: char| json!({"id": id(digit), "file_path": format!("{digit}/mesh.pyt"), "parameters": {"np": 4}});
    let sources = specs(vec![same('a'), same('b'), json!({"id": id('c'), "file_path": "x.pyt"})], &['a', 'b', 'c']);
    let (session, _) = session(&sources);
    let ids: Vec<&str> = session.jobs().map(|job| job.id()).collect();
    assert_eq!(ids, ["spec::mesh.np=4.aaaaaaa", "spec::mesh.np=4.bbbbbbb", "spec::x"]);
}

#[test]
fn what_a_session_cannot_say_is_looked_at_before_a_job_is_run() {
    let sources = specs(
        vec![
            json!({"id": id('a'), "file_path": "a.pyt", "attributes": {"command": ["a"]}}),
            json!({"id": id('b'), "file_path": "b.pyt", "attributes": {"command": ["b"]}, "xstatus": -1}),
            json!({"id": id('c'), "file_path": "c.pyt", "attributes": {"command": ["c"]},
                   "dependencies": [{"id": id('a'), "when": "Diffed"}]}),
            json!({"id": id('d'), "file_path": "d.pyt", "attributes": {"command": ["d"]},
                   "dependencies": [{"id": id('b'), "when": "xfail"}, {"id": id('b'), "when": "pass"}]}),
            json!({"id": id('e'), "file_path": "e.pyt", "attributes": {"command": ["e"]},
                   "dependencies": [{"id": id('b'), "when": "success"}]}),
        ],
        &['c', 'd', 'e'],
    );
    let (mut session, _) = session(&sources);
    let c = session.job("spec::c").unwrap();
    assert_eq!((c.job().depends.len(), c.job().after.as_slice()), (0, ["spec::a".to_owned()].as_slice()));
    record(&mut session, "spec::a", "fail");
    record(&mut session, "spec::b", "pass");
    // An exit code of 64 is what differences are told by.
    let refused = executable(&session, "spec::c").unwrap_err();
    assert_eq!(refused.cause, NoDefinitionCause::Unwanted);
    assert_eq!(refused.reason, "it wants `Diffed` of `spec::a`, which came to `fail`");
    let diffed = Report { return_code: Some(64), ..Report::of(Outcome::Fail) };
    session.record("spec::a", diffed).unwrap();
    assert!(executable(&session, "spec::c").is_ok());
    // That it failed as it should is a pass, and no success.
    assert!(executable(&session, "spec::d").is_ok());
    assert_eq!(executable(&session, "spec::e").unwrap_err().cause, NoDefinitionCause::Unwanted);
}

#[test]
fn a_dependency_that_is_not_stored_is_told_and_leaves_out_who_has_it() {
    let sources = specs(vec![json!({"id": id('a'), "file_path": "a.pyt", "dependencies": [{"id": id('f')}]})], &['a']);
    let composed = compose(&sources);
    assert_eq!(composed.notes, [format!("`a` depends on the spec {}, which is not stored", id('f'))]);
    let mut session = Session::new(composed.units).unwrap();
    assert_eq!(session.select(&composed.desired, true).len(), 1);
    assert_eq!(session.run_list().len(), 0);
}

#[test]
fn specs_say_what_they_need() {
    let sources = specs(
        vec![
            json!({"id": id('a'), "file_path": "a.pyt", "attributes": {"command": ["a"], "requires": {"arch": "riscv64"},
                   "slots": {"licence": 2}}}),
            json!({"id": id('b'), "file_path": "b.pyt", "attributes": {"command": ["b"]}, "parameters": {"gpus": 3}}),
        ],
        &['a', 'b'],
    );
    let (session, _) = session(&sources);
    let needs = |job: &str| executable(&session, job).unwrap().needs;
    assert_eq!(needs("spec::a").requires.0, [("arch".to_owned(), "riscv64".to_owned())].into());
    assert_eq!(needs("spec::a").slots, [("licence".to_owned(), 2)].into());
    assert_eq!(needs("spec::b.gpus=3").slots, [("gpus".to_owned(), 3)].into());
}

#[test]
fn resources_are_set_up_before_and_cleaned_up_after() {
    let mut one = sh("one");
    one["resources"] = json!(["inner"]);
    let mut two = sh("two");
    two["resources"] = json!(["outer"]);
    two["keywords"] = json!(["net"]);
    let resources = json!({
        "outer": {"class": "temporary.TempDirectoryResource", "arguments": {"dir_path_property": "outer.dir"}},
        "inner": {"class": "temporary.TempDirectoryResource", "resources": ["outer"]},
    });
    let sources = catalogue(json!({"one": one, "two": two}), resources, &["one", "two"]);
    let (mut session, notes) = session(&sources);
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(ready(&session), ["setup::outer"]);
    record(&mut session, "setup::outer", "pass");
    assert_eq!(ready(&session), ["setup::inner", "test::two"]);
    record(&mut session, "test::two", "fail");
    record(&mut session, "setup::inner", "pass");
    record(&mut session, "test::one", "pass");
    // The outer one is cleaned up after the inner one, which needs it.
    assert_eq!(ready(&session), ["cleanup::inner"]);
    record(&mut session, "cleanup::inner", "pass");
    assert_eq!(ready(&session), ["cleanup::outer"]);
    let one = executable(&session, "test::one").unwrap().definition;
    let environment: Vec<(&str, &str)> =
        one.command.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        environment,
        [("QMV_outer__dir", "/tmp/testyard-ses_1-outer"), ("QMV_temp_dir_path", "/tmp/testyard-ses_1-inner"),]
    );
    let two = session.job("test::two").unwrap().job();
    assert_eq!((two.unit.text(fields::TEST), two.unit.text(fields::REVISION)), (Some("two"), Some("7")));
    assert_eq!(two.category_id, "test::net");
}

#[test]
fn a_resource_that_is_not_set_up_skips_its_tests_and_is_not_cleaned_up() {
    let mut one = sh("one");
    one["resources"] = json!(["dir"]);
    let resources = json!({"dir": {"class": "temporary.TempDirectoryResource"}});
    let (mut session, _) = session(&catalogue(json!({"one": one}), resources, &["one"]));
    record(&mut session, "setup::dir", "fail");
    let skipped: Vec<String> = session.settle_skips().into_iter().map(|skipped| skipped.job).collect();
    assert_eq!(skipped, ["test::one", "cleanup::dir"]);
}

#[test]
fn what_is_not_in_the_catalogue_is_told_and_has_no_definition() {
    let mut one = sh("one");
    one["resources"] = json!(["ghost"]);
    let mut two = sh("two");
    two["prerequisites"] = json!([{"test": "nowhere"}, {"test": "there"}]);
    let sources = catalogue(json!({"one": one, "two": two, "there": sh("x")}), json!({}), &["one", "two"]);
    let (session, notes) = session(&sources);
    assert_eq!(
        notes,
        [
            "`two`: its prerequisite `nowhere` is not in the catalogue",
            "the catalogue has no resource `ghost` as of revision 7",
        ]
    );
    for job in ["setup::ghost", "test::two"] {
        assert_eq!(executable(&session, job).unwrap_err().cause, NoDefinitionCause::NoCommand, "{job}");
    }
    assert!(executable(&session, "test::one").is_ok());
}

#[test]
fn prerequisites_count_within_the_run_with_the_outcome_that_is_wanted() {
    let with = |prerequisites: Value| {
        let mut test = sh("x");
        test["prerequisites"] = prerequisites;
        test
    };
    let tests = json!({
        "a": sh("a"),
        "outside": sh("b"),
        "pass": with(json!([{"test": "a"}, {"test": "outside"}])),
        "fail": with(json!([{"test": "a", "outcome": "PASS"}, {"test": "a", "outcome": "FAIL"}])),
        "error": with(json!([{"test": "a", "outcome": "ERROR"}])),
    });
    let (mut session, _) = session(&catalogue(tests, json!({}), &["a", "pass", "fail", "error"]));
    let depends = |session: &Session, job: &str| session.job(job).unwrap().job().depends.clone();
    assert_eq!(depends(&session, "test::pass"), ["test::a"]);
    assert_eq!(depends(&session, "test::fail"), Vec::<String>::new());
    record(&mut session, "test::a", "fail");
    assert_eq!(ready(&session), ["test::fail", "test::error"]);
    let refused = executable(&session, "test::error").unwrap_err();
    assert_eq!(refused.reason, "it wants `ERROR` of `test::a`, which came to `fail`");
    record(&mut session, "test::a", "crash");
    assert!(executable(&session, "test::error").is_ok());
}

#[test]
fn specs_from_the_catalogue_run_what_their_test_does() {
    let mut one = sh("one");
    one["resources"] = json!(["dir"]);
    let resources = json!({"dir": {"class": "temporary.TempDirectoryResource"}});
    let mut sources = catalogue(json!({"one": one}), resources.clone(), &["one"]);
    let other = catalogue(json!({"one": one}), resources, &[]).catalogue.remove(&7).unwrap();
    sources.catalogue.insert(8, other);
    let document = json!({
        "id": id('a'), "file_path": "one.qmt", "parameters": {"np": 2}, "catalogue_test": "one", "timeout": 30,
        "command": {"class": "command.ShellCommandTest", "catalogue_revision": 8},
    });
    sources.specs = vec![spec(document)];
    sources.wanted = [id('a')].into();
    let (session, _) = session(&sources);
    // Of another revision the resource is another one.
    let of_spec = session.job("spec::one.np=2").unwrap().job();
    assert_eq!(of_spec.depends, ["setup::dir@8"]);
    assert_eq!(session.job("test::one").unwrap().job().depends, ["setup::dir@7"]);
    let definition = executable(&session, "spec::one.np=2").unwrap().definition;
    assert_eq!(definition.command.argv, ["/bin/sh", "-c", "one"]);
    assert_eq!(definition.command.timeout_s, Some(30));
    assert_eq!(definition.command.environment["TESTYARD_SPEC_PARAMETERS"], r#"{"np":2}"#);
    assert_eq!(definition.command.environment["QMV_temp_dir_path"], "/tmp/testyard-ses_1-dir@8");
}
