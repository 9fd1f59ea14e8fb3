//! The resources of a target: set up once, on first need, each after those that it needs itself.
//!
//! On a target the resources of one test are set up at a time. So no two tests wait for each other's.

use std::collections::BTreeMap;

use super::order::Node;
use super::{Cause, Context, Definitions, Known};
use crate::domain::catalogue::outcome::Outcome;

/// What is known of every resource that the tests need, in however many steps.
pub(super) fn known(tests: &[Node], definitions: &impl Definitions) -> BTreeMap<String, Known<Vec<String>>> {
    let mut known: BTreeMap<String, Known<Vec<String>>> = BTreeMap::new();
    let mut wanted: Vec<String> = tests.iter().flat_map(|node| node.facts.resources.iter().cloned()).collect();
    while let Some(id) = wanted.pop() {
        if known.contains_key(&id) {
            continue;
        }
        let found = definitions.resource(&id);
        if let Known::There(needs) = &found {
            wanted.extend(needs.iter().filter(|id| !known.contains_key(*id)).cloned());
        }
        known.insert(id, found);
    }
    known
}

/// How a resource stands on a target.
#[derive(Debug)]
enum Stand {
    /// It is being set up, or those are that it needs.
    InProgress,
    /// It is set up; these properties it gives to those that need it, those of its own resources included.
    Up(Context),
    Failed,
}

/// What a test needs before it can run.
pub(super) enum Needed {
    /// Nothing more: all its resources are set up, and give it these properties.
    Nothing { properties: Context },
    /// This resource is to be set up first; it may read these properties.
    SetUp { resource: String, properties: Context },
    /// This resource, which it names, has failed.
    Failed(String),
    /// The resources of another test are being set up.
    Wait,
}

/// A resource on the way, and how many of those that it needs have been looked at.
#[derive(Debug)]
struct Frame {
    resource: String,
    next: usize,
}

/// The resources of a target.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    stands: BTreeMap<String, Stand>,
    /// Those that are set up, in the order of their set-up.
    up: Vec<String>,
    /// The test whose resources are being set up.
    owner: Option<usize>,
    way: Vec<Frame>,
    /// Whether the last one on the way has been handed out and not been reported.
    handed_out: bool,
    /// What those give that it needs.
    inherited: Context,
}

impl Shelf {
    /// What a test that names these resources needs next. What is decided on the way is added to `decided`: resources that
    /// cannot be set up, each with its outcome and cause.
    pub(super) fn need(
        &mut self,
        test: usize,
        named: &[String],
        known: &BTreeMap<String, Known<Vec<String>>>,
        decided: &mut Vec<(String, Outcome, Cause)>,
    ) -> Needed {
        if self.handed_out {
            return if self.is_up(named) {
                Needed::Nothing { properties: self.properties(named) }
            } else {
                Needed::Wait
            };
        }
        for resource in named {
            loop {
                match self.stands.get(resource) {
                    Some(Stand::Up(_)) => break,
                    Some(Stand::Failed) => {
                        self.release(test);
                        return Needed::Failed(resource.clone());
                    }
                    Some(Stand::InProgress) | None => {}
                }
                if self.owner.is_some_and(|owner| owner != test) {
                    return Needed::Wait;
                }
                self.owner = Some(test);
                if self.way.is_empty() {
                    self.begin(resource);
                }
                if let Some(found) = self.advance(known, decided) {
                    return found;
                }
            }
        }
        self.release(test);
        Needed::Nothing { properties: self.properties(named) }
    }

    fn is_up(&self, named: &[String]) -> bool {
        named.iter().all(|resource| matches!(self.stands.get(resource), Some(Stand::Up(_))))
    }

    fn release(&mut self, test: usize) {
        if self.owner == Some(test) {
            self.owner = None;
        }
    }

    fn begin(&mut self, resource: &str) {
        self.stands.insert(resource.to_owned(), Stand::InProgress);
        self.way.push(Frame { resource: resource.to_owned(), next: 0 });
    }

    /// Goes on along the way until a resource is to be set up, or the way is at its end: then `None`.
    fn advance(
        &mut self,
        known: &BTreeMap<String, Known<Vec<String>>>,
        decided: &mut Vec<(String, Outcome, Cause)>,
    ) -> Option<Needed> {
        while let Some(frame) = self.way.last_mut() {
            let resource = frame.resource.clone();
            let failure = match known.get(&resource) {
                Some(Known::There(needs)) => match needs.get(frame.next) {
                    None => {
                        let properties = self.properties(needs);
                        self.handed_out = true;
                        self.inherited.clone_from(&properties);
                        return Some(Needed::SetUp { resource, properties });
                    }
                    Some(needed) => {
                        frame.next += 1;
                        match self.stands.get(needed) {
                            Some(Stand::Up(_)) => continue,
                            None => {
                                let needed = needed.clone();
                                self.begin(&needed);
                                continue;
                            }
                            // It is on the way itself: the loop is closed here.
                            Some(Stand::Failed | Stand::InProgress) => {
                                (Outcome::Fail, Cause::FailedResource { resource: needed.clone() })
                            }
                        }
                    }
                },
                Some(Known::Unreadable) => (Outcome::Error, Cause::Exception),
                Some(Known::Absent) | None => (Outcome::Error, Cause::ResourceMissing),
            };
            self.way.pop();
            self.stands.insert(resource.clone(), Stand::Failed);
            decided.push((resource, failure.0, failure.1));
            // Whoever needs it looks at it again, and fails too.
            if let Some(above) = self.way.last_mut() {
                above.next = above.next.saturating_sub(1);
            }
        }
        None
    }

    /// Notes what the set-up of a resource came to.
    pub(super) fn set_up(&mut self, resource: &str, passed: bool, own: Context) {
        self.handed_out = false;
        self.way.pop();
        if passed {
            let mut properties = std::mem::take(&mut self.inherited);
            properties.extend(own);
            self.stands.insert(resource.to_owned(), Stand::Up(properties));
            self.up.push(resource.to_owned());
        } else {
            self.stands.insert(resource.to_owned(), Stand::Failed);
            if let Some(above) = self.way.last_mut() {
                above.next = above.next.saturating_sub(1);
            }
        }
    }

    /// What these resources give, the later over the earlier.
    fn properties(&self, named: &[String]) -> Context {
        let mut properties = Context::new();
        for resource in named {
            if let Some(Stand::Up(own)) = self.stands.get(resource) {
                properties.extend(own.clone());
            }
        }
        properties
    }

    /// The resource that is to be cleaned up next: the one that was set up last. It is taken off the list.
    pub(super) fn next_clean_up(&mut self) -> Option<String> {
        self.up.pop()
    }
}
