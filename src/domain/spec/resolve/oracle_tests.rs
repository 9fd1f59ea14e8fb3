//! Resolving beside the oracle, which compares everything with everything.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Directive, Expect, Problem, oracle, resolve};
use crate::domain::spec::document::Draft;
use crate::domain::spec::{Spec, Timeouts};

fn expects() -> impl Strategy<Value = Expect> {
    prop_oneof![
        Just(Expect::Any),
        Just(Expect::AtLeastOne),
        Just(Expect::AtMostOne),
        (0_u32..4).prop_map(Expect::Exactly)
    ]
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abd]",
        "[ad]/[ab]",
        "[ab]\\.n=[01]",
        "[ab]\\.n=\\$\\{n\\}",
        "d/[ab]\\.pyt",
        "[*?ab/d]{1,4}",
        "[ab]\\*",
        "0000000[0-5]",
        "\\*[0-5]",
        "[abd]\\[!?[ab1]\\]",
    ]
}

fn directives() -> impl Strategy<Value = Directive> {
    (prop::collection::vec(words(), 0..3), expects(), prop::sample::select(vec!["success", "failed"]))
        .prop_map(|(words, expect, when)| Directive { pattern: words.join(" "), expect, when: when.to_owned() })
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let parts = ("[ab]", "(d/)?[ab]\\.pyt", prop::option::of(0_u32..2), prop::collection::vec(directives(), 0..3));
    prop::collection::vec(parts, 1..6).prop_map(|parts| {
        let draft = |(place, (family, file_path, n, depends_on)): (usize, (String, String, Option<u32>, _))| {
            let parameters: BTreeMap<String, Value> = n.map(|n| ("n".to_owned(), json!(n))).into_iter().collect();
            let mut spec = Spec { id: format!("{place:08}"), family, file_path, parameters, ..Spec::default() };
            spec.fill(&Timeouts::default());
            Draft { spec, depends_on }
        };
        parts.into_iter().enumerate().map(draft).collect()
    })
}

proptest! {
    #[test]
    fn directives_take_what_the_slow_way_finds(drafts in drafts()) {
        let taken = oracle::taken(&drafts);
        let mut unmet = Vec::new();
        let mut expected = Vec::new();
        for (place, (draft, taken)) in drafts.iter().zip(&taken).enumerate() {
            let mut list: Vec<(String, String)> = Vec::new();
            for (number, (directive, taken)) in draft.depends_on.iter().zip(taken).enumerate() {
                if !directive.expect.takes(taken.len()) {
                    unmet.push((place, number, taken.len()));
                }
                for other in taken {
                    let pair = (drafts[*other].spec.id.clone(), directive.when.clone());
                    if !list.contains(&pair) {
                        list.push(pair);
                    }
                }
            }
            expected.push(list);
        }
        let ids = |place: usize| drafts[place].spec.id.clone();
        match resolve(&drafts) {
            Ok(resolved) => {
                prop_assert!(unmet.is_empty());
                let pairs = |list: Vec<super::Dependency>| list.into_iter().map(|it| (it.id, it.when)).collect();
                let resolved: Vec<Vec<(String, String)>> = resolved.into_iter().map(pairs).collect();
                prop_assert_eq!(resolved, expected);
            }
            Err(problems) => {
                let mut told = Vec::new();
                let mut cycles = 0;
                for problem in &problems {
                    match problem {
                        Problem::Count { place, directive, found, .. } => told.push((*place, *directive, *found)),
                        Problem::Cycle { places, names } => {
                            cycles += 1;
                            prop_assert_eq!(places.len(), names.len());
                            for (from, to) in places.iter().zip(places.iter().cycle().skip(1)) {
                                prop_assert!(expected[*from].iter().any(|(id, _)| *id == ids(*to)));
                            }
                        }
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
                prop_assert_eq!(&told, &unmet);
                prop_assert!(cycles > 0 || !unmet.is_empty());
            }
        }
    }
}
