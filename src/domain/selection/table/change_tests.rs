//! A table that takes in changes is as one that is made of all specs.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Builder, Table};
use crate::domain::digest::Digest;
use crate::domain::selection::facts::Facts;
use crate::domain::selection::rule::Rule;
use crate::domain::selection::selector::{Selector, select};
use crate::domain::spec::{Asset, AssetAction, Dependency, Spec, Timeouts};

type Specs = BTreeMap<String, (Spec, DateTime<Utc>)>;

/// The table of these specs, made of all of them.
fn anew<'s>(specs: impl IntoIterator<Item = &'s (Spec, DateTime<Utc>)>) -> Table {
    let mut builder = Builder::default();
    for (spec, changed_at) in specs {
        builder.push(spec, Some(*changed_at));
    }
    builder.finish()
}

/// What is told of a spec: its neighbours in the order in which they stand, and everything that rules ask for.
fn told(table: &Table, spec: u32) -> Value {
    let names = |nodes: &[u32]| nodes.iter().map(|node| table.id_or_unknown(*node).to_owned()).collect::<Vec<_>>();
    let has = |keyword: &u32| table.keyword_specs.get(*keyword).contains(&spec);
    let keywords: BTreeSet<&str> =
        (0..table.keywords.len()).filter(has).map(|keyword| table.keywords.get(keyword)).collect();
    let owners: Vec<&str> = table.spec_owners.get(spec).iter().map(|owner| table.owners.get(*owner)).collect();
    let paths: Vec<&str> = table.spec_paths.get(spec).iter().map(|path| table.paths.get(*path)).collect();
    let sources: Vec<(String, Option<String>)> = table
        .spec_sources
        .get(spec)
        .iter()
        .filter_map(|source| table.source(*source))
        .map(|source| (source.path, source.sha256.map(|sha256| sha256.to_string())))
        .collect();
    let parameters: Vec<(&str, Option<&Value>)> = table
        .spec_parameters
        .get(spec)
        .iter()
        .map(|(name, value)| (table.parameter_names.get(*name), table.parameter_values.get(*value)))
        .collect();
    json!({
        "id": table.id(spec), "view": table.view(spec), "file": table.file(spec), "keywords": keywords,
        "owners": owners, "paths": paths, "sources": sources, "parameters": parameters,
        "timeout": table.timeouts[spec as usize], "changed_at": table.changed_at(spec), "mask": table.masks.get(&spec),
        "dependencies": names(table.graph.dependencies(spec)), "dependents": names(table.graph.dependents(spec)),
    })
}

/// Everything that a table is asked for by others than rules.
fn told_of_all(table: &Table) -> Value {
    let nodes = table.graph.node_count();
    let names = |nodes: &mut dyn Iterator<Item = u32>| {
        nodes.map(|node| table.id_or_unknown(node).to_owned()).collect::<Vec<String>>()
    };
    let closures: Vec<_> = (0..nodes)
        .map(|node| {
            let (up, down) = table.graph.up_down([node]);
            (names(&mut up.iter()), names(&mut down.iter()), names(&mut table.graph.dependents(node).iter().copied()))
        })
        .collect();
    let missing = table.missing.map(|(spec, node)| (table.id(spec).to_owned(), table.id_or_unknown(node).to_owned()));
    let order = table.graph.static_order().map(|order| names(&mut order.into_iter()));
    json!({
        "specs": (0..table.len()).map(|spec| told(table, spec)).collect::<Vec<_>>(), "by_id": table.by_id(),
        "spec_set_id": table.spec_set_id().to_string(), "nodes": nodes, "edges": table.graph.edge_count(),
        "unknown": table.unknown().into_iter().collect::<BTreeMap<_, _>>(), "missing": missing, "closures": closures,
        "order": order.map_err(|cycle| names(&mut cycle.path.into_iter())).map_or_else(|path| json!({"cycle": path}), Value::from),
        "masks": table.masks.keys().collect::<Vec<_>>(),
    })
}

fn rules() -> Vec<Rule> {
    let rules = json!([
        {"type": "keyword", "expressions": ["fast or not t1"]},
        {"type": "keyword", "expressions": ["*/d1/* and t*"]},
        {"type": "parameter", "expression": "np<3 or np=x"},
        {"type": "ids", "ids": ["a", "bb"]},
        {"type": "owners", "owners": ["me"]},
        {"type": "prefix", "prefixes": ["/s/d1", "/r"]},
        {"type": "view", "globs": ["d1/*", "elsewhere/*"]},
        {"type": "changed", "paths": ["d1/t.pyt"]},
        {"type": "changed", "paths": ["d1/data"], "affects": [{"paths": ["d2/*"], "views": ["d1/*"]}]},
        {"type": "changed", "paths": ["d2/data"], "affects": [{"paths": ["d2/*"], "views": ["d1/*"]}]},
        {"type": "budget", "seconds": 25},
    ]);
    serde_json::from_value(rules).unwrap()
}

/// What a rule by itself selects, and what it leaves out and why, spread to dependents.
fn answers(table: &Table, rule: &Rule) -> Value {
    let selected = match select(table, std::slice::from_ref(rule), &Facts::NONE) {
        Ok(selection) => selection,
        Err(error) => {
            let mut selector = Selector::new(table);
            let applied = selector.apply(std::slice::from_ref(rule), &Facts::NONE).map_err(|error| error.to_string());
            let selection = selector.finish();
            let masked: Vec<_> = selection.masked().map(|(spec, why)| (table.id(spec), why.to_string())).collect();
            return json!({"error": error.to_string(), "applied": applied.is_ok(), "masked": masked});
        }
    };
    let masked: Vec<_> = selected
        .masked()
        .map(|(spec, why)| (table.id(spec), why.to_string(), selected.cause(spec).map(|cause| table.id(cause))))
        .collect();
    let report: Vec<_> = selected.report().iter().map(|group| (group.reason.to_string(), group.count)).collect();
    json!({"selected": selected.selected().collect::<Vec<u32>>(), "masked": masked, "report": report})
}

const IDS: [&str; 7] = ["a", "ab", "ac", "b", "ba", "bb", "c"];

fn a_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![json!(1), json!(1.0), json!("1"), json!(4), json!("x"), json!(true), json!([1, "1"])])
}

fn an_asset() -> impl Strategy<Value = Asset> {
    let src = prop::sample::select(vec!["data", "/s/d1/data", "/s/d2/data", "/x/data"]);
    (src, any::<bool>()).prop_map(|(src, has_digest)| Asset {
        src: src.to_owned(),
        dst: None,
        action: AssetAction::Link,
        sha256: has_digest.then(|| Digest::of(b"data")),
    })
}

prop_compose! {
    fn a_spec()(
        (id, mask, timeout) in (prop::sample::select(&IDS[..]), prop::option::weighted(0.2, Just("m")), 0..20_u8),
        (file_root, file_path) in (
            prop::sample::select(vec!["/s", "/r", ""]),
            prop::sample::select(vec!["d1/t.pyt", "d1/t1.pyt", "d2/t.pyt", "t.pyt"]),
        ),
        keywords in prop::collection::vec(prop::sample::select(vec!["fast", "FAST", "t1", "Ä"]), 0..3),
        owners in prop::option::of(prop::collection::vec(prop::sample::select(vec!["me", "you"]), 0..3)),
        parameters in prop::collection::btree_map(prop::sample::select(vec!["np", "cpus"]), a_value(), 0..3),
        on in prop::collection::vec(prop::sample::select(vec!["a", "ab", "ba", "c", "x", "y"]), 0..4),
        assets in prop::collection::vec(an_asset(), 0..3),
        (elsewhere, has_digest) in (any::<bool>(), any::<bool>()),
    ) -> Spec {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<String>>();
        let mut spec = Spec {
            id: id.to_owned(),
            file_root: file_root.to_owned(),
            file_path: file_path.to_owned(),
            keywords: owned(keywords),
            owners: owners.map(owned),
            timeout: f64::from(timeout),
            mask: mask.map(str::to_owned),
            content_sha256: has_digest.then(|| Digest::of(b"test")),
            parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            dependencies: on.into_iter().map(|on| Dependency { id: on.to_owned(), when: "*".to_owned() }).collect(),
            assets,
            ..Spec::default()
        };
        if elsewhere {
            spec.attributes.insert("execpath".to_owned(), json!("elsewhere"));
        }
        spec.fill(&Timeouts::default());
        spec
    }
}

fn time(second: usize) -> DateTime<Utc> {
    DateTime::from_timestamp(i64::try_from(second).unwrap(), 0).unwrap()
}

proptest! {
    #[test]
    fn taking_changes_in_comes_to_the_same_as_making_the_table_anew(
        batches in prop::collection::vec(prop::collection::vec(a_spec(), 0..6), 1..6),
    ) {
        let mut all = Specs::new();
        let mut table = Table::default();
        let rules = rules();
        for (round, batch) in batches.into_iter().enumerate() {
            // As the database has them: of two of one id the later counts.
            let changed: BTreeMap<String, (Spec, DateTime<Utc>)> =
                batch.into_iter().map(|spec| (spec.id.clone(), (spec, time(round)))).collect();
            // In whatever order.
            let changes = anew(changed.values().rev());
            all.extend(changed);
            table = table.with(&changes);
            let expected = anew(all.values());
            prop_assert_eq!(told_of_all(&table), told_of_all(&expected));
            for rule in &rules {
                prop_assert_eq!(answers(&table, rule), answers(&expected, rule));
            }
            prop_assert_eq!(&table.graph, &expected.graph);
        }
    }

    #[test]
    fn a_table_in_any_order_comes_to_one_in_the_order_of_ids(
        (old, new) in (prop::collection::vec(a_spec(), 0..8), prop::collection::vec(a_spec(), 0..8)),
    ) {
        let with_time = |(second, spec): (usize, Spec)| (spec, time(second));
        let [old, new] = [old, new].map(|specs| specs.into_iter().enumerate().map(with_time).collect::<Vec<_>>());
        let mut all = Specs::new();
        for one in old.iter().rev().chain(new.iter().rev()) {
            all.insert(one.0.id.clone(), one.clone());
        }
        prop_assert_eq!(told_of_all(&anew(&old).with(&anew(&new))), told_of_all(&anew(all.values())));
    }
}

fn some(ids: std::ops::Range<u32>, keyword: &str) -> Table {
    let specs = ids.map(|number| {
        let id = format!("{number:08x}");
        Spec { id, file_path: "t.pyt".to_owned(), keywords: vec![keyword.to_owned()], ..Spec::default() }
    });
    Table::new(&specs.collect::<Vec<Spec>>())
}

#[test]
fn a_table_takes_in_a_part_of_what_it_is_of_and_then_no_more() {
    let table = some(0..100, "fast");
    assert!(table.can_take(25) && !table.can_take(26) && !Table::default().can_take(1));
    let table = table.with(&some(0..20, "slow"));
    assert!(table.can_take(5) && !table.can_take(6));
    let table = table.with(&some(90..110, "slow"));
    assert_eq!((table.len(), table.can_take(0)), (110, false));
}

#[test]
fn what_all_specs_have_already_is_not_copied() {
    let table = some(0..100, "fast");
    let with_known = table.with(&some(7..9, "fast"));
    assert!(std::sync::Arc::ptr_eq(&table.keywords, &with_known.keywords));
    let with_new = table.with(&some(7..9, "new"));
    assert_eq!((with_new.keywords.len(), table.keywords.len()), (with_known.keywords.len() + 1, table.keywords.len()));
}
