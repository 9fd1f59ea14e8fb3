//! Tables for the rules, the golden examples, and properties: any text is read, and what is printed reads back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn statuses(text: &str) -> Vec<(String, Status)> {
    read(text).flat_cases().into_iter().map(|case| (case.name, case.status)).collect()
}

fn expect(text: &str, expected: &[(&str, Status)]) {
    let expected: Vec<_> = expected.iter().map(|(name, status)| ((*name).to_owned(), *status)).collect();
    assert_eq!(statuses(text), expected, "{text}");
}

#[test]
fn a_line_alone_means_this() {
    use Status::{Done, Fail, Pass, Skip};
    let table: &[(&str, &str, Status, Option<&str>)] = &[
        ("ok", "1", Pass, None),
        ("ok 7", "7", Pass, None),
        ("not ok 7 - x", "x", Fail, None),
        ("ok - no number", "no number", Pass, None),
        ("ok no dash", "no dash", Pass, None),
        ("ok 3rd try", "3rd try", Pass, None),
        ("ok 1 - - dash", "- dash", Pass, None),
        ("ok 1 - a # SKIP no hardware", "a", Skip, Some("no hardware")),
        ("not ok 1 a # skipped: later", "a", Skip, Some("later")),
        ("ok 1 # SKIP", "1", Skip, None),
        ("ok 1# skip why", "1", Skip, Some("why")),
        ("not ok 1 a # TODO bug 7", "a", Done, Some("bug 7")),
        ("ok 1 a # todo bug 7", "a", Pass, Some("bug 7")),
        ("not ok 1 a # TODOs are no directive", "a # TODOs are no directive", Fail, None),
        ("not ok 1 bug #7 # TODO later", "bug #7", Done, Some("later")),
        ("not ok 1 C#skip", "C#skip", Fail, None),
        (r"not ok 1 - \# SKIP is not a directive", "# SKIP is not a directive", Fail, None),
        (r"ok 1 - back\\slash \\# TODO", r"back\slash \# TODO", Pass, None),
        ("ok 1 - é # SKIP ü", "é", Skip, Some("ü")),
        ("not ok 1 rc # exit=1", "rc # exit=1", Fail, None),
    ];
    for (line, name, status, reason) in table {
        let report = read(line);
        let [case] = report.cases.as_slice() else { panic!("{line}: {report:?}") };
        assert_eq!((case.name.as_str(), case.status, case.reason.as_deref()), (*name, *status, *reason), "{line}");
    }
    for other in [
        "okay 1",
        "ok_1",
        "Ok 1",
        " ok 1",
        "nok 1",
        "not  ok 1",
        "1..",
        "1..x",
        "1..2x",
        "2..3",
        "TAP version",
        "# ok 1",
        "",
    ] {
        assert!(!read(other).is_tap(), "{other}");
    }
}

#[test]
fn what_was_planned_and_never_came_is_missing() {
    use Status::{Miss, Pass};
    expect("1..3\nok 2 - b\n", &[("b", Pass), ("1", Miss), ("3", Miss)]);
    expect("ok\nok\n1..3\n", &[("1", Pass), ("2", Pass), ("3", Miss)]);
    expect("1..1\nok 1\nok 2\n", &[("1", Pass), ("2", Pass)]);
    let table: &[(&str, &str)] = &[
        ("ok 1\n", "no plan"),
        ("1..1\nok 1\nok 2\n", "outside its plan"),
        ("1..2\nok 1\nok 1\n", "twice"),
        ("1..2\nok 2\nok 1\n", "out of order"),
        ("ok 1\n1..2\nok 2\n", "after the plan"),
        ("1..1\nok 1\n1..2\n", "second plan"),
        ("1..1\nok 1\nTAP version 13\n", "middle"),
        ("TAP version 99\n1..1\nok 1\n", "not known"),
        ("TAP version 14\npragma +strict\n1..1\nnoise\nok 1\n", "not TAP"),
        ("TAP version 13\n", "neither a plan nor a test"),
        ("1..1\nnot ok 1\n  ---\n  a: 1\n", "ends inside"),
        ("1..1\nnot ok 1\n  ---\n  a: 1\n# c\n", "no end"),
    ];
    for (text, problem) in table {
        let problems = read(text).problems;
        assert!(problems.iter().any(|p| p.contains(problem)), "{text}: {problems:?}");
    }
    for sound in ["TAP version 13\n1..2\nok 1\nnoise\n# c\nok 2\n", "ok\nok\n1..2\n", "1..0 # SKIP x\n", ""] {
        assert_eq!(read(sound).problems, Vec::<String>::new(), "{sound}");
    }
}

#[test]
fn the_whole_is_rolled_up() {
    let table: &[(&str, Option<Status>)] = &[
        ("", None),
        ("TAP version 13\n", None),
        ("1..0", Some(Status::Skip)),
        ("1..1\nok 1\n", Some(Status::Pass)),
        ("1..2\nok 1\n", Some(Status::Miss)),
        ("1..1\nok 1\nBail out!\n", Some(Status::Error)),
        ("1..2\nnot ok 1\nBail out! x\nok 2\n", Some(Status::Fail)),
        ("TAP version 14\n1..1\n    1..1\n    not ok 1 - inner\nok 1 - the parent decides\n", Some(Status::Pass)),
    ];
    for (text, status) in table {
        assert_eq!(read(text).status(), *status, "{text}");
    }
}

#[test]
fn diagnostics_stay_with_their_case() {
    let report = read("1..2\nnot ok 1 - a\n  ---\n  message: \"3 is not 4\"\n  data:\n    got: 3\n\n  ...\nok 2 - b\n");
    assert_eq!(report.cases[0].reason.as_deref(), Some("3 is not 4"));
    assert_eq!(report.cases[0].log_excerpt.as_deref(), Some("message: \"3 is not 4\"\ndata:\n  got: 3"));
    assert_eq!(report.cases[1].log_excerpt, None);
    assert_eq!(report.problems, Vec::<String>::new());
}

#[test]
fn subtests_belong_to_the_line_after_them() {
    use Status::{Error, Fail, Miss, Pass};
    let inner =
        "1..2\n    # Subtest: io\n    1..2\n    ok 1 - read\n        ok 1 - deep\n        1..1\n    not ok 2 - seek\n";
    let announced = inner.replace("        ok 1 - deep", "        # Subtest: seek\n        ok 1 - deep");
    expect(
        &format!("{announced}not ok 1 - io\nok 2 - rest\n"),
        &[("io.read", Pass), ("io.seek.deep", Pass), ("io.seek", Fail), ("io", Fail), ("rest", Pass)],
    );
    // Without a word of the producer, version 13 takes indented lines for foreign ones.
    expect(
        &format!("{inner}not ok 1 - io\nok 2\n"),
        &[("io.read", Pass), ("io.seek", Fail), ("io", Fail), ("2", Pass)],
    );
    expect("TAP version 13\n1..1\n    not ok 1 - x\nok 1 - a\n", &[("a", Pass)]);
    // The stream ends inside the subtest: it is an error, what comes after it is missing.
    expect(
        "TAP version 14\n1..3\nok 1 - a\n# Subtest: b\n    1..2\n    ok 1 - x\n",
        &[("a", Pass), ("b.x", Pass), ("b.2", Miss), ("b", Error), ("3", Miss)],
    );
    expect("1..2\n# Subtest: b\n", &[("b", Error), ("2", Miss)]);
    // An earlier subtest without its line does not lend its cases to the next one.
    expect(
        "# Subtest: a\n    ok 1 - x\n    1..1\n# Subtest: b\n    ok 1 - y\n    1..1\nok 2 - b\n1..2\n",
        &[("a.x", Pass), ("a", Error), ("b.y", Pass), ("b", Pass)],
    );
}

#[test]
fn everything_is_bounded() {
    let report = read("1..18446744073709551615\nok 1\n");
    assert_eq!((report.cases.len(), report.status()), (MAX_CASES, Some(Status::Miss)));
    let report = read(&format!("{}not ok\n", "ok\n".repeat(MAX_CASES)));
    assert_eq!((report.cases.len(), report.status()), (MAX_CASES, Some(Status::Fail)));
    let report = read(&format!("1..2\nok 1 - {}\n{}\nok 2\n", "n".repeat(2_000), "x".repeat(MAX_BYTES)));
    assert_eq!((report.cases[0].name.len(), report.cases[1].status), (MAX_WORDS, Status::Miss));
    assert!(report.problems[0].contains("longer than"), "{:?}", report.problems);
    let report = read(&"ok 5\n".repeat(1_000));
    assert_eq!(report.problems.len(), MAX_PROBLEMS);
    let deep: String = (0..100)
        .fold("TAP version 14\n".to_owned(), |text, level| format!("{text}{}# Subtest: s\n", " ".repeat(4 * level)));
    assert!(read(&deep).flat_cases().len() <= MAX_DEPTH + 1);
    let long = format!("1..1\nnot ok 1\n  ---\n  {}end\n  ...\n", "é".repeat(2 * MAX_EXCERPT));
    let excerpt = read(&long).cases[0].log_excerpt.clone().unwrap();
    assert!(excerpt.chars().count() == MAX_EXCERPT && excerpt.ends_with("end"));
}

/// The paths that a collection `c` gives the cases: letters outside `[A-Za-z0-9_-]` become `_`, repeated paths get a number.
fn paths(report: &Report) -> BTreeMap<String, String> {
    fn walk(cases: &[Case], parent: &str, rows: &mut BTreeMap<String, String>) {
        for case in cases {
            let clean = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
            let path = format!("{parent}.{}", case.name.chars().map(clean).collect::<String>());
            walk(&case.cases, &path, rows);
            let mut unique = path.clone();
            let mut count = 1;
            while rows.contains_key(&unique) {
                count += 1;
                unique = format!("{path}-{count}");
            }
            rows.insert(unique, case.status.to_string());
        }
    }
    let mut rows = BTreeMap::new();
    walk(&report.cases, "c", &mut rows);
    let whole = report.bailed.is_some() || report.plan.as_ref().is_some_and(|plan| plan.count == 0);
    if let (true, Some(status)) = (whole, report.status()) {
        rows.insert("c".to_owned(), if report.bailed.is_some() { "ERROR".to_owned() } else { status.to_string() });
    }
    rows
}

fn replay(file: &std::path::Path) -> usize {
    let text = std::fs::read_to_string(file).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    let examples = cases["examples"].as_array().unwrap().iter().filter(|example| example["format"] == "tap");
    examples
        .map(|example| {
            let report = read(example["input"].as_str().unwrap());
            let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let expected = example["expect"].as_array().unwrap().iter();
            let expected: BTreeMap<_, _> = expected.map(|row| (word(&row["path"]), word(&row["status"]))).collect();
            assert_eq!(paths(&report), expected, "{}", example["name"]);
            let status = report.status().map(|status| status.to_string());
            assert_eq!(status.as_deref(), example["rollup"].as_str(), "{}", example["name"]);
        })
        .count()
}

#[test]
fn golden_tap_examples() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/wire/ingest.json");
    assert!(replay(file.as_ref()) >= 3);
    if let Some(folder) = std::env::var_os("TESTYARD_GOLDEN") {
        let file = std::path::Path::new(&folder).join("wire/ingest.json");
        if file.exists() {
            replay(&file);
        }
    }
}

fn print(report: &Report) -> String {
    let mut text = String::new();
    if let Some(version) = report.version {
        writeln!(text, "TAP version {version}").unwrap();
    }
    print_level(&report.cases, report.plan.as_ref(), 0, &mut text);
    if let Some(reason) = &report.bailed {
        writeln!(text, "Bail out! {reason}").unwrap();
    }
    text
}

fn print_level(cases: &[Case], plan: Option<&Plan>, level: usize, text: &mut String) {
    let indent = " ".repeat(4 * level);
    if let Some(plan) = plan {
        let why = plan.skipped.as_ref().map_or_else(String::new, |why| format!(" # SKIP {why}"));
        writeln!(text, "{indent}1..{}{why}", plan.count).unwrap();
    }
    for case in cases.iter().filter(|case| case.status != Status::Miss) {
        if !case.cases.is_empty() {
            let plan = Plan { count: case.cases.len() as u64, skipped: None };
            print_level(&case.cases, Some(&plan), level + 1, text);
        }
        let ok = if matches!(case.status, Status::Fail | Status::Done) { "not ok" } else { "ok" };
        let name = case.name.replace('\\', r"\\").replace('#', r"\#");
        let why = case.reason.as_deref().unwrap_or_default();
        let directive = match case.directive {
            Some(Directive::Skip) => format!(" # SKIP {why}"),
            Some(Directive::Todo) => format!(" # TODO {why}"),
            None => String::new(),
        };
        writeln!(text, "{indent}{ok} {} - {name}{directive}", case.number).unwrap();
        if let Some(excerpt) = &case.log_excerpt {
            writeln!(text, "{indent}  ---").unwrap();
            excerpt.lines().for_each(|line| writeln!(text, "{indent}  {line}").unwrap());
            writeln!(text, "{indent}  ...").unwrap();
        }
    }
}

fn words() -> impl Strategy<Value = String> {
    r"[!-~éß]{1,6}( [!-~]{1,6}){0,3}"
}

fn case() -> impl Strategy<Value = Case> {
    let excerpt = proptest::option::of(r"[a-l]{1,5}: [!-~]{1,9}(\n {0,2}[a-l]{1,5}: [!-~]{1,9}){0,3}");
    let leaf = (words(), 0..5, proptest::option::of(words()), excerpt).prop_map(|(name, kind, reason, log_excerpt)| {
        let (status, directive) = match kind {
            0 => (Status::Pass, None),
            1 => (Status::Fail, None),
            2 => (Status::Skip, Some(Directive::Skip)),
            3 => (Status::Done, Some(Directive::Todo)),
            _ => (Status::Pass, Some(Directive::Todo)),
        };
        // A directive's text begins at a word of its own; a leading `:` would cling to the word before it.
        let reason = reason.filter(|reason| directive.is_some() && !reason.starts_with(':'));
        Case { number: 0, name, status, directive, reason, log_excerpt, cases: Vec::new() }
    });
    leaf.prop_recursive(3, 24, 4, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 1..4))
            .prop_map(|(case, cases)| Case { cases: numbered(cases), ..case })
    })
}

fn numbered(cases: Vec<Case>) -> Vec<Case> {
    (1..).zip(cases).map(|(number, case)| Case { number, ..case }).collect()
}

prop_compose! {
    fn report()(
        cases in proptest::collection::vec(case(), 0..6),
        skipped in proptest::option::of(words()),
        bailed in proptest::option::of(words()),
        lost in 0_u64..3,
    ) -> Report {
        let mut cases = numbered(cases);
        let count = cases.len() as u64 + lost;
        let why = bailed.as_ref().map(|why| format!("never reported: the stream bailed out: {why}"));
        let why = why.unwrap_or_else(|| format!("planned (1..{count}) and never reported"));
        for number in cases.len() as u64 + 1..=count {
            let (name, reason) = (number.to_string(), Some(why.clone()));
            cases.push(Case { number, name, status: Status::Miss, directive: None, reason, log_excerpt: None, cases: vec![] });
        }
        let skipped = skipped.filter(|_| count == 0);
        Report { version: Some(14), plan: Some(Plan { count, skipped }), cases, bailed, left_out: None, problems: vec![] }
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>()) {
        prop_assert!(read(&text).cases.len() <= MAX_CASES);
    }

    #[test]
    fn any_lines_are_read(lines in proptest::collection::vec(
        ("( {0,10}|\t)", r"(not )?ok ?[0-9]{0,20}( - )?[a#\\ ]{0,6}|1\.\.[0-9]{0,20}|# Subtest: ?[ab]?|---|\.\.\.|Bail out!|TAP version 1[2-5]|# (SKIP|x)|pragma \+strict|message: '"),
        0..24,
    )) {
            let text = lines.iter().fold(String::new(), |text, (indent, line)| text + indent + line + "\n");
        let report = read(&format!("TAP version 14\n{text}"));
        prop_assert!(report.flat_cases().len() <= MAX_CASES);
        // The same, when it was cut in the middle.
        let cut = text.get(..text.len() / 2).unwrap_or_default();
        prop_assert!(read(cut).problems.len() <= MAX_PROBLEMS);
    }

    #[test]
    fn what_is_printed_reads_back(report in report()) {
        let text = print(&report);
        prop_assert_eq!(read(&text), report, "{}", text);
    }
}
