//! Replays what was measured on Canary's dependencies.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::*;
use crate::domain::golden::cases;

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[test]
fn golden_dependency_status() {
    let golden = cases("canary/dependency_status.json", "cases");
    assert!(golden.len() >= 20, "only {} cases", golden.len());
    for case in golden {
        let specs = case["given"]["specs"].as_array().expect("specs");
        let places: BTreeMap<&str, usize> =
            specs.iter().enumerate().map(|(place, spec)| (text(&spec["id"]), place)).collect();
        let given: Vec<Case> = specs
            .iter()
            .map(|spec| {
                let status = &spec["previous"]["status"];
                let needs = spec["dependencies"].as_array().into_iter().flatten();
                Case {
                    name: text(&spec["family"]),
                    status: if status.is_null() {
                        CaseStatus::pending()
                    } else {
                        serde_json::from_value(status.clone()).expect("a status")
                    },
                    needs: needs
                        .map(|need| Need {
                            on: places[text(&need["id"])],
                            wanted: need["when"].as_str().unwrap_or(WANTED),
                        })
                        .collect(),
                }
            })
            .collect();
        let mut answer = Map::new();
        for ((spec, given_case), stands) in specs.iter().zip(&given).zip(evaluate(&given)) {
            let status = &stands.status;
            let mut told = json!({
                "state": status.state(), "category": status.category(), "status": status.status(), "flags": stands.flags,
            });
            if let Some(index) = stands.blocked_by {
                let Need { on, wanted } = given_case.needs[index];
                let came = evaluate(&given)[on].status.status();
                told["blocked_by"] = json!({"name": given[on].name, "status": came, "wanted": wanted});
                let reason = status.reason().expect("a reason");
                assert!(reason.contains(given[on].name) && reason.contains(wanted), "{reason}");
            }
            answer.insert(text(&spec["id"]).to_owned(), told);
        }
        assert_eq!(Value::Object(answer), case["expect"]["cases"], "{}", case["name"]);
    }
}
