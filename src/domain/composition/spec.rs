//! Jobs from specs.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::fields::{REQUIRES, REVISION, SLOTS, SPEC, TEST, WANTS, XSTATUS};
use super::test::Resources;
use super::{Fields, Made, SPECS, Sources, class, command, names};
use crate::domain::definition::Definition;
use crate::domain::spec::parts::SUCCESS;
use crate::domain::spec::{GPUS, Spec};
use crate::domain::unit::FieldValue;

/// The attributes that say what a spec asks of the machine: labels of the agent, and slots of pools.
const NEEDS: [(&str, &str); 2] = [("requires", REQUIRES), ("slots", SLOTS)];

/// The member of a spec's command that says which revision of the catalogue its test is of.
const CATALOGUE_REVISION: &str = "catalogue_revision";

/// The test of the catalogue that a spec runs, and the revision that this is of; none where the spec itself says what it runs.
#[must_use]
pub fn catalogue_test(spec: &Spec) -> Option<(i64, &str)> {
    let command = spec.command.as_ref().filter(|command| !command.contains_key("argv"))?;
    Some((command.get(CATALOGUE_REVISION)?.as_i64()?, spec.catalogue_test.as_ref()?.as_str()))
}

/// The job of each spec, by its name.
pub(super) fn jobs(sources: &Sources, resources: &mut Resources<'_>, notes: &mut Vec<String>) -> Vec<Made> {
    let mut named: Vec<(String, &Spec)> = sources.specs.iter().map(|spec| (spec.fullname(), spec)).collect();
    named.sort_by(|one, other| (&one.0, &one.1.id).cmp(&(&other.0, &other.1.id)));
    let readable: Vec<(String, &str)> =
        named.iter().map(|(_, spec)| (names::clean(&spec.name()), spec.id.as_str())).collect();
    let ids = names::ids(&readable);
    let by_spec: HashMap<&str, (&Spec, &str)> =
        named.iter().zip(&ids).map(|((_, spec), id)| (spec.id.as_str(), (*spec, id.as_str()))).collect();
    let mut made = Vec::with_capacity(named.len());
    for ((fullname, spec), id) in named.iter().zip(&ids) {
        let mut fields = Fields::new(SPECS, id, fullname);
        describe(&mut fields, spec);
        let mut waits = waits(spec, &by_spec, notes);
        let mut properties = BTreeMap::new();
        if let Some((revision, label)) = catalogue_test(spec) {
            fields.set(TEST, label);
            fields.set(REVISION, revision.to_string());
            let needed = resources.needed_by(revision, label, &format!("{SPECS}::{id}"));
            waits.depends.extend(needed.set_ups);
            properties = needed.properties;
        }
        fields.set_words("depends", &waits.depends);
        fields.set_words("after", &waits.after);
        if !waits.wants.is_empty() {
            fields.set(WANTS, FieldValue::Map(waits.wants));
        }
        fields.set_definition(definition(sources, spec, &properties));
        made.push(fields.made(sources.wanted.contains(&spec.id)));
    }
    made
}

fn describe(fields: &mut Fields, spec: &Spec) {
    fields.set("description", spec.view());
    fields.set(SPEC, spec.id.as_str());
    fields.set_category(&spec.keywords);
    if spec.timeout > 0.0 {
        fields.set("estimated_duration", spec.timeout.to_string());
    }
    if spec.xstatus != 0 {
        fields.set(XSTATUS, spec.xstatus.to_string());
    }
    let variables: Vec<String> = spec.environment.keys().cloned().collect();
    fields.set_words("environ", &variables);
    for (attribute, field) in NEEDS {
        if let Some(value) = spec.attributes.get(attribute).cloned().and_then(FieldValue::from_json) {
            fields.set(field, value);
        }
    }
    let gpus = spec.parameter(GPUS).and_then(Value::as_u64).filter(|gpus| *gpus > 0);
    if let Some(gpus) = gpus.filter(|_| !spec.attributes.contains_key("slots")) {
        fields.set(SLOTS, format!("{GPUS}={gpus}"));
    }
}

/// What a job waits for.
#[derive(Default)]
struct Waits {
    depends: Vec<String>,
    after: Vec<String>,
    wants: Map<String, Value>,
}

fn waits(spec: &Spec, by_spec: &HashMap<&str, (&Spec, &str)>, notes: &mut Vec<String>) -> Waits {
    let mut waits = Waits::default();
    for dependency in &spec.dependencies {
        let on = by_spec.get(dependency.id.as_str());
        let Some((on, id)) = on else {
            let words = format!("`{}` depends on the spec {}, which is not stored", spec.name(), dependency.id);
            notes.push(words);
            // The session tells it too, and leaves the job out.
            waits.depends.push(format!("{SPECS}::{}", dependency.id));
            continue;
        };
        let job = format!("{SPECS}::{id}");
        let want = dependency.when.to_lowercase();
        // What is expected to fail and does passes as a job, and is no success.
        let list =
            if want == "pass" || want == SUCCESS && on.xstatus == 0 { &mut waits.depends } else { &mut waits.after };
        if !list.contains(&job) {
            list.push(job.clone());
        }
        let is_said =
            want == "*" || waits.depends.contains(&job) && (want == "pass" || on.xstatus == 0 && want == SUCCESS);
        if !is_said && let Value::Array(words) = waits.wants.entry(job).or_insert_with(|| Value::Array(Vec::new())) {
            words.push(Value::from(dependency.when.as_str()));
        }
    }
    waits
}

fn definition(sources: &Sources, spec: &Spec, properties: &BTreeMap<String, String>) -> Result<Definition, String> {
    if let Some(mask) = &spec.mask {
        return Err(format!("it is left out by itself: {mask}"));
    }
    let Some((revision, label)) = catalogue_test(spec) else { return command::of(spec) };
    let catalogue = sources.catalogue.get(&revision);
    let test = catalogue.and_then(|catalogue| Some((catalogue, catalogue.tests.get(label)?)));
    let (catalogue, test) =
        test.ok_or_else(|| format!("the catalogue has no test `{label}` as of revision {revision}"))?;
    command::around(spec, class::of_test(test, &catalogue.classes, properties, sources.now)?)
}
