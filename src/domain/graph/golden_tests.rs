//! What is reached from where, as measured on Canary.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Graph, Names, NodeSet};
use crate::domain::golden;

#[test]
fn what_is_reached_is_as_measured() {
    let mut count = 0;
    for case in golden::cases("canary/graph_queries.json", "cases") {
        let call = &case["call"];
        let start = match call["op"].as_str().expect("an operation") {
            "reachable" => ids(&call["roots"]),
            "reachable_up_down" => ids(&call["nodes"]),
            _ => continue,
        };
        count += 1;
        let mut names = Names::default();
        let mut edges = Vec::new();
        for spec in case["given"]["specs"].as_array().expect("specs") {
            let from = names.intern(spec["id"].as_str().expect("an id"));
            for dependency in spec["dependencies"].as_array().expect("dependencies") {
                edges.push((from, names.intern(dependency["id"].as_str().expect("an id"))));
            }
        }
        let start: Vec<u32> = start.into_iter().map(|id| names.intern(id)).collect();
        let graph = Graph::new(names.len(), edges.into_iter());
        let members = |set: &NodeSet| set.iter().filter_map(|node| names.name(node)).collect::<BTreeSet<_>>();
        let answer = if call["op"] == "reachable" {
            json!({ "ids": members(&graph.reachable(start)) })
        } else {
            let (up, down) = graph.reachable_up_down(start);
            json!({ "upstream": members(&up), "downstream": members(&down) })
        };
        assert_eq!(answer, case["expect"], "{}", case["name"]);
    }
    assert!(count > 3, "{count}");
}

/// What the questions to Canary's database ask of a graph. Whatever else they ask is for the tests of the store.
#[test]
fn closures_are_as_measured() {
    let mut count = 0;
    for case in golden::cases("canary/graph_queries.json", "cases") {
        let steps = case["call"]["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let puts = steps.iter().filter(|step| matches!(step["op"].as_str(), Some("put_specs" | "redefine"))).count();
        if puts != 1 || case["tier"] != "core" || steps[0]["ids"].is_array() {
            continue;
        }
        let mut names = Names::default();
        let mut edges = Vec::new();
        for spec in case["given"]["specs"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let from = names.intern(spec["id"].as_str().expect("an id"));
            for dependency in spec["dependencies"].as_array().expect("dependencies") {
                edges.push((from, names.intern(dependency["id"].as_str().expect("an id"))));
            }
        }
        let graph = Graph::new(names.len(), edges.into_iter());
        let members = |set: &NodeSet| set.iter().filter_map(|node| names.name(node)).collect::<BTreeSet<_>>();
        for (step, expected) in steps.iter().zip(case["expect"]["steps"].as_array().expect("answers")) {
            let seeds = || ids(&step["seeds"]).into_iter().filter_map(|id| names.number(id)).collect::<Vec<_>>();
            let answer = match step["op"].as_str().expect("an operation") {
                "upstream" => json!({ "ids": members(&graph.upstream(seeds())) }),
                "downstream" => json!({ "ids": members(&graph.downstream(seeds())) }),
                "updownstream" => {
                    let (up, down) = graph.up_down(seeds());
                    json!({ "upstream": members(&up), "downstream": members(&down) })
                }
                _ => continue,
            };
            count += 1;
            assert_eq!(answer, *expected, "{}: {step}", case["name"]);
        }
    }
    assert!(count > 50, "{count}");
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().map(|ids| ids.iter().map(|id| id.as_str().expect("an id")).collect()).unwrap_or_default()
}
