//! Dependencies that Canary resolved.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Problem, oracle, resolve};
use crate::domain::glob::Glob;
use crate::domain::golden;
use crate::domain::spec::document::Draft;
use crate::domain::spec::golden_specs;

#[test]
fn dependencies_are_resolved_as_measured() {
    for case in golden::cases("canary/dependency_resolution.json", "cases") {
        let drafts: Vec<Draft> =
            case["given"]["specs"].as_array().expect("specs").iter().map(golden_specs::draft).collect();
        let expected = if is_differing(&drafts) { ours(&drafts) } else { without_raised(&case["expect"]) };
        assert_eq!(answer(&drafts, expected["error"]["count"].as_u64()), expected, "{}", case["name"]);
    }
}

/// Our answer. Of a case where directives of several tests are not met Canary tells those of one; `told` is how many.
fn answer(drafts: &[Draft], told: Option<u64>) -> Value {
    match resolve(drafts) {
        Ok(resolved) => {
            let pairs = drafts.iter().zip(resolved).map(|(draft, dependencies)| {
                (draft.spec.id.clone(), serde_json::to_value(dependencies).expect("dependencies"))
            });
            json!({ "dependencies": pairs.collect::<Map<_, _>>() })
        }
        Err(problems) if problems.iter().any(|problem| matches!(problem, Problem::Cycle { .. })) => {
            json!({ "error": { "kind": "cycle" } })
        }
        Err(problems) => {
            let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
            for problem in &problems {
                let Problem::Count { place, .. } = problem else { panic!("{problem:?}") };
                *counts.entry(*place).or_default() += 1;
            }
            let same = counts.values().find(|count| Some(**count) == told);
            json!({ "error": { "kind": "expectation", "count": same.or(counts.values().next()) } })
        }
    }
}

/// Whether a rule of ours differs for it: one word of a directive is a glob and another one takes something, or two
/// directives of a test find one dependency with one want.
fn is_differing(drafts: &[Draft]) -> bool {
    let is_mixed = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.len() > 1 && words.iter().skip(1).any(|word| Glob::new(word).literal().is_none())
    };
    let taken = oracle::taken(drafts);
    let is_twice = drafts.iter().zip(&taken).any(|(draft, taken)| {
        let pairs = draft.depends_on.iter().zip(taken);
        let mut all: Vec<(usize, &str)> =
            pairs.flat_map(|(it, taken)| taken.iter().map(|place| (*place, it.when.as_str()))).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        all.len() < count
    });
    is_twice || drafts.iter().any(|draft| draft.depends_on.iter().any(|directive| is_mixed(&directive.pattern)))
}

/// What is expected of such a case here: each word by itself, each dependency with each want once.
fn ours(drafts: &[Draft]) -> Value {
    let taken = oracle::taken(drafts);
    let unmet = |draft: &Draft, taken: &[Vec<usize>]| {
        draft.depends_on.iter().zip(taken).filter(|(directive, taken)| !directive.expect.takes(taken.len())).count()
    };
    if let Some(count) = drafts.iter().zip(&taken).map(|(draft, taken)| unmet(draft, taken)).find(|count| *count > 0) {
        return json!({ "error": { "kind": "expectation", "count": count } });
    }
    let mut dependencies = Map::new();
    for (draft, taken) in drafts.iter().zip(taken) {
        let mut list: Vec<Value> = Vec::new();
        for (directive, taken) in draft.depends_on.iter().zip(taken) {
            for place in taken {
                let dependency = json!({ "id": drafts[place].spec.id, "when": directive.when });
                if !list.contains(&dependency) {
                    list.push(dependency);
                }
            }
        }
        dependencies.insert(draft.spec.id.clone(), Value::Array(list));
    }
    json!({ "dependencies": dependencies })
}

/// The answer without the name of Python's exception.
fn without_raised(expected: &Value) -> Value {
    let mut expected = expected.clone();
    if let Some(error) = expected.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("raised");
    }
    expected
}
