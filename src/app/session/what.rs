//! What is to be run: found, and made into units that a session can be made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::catalogue::index as catalogue_index;
use crate::app::spec::{Specs, index, selection};
use crate::app::{AppError, MAX_FAULTS, Result, blocking, cut};
use crate::domain::catalogue::index::{Kind, MissingSuites};
use crate::domain::catalogue::item::{Extension, Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::domain::composition::{Catalogue, Composed, Sources, catalogue_test, compose};
use crate::domain::fault::Fault;
use crate::domain::selection::table::Table;
use crate::domain::session::origin::{FromCatalogue, FromSelection, Named, Origin};
use crate::domain::session::{MAX_UNITS, Session};
use crate::domain::spec::Spec;
use crate::domain::spec::prefix::Prefix;
use crate::ids::SessionId;
use crate::store;

/// How many steps from a test to a resource of its resources are followed.
const MAX_STEPS: usize = 100;

/// What is to be run. What is named must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct What {
    /// The specs that are selected under this tag.
    pub selection: Option<String>,
    /// Whether a selection of other specs than there are now is refused.
    pub refuse_stale: bool,
    /// Specs, by their ids or the beginnings of them.
    pub specs: Vec<String>,
    /// Tests of the catalogue.
    pub catalogue: Option<Asked>,
    /// Test plans of the session's units.
    pub plans: Vec<String>,
    /// Jobs of the session's units.
    pub jobs: Vec<String>,
}

/// What is asked for of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The labels of tests.
    pub tests: Vec<String>,
    /// The labels of suites and directories.
    pub suites: Vec<String>,
    /// As of which revision; the latest if left out.
    pub revision: Option<i64>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The units that it comes to, and what of them is to be desired.
    pub composed: Composed,
    /// Where they come from.
    pub origin: Origin,
}

/// Finds what is to be run and makes units of it.
///
/// # Errors
/// [`AppError::Faults`] with pointers below `/what` for what is not there; [`AppError::Conflict`] for a selection that is
/// stale, where that is refused; [`AppError::Invalid`] for more than a session holds.
pub async fn find(specs: &Specs, what: What, session: SessionId) -> Result<Found> {
    let mut origin = Origin { plans: what.plans, jobs: what.jobs, ..Origin::default() };
    let mut sources = Sources { session: session.to_string(), now: specs.now().timestamp(), ..Sources::default() };
    if what.selection.is_some() || !what.specs.is_empty() {
        find_specs(specs, what.selection.as_deref(), what.refuse_stale, &what.specs, &mut sources, &mut origin).await?;
    }
    if let Some(asked) = &what.catalogue {
        find_tests(specs, asked, &mut sources, &mut origin).await?;
    }
    let count = sources.specs.len().saturating_add(sources.tests.len());
    if count > MAX_UNITS {
        return Err(AppError::Invalid(format!("a session has at most {MAX_UNITS} units; this comes to {count} jobs")));
    }
    let mut revisions: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for (revision, label) in sources.specs.iter().filter_map(catalogue_test) {
        revisions.entry(revision).or_default().insert(label.to_owned());
    }
    if !sources.tests.is_empty() {
        revisions.entry(sources.revision).or_default().extend(sources.tests.iter().cloned());
    }
    for (revision, tests) in revisions {
        let known = catalogue_of(specs, revision, tests).await?;
        sources.catalogue.insert(revision, known);
    }
    let composed = blocking(move || Ok(compose(&sources))).await?;
    let notes = &composed.notes;
    origin.notes.extend(notes.iter().map(|note| cut(note, 400)));
    Ok(Found { composed, origin })
}

/// The specs that are selected or named, and all that they depend on.
async fn find_specs(
    specs: &Specs,
    tag: Option<&str>,
    refuse_stale: bool,
    named: &[String],
    sources: &mut Sources,
    origin: &mut Origin,
) -> Result<()> {
    let (latest, table) = index::latest(specs).await?;
    if let Some(tag) = tag {
        let no_such = |error: AppError| match error {
            AppError::NotFound { .. } => fault("/what/selection", format!("there is no selection `{}`", cut(tag, 80))),
            other => other,
        };
        let stored = selection::get(specs, tag).await.map_err(no_such)?.selection;
        let is_current = stored.spec_set_id == table.spec_set_id().to_string();
        let (tag, made_of) = (stored.tag, stored.spec_set_revision);
        let stale = format!(
            "the selection `{}` was made of the specs as of revision {made_of}; they are at {latest}",
            cut(&tag, 80)
        );
        if !is_current && refuse_stale {
            return Err(AppError::Conflict(format!("{stale}: refresh it, or ask for `\"stale\": \"take\"`")));
        }
        let selected = selection::selected_ids(specs, &tag).await?;
        let gone = selected.iter().filter(|id| table.place(id).is_none()).count();
        if !is_current {
            origin.notes.push(stale);
        }
        if gone > 0 {
            origin.notes.push(format!("{gone} of the specs that it selects are not stored"));
        }
        sources.wanted.extend(selected.into_iter().filter(|id| table.place(id).is_some()));
        origin.selection =
            Some(FromSelection { tag, revision: stored.revision, spec_set_revision: made_of, is_current });
    }
    let mut faults = Vec::new();
    for (place, text) in named.iter().enumerate() {
        match by_beginning(&table, text) {
            Ok(id) => drop(sources.wanted.insert(id)),
            Err(words) => faults.push(Fault::new(format!("/what/specs/{place}"), words)),
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    AppError::refuse("the session", faults)?;
    origin.specs = Some(Named::of(sources.wanted.iter()));
    let seeds: Vec<u32> = sources.wanted.iter().filter_map(|id| table.place(id)).collect();
    let upstream = table.graph().upstream(seeds);
    let mut ids = sources.wanted.clone();
    ids.extend(upstream.iter().filter(|node| *node < table.len()).map(|node| table.id(node).to_owned()));
    if ids.len() > MAX_UNITS {
        return Err(AppError::Invalid(format!(
            "a session has at most {MAX_UNITS} units; this comes to {} specs",
            ids.len()
        )));
    }
    let ids: Vec<String> = ids.into_iter().collect();
    let mut db = specs.db.read().await?;
    let stored = store::spec::get_many(&mut db.conn(), &ids).await?;
    sources.specs = stored.into_iter().map(|stored| stored.document.0).collect::<Vec<Spec>>();
    Ok(())
}

/// The id of the one stored spec whose id begins so.
fn by_beginning(table: &Table, text: &str) -> Result<String, String> {
    let shown = cut(text, 80);
    let prefix = Prefix::parse(text).map_err(|_| format!("`{shown}` is no id of a spec: want hexadecimal digits"))?;
    let found = table.with_prefix(prefix.as_str());
    match found {
        [] => Err(format!("there is no spec whose id begins with `{shown}`")),
        [one] => Ok(table.id(*one).to_owned()),
        // A whole id that others begin with.
        [first, ..] if table.id(*first) == prefix.as_str() => Ok(prefix.as_str().to_owned()),
        [first, second, ..] => Err(format!(
            "several specs have ids that begin with `{shown}`, {} and {} among them: give more digits",
            table.id(*first),
            table.id(*second)
        )),
    }
}

/// The tests that are named or that suites come to.
async fn find_tests(specs: &Specs, asked: &Asked, sources: &mut Sources, origin: &mut Origin) -> Result<()> {
    let no_revision = |error: AppError| match error {
        AppError::NotFound { .. } => fault("/what/catalogue/revision", error.to_string()),
        other => other,
    };
    let (revision, known) = catalogue_index::at(&specs.catalogue, asked.revision).await.map_err(no_revision)?;
    let mut faults = Vec::new();
    let missing =
        |label: &str, of: &str| format!("the catalogue has no {of} `{}` as of revision {revision}", cut(label, 80));
    let (mut tests, mut seen) = (Vec::new(), BTreeSet::new());
    for (place, label) in asked.tests.iter().enumerate() {
        if known.has(Kind::Test, label) {
            tests.push(label.clone());
        } else if faults.len() < MAX_FAULTS {
            faults.push(Fault::new(format!("/what/catalogue/tests/{place}"), missing(label, "test")));
        }
    }
    for (place, label) in asked.suites.iter().enumerate() {
        let is_there = label.parse::<Label>().is_ok_and(|label| known.suite(&label).is_some());
        if !is_there && faults.len() < MAX_FAULTS {
            faults.push(Fault::new(format!("/what/catalogue/suites/{place}"), missing(label, "suite or directory")));
        }
    }
    AppError::refuse("the session", faults)?;
    if !asked.suites.is_empty() {
        let expanded =
            catalogue_index::expand(&specs.catalogue, &asked.suites, Some(revision), MissingSuites::Refuse).await;
        let expanded = expanded.map_err(|error| match error {
            AppError::Invalid(words) => fault("/what/catalogue/suites", words),
            other => other,
        })?;
        tests.extend(expanded.test_ids);
    }
    tests.retain(|label| seen.insert(label.clone()));
    origin.catalogue =
        Some(FromCatalogue { revision, suites: Named::of(asked.suites.iter()), tests: Named::of(tests.iter()) });
    (sources.tests, sources.revision) = (tests, revision);
    Ok(())
}

/// What is known of these tests as of a revision: their prerequisites, and the resources that they need.
async fn catalogue_of(specs: &Specs, revision: i64, tests: BTreeSet<String>) -> Result<Catalogue> {
    let classes = specs.catalogue.classes(Some(revision)).await?;
    let mut db = specs.db.read().await?;
    let conn = &mut db.conn();
    let mut known = Catalogue { classes, ..Catalogue::default() };
    let of = |versions: Vec<store::catalogue_item::Version>| {
        versions.into_iter().filter_map(|version| match version.document.0 {
            Item::Test(extension) | Item::Resource(extension) => Some((version.name, extension)),
            _ => None,
        })
    };
    let named: Vec<String> = tests.into_iter().collect();
    known.tests.extend(of(store::catalogue_item::get_many(conn, ItemKind::Test, &named, Some(revision)).await?));
    let prerequisites = known.tests.values().flat_map(Extension::prerequisites);
    let beside: BTreeSet<String> = prerequisites.map(|(id, _)| id.to_owned()).collect();
    let beside: Vec<String> = beside.into_iter().filter(|id| !known.tests.contains_key(id)).collect();
    let mut wanted: BTreeSet<String> = known.tests.values().flat_map(Extension::resources).map(str::to_owned).collect();
    known.tests.extend(of(store::catalogue_item::get_many(conn, ItemKind::Test, &beside, Some(revision)).await?));
    let mut asked = BTreeSet::new();
    for _ in 0..MAX_STEPS {
        let labels: Vec<String> = wanted.into_iter().filter(|label| asked.insert(label.clone())).collect();
        if labels.is_empty() {
            break;
        }
        let found = store::catalogue_item::get_many(conn, ItemKind::Resource, &labels, Some(revision)).await?;
        let found: Vec<(String, Extension)> = of(found).collect();
        wanted = found.iter().flat_map(|(_, resource)| resource.resources()).map(str::to_owned).collect();
        known.resources.extend(found);
    }
    Ok(known)
}

/// Makes sure that the jobs that are asked for are there.
pub(super) fn check_jobs(session: &Session, jobs: &[String]) -> Result<()> {
    let missing = jobs.iter().enumerate().filter(|(_, id)| session.job(id).is_none());
    let told = |(place, id): (usize, &String)| {
        let words = format!("the session's units have no job `{}`", cut(id, 200));
        Fault::new(format!("/what/jobs/{place}"), words)
    };
    AppError::refuse("the session", missing.take(MAX_FAULTS).map(told).collect())
}

pub(super) fn fault(pointer: &str, words: String) -> AppError {
    AppError::Faults { what: "the session".to_owned(), faults: vec![Fault::new(pointer, words)] }
}
