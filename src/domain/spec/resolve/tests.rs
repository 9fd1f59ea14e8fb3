use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::words::{Unclosed, split, substitute};
use super::{Directive, Expect, Problem, resolve, resolve_within};
use crate::domain::spec::document::Draft;
use crate::domain::spec::{Dependency, Spec, Timeouts};

fn draft(id: usize, family: &str, directives: &[(&str, Expect)]) -> Draft {
    let mut spec = Spec {
        id: format!("{id:08}"),
        family: family.to_owned(),
        file_path: format!("d/{family}.pyt"),
        ..Spec::default()
    };
    spec.fill(&Timeouts::default());
    let directive = |(pattern, expect): &(&str, Expect)| Directive {
        pattern: (*pattern).to_owned(),
        expect: *expect,
        when: "success".to_owned(),
    };
    Draft { spec, depends_on: directives.iter().map(directive).collect() }
}

fn told(drafts: &[Draft]) -> Vec<(String, String)> {
    let problems = resolve(drafts).expect_err("problems");
    problems.iter().map(Problem::fault).map(|fault| (fault.pointer, fault.detail)).collect()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(pointer, detail)| ((*pointer).to_owned(), (*detail).to_owned())).collect()
}

#[test]
fn words_are_split_as_a_shell_does() {
    let cases: [(&str, &[&str]); 14] = [
        ("", &[]),
        (" \t\r\n ", &[]),
        ("a b", &["a", "b"]),
        ("  a\tb\n", &["a", "b"]),
        ("'a b' c", &["a b", "c"]),
        ("a'b c'd", &["ab cd"]),
        (r#""a \"b\" \\ \c""#, &[r#"a "b" \ \c"#]),
        (r"a\ b \'c", &["a b", "'c"]),
        (r"'a\b'", &[r"a\b"]),
        ("''", &[""]),
        ("a '' \"\"", &["a", "", ""]),
        ("a#b # c", &["a#b", "#", "c"]),
        ("$x ~ *", &["$x", "~", "*"]),
        ("é\u{a0}x", &["é\u{a0}x"]),
    ];
    for (text, words) in cases {
        assert_eq!(
            split(text).as_deref(),
            Ok(words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>().as_slice()),
            "{text}"
        );
    }
    for (text, unclosed) in [
        ("'a", Unclosed::Quotation),
        ("a \"b'", Unclosed::Quotation),
        ("a\\", Unclosed::Backslash),
        ("\"\\", Unclosed::Backslash),
    ] {
        assert_eq!(split(text), Err(unclosed), "{text}");
    }
}

#[test]
fn parameters_are_put_in() {
    let parameters = BTreeMap::from([("n", "4".to_owned()), ("name", "$n".to_owned()), ("a-b", "c".to_owned())]);
    for (word, expected) in [
        ("a.n=${n}", "a.n=4"),
        ("$n", "4"),
        ("$n.$n", "4.4"),
        ("$name", "$n"),
        ("$named", "$named"),
        ("${zz}", "${zz}"),
        ("${zz}$n", "${zz}4"),
        ("${n", "${n"),
        ("${a$n}", "${a4}"),
        ("${a-b}", "c"),
        ("$$n", "$n"),
        ("$$$n", "$4"),
        ("a$", "a$"),
        ("$ n", "$ n"),
        ("${}", "${}"),
        ("é$né", "é4é"),
    ] {
        assert_eq!(substitute(word, &parameters, 100).as_deref(), Some(expected), "{word}");
    }
    let long = BTreeMap::from([("x", "y".repeat(60))]);
    assert_eq!(substitute("$x", &long, 60).map(|it| it.len()), Some(60));
    assert_eq!(substitute("$x$x", &long, 100), None);
    assert_eq!(substitute("abc", &long, 2), None);
}

#[test]
fn an_id_comes_before_names_and_a_test_never_takes_itself() {
    let mut drafts =
        vec![draft(1, "00000002", &[]), draft(2, "b", &[]), draft(3, "c", &[("00000002", Expect::Exactly(1))])];
    assert_eq!(resolve(&drafts).unwrap()[2][0].id, "00000002");
    drafts[2].depends_on[0].pattern = "c d/c.pyt *c*".to_owned();
    assert_eq!(told(&drafts), owned(&[("/2/depends_on/0", "d/c expects 1 to match c d/c.pyt *c*, and 0 do")]));
}

#[test]
fn dependencies_that_are_stated_come_first_and_count_once() {
    let mut drafts = vec![
        draft(1, "a", &[]),
        draft(2, "b", &[]),
        draft(3, "c", &[("a b d/a", Expect::Exactly(2)), ("b", Expect::AtLeastOne)]),
    ];
    let on = |id: &str, when: &str| Dependency { id: id.to_owned(), when: when.to_owned() };
    drafts[2].spec.dependencies = vec![on("99999999", "*"), on("00000002", "success"), on("00000001", "failed")];
    let expected =
        [on("99999999", "*"), on("00000002", "success"), on("00000001", "failed"), on("00000001", "success")];
    assert_eq!(resolve(&drafts).unwrap()[2], expected);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let mut drafts = vec![
        draft(1, "a", &[("nosuch", Expect::AtLeastOne), ("b", Expect::Exactly(0)), ("'x", Expect::Any)]),
        draft(2, "b", &[("nada", Expect::AtLeastOne), ("a c", Expect::AtMostOne)]),
        draft(3, "c", &[("b", Expect::AtLeastOne)]),
        draft(3, "d", &[]),
    ];
    let expected = [
        ("/3/id", "the test at 3 has the id of the one at 2: 00000003"),
        ("/0/depends_on/0", "d/a expects at least 1 to match nosuch, and 0 do"),
        ("/0/depends_on/1", "d/a expects 0 to match b, and 1 do"),
        ("/0/depends_on/2/pattern", "there is a quotation mark without another one after it"),
        ("/1/depends_on/0", "d/b expects at least 1 to match nada, and 0 do"),
        ("/1/depends_on/1", "d/b expects at most 1 to match a c, and 2 do"),
        ("/0", "these tests wait for each other: d/a -> d/b -> d/a"),
    ];
    assert_eq!(told(&drafts), owned(&expected));
    drafts[0].depends_on = vec![];
    drafts[1].depends_on.truncate(0);
    drafts[1].spec.dependencies = vec![Dependency { id: "00000002".to_owned(), when: "*".to_owned() }];
    drafts.truncate(2);
    assert_eq!(told(&drafts), owned(&[("/1", "these tests wait for each other: d/b -> d/b")]));
}

#[test]
fn a_long_cycle_is_cut_in_words_and_whole_in_places() {
    let names: Vec<String> = (0..1_000).map(|place| format!("t{}", (place + 1) % 1_000)).collect();
    let drafts: Vec<Draft> = names
        .iter()
        .enumerate()
        .map(|(place, next)| draft(place, &format!("t{place}"), &[(next, Expect::AtLeastOne)]))
        .collect();
    let problems = resolve(&drafts).unwrap_err();
    let [problem @ Problem::Cycle { places, names }] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((places.len(), names.len()), (1_000, 1_000));
    let text = problem.to_string();
    assert!(text.starts_with("these tests wait for each other: d/t0 -> d/t1 -> "), "{text}");
    assert!(text.ends_with("d/t99 -> ... (1000 tests in all)"), "{text}");
}

#[test]
fn too_much_is_refused() {
    let all: Vec<Draft> = (0..10_002).map(|id| draft(id, "a", &[])).collect();
    let with = |family: &str, directives: &[(&str, Expect)]| {
        let mut drafts = all.clone();
        drafts.push(draft(10_002, family, directives));
        drafts
    };
    assert_eq!(told(&with("z", &[("a", Expect::Any)])), owned(&[("/10002/depends_on", "it waits for too many tests")]));
    // Tests that are all taken again and again, from each of many.
    let mut drafts: Vec<Draft> = (0..9_000).map(|id| draft(id, "a", &[])).collect();
    drafts.extend((0..300).map(|id| draft(20_000 + id, "z", &[("a", Expect::Any)])));
    let what = "too many tests are waited for, with those of the tests before";
    assert_eq!(told(&drafts), owned(&[("/9222/depends_on", what)]));
    let mut drafts = with("z", &[("$x$x", Expect::Any)]);
    drafts[10_002].spec.parameters = [("x".to_owned(), Value::from("y".repeat(3_000)))].into();
    let what = "with its parameters a pattern is over 4096 bytes";
    assert_eq!(told(&drafts), owned(&[("/10002/depends_on/0/pattern", what)]));
}

#[test]
fn globs_have_a_bound_together() {
    let glob = format!("*{}b", "a".repeat(50));
    let family = "a".repeat(100);
    let mut drafts: Vec<Draft> = (0..10).map(|id| draft(id, &family, &[])).collect();
    drafts.push(draft(10, "z", &[(&glob, Expect::Any)]));
    let what = "too many globs are compared with too many names, with those of the tests before";
    let problems = resolve_within(&drafts, 3_000).expect_err("too much");
    assert_eq!(problems, [Problem::TooMuch { place: 10, what }]);
    // The same glob is compared once.
    drafts.extend((11..100).map(|id| draft(id, "z", &[(&glob, Expect::Any)])));
    assert!(resolve_within(&drafts, 200_000).is_ok());
}

/// Looking at each test for each directive would take many times as long as all other tests.
#[test]
fn many_directives_over_many_tests_are_resolved() {
    let count = 30_000;
    let before: Vec<String> = (0..count).map(|place| format!("d/t{}", (place + 1) % count)).collect();
    let drafts: Vec<Draft> = before
        .iter()
        .enumerate()
        .map(|(place, next)| {
            let directive: &[(&str, Expect)] = if place + 1 == count { &[] } else { &[(next, Expect::Exactly(1))] };
            draft(place, &format!("t{place}"), directive)
        })
        .collect();
    let resolved = resolve(&drafts).expect("dependencies");
    assert_eq!(resolved.iter().map(Vec::len).sum::<usize>(), count - 1);
    assert_eq!(resolved[7][0].id, "00000008");
}

#[test]
fn what_is_expected_is_a_sign_or_a_number() {
    for (written, expect) in [
        (json!("+"), Expect::AtLeastOne),
        (json!(null), Expect::AtLeastOne),
        (json!("?"), Expect::AtMostOne),
        (json!("*"), Expect::Any),
        (json!(0), Expect::Exactly(0)),
        (json!(3), Expect::Exactly(3)),
    ] {
        assert_eq!(serde_json::from_value::<Expect>(written).ok(), Some(expect));
    }
    for other in [json!("3"), json!(""), json!(-1), json!(1.5), json!(true), json!([]), json!(5_000_000_000_u64)] {
        assert!(serde_json::from_value::<Expect>(other.clone()).is_err(), "{other}");
    }
}
