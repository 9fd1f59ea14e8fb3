//! Selecting against a selector that does it the plain way: spec after spec, rule after rule, and then dependents again and
//! again until nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_json::json;

use super::{SelectError, Selector, select};
use crate::domain::selection::facts::Facts;
use crate::domain::selection::keyword;
use crate::domain::selection::parameter;
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Rule, Test};
use crate::domain::selection::table::Table;
use crate::domain::spec::{Dependency, Spec, Timeouts};

fn id(number: usize) -> String {
    format!("{:08x}", number * 0x1357_9bd1 % 0xffff_fff1)
}

/// Few words, so that rules meet specs.
fn spec() -> impl Strategy<Value = Spec> {
    let keywords = vec(prop::sample::select(vec!["fast", "Slow", "gpu", "mpi"]), 0..3);
    let owners = prop::option::of(vec(prop::sample::select(vec!["ann", "bob"]), 0..2));
    let parameters = vec(
        (prop::sample::select(vec!["np", "x"]), prop_oneof![Just(json!(1)), Just(json!(2)), Just(json!("t"))]),
        0..3,
    );
    let mask = prop::option::weighted(0.1, Just("by hand".to_owned()));
    (prop::sample::select(vec!["a/p", "a/q", "ab/p"]), keywords, owners, parameters, mask).prop_map(
        |(file, keywords, owners, parameters, mask)| Spec {
            file_root: "/s".to_owned(),
            file_path: format!("{file}.pyt"),
            keywords: keywords.into_iter().map(str::to_owned).collect(),
            owners: owners.map(|owners| owners.into_iter().map(str::to_owned).collect()),
            parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            mask,
            ..Spec::default()
        },
    )
}

/// Specs that depend on one another, cycles and all; now and then on something that is not there.
fn specs() -> impl Strategy<Value = Vec<Spec>> {
    (1_usize..12).prop_flat_map(|count| {
        let edges = vec(btree_set(0..count + usize::from(count % 5 == 0), 0..3), count);
        (vec(spec(), count), edges).prop_map(|(mut specs, edges)| {
            for (number, (spec, edges)) in specs.iter_mut().zip(edges).enumerate() {
                spec.id = id(number);
                spec.dependencies =
                    edges.into_iter().map(|on| Dependency { id: id(on), when: "success".to_owned() }).collect();
                spec.fill(&Timeouts::default());
            }
            specs
        })
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let texts = |texts: Vec<&'static str>| vec(prop::sample::select(texts).prop_map(str::to_owned), 0..3);
    let keyword = ["fast", "not slow", "gpu or mpi", "p*", "/s/a/*", "bad (", "", ":all:"];
    let parameter = ["np=1", "not x=2", "np<2 or x", "np=", "nosuch=1", "x!=t"];
    let test = prop_oneof![
        texts(keyword.to_vec()).prop_map(|expressions| Test::Keyword { expressions }),
        prop::sample::select(parameter.to_vec()).prop_map(|text| Test::Parameter { expression: text.to_owned() }),
        vec((0_usize..12, 0_usize..9), 0..4).prop_map(|ids| Test::Ids {
            ids: ids.into_iter().map(|(number, length)| id(number)[..length].to_owned()).collect()
        }),
        texts(vec!["ann", "bob", "cy"]).prop_map(|owners| Test::Owners { owners }),
        texts(vec!["/s/a", "/s/a/", "/s/ab/p.pyt", "a/"]).prop_map(|prefixes| Test::Prefix { prefixes }),
        texts(vec!["a/*", "*q*", "ab/p/p.pyt"]).prop_map(|globs| Test::View { globs }),
    ];
    (test, -1_i64..2).prop_map(|(test, priority)| Rule { test, priority })
}

/// Why a spec does not pass a rule, if it does not; an error in words.
fn asked(spec: &Spec, of: &Test) -> Result<Option<Reason>, String> {
    Ok(match of {
        Test::Keyword { expressions: texts } => {
            if texts.iter().any(|text| text == ":all:") {
                return Ok(None);
            }
            let implicit = spec.implicit_keywords();
            for text in texts {
                let expression = keyword::Expression::parse(text).map_err(|error| error.to_string())?;
                let keywords = spec.keywords.iter().chain(&implicit).map(String::as_str);
                if !expression.matches(keywords) {
                    return Ok(Some(Reason::Keyword { expression: text.clone() }));
                }
            }
            None
        }
        Test::Parameter { expression: text } => {
            let expression = parameter::Expression::parse(text).map_err(|error| error.to_string())?;
            let holds = expression.holds(|name| spec.parameter(name)).map_err(|error| error.to_string())?;
            (!holds).then(|| Reason::Parameter { expression: text.clone() })
        }
        Test::Ids { ids } => (!ids.iter().any(|prefix| spec.id.starts_with(prefix.as_str()))).then(|| Reason::ids(ids)),
        Test::Owners { owners } => {
            let has = spec.owners.iter().flatten().any(|owner| owners.contains(owner));
            let owners: BTreeSet<String> = owners.iter().cloned().collect();
            (!has).then(|| Reason::Owner { owners: owners.into_iter().collect() })
        }
        Test::Prefix { prefixes } => {
            let begins = prefixes.iter().any(|prefix| spec.file().starts_with(prefix.as_str()));
            (!begins).then(|| Reason::Prefix { prefixes: prefixes.clone() })
        }
        Test::View { globs } => {
            let matches = globs.iter().any(|glob| crate::domain::glob::Glob::new(glob).matches(&spec.view()));
            (!matches).then(|| Reason::View { globs: globs.clone() })
        }
        other => panic!("{other:?}"),
    })
}

/// Masks by place, and the excluded places.
type Outcome = (BTreeMap<usize, Reason>, BTreeSet<usize>);

fn plainly(specs: &[Spec], rules: &[Rule]) -> Result<Outcome, String> {
    let mut ordered: Vec<&Rule> = rules.iter().collect();
    ordered.sort_by_key(|rule| -rule.priority);
    let (mut masks, mut excluded) = (BTreeMap::new(), BTreeSet::new());
    for (place, spec) in specs.iter().enumerate() {
        if let Some(text) = &spec.mask {
            masks.insert(place, Reason::Custom { text: text.clone() });
            continue;
        }
        for rule in &ordered {
            if let Some(reason) = asked(spec, &rule.test)? {
                masks.insert(place, reason);
                excluded.insert(place);
                break;
            }
        }
    }
    let place = |id: &str| specs.iter().position(|spec| spec.id == id);
    for spec in specs {
        for dependency in &spec.dependencies {
            place(&dependency.id).ok_or_else(|| format!("missing {}", dependency.id))?;
        }
    }
    loop {
        let before = masks.len();
        for (at, spec) in specs.iter().enumerate() {
            let is_hit = |it: &Dependency| place(&it.id).is_some_and(|on| masks.contains_key(&on));
            if !masks.contains_key(&at) && spec.dependencies.iter().any(is_hit) {
                masks.insert(at, Reason::DependencyMasked);
                excluded.insert(at);
            }
        }
        if masks.len() == before {
            return Ok((masks, excluded));
        }
    }
}

/// An error as the plain selector words it.
fn words(error: &SelectError) -> String {
    match error {
        SelectError::Syntax { error, .. } => error.to_string(),
        SelectError::Type { error, .. } => error.to_string(),
        SelectError::MissingDependency { dependency, .. } => format!("missing {dependency}"),
        other => other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn columns_come_to_what_the_plain_way_comes_to(specs in specs(), rules in vec(rule(), 0..4)) {
        let table = Table::new(&specs);
        match (select(&table, &rules, &Facts::NONE), plainly(&specs, &rules)) {
            (Ok(selection), Ok((masks, excluded))) => {
                let found: BTreeMap<usize, Reason> =
                    selection.masked().map(|(spec, reason)| (spec as usize, reason.clone())).collect();
                prop_assert_eq!(&found, &masks);
                let found: BTreeSet<usize> = selection.excluded().iter().map(|spec| spec as usize).collect();
                prop_assert_eq!(&found, &excluded);
                let grouped: usize = selection.report().iter().map(|group| group.count).sum();
                prop_assert_eq!(grouped, excluded.len());
                for spec in 0..table.len() {
                    let chain = selection.why(spec);
                    prop_assert_eq!(chain.is_empty(), !masks.contains_key(&(spec as usize)));
                    if let Some(last) = chain.last() {
                        prop_assert_ne!(last.reason, &Reason::DependencyMasked, "a chain ends at a reason of its own");
                    }
                    for pair in chain.windows(2) {
                        prop_assert!(table.graph().dependencies(pair[0].spec).contains(&pair[1].spec));
                    }
                }
            }
            (Err(found), Err(expected)) => prop_assert_eq!(words(&found), expected),
            (found, expected) => prop_assert!(false, "{:?}, want {:?}", found.map(|_| ()), expected.map(|_| ())),
        }
    }

    #[test]
    fn a_spec_that_is_taken_in_again_is_selected(specs in specs(), at in any::<prop::sample::Index>()) {
        let table = Table::new(&specs);
        let spec = u32::try_from(at.index(specs.len())).unwrap();
        let mut selector = Selector::new(&table);
        selector.mask(spec, Reason::NotAffected);
        selector.unmask(spec);
        let selection = selector.finish();
        prop_assert_eq!(selection.reason(spec), None);
        prop_assert!(selection.selected().any(|it| it == spec));
    }
}
