use super::*;
use crate::domain::canary::pickle::Global;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn object(class: &str, fields: &[(&str, Value)]) -> Value {
    let fields = fields.iter().map(|(name, value)| (text(name), value.clone())).collect();
    Value::Object(Box::new(Object {
        class: Global { module: "_canary.testspec".into(), name: class.into() },
        args: Vec::new(),
        state: Some(Value::Dict(fields)),
        entries: Vec::new(),
        pairs: Vec::new(),
    }))
}

fn spec_with(field: &str, value: Value) -> Result<ImportedSpec, SpecError> {
    let needed = ["id", "family", "file_root", "file_path"].map(|name| (name, text("a")));
    let fields: Vec<_> = needed.into_iter().filter(|(name, _)| *name != field).chain([(field, value)]).collect();
    of(&object("ResolvedSpec", &fields))
}

#[test]
fn a_spec_of_few_fields_has_the_usual_others() {
    let spec = spec_with("name", text("worked out anew")).unwrap();
    let expected = ImportedSpec {
        id: "a".into(),
        family: "a".into(),
        file_root: "a".into(),
        file_path: "a".into(),
        timeout_s: -1.0,
        ..ImportedSpec::default()
    };
    assert_eq!(spec, expected);
}

#[test]
fn what_no_spec_has_is_named() {
    let spec = spec_with("colour", text("red")).unwrap();
    assert_eq!(spec.left_out, ["the field `colour`: no spec has it here"]);
    let attributes = Value::Dict(vec![(text("a"), Value::Bytes(vec![1])), (text("b"), Value::Int(1))]);
    let spec = spec_with("attributes", attributes).unwrap();
    assert_eq!(spec.left_out, ["the attribute `a`: JSON has no place for bytes"]);
    assert_eq!(spec.attributes["b"], 1);
}

#[test]
fn a_field_that_no_spec_can_have_is_refused_by_name() {
    let bad = |value| Value::Dict(vec![(text("x"), value)]);
    let no_reason = object("Mask", &[("value", Value::Bool(true)), ("reason", Value::None)]);
    for (field, value, told) in [
        ("id", Value::None, "the field `id` of the spec: it is missing"),
        ("family", Value::Int(1), "the field `family` of the spec: want a text, not a whole number"),
        ("timeout", text("1"), "the field `timeout` of the spec: want a number of seconds, not a text"),
        (
            "timeout",
            Value::Float(f64::NAN),
            "the field `timeout` of the spec: want a number of seconds, not a floating-point number",
        ),
        ("xstatus", Value::Int(i128::MAX), "the field `xstatus` of the spec: want a whole number of at most 64 bits"),
        ("exclusive", Value::Int(1), "the field `exclusive` of the spec: want a boolean, not a whole number"),
        ("keywords", text("ab"), "the field `keywords` of the spec: want a list, not a text"),
        ("owners", Value::List(vec![Value::None]), "the field `owners` of the spec: want texts in the list, not None"),
        ("parameters", Value::List(Vec::new()), "the field `parameters` of the spec: want a dictionary"),
        (
            "parameters",
            bad(Value::Float(f64::INFINITY)),
            "the field `parameters` of the spec: JSON has no place for the number inf",
        ),
        (
            "parameters",
            bad(Value::Int(i128::MAX)),
            "the field `parameters` of the spec: JSON has no place for the number 170141183460469231731687303715884105727, which has more than 64 bits",
        ),
        ("assets", Value::List(vec![bad(Value::None)]), "the field `assets` of the spec: a dictionary has no `src`"),
        (
            "artifacts",
            Value::List(vec![bad(Value::None)]),
            "the field `artifacts` of the spec: a dictionary has no `pattern`",
        ),
        ("attributes", text("a"), "the field `attributes` of the spec: want a dictionary, not a text"),
        ("mask", Value::Bool(true), "the field `mask` of the spec: want a mask, not a boolean"),
        ("mask", no_reason, "the field `mask` of the spec: it has no reason"),
    ] {
        assert_eq!(spec_with(field, value).unwrap_err().to_string(), told);
    }
}

#[test]
fn what_is_no_spec_is_refused() {
    let told = |value| of(&value).unwrap_err().to_string();
    let wanted = "want a spec: _canary.testspec.ResolvedSpec";
    assert_eq!(told(Value::None), format!("the pickle holds None; {wanted}"));
    assert_eq!(told(object("Mask", &[])), format!("the pickle holds a _canary.testspec.Mask; {wanted}"));
    let other = Object {
        class: Global { module: "_canaryx".into(), name: "ResolvedSpec".into() },
        args: Vec::new(),
        state: Some(Value::Dict(Vec::new())),
        entries: Vec::new(),
        pairs: Vec::new(),
    };
    assert_eq!(told(Value::Object(Box::new(other))), format!("the pickle holds a _canaryx.ResolvedSpec; {wanted}"));
    assert_eq!(read(b"").unwrap_err().to_string(), "at byte 0 of the pickle: it ends 1 bytes too early");
}

#[test]
fn no_more_is_wanted_than_there_is() {
    let spec = spec_with("dep_done_criteria", Value::List(vec![text("pass"), text("*")])).unwrap();
    assert_eq!(spec.dependencies(vec!["a".into()]), Err(SpecError::Dependencies { wanted: 2, known: 1 }));
    let dependencies = spec.dependencies(["b", "a", "c"].map(str::to_owned).to_vec()).unwrap();
    let told: Vec<_> = dependencies.iter().map(|it| (it.id.as_str(), it.wanted.as_str())).collect();
    assert_eq!(told, [("b", "pass"), ("a", "*"), ("c", "success")]);
}
