//! Choosing jobs.

use std::collections::HashMap;

use super::job::Job;
use super::pattern::{Pattern, PatternError};
use super::value::FieldValue;

/// What a qualifier looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The full id of the job, or of the template that it was made from.
    Id(String),
    /// Whether a pattern matches at the start of the job's full id, or of its template's.
    Pattern(Pattern),
    /// Whether a pattern matches the job's own full id: a line of a test plan.
    Entry(Pattern),
    /// Whether a pattern matches at the start of a field; a field that is absent is not matched.
    Field {
        /// The field, with `_` or `-` as it is written in units.
        field: String,
        /// The pattern.
        pattern: Pattern,
    },
    /// Any of these.
    AnyOf(Vec<Qualifier>),
}

/// Says of each job whether it is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualifier {
    /// What it looks at.
    pub test: Test,
    /// Whether it chooses, rather than leaves out. [`Test::AnyOf`] leaves it to those in it.
    pub inclusive: bool,
}

/// What a qualifier says of a job. The least of several votes is that of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vote {
    /// It is left out, whatever others say.
    Exclude,
    /// It is chosen.
    Include,
    /// Nothing.
    Ignore,
}

impl Qualifier {
    /// A qualifier that chooses.
    #[must_use]
    pub fn including(test: Test) -> Self {
        Self { test, inclusive: true }
    }

    /// A qualifier that leaves out.
    #[must_use]
    pub fn excluding(test: Test) -> Self {
        Self { test, inclusive: false }
    }

    /// What it says of this job.
    ///
    /// # Errors
    /// [`PatternError::TooLong`].
    pub fn vote(&self, job: &Job) -> Result<Vote, PatternError> {
        let mut vote = Vote::Ignore;
        for simple in flat(std::slice::from_ref(self)) {
            vote = vote.min(simple.simple_vote(job)?);
        }
        Ok(vote)
    }

    fn simple_vote(&self, job: &Job) -> Result<Vote, PatternError> {
        Ok(match (self.matches(job)?, self.inclusive) {
            (true, true) => Vote::Include,
            (true, false) => Vote::Exclude,
            (false, _) => Vote::Ignore,
        })
    }

    fn places(&self, jobs: &[&Job]) -> Result<Vec<usize>, PatternError> {
        let mut places = Vec::new();
        for (place, job) in jobs.iter().enumerate() {
            if self.matches(job)? {
                places.push(place);
            }
        }
        Ok(places)
    }

    fn matches(&self, job: &Job) -> Result<bool, PatternError> {
        match &self.test {
            Test::Id(id) => Ok(*id == job.id || Some(id.as_str()) == job.template_id()),
            Test::Pattern(pattern) => Ok(pattern.matches(&job.id)?
                || match job.template_id() {
                    Some(id) => pattern.matches(id)?,
                    None => false,
                }),
            Test::Entry(pattern) => pattern.matches(&job.id),
            Test::Field { field, pattern } => match field.as_str() {
                "id" => pattern.matches(&job.id),
                "plugin" => job.plugin.as_deref().map_or(Ok(false), |plugin| pattern.matches(plugin)),
                "category_id" => pattern.matches(&job.category_id),
                "summary" => pattern.matches(job.summary()),
                field => {
                    let text = job.unit.value(field).and_then(FieldValue::as_text);
                    text.map_or(Ok(false), |text| pattern.matches(text))
                }
            },
            Test::AnyOf(_) => Ok(false),
        }
    }
}

/// The qualifiers of the list with those in place of which stand others.
fn flat(qualifiers: &[Qualifier]) -> Vec<&Qualifier> {
    let mut flat = Vec::with_capacity(qualifiers.len());
    let mut open = vec![qualifiers.iter()];
    while let Some(last) = open.last_mut() {
        match last.next() {
            Some(Qualifier { test: Test::AnyOf(inner), .. }) => open.push(inner.iter()),
            Some(qualifier) => flat.push(qualifier),
            None => drop(open.pop()),
        }
    }
    flat
}

/// The places of the jobs that these qualifiers choose, in the order in which they are chosen: by one qualifier after the
/// other, and by each in the order of the jobs. Whatever any of them leaves out is not chosen.
///
/// An id costs one look-up, a pattern one look at every job.
///
/// # Errors
/// [`PatternError::TooLong`].
pub fn select<'a>(
    jobs: impl IntoIterator<Item = &'a Job>,
    qualifiers: &[Qualifier],
) -> Result<Vec<usize>, PatternError> {
    let jobs: Vec<&Job> = jobs.into_iter().collect();
    let index = Index::new(&jobs);
    let mut votes = vec![Vote::Ignore; jobs.len()];
    let mut chosen = Vec::new();
    for qualifier in flat(qualifiers) {
        let places = match &qualifier.test {
            Test::Id(id) => index.places(id),
            _ => qualifier.places(&jobs)?,
        };
        for place in places {
            let Some(vote) = votes.get_mut(place) else { continue };
            if !qualifier.inclusive {
                *vote = Vote::Exclude;
            } else if *vote == Vote::Ignore {
                *vote = Vote::Include;
                chosen.push(place);
            }
        }
    }
    chosen.retain(|place| votes.get(*place) == Some(&Vote::Include));
    Ok(chosen)
}

/// Where jobs are, by their ids and by their templates'.
struct Index<'a> {
    ids: HashMap<&'a str, usize>,
    templates: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(jobs: &[&'a Job]) -> Self {
        let mut index = Self { ids: HashMap::with_capacity(jobs.len()), templates: HashMap::new() };
        for (place, job) in jobs.iter().enumerate() {
            index.ids.entry(&job.id).or_insert(place);
            if let Some(template) = job.template_id() {
                index.templates.entry(template).or_default().push(place);
            }
        }
        index
    }

    /// The job of this id and the instances of the template of this id, in the order of the jobs.
    fn places(&self, id: &str) -> Vec<usize> {
        let mut places = self.templates.get(id).cloned().unwrap_or_default();
        places.extend(self.ids.get(id));
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests;
