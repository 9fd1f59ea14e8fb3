//! The golden cases about single files, replayed: values, results, expectations.

use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::Regex;
use serde_json::{Value as Json, json};

use super::xml::{Limits, Writer, parse};
use super::{expectations, results, value};
use crate::domain::catalogue::golden_classes;
use crate::domain::catalogue::value::{Attachment, Source, Value};
use crate::domain::golden;

/// What QMTest stumbles over although XML permits it: CDATA or a comment in a value, anything but elements in a tuple.
pub(super) fn is_read_here(xml: &str) -> bool {
    let in_value = Regex::new(r"<(text|integer|enumeral)>[^<]*<!(--|\[CDATA\[)").unwrap();
    let tuple = Regex::new(r"(?s)<(tuple|item)>(.*?)</\1>").unwrap();
    let beside = Regex::new(r"(?s)^\s+<|>\s+<|>\s+$|<!--").unwrap();
    let in_tuple = tuple.captures_iter(xml).any(|tuple| beside.is_match(&tuple.unwrap()[2]).unwrap());
    in_value.is_match(xml).unwrap() || in_tuple
}

/// Whether a value is the one that a case wants.
pub(super) fn is_same(value: Option<&Value>, expected: &Json) -> bool {
    match value {
        Some(Value::Attachment(Some(attachment))) => {
            let Source::Location { location } = &attachment.source else { return false };
            let Attachment { filename, mime_type, description, .. } = attachment;
            *expected
                == json!({"attachment": {
                    "description": description, "filename": filename, "location": location, "mime_type": mime_type,
                }})
        }
        value => golden_classes::matches(value, expected),
    }
}

#[test]
fn golden_values() {
    let mut seen = BTreeSet::new();
    for case in golden::cases("qmtest/fields.json", "cases") {
        let name = case["name"].as_str().unwrap();
        let field = golden_classes::field_of_case(&case["given"]["field"], "field");
        let (call, expected) = (&case["call"], &case["expect"]["result"]);
        let got = match call["method"].as_str().unwrap() {
            "FromXml" => {
                let xml = call["xml"].as_str().unwrap();
                let got = parse(xml.as_bytes(), Limits::DEFINITION).and_then(|root| value::read(&field, &root));
                // QMTest writes a time as a number that it does not read.
                let is_time = call["xml"]
                    .as_str()
                    .unwrap()
                    .trim_start_matches("<integer>")
                    .starts_with(|c: char| c.is_ascii_digit())
                    && case["given"]["field"]["type"] == "time";
                if case["expect"]["error"].is_object() && (is_read_here(xml) || is_time) {
                    got.unwrap_or_else(|error| panic!("{name}: {error}"));
                    continue;
                }
                got
            }
            "RoundTrip" => {
                let Some(value) = golden_classes::value_of_case(&field.kind, &call["value"]) else { continue };
                let mut out = Writer::new();
                let mut locate = |_: &Attachment| panic!("no attachment");
                let written = value::write(&value, &mut out, &mut locate);
                assert_eq!(written, Ok(()), "{name}");
                parse(out.finish().as_bytes(), Limits::DEFINITION).and_then(|root| value::read(&field, &root))
            }
            _ => continue,
        };
        seen.insert(call["method"].as_str().unwrap().to_owned());
        match got {
            Ok(value) => {
                // What a CR or CR LF comes back as is QMTest's defect.
                assert!(!expected.is_null() || value == Value::Attachment(None), "{name}: read as {value:?}");
                assert!(is_same(Some(&value), expected), "{name}: {value:?}");
            }
            Err(error) => assert!(case["expect"]["error"].is_object(), "{name}: {error}"),
        }
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn golden_results() {
    let mut seen = BTreeSet::new();
    for case in golden::cases("qmtest/results_expectations.json", "cases") {
        if case["area"] != "results" {
            continue;
        }
        let (name, given) = (case["name"].as_str().unwrap(), &case["given"]);
        let method = case["call"]["method"].as_str().unwrap();
        let text = match method {
            "ReadResults" => given["text"].as_str().unwrap().to_owned(),
            "WriteReadResults" => results::write(&results_of(given)).unwrap(),
            other => panic!("{name}: {other}"),
        };
        seen.insert(method.to_owned());
        match results::read(text.as_bytes()) {
            Ok(got) => {
                let mut expected = case["expect"]["result"].clone();
                // QMTest takes an annotation of a result for one of the run, without a key.
                if got.results.iter().any(|result| !result.annotations.is_empty()) {
                    expected["run_annotations"].as_object_mut().unwrap().remove("");
                }
                // It cuts off the first and the last character of an annotation even if they are no quotation marks.
                let unquoted = Regex::new(r#"<annotation\s+name=[^>]*>\s*[^"\s]"#).unwrap().is_match(&text).unwrap();
                let results = got.results.iter().map(|result| {
                    json!({"annotations": result.annotations, "id": result.id, "kind": result.kind, "outcome": result.outcome})
                });
                let mut got = json!({"results": results.collect::<Vec<_>>(), "run_annotations": got.run_annotations});
                for results in [&mut got, &mut expected].map(|side| side["results"].as_array_mut().unwrap()) {
                    results.iter_mut().filter(|_| unquoted).for_each(|result| result["annotations"] = Json::Null);
                }
                assert_eq!(got, expected, "{name}");
            }
            Err(error) => assert!(case["expect"]["error"].is_object(), "{name}: {error}"),
        }
    }
    assert_eq!(seen.len(), 2);
}

fn results_of(given: &Json) -> results::Results {
    let texts = |json: &Json| {
        let map = json.as_object().into_iter().flatten();
        map.map(|(key, text)| (key.clone(), text.as_str().unwrap().to_owned())).collect()
    };
    let results = given["results"].as_array().unwrap().iter().map(|result| results::ResultText {
        id: result["id"].as_str().unwrap().to_owned(),
        kind: result["kind"].as_str().unwrap().parse().unwrap(),
        outcome: result["outcome"].as_str().unwrap().parse().unwrap(),
        annotations: texts(&result["annotations"]),
    });
    results::Results { run_annotations: texts(&given["run_annotations"]), results: results.collect() }
}

#[test]
fn golden_expectations() {
    let mut seen = 0;
    for case in golden::cases("qmtest/results_expectations.json", "cases") {
        if case["area"] != "expectations" {
            continue;
        }
        let (name, given) = (case["name"].as_str().unwrap(), &case["given"]);
        let ids = case["call"]["args"]["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
        let got = evaluate(given["text"].as_str().unwrap(), &given["annotations"], &ids.collect::<Vec<_>>());
        seen += 1;
        match got {
            // A description that is missing is an empty list to QMTest, and none at all if no rule applies.
            Some(got) => {
                let expected = case["expect"]["result"].as_object().unwrap_or_else(|| panic!("{name}: read"));
                let expected = expected.iter().map(|(id, expected)| {
                    let description = expected["description"].as_str().unwrap_or_default();
                    (id.clone(), (expected["outcome"].as_str().unwrap().to_owned(), description.to_owned()))
                });
                assert_eq!(got, expected.collect::<BTreeMap<_, _>>(), "{name}");
            }
            None => assert!(case["expect"]["error"].is_object(), "{name}"),
        }
    }
    assert!(seen > 0);
}

/// What the rules of a file come to, in the plainest way.
fn evaluate(text: &str, annotations: &Json, ids: &[&str]) -> Option<BTreeMap<String, (String, String)>> {
    let rules = expectations::read(text.as_bytes()).ok()?;
    let pattern = |pattern: &str| Regex::new(&format!(r"\A(?:{pattern})")).ok();
    let mut outcomes: BTreeMap<_, _> =
        ids.iter().map(|id| ((*id).to_owned(), ("PASS".to_owned(), String::new()))).collect();
    for rule in rules {
        let id_pattern = pattern(&rule.test)?;
        let mut applies = true;
        for (key, wanted) in &rule.annotations {
            let wanted = pattern(wanted)?;
            applies &= annotations[key].as_str().is_some_and(|annotation| wanted.is_match(annotation).unwrap());
        }
        for (id, expected) in outcomes.iter_mut().filter(|(id, _)| applies && id_pattern.is_match(id).unwrap()) {
            assert!(ids.contains(&id.as_str()));
            *expected = (rule.outcome.to_string(), rule.description.clone().unwrap_or_default());
        }
    }
    Some(outcomes)
}

#[test]
fn forms_that_only_we_read_are_told_apart() {
    for xml in [
        "<text>a<!-- b --></text>",
        "<text><![CDATA[a]]></text>",
        "<set><tuple> <text>a</text></tuple></set>",
        "<tuple><text>a</text>\n<text>b</text></tuple>",
        "<tuple><text>a</text><!----></tuple>",
    ] {
        assert!(is_read_here(xml), "{xml}");
    }
    for xml in ["<set> <text>a</text> </set>", "<a><!-- b --><text>a</text></a>", "<tuple><text> a</text></tuple> <x/>"]
    {
        assert!(!is_read_here(xml), "{xml}");
    }
}
