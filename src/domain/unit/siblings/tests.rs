use super::*;

const AUTO: &str = "com.canonical.certification::suspend/suspend_advanced_auto";
const MANUAL: &str = "com.canonical.certification::suspend/suspend_advanced";

fn job(fields: &[(&str, &str)]) -> Job {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Job::read(&Unit::new(Some("n"), None, fields)).unwrap()
}

fn siblings(fields: &[(&str, &str)]) -> Siblings {
    Siblings::of(&job(fields)).unwrap()
}

#[test]
fn siblings_are_the_job_with_other_fields() {
    let text = r#"[{"id": "b", "summary": "B", "depends": ["a"]}, {"id": "c", "plugin": null}]"#;
    let siblings = siblings(&[("id", "a"), ("plugin", "shell"), ("siblings", text)]);
    let [b, c] = &siblings.units[..] else { panic!("{siblings:?}") };
    assert_eq!((b.id(), b.text("summary"), b.text("plugin")), (Some("n::b"), Some("B"), Some("shell")));
    assert_eq!(b.ids("depends"), ["n::a"]);
    assert_eq!((c.text("plugin"), c.value("siblings")), (None, None));
    assert!(siblings.before.is_empty());
}

#[test]
fn what_is_no_list_of_siblings_is_refused() {
    let refused = |text| Siblings::of(&job(&[("id", "a"), ("siblings", text)])).unwrap_err();
    assert!(matches!(refused("[{"), SiblingsError::Json(_)));
    assert_eq!(refused("{}"), SiblingsError::Shape);
    assert_eq!(refused("[1]"), SiblingsError::Shape);
    assert!(matches!(refused(&"[".repeat(100_000)), SiblingsError::Json(_)));
}

#[test]
fn a_copy_runs_after_suspending_and_the_job_before() {
    let fields = [("id", "w"), ("flags", "also-after-suspend"), ("summary", "W"), ("group", "g")];
    let siblings = siblings(&fields);
    let [copy] = &siblings.units[..] else { panic!("{siblings:?}") };
    assert_eq!(copy.id(), Some("n::after-suspend-w"));
    assert_eq!(copy.text("summary"), Some("W after suspend (S3)"));
    assert_eq!((copy.text("flags"), copy.text("group")), (Some(""), Some("after-suspend-g")));
    assert_eq!(copy.ids("depends"), ["n::w", AUTO]);
    assert_eq!(siblings.before, [AUTO]);
}

#[test]
fn a_job_that_waits_for_suspending_itself_need_not_run_before_it() {
    let fields = [("id", "w"), ("flags", "also-after-suspend-manual x"), ("after", MANUAL)];
    let siblings = siblings(&fields);
    assert_eq!(siblings.units[0].id(), Some("n::after-suspend-manual-w"));
    assert_eq!(siblings.units[0].text("flags"), Some("x"));
    assert!(siblings.before.is_empty());
}

#[test]
fn what_the_copy_depends_on_is_not_hidden_by_what_stands_before_it() {
    for (depends, expected) in [("x1", "n::x1"), ("x1 # why", "n::x1"), ("x1 \"", "n::x1")] {
        let siblings = siblings(&[("id", "w"), ("flags", "also-after-suspend"), ("depends", depends)]);
        assert_eq!(siblings.units[0].ids("depends"), [expected, "n::w", AUTO], "{depends}");
    }
    let plain = siblings(&[("id", "w"), ("flags", "also-after-suspend"), ("depends", "x1")]);
    assert_eq!(plain.units[0].text("depends"), Some(format!("x1 n::w {AUTO}").as_str()));
    let text = siblings(&[("id", "w w"), ("flags", "also-after-suspend"), ("depends", "x")]);
    assert_eq!(text.units[0].ids("depends"), ["n::x", "n::w w", AUTO]);
}

#[test]
fn copies_bring_no_copies_of_their_own() {
    let siblings = siblings(&[("id", "w"), ("flags", "also-after-suspend also-after-suspend-manual")]);
    assert_eq!(siblings.units.len(), 2);
    for unit in siblings.units {
        assert_eq!(Siblings::of(&Job::read(&unit).unwrap()).unwrap(), Siblings::default());
    }
}
