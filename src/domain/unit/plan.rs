//! Test plans: what they choose, before what, and what they override.

use std::collections::{BTreeMap, BTreeSet};

use super::job::Job;
use super::kind::Kind;
use super::lists::{LineError, include_list, override_list};
use super::overrides::{Names, Override, Overrides};
use super::pattern::PatternError;
use super::qualifier::{Qualifier, Test};
use super::value::Unit;

/// A test plan with the plans that are nested in it, at any depth, each once: behind the plan that names it first.
#[derive(Clone, Debug)]
pub struct TestPlan {
    id: String,
    nested: Vec<String>,
    parts: Vec<Part>,
    unknown: Vec<UnknownPart>,
}

/// The plan itself or one that is nested in it.
#[derive(Clone, Debug)]
struct Part {
    unit: Unit,
    id: String,
    /// Whether its category overrides are looked at: those of nested plans are only where all plans around it have some,
    /// as in the original.
    categories: bool,
}

/// A plan that another names as a part of it, and which is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPart {
    /// The full id of the plan that names it.
    pub plan: String,
    /// The full id that it names.
    pub id: String,
}

/// What is wrong with a test plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is something else.
    #[error("a {0} is no test plan")]
    OtherKind(Kind),
    /// Nothing names it.
    #[error("a test plan needs an `id`")]
    NoId,
    /// A line cannot be read.
    #[error("test plan `{plan}`, `{field}`, {error}")]
    Line {
        /// The plan's full id.
        plan: String,
        /// The field.
        field: &'static str,
        /// The line and what is wrong with it.
        error: LineError,
    },
    /// A line holds no pattern.
    #[error("test plan `{plan}`, `{field}`, line {line}: {error}")]
    Pattern {
        /// The plan's full id.
        plan: String,
        /// The field.
        field: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: PatternError,
    },
    /// A pattern takes too long.
    #[error("test plan `{plan}`: {error}")]
    TooLong {
        /// The plan's full id.
        plan: String,
        /// The pattern.
        error: PatternError,
    },
}

impl TestPlan {
    /// Reads a plan and finds those nested in it: `find` gives the test plan of a full id. Plans that are not there are
    /// left out, and so is a plan nested in itself.
    ///
    /// # Errors
    /// [`PlanError::OtherKind`] and [`PlanError::NoId`].
    pub fn read(unit: &Unit, find: &dyn Fn(&str) -> Option<Unit>) -> Result<Self, PlanError> {
        if *unit.kind() != Kind::TestPlan {
            return Err(PlanError::OtherKind(unit.kind().clone()));
        }
        let id = unit.id().ok_or(PlanError::NoId)?.to_owned();
        let categories = unit.lines(CATEGORIES.0).is_some();
        let mut plan = Self { id: id.clone(), nested: Vec::new(), parts: Vec::new(), unknown: Vec::new() };
        let mut seen = BTreeSet::new();
        // What is to be read next is last.
        let mut next = vec![Part { unit: unit.clone(), id, categories }];
        while let Some(part) = next.pop() {
            if !seen.insert(part.id.clone()) {
                continue;
            }
            let mut nested = Vec::new();
            for id in part.unit.ids("nested_part") {
                if let Some(unit) = find(&id).filter(|unit| *unit.kind() == Kind::TestPlan) {
                    let categories = part.categories && unit.lines(CATEGORIES.0).is_some();
                    nested.push(Part { unit, id, categories });
                } else {
                    plan.unknown.push(UnknownPart { plan: part.id.clone(), id });
                }
            }
            if plan.parts.is_empty() {
                plan.nested = nested.iter().map(|part| part.id.clone()).collect();
            }
            next.extend(nested.into_iter().rev());
            plan.parts.push(part);
        }
        Ok(plan)
    }

    /// Its full id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.parts.first().and_then(|part| part.unit.text("name"))
    }

    /// The full ids of the plans that it names as parts of it and that are there, in written order.
    #[must_use]
    pub fn nested(&self) -> &[String] {
        &self.nested
    }

    /// Its full id and those of the plans nested in it, at any depth, in the order in which they are read.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.id.as_str())
    }

    /// The plans that it, or one nested in it, names and that are not there.
    #[must_use]
    pub fn unknown(&self) -> &[UnknownPart] {
        &self.unknown
    }

    /// What it chooses: for each plan in it what it includes, then what it excludes, then without the bootstrap jobs. What
    /// any of them excludes is excluded from all.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn include(&self) -> Result<Vec<Qualifier>, PlanError> {
        let mut qualifiers = Vec::new();
        for part in &self.parts {
            qualifiers.extend(part.entries("include")?.into_iter().map(Qualifier::including));
            qualifiers.extend(part.entries("exclude")?.into_iter().map(Qualifier::excluding));
        }
        qualifiers.extend(self.bootstrap_ids().into_iter().map(Test::Id).map(Qualifier::excluding));
        Ok(qualifiers)
    }

    /// What must run in any case, whatever is excluded.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn mandatory(&self) -> Result<Vec<Qualifier>, PlanError> {
        let mut qualifiers = Vec::new();
        for part in &self.parts {
            qualifiers.extend(part.entries("mandatory_include")?.into_iter().map(Qualifier::including));
        }
        Ok(qualifiers)
    }

    /// The full ids of what runs first, so that templates can be expanded: in written order, each once. These are words and
    /// never patterns; those of overrides in these lines are ids too, as in the original, and name nothing.
    #[must_use]
    pub fn bootstrap_ids(&self) -> Vec<String> {
        self.ids("bootstrap_include")
    }

    /// The full ids of what prepares the machine, as [`Self::bootstrap_ids`].
    #[must_use]
    pub fn setup_ids(&self) -> Vec<String> {
        self.ids("setup_include")
    }

    /// What chooses the bootstrap jobs.
    #[must_use]
    pub fn bootstrap(&self) -> Vec<Qualifier> {
        self.bootstrap_ids().into_iter().map(Test::Id).map(Qualifier::including).collect()
    }

    /// What chooses the setup jobs.
    #[must_use]
    pub fn setup(&self) -> Vec<Qualifier> {
        self.setup_ids().into_iter().map(Test::Id).map(Qualifier::including).collect()
    }

    fn ids(&self, field: &str) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let ids = self.parts.iter().flat_map(|part| part.unit.ids(field));
        ids.filter(|id| seen.insert(id.clone())).collect()
    }

    /// What it overrides: in the lines of what it includes, and in its lists for that, each pattern once and in the order of
    /// their texts. A line that cannot be read overrides nothing.
    ///
    /// # Errors
    /// [`PlanError::Pattern`].
    pub fn overrides(&self) -> Result<Overrides, PlanError> {
        let mut overrides: BTreeMap<String, Override> = BTreeMap::new();
        let mut add = |override_: Override| match overrides.get_mut(override_.text()) {
            Some(known) => known.extend(override_),
            None => drop(overrides.insert(override_.text().to_owned(), override_)),
        };
        for part in &self.parts {
            for field in ["bootstrap_include", "mandatory_include", "include"] {
                for entry in include_list(&part.unit.lines(field).unwrap_or_default()).filter_map(Result::ok) {
                    if !entry.overrides.is_empty() {
                        let values = entry.overrides.into_iter();
                        let values = values.map(|(field, value)| (field.replace('-', "_"), value)).collect();
                        add(part.overriding(field, entry.line, &entry.text, values)?);
                    }
                }
            }
        }
        for (field, target) in [CATEGORIES, STATUSES] {
            for part in self.parts.iter().filter(|part| field == STATUSES.0 || part.categories) {
                for entry in override_list(&part.unit.lines(field).unwrap_or_default()).filter_map(Result::ok) {
                    let value = if field == CATEGORIES.0 { part.unit.qualify(&entry.value) } else { entry.value };
                    add(part.overriding(field, entry.line, &entry.pattern, vec![(target.to_owned(), value)])?);
                }
            }
        }
        Ok(Overrides::new(overrides.into_values().collect()))
    }

    /// The categories of these jobs by their full ids: their own, or those of the last line of the plan's own
    /// `category_overrides` that names them.
    ///
    /// # Errors
    /// The first line that cannot be read; an empty one is such.
    pub fn category_map<'a>(
        &self,
        jobs: impl IntoIterator<Item = &'a Job>,
    ) -> Result<BTreeMap<&'a str, String>, PlanError> {
        let field = CATEGORIES.0;
        let mut rules = Vec::new();
        if let Some(part) = self.parts.first() {
            for entry in override_list(&part.unit.lines(field).unwrap_or_default()) {
                let entry = entry.map_err(|error| part.line_error(field, error))?;
                let names = Names::of(part.unit.namespace(), &entry.pattern);
                let names = names.map_err(|error| part.pattern_error(field, entry.line, error))?;
                rules.push((names, part.unit.qualify(&entry.value)));
            }
        }
        let mut map = BTreeMap::new();
        for job in jobs {
            let mut category = &job.category_id;
            for (names, value) in &rules {
                let named = names.has(&job.id);
                if named.map_err(|error| PlanError::TooLong { plan: self.id.clone(), error })? {
                    category = value;
                }
            }
            map.insert(job.id.as_str(), category.clone());
        }
        Ok(map)
    }
}

const CATEGORIES: (&str, &str) = ("category_overrides", "category_id");
const STATUSES: (&str, &str) = ("certification_status_overrides", "certification_status");

impl Part {
    /// What the lines of a field choose, in their order.
    fn entries(&self, field: &'static str) -> Result<Vec<Test>, PlanError> {
        let text = self.unit.lines(field).unwrap_or_default();
        let mut tests = Vec::new();
        for entry in include_list(&text) {
            let entry = entry.map_err(|error| self.line_error(field, error))?;
            let names = Names::of(self.unit.namespace(), &entry.text);
            tests.push(match names.map_err(|error| self.pattern_error(field, entry.line, error))? {
                Names::Id(id) => Test::Id(id),
                Names::Pattern(pattern) => Test::Entry(pattern),
            });
        }
        Ok(tests)
    }

    fn overriding(
        &self,
        field: &'static str,
        line: usize,
        text: &str,
        values: Vec<(String, String)>,
    ) -> Result<Override, PlanError> {
        Override::new(self.unit.namespace(), text, values).map_err(|error| self.pattern_error(field, line, error))
    }

    fn pattern_error(&self, field: &'static str, line: usize, error: PatternError) -> PlanError {
        PlanError::Pattern { plan: self.id.clone(), field, line, error }
    }

    fn line_error(&self, field: &'static str, error: LineError) -> PlanError {
        PlanError::Line { plan: self.id.clone(), field, error }
    }
}

#[cfg(test)]
mod tests;
