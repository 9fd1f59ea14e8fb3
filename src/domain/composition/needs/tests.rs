use serde_json::json;

use super::*;

fn unit(field: &str, value: Value) -> Unit {
    let value = FieldValue::from_json(value).unwrap();
    Unit::new(None, None, [("id".to_owned(), "a".into()), (field.to_owned(), value)].into())
}

fn labels(value: Value) -> Result<Vec<String>, String> {
    let needs = Needs::read(&unit(REQUIRES, value)).map_err(|wrong| wrong.to_string())?;
    Ok(needs.requires.0.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

#[test]
fn labels_are_words_or_a_map() {
    assert_eq!(labels(json!("arch=riscv64, board=\"vf 2\"\n")).unwrap(), ["arch=riscv64", "board=vf 2"]);
    assert_eq!(labels(json!({"arch": "x", "rev": 2})).unwrap(), ["arch=x", "rev=2"]);
    assert_eq!(labels(json!("")).unwrap(), Vec::<String>::new());
    for wrong in [
        json!("arch"),
        json!("arch="),
        json!("=x"),
        json!("a=b=c"),
        json!(["a=b"]),
        json!({"a": []}),
        json!({"a b": "c"}),
    ] {
        let told = labels(wrong.clone()).unwrap_err();
        assert!(told.starts_with("`testyard-requires`: "), "{wrong}: {told}");
    }
    let many: Vec<String> = (0..=MAX_LABELS).map(|number| format!("l{number}=x")).collect();
    assert!(labels(json!(many.join(" "))).is_err());
}

#[test]
fn slots_are_counted() {
    let slots = |value: Value| Needs::read(&unit(SLOTS, value)).map(|needs| needs.slots);
    assert_eq!(slots(json!("gpu=2 licence=1")).unwrap(), [("gpu".to_owned(), 2), ("licence".to_owned(), 1)].into());
    assert_eq!(slots(json!({"gpu": 2})).unwrap(), [("gpu".to_owned(), 2)].into());
    for wrong in ["gpu=0", "gpu=-1", "gpu=many", "gpu=10001", "gpu=1.5"] {
        let told = slots(json!(wrong)).unwrap_err().to_string();
        assert!(told.starts_with("`testyard-slots`: want 1 to 10000 slots of `gpu`"), "{told}");
    }
}

#[test]
fn limits_are_seconds() {
    for (text, seconds) in [
        ("90", Some(90)),
        ("1h 30m", Some(5_400)),
        ("0.5", Some(1)),
        ("0", None),
        ("-1", None),
        ("x", None),
        ("inf", None),
        ("604801", None),
    ] {
        assert_eq!(timeout(&unit(TIMEOUT, json!(text))).ok(), seconds.map(Some), "{text}");
    }
    assert_eq!(timeout(&unit("other", json!("x"))).unwrap(), None);
}

#[test]
fn what_is_kept_stays_in_the_folder() {
    assert_eq!(artifacts(&unit(ARTIFACTS, json!("a/*.log out.txt"))).unwrap(), ["a/*.log", "out.txt"]);
    for wrong in ["/etc/passwd", "a/../../b", "\"\""] {
        assert!(artifacts(&unit(ARTIFACTS, json!(wrong))).is_err(), "{wrong}");
    }
}
