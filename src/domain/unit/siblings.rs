//! What more a job brings with it when it is added: the siblings that it lists, and the copies that run after the machine
//! was suspended.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::job::Job;
use super::value::{FieldValue, Unit};
use super::words;

/// A way of suspending the machine, for which jobs ask by a flag.
struct Suspend {
    flag: &'static str,
    job: &'static str,
    prefix: &'static str,
}

const SUSPENDS: [Suspend; 2] = [
    Suspend {
        flag: "also-after-suspend",
        job: "com.canonical.certification::suspend/suspend_advanced_auto",
        prefix: "after-suspend-",
    },
    Suspend {
        flag: "also-after-suspend-manual",
        job: "com.canonical.certification::suspend/suspend_advanced",
        prefix: "after-suspend-manual-",
    },
];

/// What a job brings with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Siblings {
    /// The units to add behind it, in their order. Each may bring siblings of its own.
    pub units: Vec<Unit>,
    /// What the job itself must run before, besides what it says: suspending the machine, if a sibling waits for that and
    /// the job does not.
    pub before: Vec<String>,
}

/// Why the field `siblings` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiblingsError {
    /// It is no JSON.
    #[error("`siblings` is no JSON: {0}")]
    Json(String),
    /// It is no list of objects.
    #[error("`siblings`: want a list of objects, each with the fields in which a sibling differs")]
    Shape,
}

impl Siblings {
    /// What this job brings with it.
    ///
    /// # Errors
    /// [`SiblingsError`].
    pub fn of(job: &Job) -> Result<Self, SiblingsError> {
        let mut siblings = Self::default();
        for overrides in listed(&job.unit)? {
            siblings.add(job, sibling(&job.unit, overrides));
        }
        for suspend in SUSPENDS.iter().filter(|suspend| job.has_flag(suspend.flag)) {
            siblings.add(job, after(suspend, job));
        }
        Ok(siblings)
    }

    fn add(&mut self, job: &Job, unit: Unit) {
        let waits = |field| unit.ids(field);
        let (depends, after) = (waits("depends"), waits("after"));
        for suspend in SUSPENDS.map(|suspend| suspend.job.to_owned()) {
            let sibling_waits = depends.contains(&suspend) || after.contains(&suspend);
            let job_waits = job.depends.contains(&suspend) || job.after.contains(&suspend) || job.id == suspend;
            if sibling_waits && !job_waits && !self.before.contains(&suspend) {
                self.before.push(suspend);
            }
        }
        self.units.push(unit);
    }
}

fn listed(unit: &Unit) -> Result<Vec<Map<String, Value>>, SiblingsError> {
    let list = match unit.value("siblings") {
        None => return Ok(Vec::new()),
        Some(FieldValue::Text(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(FieldValue::Text(text)) => {
            serde_json::from_str(text).map_err(|error| SiblingsError::Json(error.to_string()))?
        }
        Some(FieldValue::List(list)) => Value::Array(list.clone()),
        Some(FieldValue::Map(_)) => return Err(SiblingsError::Shape),
    };
    let Value::Array(list) = list else {
        return Err(SiblingsError::Shape);
    };
    let object = |entry| if let Value::Object(map) = entry { Ok(map) } else { Err(SiblingsError::Shape) };
    list.into_iter().map(object).collect()
}

/// The job's fields but its siblings: a sibling has none of its own unless it says so.
fn inherited(unit: &Unit) -> BTreeMap<String, FieldValue> {
    let fields = unit.fields().iter().filter(|(name, _)| !matches!(name.as_str(), "siblings" | "_siblings"));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn sibling(unit: &Unit, overrides: Map<String, Value>) -> Unit {
    let mut fields = inherited(unit);
    for (name, value) in overrides {
        match FieldValue::from_json(value) {
            Some(value) => fields.insert(name, value),
            None => fields.remove(&name),
        };
    }
    unit.with_fields(fields)
}

fn after(suspend: &Suspend, job: &Job) -> Unit {
    let unit = &job.unit;
    let mut fields = inherited(unit);
    let partial = unit.partial_id().unwrap_or_default();
    // Neither flag stays: the copy is what they ask for.
    let is_suspend = |flag: &str| SUSPENDS.iter().any(|suspend| suspend.flag == flag);
    let flags: Vec<_> = job.flags.iter().filter(|flag| !is_suspend(flag)).map(String::as_str).collect();
    fields.remove("_flags");
    fields.insert("flags".to_owned(), flags.join(" ").into());
    fields.insert("id".to_owned(), format!("{}{partial}", suspend.prefix).into());
    fields.insert("_summary".to_owned(), format!("{} after suspend (S3)", job.summary()).into());
    if let Some(group) = &job.group {
        fields.insert("group".to_owned(), format!("{}{group}", suspend.prefix).into());
    }
    let depends = depending(unit, &[&job.id, suspend.job]);
    fields.remove("_depends");
    fields.insert("depends".to_owned(), depends);
    unit.with_fields(fields)
}

/// What a unit depends on, and these ids behind it: a text where there was one and nothing in it hides what follows.
fn depending(unit: &Unit, ids: &[&str]) -> FieldValue {
    let mut words = unit.words("depends");
    let before = words.len();
    words.extend(ids.iter().map(|id| (*id).to_owned()));
    if let Some(text) = unit.text("depends").filter(|_| before > 0)
        && let Some(added) = words::print(ids.iter().copied())
    {
        let text = format!("{text} {added}");
        if words::word_list(&text).filter_map(Result::ok).eq(words.iter().cloned()) {
            return FieldValue::Text(text);
        }
    }
    FieldValue::List(words.into_iter().map(Value::String).collect())
}

#[cfg(test)]
mod tests;
