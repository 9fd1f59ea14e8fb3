//! Writing specs: a batch, all of it or none.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value as Json;

use crate::app::spec::{Specs, index};
use crate::app::{AppError, MAX_FAULTS, Result, TRIES, blocking};
use crate::domain::fault::Fault;
use crate::domain::graph::{Graph, Names};
use crate::domain::selection::table::Table;
use crate::domain::spec::document::Draft;
use crate::domain::spec::{Dependency, Spec, Timeouts, resolve};
use crate::store;

/// The most specs of a batch.
pub const MAX_SPECS: usize = 100_000;

/// How many names of a cycle are told at most.
const MAX_CYCLE: usize = 1_000;

/// What is asked of the graph that a batch makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closed {
    /// Everything that the specs of the batch depend on is in the batch or stored, and nothing depends on itself in however
    /// many steps.
    #[default]
    Yes,
    /// Nothing: parts of a graph come one after the other.
    No,
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The revision of the specs after it.
    pub revision: i64,
    /// How many are new.
    pub created: u64,
    /// How many took the place of one with their id.
    pub replaced: u64,
    /// The ids, in the order of the batch.
    pub ids: Vec<String>,
}

/// Writes specs, each over the one of its id.
///
/// # Errors
/// [`AppError::Faults`] with pointers into the list of documents: a document that is no spec, directives that are not met,
/// two specs of one id with different contents; and where the graph is to be closed dependencies that are not there, and
/// cycles, which are told in full. Nothing is written then.
pub async fn put(specs: &Specs, documents: Vec<Json>, closed: Closed) -> Result<Put> {
    if documents.len() > MAX_SPECS {
        return Err(AppError::Invalid(format!("want at most {MAX_SPECS} specs, not {}", documents.len())));
    }
    let timeouts = std::sync::Arc::clone(&specs.timeouts);
    let batch = blocking(move || read(documents, &timeouts)).await?;
    write(specs, batch, closed).await
}

/// Writes specs that have been read already.
///
/// # Errors
/// As [`put`].
pub async fn write(specs: &Specs, batch: Vec<Spec>, closed: Closed) -> Result<Put> {
    let batch = std::sync::Arc::new(batch);
    for _ in 0..TRIES {
        let checked_at = match closed {
            Closed::No => None,
            Closed::Yes => {
                let (revision, table) = index::latest(specs).await?;
                let batch = std::sync::Arc::clone(&batch);
                blocking(move || check_closed(&batch, &table)).await?;
                Some(revision)
            }
        };
        let mut tx = specs.db.begin().await?;
        let conn = &mut tx.conn();
        let state = store::spec::lock(conn).await?;
        // What was checked against may have changed since.
        if checked_at.is_some_and(|revision| revision != state.revision) {
            continue;
        }
        let ids: Vec<String> = batch.iter().map(|spec| spec.id.clone()).collect();
        if ids.is_empty() {
            return Ok(Put { revision: state.revision, created: 0, replaced: 0, ids });
        }
        let revision = state.revision + 1;
        let all: Vec<&Spec> = batch.iter().collect();
        let written = store::spec::put(conn, revision, specs.now(), &all).await?;
        tx.commit().await?;
        return Ok(Put { revision, created: written.created, replaced: written.replaced, ids });
    }
    Err(AppError::kept_changing("the specs"))
}

/// The specs of documents, with what they depend on. A document that stands twice counts once.
fn read(documents: Vec<Json>, timeouts: &Timeouts) -> Result<Vec<Spec>> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut drafts: Vec<Draft> = Vec::with_capacity(documents.len());
    // Where each draft stood in the list, and where the draft of an id is now.
    let mut stood: Vec<usize> = Vec::with_capacity(documents.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (place, document) in documents.into_iter().enumerate() {
        match Draft::read(document, timeouts) {
            Ok(draft) => match places.get(&draft.spec.id).and_then(|first| drafts.get(*first)) {
                Some(first) if *first == draft => {}
                Some(_) => {
                    let detail = format!("the spec {} stands before with other contents", draft.spec.id);
                    faults.push(Fault::new(format!("/{place}/id"), detail));
                }
                None => {
                    places.insert(draft.spec.id.clone(), drafts.len());
                    stood.push(place);
                    drafts.push(draft);
                }
            },
            Err(wrong) => faults.extend(wrong.into_iter().map(|fault| fault.below(&format!("/{place}")))),
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    refuse(faults)?;
    // Who states ids alone has nothing that must be looked for, and may bring a part of a graph that is closed later.
    if drafts.iter().all(|draft| draft.depends_on.is_empty()) {
        return Ok(drafts.into_iter().map(|draft| draft.spec).collect());
    }
    let resolved = resolve::resolve(&drafts).map_err(|problems| {
        let faults = problems.iter().take(MAX_FAULTS).map(|problem| moved(problem.fault(), &stood)).collect();
        AppError::Faults { what: "the specs".to_owned(), faults }
    })?;
    let with_dependencies = |(draft, dependencies): (Draft, Vec<Dependency>)| Spec { dependencies, ..draft.spec };
    Ok(drafts.into_iter().zip(resolved).map(with_dependencies).collect())
}

/// A fault of the drafts as one of the documents that they were read from.
fn moved(fault: Fault, stood: &[usize]) -> Fault {
    match fault.in_entry() {
        Ok((draft, fault)) => fault.below(&format!("/{}", stood.get(draft).unwrap_or(&draft))),
        Err(whole) => whole,
    }
}

fn refuse(mut faults: Vec<Fault>) -> Result<()> {
    faults.truncate(MAX_FAULTS);
    AppError::refuse("the specs", faults)
}

/// Refuses a batch that, written over what is stored, would leave its specs waiting for what is not there or for
/// themselves.
fn check_closed(batch: &[Spec], stored: &Table) -> Result<()> {
    let own: BTreeMap<&str, usize> = batch.iter().enumerate().map(|(place, spec)| (spec.id.as_str(), place)).collect();
    let mut faults = Vec::new();
    for (place, spec) in batch.iter().enumerate() {
        for (number, dependency) in spec.dependencies.iter().enumerate() {
            if !own.contains_key(dependency.id.as_str()) && stored.place(&dependency.id).is_none() {
                let at = format!("/{place}/dependencies/{number}");
                faults.push(Fault::new(at, format!("there is no spec {}", dependency.id)));
            }
        }
    }
    refuse(faults)?;
    refuse(cycles(batch, &own, stored))
}

/// The cycles through specs of the batch, each told at the first of its specs that is in the batch.
fn cycles(batch: &[Spec], own: &BTreeMap<&str, usize>, stored: &Table) -> Vec<Fault> {
    let mut names = Names::default();
    let mut edges: Vec<(u32, u32)> = Vec::new();
    let mut met: HashSet<u32> = HashSet::new();
    let mut open: Vec<&str> = batch.iter().map(|spec| spec.id.as_str()).collect();
    // Whatever the batch leads to: a cycle through it stays within that.
    while let Some(id) = open.pop() {
        let from = names.intern(id);
        if !met.insert(from) {
            continue;
        }
        match own.get(id).and_then(|place| batch.get(*place)) {
            Some(spec) => {
                for dependency in &spec.dependencies {
                    edges.push((from, names.intern(&dependency.id)));
                    open.push(&dependency.id);
                }
            }
            None => {
                for node in stored.place(id).map(|place| stored.graph().dependencies(place)).unwrap_or_default() {
                    // What was not there may be in the batch.
                    let id = stored.id_or_unknown(*node);
                    edges.push((from, names.intern(id)));
                    open.push(id);
                }
            }
        }
    }
    let graph = Graph::new(names.len(), edges.into_iter());
    let fault = |component: crate::domain::graph::Component| {
        let path: Vec<&str> = component.cycle.path.iter().filter_map(|node| names.name(*node)).collect();
        let place = path
            .iter()
            .find_map(|id| own.get(id))
            .or_else(|| component.nodes.iter().filter_map(|node| names.name(*node)).find_map(|id| own.get(id)))?;
        let mut told: Vec<&str> = path.iter().copied().take(MAX_CYCLE).collect();
        told.extend(path.first());
        let detail = match path.as_slice() {
            [_] => "it depends on itself".to_owned(),
            _ => format!("it depends on itself: {}", told.join(" -> ")),
        };
        Some(Fault::new(format!("/{place}/dependencies"), detail))
    };
    graph.components().into_iter().filter_map(fault).collect()
}
