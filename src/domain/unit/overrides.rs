//! What test plans override of jobs.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::field::qualified;
use super::job::Job;
use super::pattern::{Pattern, PatternError, anchored_text, literal, unanchored};

/// What of a job can be overridden, as it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effective {
    /// The full id of its category.
    pub category_id: String,
    /// Whether its failure blocks a certificate.
    pub certification_status: String,
    /// Whether it may be tried again by itself.
    pub auto_retry: String,
}

impl Effective {
    /// What the job itself says.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        Self {
            category_id: job.category_id.clone(),
            certification_status: job.certification_status.clone(),
            auto_retry: job.auto_retry.clone(),
        }
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "category_id" => Some(&mut self.category_id),
            "certification_status" => Some(&mut self.certification_status),
            "auto_retry" => Some(&mut self.auto_retry),
            _ => None,
        }
    }
}

/// What an override names that no job has in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of `{pattern}` cannot be overridden: want `category-id`, `certification-status` or `auto-retry`")]
pub struct UnknownField {
    /// The pattern of the jobs.
    pub pattern: String,
    /// The field, with `_` for each `-`.
    pub field: String,
}

/// What is overridden of the jobs that one pattern names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Override {
    namespace: Option<String>,
    entry: String,
    text: String,
    names: Names,
    values: Vec<(String, String)>,
}

/// An override as it is stored. Its pattern's text alone does not say where the namespace ends and the pattern begins.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    entry: String,
    values: Vec<(String, String)>,
}

impl From<Override> for Stored {
    fn from(one: Override) -> Self {
        Self { namespace: one.namespace, entry: one.entry, values: one.values }
    }
}

impl TryFrom<Stored> for Override {
    type Error = PatternError;

    fn try_from(stored: Stored) -> Result<Self, PatternError> {
        Self::new(stored.namespace.as_deref(), &stored.entry, stored.values)
    }
}

/// Which ids an entry names: there may be many entries of one id each, and they cost no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// One.
    Id(String),
    /// Those that match.
    Pattern(Pattern),
}

impl Names {
    /// What this entry of a plan of this namespace names.
    pub(super) fn of(namespace: Option<&str>, entry: &str) -> Result<Self, PatternError> {
        Ok(match literal(unanchored(entry))? {
            Some(id) => Self::Id(qualified(namespace, &id)),
            None => Self::Pattern(Pattern::anchored(namespace, entry)?),
        })
    }

    /// Whether it names this id.
    pub(super) fn has(&self, id: &str) -> Result<bool, PatternError> {
        match self {
            Self::Id(own) => Ok(own == id),
            Self::Pattern(pattern) => pattern.matches(id),
        }
    }
}

impl Override {
    /// Overrides these fields, named with `_`, of the jobs that this entry of a plan of this namespace names.
    ///
    /// # Errors
    /// [`PatternError::Invalid`].
    pub fn new(namespace: Option<&str>, entry: &str, values: Vec<(String, String)>) -> Result<Self, PatternError> {
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            entry: entry.to_owned(),
            text: anchored_text(namespace, entry),
            names: Names::of(namespace, entry)?,
            values,
        })
    }

    /// The pattern's text: `^namespace::entry$`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields and their values, in written order: the last one of a field counts.
    #[must_use]
    pub fn values(&self) -> &[(String, String)] {
        &self.values
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
    }
}

/// What is overridden, in the order in which it is applied: the last one that names a job counts. Over serde a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Override>", into = "Vec<Override>")]
pub struct Overrides {
    all: Vec<Override>,
    /// The places of those that name one id.
    ids: HashMap<String, Vec<usize>>,
    /// The places of the others.
    patterns: Vec<usize>,
}

impl Overrides {
    /// These, in this order.
    #[must_use]
    pub fn new(all: Vec<Override>) -> Self {
        let mut overrides = Self::default();
        for (place, one) in all.iter().enumerate() {
            match &one.names {
                Names::Id(id) => overrides.ids.entry(id.clone()).or_default().push(place),
                Names::Pattern(_) => overrides.patterns.push(place),
            }
        }
        Self { all, ..overrides }
    }

    /// Those of several plans, one after the other: what a later plan says for the pattern of an earlier one stands with
    /// the earlier one.
    #[must_use]
    pub fn of_all(plans: impl IntoIterator<Item = Self>) -> Self {
        let mut all: Vec<Override> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for one in plans.into_iter().flat_map(|plan| plan.all) {
            if let Some(known) = places.get(one.text()).and_then(|place| all.get_mut(*place)) {
                known.extend(one);
            } else {
                places.insert(one.text().to_owned(), all.len());
                all.push(one);
            }
        }
        Self::new(all)
    }

    /// All of them, in the order in which they are applied.
    pub fn iter(&self) -> impl Iterator<Item = &Override> {
        self.all.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The first field that cannot be overridden: plans with such a field are refused.
    #[must_use]
    pub fn unknown_field(&self) -> Option<UnknownField> {
        let known = |field: &str| matches!(field, "category_id" | "certification_status" | "auto_retry");
        let mut fields = self.all.iter().flat_map(|one| one.values.iter().map(move |(field, _)| (one, field)));
        let (one, field) = fields.find(|(_, field)| !known(field))?;
        Some(UnknownField { pattern: one.text().to_owned(), field: field.clone() })
    }

    /// Applies what concerns this job, by its own id or by its template's. What names an id costs nothing if it names
    /// another. Fields that cannot be overridden are left alone.
    ///
    /// # Errors
    /// [`PatternError::TooLong`]; then nothing is applied.
    pub fn apply(&self, job: &Job, effective: &mut Effective) -> Result<(), PatternError> {
        let mut places = BTreeSet::new();
        for id in std::iter::once(job.id.as_str()).chain(job.template_id()) {
            places.extend(self.ids.get(id).into_iter().flatten().copied());
            for place in &self.patterns {
                if let Some(one) = self.all.get(*place)
                    && one.names.has(id)?
                {
                    places.insert(*place);
                }
            }
        }
        for one in places.into_iter().filter_map(|place| self.all.get(place)) {
            for (field, value) in &one.values {
                if let Some(field) = effective.field(field) {
                    field.clone_from(value);
                }
            }
        }
        Ok(())
    }
}

impl From<Vec<Override>> for Overrides {
    fn from(all: Vec<Override>) -> Self {
        Self::new(all)
    }
}

impl From<Overrides> for Vec<Override> {
    fn from(overrides: Overrides) -> Self {
        overrides.all
    }
}

#[cfg(test)]
mod tests;
