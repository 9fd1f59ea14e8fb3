//! In which order tests run: each after its prerequisites, and otherwise as they were named. Finds the tests that wait for
//! themselves.

use std::collections::{BTreeMap, HashMap};

use super::{Cause, Definitions, Known, TestFacts};

/// A test of a run.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) facts: TestFacts,
    /// The prerequisites that are in the run: their places and the outcomes that they must come to.
    pub(super) prerequisites: Vec<(usize, String)>,
    /// Why it cannot be run, whatever the others come to.
    pub(super) cause: Option<Cause>,
    /// The place of its pattern among those of the run.
    pub(super) pattern: usize,
}

/// The tests of a run.
pub(super) struct Ordered {
    /// The tests, as they were named, each once.
    pub(super) tests: Vec<Node>,
    /// Their places, in the order in which they run.
    pub(super) order: Vec<usize>,
    /// Those that wait for themselves, with the ids of the cycle.
    pub(super) cycles: BTreeMap<usize, Vec<String>>,
}

/// Looks the tests up and orders them.
pub(super) fn order(ids: &[String], definitions: &impl Definitions) -> Ordered {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut named: Vec<&str> = Vec::new();
    for id in ids {
        if !places.contains_key(id.as_str()) {
            places.insert(id, named.len());
            named.push(id);
        }
    }
    // Whether a test outside the run exists is asked once.
    let mut exists: HashMap<String, Known<()>> = HashMap::new();
    let tests: Vec<Node> = named.iter().map(|id| node(id, &places, definitions, &mut exists)).collect();
    let (order, cycles) = walk(&tests);
    Ordered { tests, order, cycles }
}

fn node(
    id: &str,
    places: &HashMap<&str, usize>,
    definitions: &impl Definitions,
    exists: &mut HashMap<String, Known<()>>,
) -> Node {
    let nothing = |cause| Node {
        id: id.to_owned(),
        facts: TestFacts::default(),
        prerequisites: Vec::new(),
        cause: Some(cause),
        pattern: 0,
    };
    let Known::There(facts) = definitions.test(id) else { return nothing(Cause::NotLoaded) };
    // Of an id that stands twice the last counts, at the place of the first.
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (prerequisite, outcome) in &facts.prerequisites {
        if let Some(pair) = seen.get(prerequisite.as_str()).and_then(|place| wanted.get_mut(*place)) {
            pair.1 = outcome;
        } else {
            seen.insert(prerequisite, wanted.len());
            wanted.push((prerequisite, outcome));
        }
    }
    for (prerequisite, _) in &wanted {
        let known = exists.entry((*prerequisite).to_owned()).or_insert_with(|| match definitions.test(prerequisite) {
            Known::There(_) => Known::There(()),
            Known::Unreadable => Known::Unreadable,
            Known::Absent => Known::Absent,
        });
        // One that is in the run and cannot be read has a result of its own, by which its dependents are judged.
        if *known == Known::Absent || *known == Known::Unreadable && !places.contains_key(prerequisite) {
            return nothing(Cause::PrerequisiteMissing { id: (*prerequisite).to_owned() });
        }
    }
    let prerequisites =
        wanted.iter().filter_map(|(id, outcome)| Some((*places.get(id)?, (*outcome).to_owned()))).collect();
    Node { id: id.to_owned(), facts, prerequisites, cause: None, pattern: 0 }
}

/// Where a test stands on the walk.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    New,
    /// On the way: its prerequisites are being walked.
    Open,
    Closed,
}

/// Walks depth first from each test in turn, without nesting. A test that a walk from it comes back to waits for itself;
/// the rest of the cycle is judged by what it comes to.
fn walk(tests: &[Node]) -> (Vec<usize>, BTreeMap<usize, Vec<String>>) {
    let mut stands = vec![Stand::New; tests.len()];
    let mut order = Vec::with_capacity(tests.len());
    let mut cycles = BTreeMap::new();
    let mut way: Vec<(usize, usize)> = Vec::new();
    for start in 0..tests.len() {
        if stands.get(start) != Some(&Stand::New) {
            continue;
        }
        way.push((start, 0));
        while let Some((test, next)) = way.last_mut() {
            let test = *test;
            if let Some(stand) = stands.get_mut(test) {
                *stand = Stand::Open;
            }
            let prerequisite = tests.get(test).and_then(|node| node.prerequisites.get(*next)).map(|(place, _)| *place);
            *next += 1;
            let Some(prerequisite) = prerequisite else {
                if let Some(stand) = stands.get_mut(test) {
                    *stand = Stand::Closed;
                }
                order.push(test);
                way.pop();
                continue;
            };
            match stands.get(prerequisite) {
                Some(Stand::New) => way.push((prerequisite, 0)),
                Some(Stand::Open) => {
                    cycles.entry(prerequisite).or_insert_with(|| {
                        let from = way.iter().skip_while(|(test, _)| *test != prerequisite);
                        from.filter_map(|(test, _)| Some(tests.get(*test)?.id.clone())).collect()
                    });
                }
                Some(Stand::Closed) | None => {}
            }
        }
    }
    (order, cycles)
}
