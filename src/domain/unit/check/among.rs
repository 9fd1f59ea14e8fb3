//! What is wrong with units that stand together: ids that are not theirs alone, and names of nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::issue::{Flaw, Issue, Issues};
use crate::domain::program::{Program, parse_imports};
use crate::domain::unit::template::Template;
use crate::domain::unit::{Job, Kind, Siblings, Unit};

/// Fields that name jobs.
const JOBS: [&str; 6] = ["depends", "after", "before", "salvages", "bootstrap_include", "setup_include"];

/// What else is wrong with units that are all there is: the issues of [`super::check`] are not among these. An issue
/// comes with the place of its unit.
///
/// Nobody can say which jobs a template will make. So a name is taken for that of one of them if it begins as the
/// template's ids do.
#[must_use]
pub fn check_among(units: &[Unit]) -> Vec<(usize, Issue)> {
    let known = Known::of(units);
    let check = |(place, unit): (usize, &Unit)| {
        let mut issues = Issues::default();
        check_id(place, units, &known, &mut issues);
        match unit.kind() {
            Kind::Job | Kind::SetupJob | Kind::TestPlan => check_names(unit, &known, &mut issues),
            Kind::Template => check_template(unit, &known, &mut issues),
            _ => {}
        }
        issues.into_vec().into_iter().map(move |issue| (place, issue))
    };
    units.iter().enumerate().flat_map(check).collect()
}

/// What there is to be named.
struct Known {
    /// By full id the places of the units that have it.
    places: BTreeMap<String, Vec<(usize, Kind)>>,
    /// The full ids of jobs, of their siblings and of templates.
    jobs: BTreeSet<String>,
    /// What the ids of the jobs begin with that templates make.
    beginnings: BTreeSet<String>,
}

impl Known {
    fn of(units: &[Unit]) -> Self {
        let mut known = Self { places: BTreeMap::new(), jobs: BTreeSet::new(), beginnings: BTreeSet::new() };
        for (place, unit) in units.iter().enumerate() {
            if *unit.kind() == Kind::Template {
                known.add_template(unit);
            } else if let Some(id) = unit.id() {
                known.places.entry(id.to_owned()).or_default().push((place, unit.kind().clone()));
            }
            if unit.kind().is_job() {
                known.jobs.extend(unit.id().map(str::to_owned));
                known.jobs.extend(siblings(unit));
            }
        }
        known
    }

    fn add_template(&mut self, unit: &Unit) {
        let Ok(template) = Template::read(unit) else {
            return;
        };
        if let (true, Some(id)) = (template.kind().is_job(), unit.text("id")) {
            let beginning = id.split('{').next().unwrap_or_default();
            // Jobs that are to run again after the machine slept are called so then.
            for prefix in ["", "after-suspend-", "after-suspend-manual-"] {
                self.beginnings.insert(unit.qualify(&format!("{prefix}{beginning}")));
            }
            self.jobs.extend(template.id().map(str::to_owned));
        }
    }

    fn has_job(&self, id: &str) -> bool {
        self.jobs.contains(id) || self.beginnings.iter().any(|beginning| id.starts_with(beginning.as_str()))
    }

    fn has(&self, id: &str, kind: &Kind) -> bool {
        self.places.get(id).is_some_and(|places| places.iter().any(|(_, found)| found == kind))
    }
}

/// The full ids of what a job brings with it.
fn siblings(unit: &Unit) -> Vec<String> {
    let siblings = Job::read(unit).ok().and_then(|job| Siblings::of(&job).ok()).unwrap_or_default();
    siblings.units.iter().filter_map(Unit::id).map(str::to_owned).collect()
}

/// Sessions have one table for all ids. Units that are the same in all are one.
fn check_id(place: usize, units: &[Unit], known: &Known, issues: &mut Issues) {
    let Some(unit) = units.get(place).filter(|unit| *unit.kind() != Kind::Template) else {
        return;
    };
    // The first of them has the id, and the others want it.
    let Some((first, kind)) = unit.id().and_then(|id| known.places.get(id)).and_then(|places| places.first()) else {
        return;
    };
    if *first == place || units.get(*first) == Some(unit) {
        return;
    }
    let message = format!("unit {} of these, a {kind}, has this id already", first + 1);
    if kind == unit.kind() {
        issues.error("id", Flaw::NotUnique, message);
    } else {
        issues.warn("id", Flaw::NotUnique, message);
    }
}

fn check_names(unit: &Unit, known: &Known, issues: &mut Issues) {
    for field in JOBS {
        for id in unit.ids(field).iter().filter(|id| !known.has_job(id)) {
            issues.warn(field, Flaw::BadReference, format!("there is no job `{id}`"));
        }
    }
    for id in unit.ids("nested_part").iter().filter(|id| !known.has(id, &Kind::TestPlan)) {
        issues.warn("nested_part", Flaw::BadReference, format!("there is no test plan `{id}`"));
    }
    check_requires(unit, known, issues);
}

fn check_requires(unit: &Unit, known: &Known, issues: &mut Issues) {
    let imports = parse_imports(unit.text("imports").unwrap_or_default()).unwrap_or_default();
    let program = unit.text("requires").and_then(|text| Program::compile(text, unit.namespace(), &imports).ok());
    for id in program.iter().flat_map(Program::resources).filter(|id| !known.has_job(id)) {
        issues.warn("requires", Flaw::BadReference, format!("there is no resource job `{id}`"));
    }
}

fn check_template(unit: &Unit, known: &Known, issues: &mut Issues) {
    if let Ok(template) = Template::read(unit)
        && !known.has_job(template.resource_id())
    {
        let message = format!("there is no resource job `{}`", template.resource_id());
        issues.warn("template-resource", Flaw::BadReference, message);
    }
}
