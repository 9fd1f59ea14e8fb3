//! Replays what Python's `pickle` wrote, in every protocol.

use serde_json::Value as Json;

use super::*;
use crate::domain::golden::{bytes, cases};

/// The value that a case describes: one member, named after the kind.
fn described(value: &Json) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|kinds| kinds.iter().next()) else {
        assert_eq!(value, "None");
        return Value::None;
    };
    let text = || inner.as_str().expect("text").to_owned();
    let values = || inner.as_array().expect("values").iter().map(described).collect();
    match kind.as_str() {
        "bool" => Value::Bool(inner.as_bool().expect("a boolean")),
        "int" => Value::Int(text().parse().expect("a number")),
        "float" => Value::Float(text().parse().expect("a number")),
        "text" => Value::Text(text()),
        "bytes" => Value::Bytes(bytes(inner)),
        "list" => Value::List(values()),
        "tuple" => Value::Tuple(values()),
        "set" => Value::Set(values()),
        "dict" => {
            let pairs = inner.as_array().expect("pairs").iter();
            Value::Dict(pairs.map(|pair| (described(&pair[0]), described(&pair[1]))).collect())
        }
        "class" => {
            let name = text();
            let (module, name) = name.rsplit_once('.').expect("a module and a name");
            Value::Global(Global { module: module.into(), name: name.into() })
        }
        other => panic!("{other}"),
    }
}

#[test]
fn golden_pickles_of_python_are_read() {
    let cases = cases("canary_workspace/pickles.json", "cases");
    assert!(cases.len() >= 200, "only {} cases", cases.len());
    for case in cases {
        let told = format!("protocol {}: {}", case["protocol"], case["value"]);
        let value = read(&bytes(&case["pickle"])).unwrap_or_else(|error| panic!("{told}: {error}"));
        match (&case["value"]["path"], value) {
            (Json::String(path), value) => assert_eq!(value.text().as_ref(), Some(path), "{told}"),
            (_, Value::Set(mut values)) => {
                values.sort_by_key(|value| format!("{value:?}"));
                assert_eq!(Value::Set(values), described(&case["value"]), "{told}");
            }
            (_, value) => assert_eq!(value, described(&case["value"]), "{told}"),
        }
    }
}
