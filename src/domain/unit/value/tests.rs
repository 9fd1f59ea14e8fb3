use super::*;
use crate::domain::unit::manifest::ValueType;
use crate::domain::unit::{Category, ManifestEntry};

fn fields(fields: &[(&str, &str)]) -> BTreeMap<String, FieldValue> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

#[test]
fn the_translated_spelling_goes_first() {
    let unit = Unit::new(None, None, fields(&[("summary", "plain"), ("_summary", "nice"), ("_id", "a")]));
    assert_eq!((unit.text("summary"), unit.id()), (Some("nice"), Some("a")));
    assert_eq!(unit.text("_summary"), Some("nice"), "a name is not asked for twice");
}

#[test]
fn only_jobs_have_their_id_in_the_older_field() {
    let of = |kind: &str| Unit::new(Some("n"), None, fields(&[("unit", kind), ("name", "a")]));
    assert_eq!(of("job").id(), Some("n::a"));
    assert_eq!(of("category").id(), None);
    assert_eq!(of("packaging").kind(), &Kind::Other("packaging".to_owned()));
}

#[test]
fn instances_differ_by_their_parameters() {
    let template = Unit::new(Some("n"), Some("p"), fields(&[("unit", "template"), ("id", "t-{x}")]));
    let instance = |x: &str, index: &str| {
        let parameters = [("x", x), ("__index__", index)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Unit::instance(&template, fields(&[("id", "t-1")]), BTreeMap::from(parameters), Some("n::t-x"))
    };
    assert_eq!(instance("1", "1"), instance("1", "1"));
    assert_ne!(instance("1", "1"), instance("1", "2"));
    let one = instance("1", "1");
    assert_eq!((one.id(), one.provider(), one.template_id()), (Some("n::t-1"), Some("p"), Some("n::t-x")));
    assert_ne!(one, Unit::new(Some("n"), Some("p"), fields(&[("id", "t-1")])));
}

#[test]
fn a_unit_is_stored_and_read_again_with_all_that_it_has() {
    let template = Unit::new(Some("n"), Some("p"), BTreeMap::new());
    let mut given = fields(&[("id", "a")]);
    given.insert("list".to_owned(), FieldValue::List(vec![json!(1), json!({"a": null})]));
    given.insert("map".to_owned(), FieldValue::Map(Map::from_iter([("k".to_owned(), json!([]))])));
    let unit = Unit::instance(&template, given, BTreeMap::from([("x".to_owned(), "1".to_owned())]), Some("n::t"));
    let stored = serde_json::to_value(&unit).unwrap();
    let expected = json!({
        "namespace": "n",
        "provider": "p",
        "fields": {"id": "a", "list": [1, {"a": null}], "map": {"k": []}},
        "parameters": {"x": "1"},
        "template_id": "n::t",
    });
    assert_eq!(stored, expected);
    let read: Unit = serde_json::from_value(stored).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), expected);
    assert_eq!(read, unit);
}

#[test]
fn numbers_and_truths_are_texts_and_null_is_no_value() {
    let unit: Unit = serde_json::from_value(json!({"fields": {"id": "a", "n": 5, "t": true}})).unwrap();
    assert_eq!((unit.text("n"), unit.text("t")), (Some("5"), Some("True")));
    assert!(serde_json::from_value::<Unit>(json!({"fields": {"id": null}})).is_err());
    assert_eq!(FieldValue::from_json(Value::Null), None);
}

#[test]
fn entries_and_categories_are_read_from_their_units() {
    let entry =
        Unit::new(Some("n"), None, fields(&[("unit", "manifest entry"), ("id", "_x"), ("value-type", "natural")]));
    let read = ManifestEntry::read(&entry).unwrap();
    assert_eq!((read.id.as_str(), read.resource_key.as_str()), ("n::_x", "_x"));
    assert_eq!((read.value_type, read.is_hidden), (Some(ValueType::Natural), true));
    let category = Unit::new(Some("n"), None, fields(&[("unit", "category"), ("id", "c"), ("_name", "C")]));
    let read = Category::read(&category).unwrap();
    assert_eq!((read.id.as_str(), read.name.as_str()), ("n::c", "C"));
    assert_eq!((Category::read(&entry), ManifestEntry::read(&category)), (None, None));
}
