//! Random catalogues against a naive oracle, which follows QMTest step by step over plain texts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// More steps than it takes to meet every suite of a catalogue that is drawn here: they have six suites of three members
/// at most, so all are met on the first six levels.
const STEPS: usize = 3_000;

#[derive(Clone, Debug, Default)]
struct Oracle {
    tests: BTreeSet<String>,
    resources: BTreeSet<String>,
    directories: BTreeSet<String>,
    suites: BTreeMap<String, Members>,
}

#[derive(Clone, Debug)]
struct Members {
    test_ids: Vec<String>,
    suite_ids: Vec<String>,
    implicit: bool,
}

fn directory_of(id: &str) -> String {
    id.rfind('.').map_or(String::new(), |dot| id[..dot].to_owned())
}

impl Oracle {
    fn of(entries: &[Entry]) -> Self {
        let mut oracle = Self::default();
        for entry in entries {
            let label = match entry {
                Entry::Test(label) | Entry::Resource(label) | Entry::Suite { label, .. } | Entry::Directory(label) => {
                    label
                }
            };
            let id = label.to_string();
            let parts: Vec<&str> = id.split('.').collect();
            oracle.directories.extend((0..parts.len()).map(|n| parts[..n].join(".")));
            match entry {
                Entry::Directory(_) => _ = oracle.directories.insert(id),
                _ if id.is_empty() => {}
                Entry::Test(_) => _ = oracle.tests.insert(id),
                Entry::Resource(_) => _ = oracle.resources.insert(id),
                Entry::Suite { test_ids, suite_ids, implicit, .. } => {
                    let (test_ids, suite_ids) = (test_ids.clone(), suite_ids.clone());
                    oracle.suites.insert(id, Members { test_ids, suite_ids, implicit: *implicit });
                }
            }
        }
        oracle.directories.insert(String::new());
        oracle.suites.retain(|id, _| !oracle.directories.contains(id));
        oracle
    }

    fn all(&self, kind: Kind) -> Vec<String> {
        let mut all: Vec<String> = match kind {
            Kind::Test => self.tests.iter().cloned().collect(),
            Kind::Resource => self.resources.iter().cloned().collect(),
            Kind::Suite => self.directories.iter().chain(self.suites.keys()).cloned().collect(),
        };
        all.sort();
        all
    }

    fn ids(&self, kind: Kind, directory: &str, recursive: bool) -> Option<Vec<String>> {
        let is_in = |id: &String| {
            let mut id = id.clone();
            while !id.is_empty() {
                id = directory_of(&id);
                if id == directory {
                    return true;
                }
                if !recursive {
                    return false;
                }
            }
            false
        };
        self.directories.contains(directory).then(|| self.all(kind).into_iter().filter(is_in).collect())
    }

    fn suite(&self, id: &str) -> Option<Members> {
        let directory = || {
            let ids = |kind| self.ids(kind, id, false);
            Some(Members { test_ids: ids(Kind::Test)?, suite_ids: ids(Kind::Suite)?, implicit: true })
        };
        directory().or_else(|| self.suites.get(id).cloned())
    }

    /// QMTest's `GetAllTestAndSuiteIds`, and whether it came to its end; else it was stopped after so many suites.
    fn flatten(&self, id: &str) -> Result<(Vec<String>, Vec<String>, bool), NoSuchSuite> {
        let (mut tests, mut suites) = (Vec::new(), Vec::new());
        let mut work = vec![id.to_owned()];
        let mut done = 0;
        while done < work.len() && done < STEPS {
            let id = work[done].clone();
            done += 1;
            let suite = self.suite(&id).expect("only those that exist are queued");
            tests.extend(suite.test_ids);
            suites.extend(suite.suite_ids.iter().cloned());
            for member in suite.suite_ids {
                match self.suite(&member) {
                    None => return Err(NoSuchSuite::Member { id: member, named_by: id }),
                    Some(found) if found.implicit || !suite.implicit => work.push(member),
                    Some(_) => {}
                }
            }
        }
        Ok((tests, suites, done == work.len()))
    }

    /// QMTest's `ExpandIds`.
    fn expand(&self, ids: &[String]) -> Result<(BTreeSet<String>, BTreeSet<String>), ExpandError> {
        let (mut tests, mut suites) = (BTreeSet::new(), BTreeSet::new());
        for id in ids {
            if tests.contains(id) || suites.contains(id) {
                continue;
            }
            if self.suite(id).is_some() {
                suites.insert(id.clone());
                let (more_tests, more_suites, _) = self.flatten(id)?;
                tests.extend(more_tests);
                suites.extend(more_suites);
            } else if self.tests.contains(id) {
                tests.insert(id.clone());
            } else {
                return Err(ExpandError::Unknown(id.clone()));
            }
        }
        Ok((tests, suites))
    }

    /// The catalogue in which no suite names a suite that does not exist.
    fn without_missing_suites(&self) -> Self {
        let mut mended = self.clone();
        for members in mended.suites.values_mut() {
            members.suite_ids.retain(|id| self.suite(id).is_some());
        }
        mended
    }
}

/// Few names, so that they meet: namesakes of other kinds, directories that begin alike, members that exist.
fn some_id() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => prop::collection::vec(prop::sample::select(vec!["a", "b", "a-b"]), 1..4).prop_map(|parts| parts.join(".")),
        1 => Just(String::new()),
    ]
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![9 => some_id(), 1 => prop::sample::select(vec!["a.", ".a", "A", "\n"]).prop_map(str::to_owned)]
}

/// Suites and what they name: most name each other.
fn some_suite() -> impl Strategy<Value = Entry> {
    let suite_id = || prop::sample::select(vec!["s", "t", "u", "a.s", "b.s", "a.b"]).prop_map(str::to_owned);
    let suite_member = prop_oneof![4 => suite_id(), 2 => member()];
    // Names that are a suite's too: whether such a test was listed before decides what the id comes to.
    let test_member = prop_oneof![1 => suite_id(), 2 => member()];
    let tests = prop::collection::vec(test_member, 0..3);
    (suite_id(), tests, prop::collection::vec(suite_member, 0..4), prop::bool::weighted(0.2)).prop_map(
        |(id, test_ids, suite_ids, implicit)| Entry::Suite {
            label: id.parse().unwrap(),
            test_ids,
            suite_ids,
            implicit,
        },
    )
}

fn some_entries() -> impl Strategy<Value = Vec<Entry>> {
    let label = || some_id().prop_map(|id| id.parse::<Label>().unwrap());
    let plain = prop_oneof![
        5 => label().prop_map(Entry::Test),
        1 => label().prop_map(Entry::Resource),
        1 => label().prop_map(Entry::Directory),
    ];
    let (plain, suites) = (prop::collection::vec(plain, 0..12), prop::collection::vec(some_suite(), 0..8));
    (plain, suites).prop_flat_map(|(plain, suites)| Just([plain, suites].concat()).prop_shuffle())
}

fn requested() -> impl Strategy<Value = Vec<String>> {
    let suite_id = prop::sample::select(vec!["s", "t", "u", "a.s", "b.s", "a.b", "a", ""]).prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![3 => suite_id, 1 => member()], 0..4)
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

proptest! {
    #[test]
    fn listings_are_the_oracles(entries in some_entries(), directory in some_id(), recursive: bool) {
        let oracle = Oracle::of(&entries);
        let index = Index::new(entries);
        let label: Label = directory.parse().unwrap();
        for kind in [Kind::Test, Kind::Suite, Kind::Resource] {
            let ids = index.ids(kind, &label, recursive);
            prop_assert_eq!(ids.ok().map(|ids| owned(&ids)), oracle.ids(kind, &directory, recursive));
            prop_assert_eq!(index.has(kind, &directory), oracle.all(kind).contains(&directory));
        }
        let suites = oracle.ids(Kind::Suite, &directory, recursive);
        let directories: Option<Vec<String>> =
            suites.map(|ids| ids.into_iter().filter(|id| oracle.directories.contains(id)).collect());
        prop_assert_eq!(index.directories(&label, recursive).ok().map(|ids| owned(&ids)), directories);
        prop_assert_eq!(index.is_directory(&label), oracle.directories.contains(&directory));
    }

    #[test]
    fn suites_are_the_oracles(entries in some_entries(), id in some_id()) {
        let oracle = Oracle::of(&entries);
        let index = Index::new(entries);
        let label: Label = id.parse().unwrap();
        let view = index.suite(&label);
        let expected = oracle.suite(&id);
        prop_assert_eq!(view.is_some(), expected.is_some());
        if let (Some(view), Some(expected)) = (view, expected) {
            prop_assert_eq!(owned(&view.test_ids), expected.test_ids);
            prop_assert_eq!(owned(&view.suite_ids), expected.suite_ids);
            prop_assert_eq!((view.directory, view.implicit), (oracle.directories.contains(&id), expected.implicit));
        }
        let naming = |ids: fn(&Members) -> &Vec<String>| -> Vec<&str> {
            oracle.suites.iter().filter(|(_, suite)| ids(suite).contains(&id)).map(|(id, _)| id.as_str()).collect()
        };
        prop_assert_eq!(index.referrers(Kind::Test, &id), naming(|suite| &suite.test_ids));
        prop_assert_eq!(index.referrers(Kind::Suite, &id), naming(|suite| &suite.suite_ids));
    }

    #[test]
    fn expansions_are_the_oracles(entries in some_entries(), ids in requested()) {
        let oracle = Oracle::of(&entries);
        let index = Index::new(entries);
        let got = index.expand(&ids, MissingSuites::Refuse);
        match (got, oracle.expand(&ids)) {
            (Ok(got), Ok((tests, suites))) => {
                prop_assert_eq!(owned(&got.test_ids), tests.into_iter().collect::<Vec<_>>());
                prop_assert_eq!(owned(&got.suite_ids), suites.into_iter().collect::<Vec<_>>());
            }
            (got, expected) => prop_assert_eq!(got.err(), expected.err()),
        }
    }

    #[test]
    fn reporting_is_expanding_without_what_is_missing(entries in some_entries(), ids in requested()) {
        let oracle = Oracle::of(&entries);
        let index = Index::new(entries);
        match (index.expand(&ids, MissingSuites::Report), oracle.without_missing_suites().expand(&ids)) {
            (Ok(got), Ok((tests, suites))) => {
                let missing: Vec<&str> = got.missing.iter().filter(|one| one.kind == Kind::Test).map(|one| one.id).collect();
                let absent: Vec<&String> = tests.iter().filter(|id| !oracle.tests.contains(*id)).collect();
                prop_assert_eq!(missing, absent);
                prop_assert_eq!(owned(&got.test_ids), tests.into_iter().collect::<Vec<_>>());
                prop_assert_eq!(owned(&got.suite_ids), suites.into_iter().collect::<Vec<_>>());
                prop_assert!(got.missing.windows(2).all(|pair| (pair[0].kind, pair[0].id) < (pair[1].kind, pair[1].id)));
                for one in &got.missing {
                    let named_by = oracle.suite(one.named_by).expect("a suite");
                    let members = if one.kind == Kind::Test { named_by.test_ids } else { named_by.suite_ids };
                    prop_assert!(members.iter().any(|id| id == one.id) && got.suite_ids.contains(&one.named_by));
                }
                let refused = index.expand(&ids, MissingSuites::Refuse);
                prop_assert_eq!(refused.is_err(), got.missing.iter().any(|one| one.kind == Kind::Suite));
            }
            (got, expected) => prop_assert_eq!(got.err(), expected.err()),
        }
    }

    #[test]
    fn flattened_suites_are_the_oracles(entries in some_entries(), id in requested()) {
        let oracle = Oracle::of(&entries);
        let index = Index::new(entries);
        for id in id.iter().filter(|id| oracle.suite(id).is_some()) {
            let got = index.flatten(&id.parse().unwrap());
            match (got, oracle.flatten(id)) {
                (Ok(got), Ok((tests, suites, true))) => {
                    prop_assert_eq!(owned(&got.test_ids), tests);
                    prop_assert_eq!(owned(&got.suite_ids), suites);
                }
                (Ok(got), Ok((tests, suites, false))) => {
                    let set = |ids: Vec<String>| ids.into_iter().collect::<BTreeSet<_>>();
                    prop_assert_eq!(set(owned(&got.test_ids)), set(tests));
                    prop_assert_eq!(set(owned(&got.suite_ids)), set(suites));
                }
                (got, expected) => prop_assert_eq!(got.err(), expected.err()),
            }
        }
    }
}
