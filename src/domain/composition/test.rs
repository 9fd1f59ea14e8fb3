//! Jobs from tests of the catalogue, and from the resources that these need.
//!
//! As QMTest has it: a prerequisite counts only if it is in the run, and must exist all the same; a resource is set up once,
//! after those that it needs itself, and cleaned up after all that use it, if it was set up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fields::{REQUIRES, RESOURCE, REVISION, TEST, WANTS};
use super::spec::catalogue_test;
use super::{CLEANUPS, Catalogue, Fields, Made, SETUPS, Sources, TESTS, class};
use crate::domain::catalogue::context::Context;
use crate::domain::catalogue::item::{ANY_TARGET, Extension};
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::definition::Definition;
use crate::domain::unit::FieldValue;

/// The label of agents that is asked for a target group.
const TARGET_GROUP: &str = "target_group";

/// A resource as of a revision.
type Key = (i64, String);

/// The resources that are needed, and by whom.
pub(super) struct Resources<'s> {
    sources: &'s Sources,
    /// The id of each, without a namespace.
    ids: BTreeMap<Key, String>,
    /// The jobs that use it, directly or through others.
    users: BTreeMap<Key, Vec<String>>,
}

/// What a test has of its resources.
#[derive(Default)]
pub(super) struct NeededHere {
    /// The jobs that set up those that it names.
    pub(super) set_ups: Vec<String>,
    /// What they, and those that they need, tell.
    pub(super) properties: Context,
}

impl<'s> Resources<'s> {
    /// Those that the tests and the specs need, in however many steps.
    pub(super) fn new(sources: &'s Sources) -> Self {
        let mut resources = Self { sources, ids: BTreeMap::new(), users: BTreeMap::new() };
        let tests = sources.tests.iter().map(|label| (sources.revision, label.as_str()));
        let mut all: BTreeSet<Key> = BTreeSet::new();
        for (revision, label) in tests.chain(sources.specs.iter().filter_map(catalogue_test)) {
            all.extend(resources.reached(revision, resources.named_by(revision, label)));
        }
        let mut revisions: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, label) in &all {
            *revisions.entry(label).or_default() += 1;
        }
        let id = |key: &Key| match revisions.get(key.1.as_str()) {
            Some(1) => key.1.clone(),
            // Sessions may have specs of several revisions, and resources change.
            _ => format!("{}@{}", key.1, key.0),
        };
        resources.ids = all.iter().map(|key| (key.clone(), id(key))).collect();
        resources
    }

    fn catalogue(&self, revision: i64) -> Option<&'s Catalogue> {
        self.sources.catalogue.get(&revision)
    }

    fn get(&self, (revision, label): &Key) -> Option<(&'s Catalogue, &'s Extension)> {
        let catalogue = self.catalogue(*revision)?;
        Some((catalogue, catalogue.resources.get(label)?))
    }

    /// The labels of the resources that a test names, each once.
    fn named_by(&self, revision: i64, test: &str) -> Vec<&'s str> {
        let test = self.catalogue(revision).and_then(|catalogue| catalogue.tests.get(test));
        let mut seen = BTreeSet::new();
        test.map(Extension::resources).unwrap_or_default().into_iter().filter(|label| seen.insert(*label)).collect()
    }

    /// These and all that they need.
    fn reached(&self, revision: i64, labels: Vec<&str>) -> BTreeSet<Key> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<String> = labels.into_iter().map(str::to_owned).collect();
        while let Some(label) = waiting.pop() {
            let key = (revision, label);
            if reached.contains(&key) {
                continue;
            }
            if let Some((_, resource)) = self.get(&key) {
                waiting.extend(resource.resources().into_iter().map(str::to_owned));
            }
            reached.insert(key);
        }
        reached
    }

    fn id(&self, namespace: &str, key: &Key) -> String {
        format!("{namespace}::{}", self.ids.get(key).unwrap_or(&key.1))
    }

    /// The paths of no two resources are the same.
    fn path(&self, key: &Key) -> String {
        format!("/tmp/testyard-{}-{}", self.sources.session, self.ids.get(key).unwrap_or(&key.1))
    }

    fn properties(&self, reached: &BTreeSet<Key>) -> Context {
        let mut properties = Context::new();
        for key in reached {
            if let Some((catalogue, resource)) = self.get(key) {
                let now = self.sources.now;
                let none = Context::new();
                properties
                    .extend(class::of_resource(resource, &catalogue.classes, &none, &self.path(key), now).properties);
            }
        }
        properties
    }

    /// What the resources of a test come to for the job that runs it; they are noted as used by it.
    pub(super) fn needed_by(&mut self, revision: i64, test: &str, job: &str) -> NeededHere {
        let named = self.named_by(revision, test);
        let set_ups = named.iter().map(|label| self.id(SETUPS, &(revision, (*label).to_owned()))).collect();
        let reached = self.reached(revision, named);
        let properties = self.properties(&reached);
        for key in reached {
            self.users.entry(key).or_default().push(job.to_owned());
        }
        NeededHere { set_ups, properties }
    }

    /// The jobs that set resources up, and those that clean them up.
    pub(super) fn jobs(&self, notes: &mut Vec<String>) -> (Vec<Made>, Vec<Made>) {
        let (mut set_ups, mut clean_ups) = (Vec::new(), BTreeMap::new());
        for key in self.ids.keys() {
            let (set_up, clean_up) = self.set_up(key, notes);
            set_ups.push(set_up);
            clean_ups.extend(clean_up.map(|definition| (key, definition)));
        }
        let cleaned: BTreeSet<&Key> = clean_ups.keys().copied().collect();
        let made = clean_ups.into_iter().map(|(key, definition)| self.clean_up(key, definition, &cleaned)).collect();
        (set_ups, made)
    }

    fn fields(&self, namespace: &'static str, key: &Key, summary: &str) -> Fields {
        let mut fields = Fields::new(namespace, self.ids.get(key).unwrap_or(&key.1), summary);
        fields.set(RESOURCE, key.1.as_str());
        fields.set(REVISION, key.0.to_string());
        fields
    }

    fn set_up(&self, key: &Key, notes: &mut Vec<String>) -> (Made, Option<Definition>) {
        let mut fields = self.fields(SETUPS, key, &format!("Set up {}", key.1));
        let Some((catalogue, resource)) = self.get(key) else {
            let reason = format!("the catalogue has no resource `{}` as of revision {}", key.1, key.0);
            notes.push(reason.clone());
            fields.set_definition(Err(reason));
            return (fields.made(false), None);
        };
        let (own, mut seen) = (resource.resources(), BTreeSet::new());
        let needs = own.iter().filter(|label| seen.insert(**label));
        let needs: Vec<String> = needs.map(|label| self.id(SETUPS, &(key.0, (*label).to_owned()))).collect();
        fields.set_words("depends", &needs);
        fields.set_category(&resource.about.keywords);
        let inherited = self.properties(&self.reached(key.0, own));
        let path = self.path(key);
        let steps = class::of_resource(resource, &catalogue.classes, &inherited, &path, self.sources.now);
        fields.set_definition(steps.set_up);
        (fields.made(false), steps.clean_up)
    }

    /// After all that use it, and after the clean-up of all that need it; only if it was set up.
    fn clean_up(&self, key: &Key, definition: Definition, cleaned: &BTreeSet<&Key>) -> Made {
        let mut fields = self.fields(CLEANUPS, key, &format!("Clean up {}", key.1));
        fields.set_words("depends", &[self.id(SETUPS, key)]);
        let mut after = self.users.get(key).cloned().unwrap_or_default();
        let needs_it = |other: &&&Key| {
            self.get(other)
                .is_some_and(|(_, resource)| other.0 == key.0 && resource.resources().contains(&key.1.as_str()))
        };
        after.extend(cleaned.iter().filter(needs_it).map(|other| self.id(CLEANUPS, other)));
        fields.set_words("after", &after);
        fields.set_definition(Ok(definition));
        fields.made(true)
    }
}

/// The job of each test, in their order.
pub(super) fn jobs(sources: &Sources, resources: &mut Resources<'_>, notes: &mut Vec<String>) -> Vec<Made> {
    let Some(catalogue) = sources.catalogue.get(&sources.revision) else { return Vec::new() };
    let in_run: BTreeSet<&str> = sources.tests.iter().map(String::as_str).collect();
    let mut made = Vec::with_capacity(sources.tests.len());
    for label in &sources.tests {
        let test = catalogue.tests.get(label);
        let description = test.and_then(|test| test.about.description.as_deref());
        let mut fields = Fields::new(TESTS, label, description.unwrap_or(label));
        fields.set(TEST, label.as_str());
        fields.set(REVISION, sources.revision.to_string());
        let Some(test) = test else {
            let reason = format!("the catalogue has no test `{label}` as of revision {}", sources.revision);
            notes.push(reason.clone());
            fields.set_definition(Err(reason));
            made.push(fields.made(true));
            continue;
        };
        if let Some(description) = description {
            fields.set("description", description);
        }
        fields.set_category(&test.about.keywords);
        let needed = resources.needed_by(sources.revision, label, &format!("{TESTS}::{label}"));
        let missing = wait(&mut fields, test, needed.set_ups, catalogue, &in_run);
        let definition = match (missing, target(&mut fields, test)) {
            (Some(id), _) => {
                let reason = format!("its prerequisite `{id}` is not in the catalogue");
                notes.push(format!("`{label}`: {reason}"));
                Err(reason)
            }
            (None, Err(reason)) => Err(reason),
            (None, Ok(())) => class::of_test(test, &catalogue.classes, &needed.properties, sources.now),
        };
        fields.set_definition(definition);
        made.push(fields.made(true));
    }
    made
}

/// States what a test waits for. Answers the prerequisite that is not there, if one is not.
fn wait(
    fields: &mut Fields,
    test: &Extension,
    set_ups: Vec<String>,
    catalogue: &Catalogue,
    in_run: &BTreeSet<&str>,
) -> Option<String> {
    // Of an id that stands twice the last counts.
    let prerequisites: BTreeMap<&str, &str> = test.prerequisites().into_iter().collect();
    let (mut depends, mut after, mut salvages) = (set_ups, Vec::new(), Vec::new());
    let mut wants = Map::new();
    let mut missing = None;
    for (id, outcome) in prerequisites {
        if !in_run.contains(id) {
            if !catalogue.tests.contains_key(id) {
                missing = missing.or_else(|| Some(id.to_owned()));
            }
            continue;
        }
        let job = format!("{TESTS}::{id}");
        match outcome.parse() {
            Ok(Outcome::Pass) => depends.push(job),
            Ok(Outcome::Fail) => {
                salvages.push(job.clone());
                after.push(job);
            }
            Ok(Outcome::Error | Outcome::Untested) | Err(_) => {
                wants.insert(job.clone(), Value::from(outcome));
                after.push(job);
            }
        }
    }
    fields.set_words("depends", &depends);
    fields.set_words("after", &after);
    fields.set_words("salvages", &salvages);
    if !wants.is_empty() {
        fields.set(WANTS, FieldValue::Map(wants));
    }
    missing
}

/// States the agents that a test may run on. A pattern that is more than a name cannot be asked of agents.
fn target(fields: &mut Fields, test: &Extension) -> Result<(), String> {
    let pattern = test.target_group();
    if pattern == ANY_TARGET {
        return Ok(());
    }
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if pattern.is_empty() || !pattern.chars().all(is_plain) {
        return Err(format!(
            "its target group `{pattern}` is a pattern, and agents have labels: want a name that the label \
             `{TARGET_GROUP}` of an agent has, or `{ANY_TARGET}`"
        ));
    }
    fields.set(REQUIRES, format!("{TARGET_GROUP}={pattern}"));
    Ok(())
}
