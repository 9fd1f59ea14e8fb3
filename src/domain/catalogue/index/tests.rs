//! What the measured cases leave open: namesakes, what is missing, who names whom, suites that share suites, and refusals.

use super::*;

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn test(text: &str) -> Entry {
    Entry::Test(label(text))
}

fn suite(text: &str, test_ids: &[&str], suite_ids: &[&str]) -> Entry {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Entry::Suite { label: label(text), test_ids: owned(test_ids), suite_ids: owned(suite_ids), implicit: false }
}

#[test]
fn the_root_is_always_there() {
    let index = Index::new([]);
    assert!(index.is_directory(&Label::root()));
    assert!(index.has(Kind::Suite, ""));
    assert_eq!(index.ids(Kind::Suite, &Label::root(), true), Ok(vec![]));
    assert_eq!(index.expand(&[""], MissingSuites::Refuse).unwrap().suite_ids, [""]);
}

#[test]
fn whatever_something_is_in_is_a_directory() {
    let index = Index::new([Entry::Resource(label("a.b.c.r")), suite("a.s", &[], &[])]);
    assert_eq!(index.directories(&Label::root(), true), Ok(vec!["a", "a.b", "a.b.c"]));
    assert_eq!(index.directories(&label("a"), false), Ok(vec!["a.b"]));
    assert_eq!(index.subdirectories(&label("a.b")), Ok(vec!["c"]));
    assert!(!index.is_directory(&label("a.s")) && !index.is_directory(&label("a.b.c.r")));
}

#[test]
fn ids_are_sorted_and_nothing_but_below() {
    let index = Index::new(["a.b", "a-b", "a", "a0", "a.b.c", "a_b"].map(test));
    assert_eq!(index.ids(Kind::Test, &Label::root(), true), Ok(vec!["a", "a-b", "a.b", "a.b.c", "a0", "a_b"]));
    assert_eq!(index.ids(Kind::Test, &label("a"), true), Ok(vec!["a.b", "a.b.c"]));
    assert_eq!(index.ids(Kind::Test, &label("a"), false), Ok(vec!["a.b"]));
}

#[test]
fn what_no_catalogue_stores_does_no_harm() {
    let entries =
        [suite("d", &["x"], &["gone"]), test("d.t"), test(""), suite("", &["x"], &[]), suite("s", &["one"], &[])];
    for entries in [entries.clone().to_vec(), entries.into_iter().rev().collect()] {
        let index = Index::new(entries.into_iter().chain([suite("s", &["two"], &[])]));
        let view = index.suite(&label("d")).unwrap();
        assert!(view.directory && view.implicit);
        assert_eq!((view.test_ids, view.suite_ids), (vec!["d.t"], vec![]));
        assert_eq!(index.suite(&label("s")).unwrap().test_ids, ["two"]);
        assert!(!index.has(Kind::Test, ""));
        assert!(index.suite(&Label::root()).unwrap().directory);
        assert_eq!(index.referrers(Kind::Test, "x"), Vec::<&str>::new());
    }
}

#[test]
fn a_text_that_is_no_label_names_nothing_though_a_suite_says_it() {
    let index = Index::new([test("t"), suite("s", &["t.", "No"], &[])]);
    let expansion = index.expand(&["s"], MissingSuites::Refuse).unwrap();
    assert_eq!(expansion.test_ids, ["No", "t."]);
    assert!(!index.has(Kind::Test, "t.") && !index.has(Kind::Test, "No"));
    let error = index.expand(&["t", "No"], MissingSuites::Refuse).unwrap_err();
    assert_eq!(error, ExpandError::Unknown("No".to_owned()));
    assert_eq!(error.to_string(), "`No` is no label: there is a capital `N` at character 1; write `no`");
    assert_eq!(index.expand(&["t."], MissingSuites::Report), Err(ExpandError::Unknown("t.".to_owned())));
    // As measured: what a suite has listed already is passed over, whatever it is.
    assert_eq!(index.expand(&["s", "No"], MissingSuites::Refuse).unwrap().test_ids, ["No", "t."]);
}

#[test]
fn what_is_missing_is_reported_with_who_names_it() {
    let index = Index::new([
        test("t"),
        suite("a", &["t", "gone"], &["b", "nowhere"]),
        suite("b", &["gone", "lost"], &["nowhere", "a"]),
        suite("d.c", &[], &["nowhere"]),
    ]);
    let missing = |kind, id, named_by| Missing { kind, id, named_by };
    let expansion = index.expand(&["b"], MissingSuites::Report).unwrap();
    assert_eq!((expansion.test_ids, expansion.suite_ids), (vec!["gone", "lost", "t"], vec!["a", "b"]));
    let expected =
        [missing(Kind::Test, "gone", "b"), missing(Kind::Test, "lost", "b"), missing(Kind::Suite, "nowhere", "b")];
    assert_eq!(expansion.missing, expected);

    let error = index.expand(&["t", "a"], MissingSuites::Refuse).unwrap_err();
    let absent = NoSuchSuite::Member { id: "nowhere".to_owned(), named_by: "a".to_owned() };
    assert_eq!(error, ExpandError::NoSuchSuite(absent.clone()));
    assert_eq!(error.to_string(), "there is no suite and no directory `nowhere`, which the suite `a` names");
    assert_eq!(index.flatten(&label("a")), Err(absent));
    // What is only listed is not looked into.
    assert_eq!(index.expand(&["d"], MissingSuites::Refuse).unwrap().missing, []);
    // A suite that is missing is none that was collected: asked for by name, it is unknown.
    let error = index.expand(&["a", "nowhere"], MissingSuites::Report).unwrap_err();
    assert_eq!(error.to_string(), "there is no test, no suite and no directory `nowhere`");
}

#[test]
fn directories_that_are_none_are_refused() {
    let index = Index::new([test("t"), suite("s", &[], &[])]);
    let refused = |text: &str| index.ids(Kind::Test, &label(text), true).unwrap_err();
    assert_eq!(refused("t"), NoSuchSuite::Absent { id: "t".to_owned() });
    assert_eq!(refused("t").to_string(), "there is no suite and no directory `t`");
    assert_eq!(refused("s"), NoSuchSuite::NoDirectory { id: "s".to_owned() });
    assert_eq!(refused("s").to_string(), "`s` is a suite with explicit members, no directory: nothing is in it");
    assert_eq!(index.subdirectories(&label("s")).unwrap_err().id(), "s");
    assert_eq!(index.directories(&label("x"), true).unwrap_err().id(), "x");
    assert_eq!(index.flatten(&label("t")), Err(NoSuchSuite::Absent { id: "t".to_owned() }));
    assert_eq!(index.suite(&label("t")), None);
}

#[test]
fn who_names_what_can_be_asked() {
    let index = Index::new([
        test("d.t"),
        suite("a", &["d.t", "d.t", "gone"], &["d", ""]),
        suite("b", &["d.t"], &["a", "gone"]),
        suite("d.s", &[], &["d"]),
    ]);
    assert_eq!(index.referrers(Kind::Test, "d.t"), ["a", "b"]);
    assert_eq!(index.referrers(Kind::Test, "gone"), ["a"]);
    assert_eq!(index.referrers(Kind::Suite, "gone"), ["b"]);
    assert_eq!(index.referrers(Kind::Suite, "d"), ["a", "d.s"]);
    assert_eq!(index.referrers(Kind::Suite, ""), ["a"]);
    assert_eq!(index.referrers(Kind::Suite, "d.t"), Vec::<&str>::new());
    assert_eq!(index.referrers(Kind::Resource, "d.t"), Vec::<&str>::new());
    assert_eq!(index.referrers(Kind::Test, "nothing"), Vec::<&str>::new());
}

/// Each level names the level below twice: listed as often as named, the last of 60 would stand there 2^60 times.
#[test]
fn suites_that_share_suites_are_listed_once_where_it_would_be_too_often() {
    let name = |level: usize| format!("s{level:02}");
    let level = |level: usize| suite(&name(level), &["t"], &[&name(level + 1), &name(level + 1)]);
    let entries = |depth: usize| (0..depth).map(level).chain([suite(&name(depth), &["t"], &[])]);
    let shallow = Index::new(entries(3));
    let flattened = shallow.flatten(&label("s00")).unwrap();
    assert_eq!(flattened.test_ids, ["t"; 15]);
    assert_eq!(flattened.suite_ids.len(), 14);

    let deep = Index::new(entries(60));
    let flattened = deep.flatten(&label("s00")).unwrap();
    assert_eq!(flattened.test_ids, ["t"]);
    assert_eq!(flattened.suite_ids, (1..=60).map(name).collect::<Vec<_>>());
    assert_eq!(deep.expand(&["s00"], MissingSuites::Refuse).unwrap().suite_ids.len(), 61);
}

#[test]
fn a_cycle_is_listed_once() {
    let index = Index::new([suite("a", &["t"], &["b"]), suite("b", &["u"], &["c", "a"]), suite("c", &[], &["c"])]);
    let flattened = index.flatten(&label("a")).unwrap();
    assert_eq!((flattened.test_ids, flattened.suite_ids), (vec!["t", "u"], vec!["b", "c", "a"]));
}

/// A chain as long as a catalogue: nothing here may take a stack frame for each link.
#[test]
fn a_long_chain_of_suites_ends() {
    let link = |n: usize| suite(&format!("s{n}"), &[], &[&format!("s{}", (n + 1) % 20_000)]);
    let index = Index::new((0..20_000).map(link));
    assert_eq!(index.expand(&["s7"], MissingSuites::Refuse).unwrap().suite_ids.len(), 20_000);
    assert_eq!(index.flatten(&label("s7")).unwrap().suite_ids.len(), 20_000);
}
