use proptest::prelude::*;

use super::*;

const SOURCE: Source<'_> = Source { file: "jobs.pxu", namespace: Some("org.t"), provider: Some("p") };

const FILE: &str = "\
# A comment.
id: first
_summary: First
command:
 echo one
 .
   echo two # no comment
# a comment within
 echo three

unit: template
template-resource: dev
template-engine: jinja2
id: t-{{ path }}
flags: simple
command: {% if path %}true{% endif %}
";

#[test]
fn units_are_read_with_their_lines() {
    let (units, problems) = read(FILE, &SOURCE);
    assert_eq!(problems, []);
    let [first, second] = units.as_slice() else { panic!("{units:?}") };
    assert_eq!((first.first_line, first.last_line), (2, 9));
    assert_eq!(first.value.id(), Some("org.t::first"));
    assert_eq!(first.value.provider(), Some("p"));
    assert_eq!(first.value.text("command"), Some("echo one\n\n  echo two # no comment\necho three"));
    assert_eq!((first.line_of("command"), first.line_of("summary"), first.line_of("absent")), (4, 3, 2));
    assert_eq!(second.value.kind(), &crate::domain::unit::Kind::Template);
    assert_eq!((second.first_line, second.last_line, second.line_of("id")), (11, 16, 14));
}

#[test]
fn lines_may_end_as_they_do_elsewhere() {
    for end in ["\r\n", "\r"] {
        let (units, problems) = read(&FILE.replace('\n', end), &SOURCE);
        assert_eq!((units, problems), read(FILE, &SOURCE), "{end:?}");
    }
    let (units, _) = read("id: x\ncommand: .\n a", &SOURCE);
    assert_eq!(units[0].value.text("command"), Some("a"), "as if the last line had an end");
}

#[test]
fn a_bad_unit_takes_no_other_with_it() {
    let (units, problems) =
        read("id: a\n\nid: b\njunk\nid: c\nmore junk\n\n lonely\n\n: no name\n\nid: d\nid: e\n\nid: f\n", &SOURCE);
    let ids: Vec<_> = units.iter().filter_map(|unit| unit.value.partial_id()).collect();
    assert_eq!(ids, ["a", "f"]);
    let told: Vec<_> = problems.iter().map(|problem| (problem.line, problem.fault)).collect();
    let faults = [
        (4, Some(RecordFault::NoColon)),
        (8, Some(RecordFault::ContinuationWithoutKey)),
        (10, None),
        (13, Some(RecordFault::DuplicateKey)),
    ];
    assert_eq!(told, faults);
    assert!(problems[0].to_string().starts_with("jobs.pxu:4: want `name: value`"), "{}", problems[0]);
}

fn unit(fields: &[(&str, &str)]) -> Unit {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), FieldValue::from(*value))).collect();
    Unit::new(SOURCE.namespace, SOURCE.provider, fields)
}

#[test]
fn units_are_printed_as_people_write_them() {
    let units =
        [unit(&[("command", "a\n\n  b\n..\n#c"), ("id", "x"), ("unit", "job"), ("flags", "")]), unit(&[("id", "y")])];
    let text = print(&units).unwrap();
    assert_eq!(text, "unit: job\nid: x\ncommand:\n a\n .\n   b\n ..\n #c\nflags:\n\nid: y\n");
    let (read, problems) = read(&text, &SOURCE);
    assert_eq!((read.into_iter().map(|unit| unit.value).collect::<Vec<_>>(), problems), (units.to_vec(), Vec::new()));
}

#[test]
fn what_would_be_read_as_something_else_is_not_printed() {
    for value in [" a", "a ", "a\n.\nb", ".\na", "a\n  \nb", "a\n", "\na", "a\r\nb"] {
        assert_eq!(print([&unit(&[("id", value)])]), Err(Unprintable::Value { field: "id".into() }), "{value:?}");
    }
    for name in ["", "#a", " a", "a:b", "a\nb"] {
        assert_eq!(print([&unit(&[(name, "x")])]), Err(Unprintable::Name { name: name.into() }), "{name:?}");
    }
    let list = Unit::new(None, None, BTreeMap::from([("a".to_owned(), FieldValue::List(Vec::new()))]));
    assert_eq!(print([&list]), Err(Unprintable::NoText { field: "a".into() }));
    assert_eq!(print([&unit(&[])]), Err(Unprintable::Empty));
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let (units, problems) = read(&text, &SOURCE);
        let lines = text.split(['\n', '\r']).count();
        prop_assert!(units.iter().all(|unit| 1 <= unit.first_line && unit.first_line <= unit.last_line && unit.last_line <= lines));
        prop_assert!(problems.iter().all(|problem| 1 <= problem.line && problem.line <= lines));
    }

    #[test]
    fn what_is_read_is_printed_and_read_again(text in r"(unit: |_?[a-c]: ?|[ .#\n]|x|y:|\n ){0,60}") {
        let (units, _) = read(&text, &SOURCE);
        let units: Vec<Unit> = units.into_iter().map(|unit| unit.value).collect();
        let (again, problems) = read(&print(&units).map_err(|error| TestCaseError::fail(error.to_string()))?, &SOURCE);
        prop_assert_eq!(problems, Vec::new());
        prop_assert_eq!(again.into_iter().map(|unit| unit.value).collect::<Vec<_>>(), units);
    }

    #[test]
    fn what_is_printed_is_read_as_it_was(fields in prop::collection::btree_map("[a-z_]{1,3}", any::<String>(), 1..4)) {
        let fields = fields.into_iter().map(|(name, value)| (name, FieldValue::from(value))).collect();
        let unit = Unit::new(SOURCE.namespace, SOURCE.provider, fields);
        if let Ok(text) = print([&unit]) {
            let (again, problems) = read(&text, &SOURCE);
            prop_assert_eq!(problems, Vec::new());
            prop_assert_eq!(again.into_iter().map(|unit| unit.value).collect::<Vec<_>>(), [unit]);
        }
    }
}
