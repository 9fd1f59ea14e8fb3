//! Canary's workspaces in: specs, what came of them, and selections.
//!
//! What can be read is taken; what cannot is told of, with its reason. Specs are written first and as one revision, then the
//! results, some at a time, then each selection: an import that was cut short is repeated, and takes what is left.
//!
//! A workspace is read from a copy of its file and changed in nothing. Whoever runs tests in it meanwhile would make the copy
//! worthless, so that is noticed and refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use serde_json::{Map, Value as Json};
use tempfile::TempDir;

use crate::app::condition::OnlyIf;
use crate::app::spec::selection::Wanted;
use crate::app::spec::{Specs, put, selection};
use crate::app::{AppError, Result, blocking, cut};
use crate::domain::canary::join::{Joined, join};
use crate::domain::canary::{pickle, spec as canary_spec};
use crate::domain::fault::Fault;
use crate::domain::spec::{Spec, Timeouts};
use crate::domain::spec_result::result::SpecResult;
use crate::domain::words::words;
use crate::store;
use crate::store::canary::{ResultRow, SpecRow, Workspace};
use crate::store::spec_result::Recorded;

/// The file of a workspace.
pub const FILE: &str = "workspace.sqlite3";

/// The folder that is a workspace, in the folder where tests are run.
const FOLDER: &str = ".canary";

/// The most bytes of a workspace's file.
const MAX_BYTES: u64 = 4 << 30;

/// How many rows are read at once.
const STRETCH: usize = 1_000;

/// The longest words about a thing that was not taken, in characters.
const MAX_REASON: usize = 1_000;

/// What every SQLite file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The columns that are read, by table.
const COLUMNS: [(&str, &[&str]); 5] = [
    ("specs", &["spec_id", "data"]),
    ("spec_deps", &["spec_id", "dep_id"]),
    ("selections", &["tag", "spec_id"]),
    ("selection_meta", &["tag", "data"]),
    (
        "results",
        &[
            "spec_id",
            "spec_name",
            "spec_fullname",
            "file_root",
            "file_path",
            "session",
            "workspace",
            "status_state",
            "status_category",
            "status_status",
            "status_reason",
            "status_code",
            "submitted",
            "started",
            "finished",
            "measurements",
        ],
    ),
];

/// Columns that later releases of Canary have instead.
const LATER: [&str; 3] = ["job_state", "status_outcome", "timekeeper"];

words!(
    /// What stands in a workspace.
    Kind, "kind", {
        /// A spec.
        Spec = "spec",
        /// A result.
        Result = "result",
        /// A selection.
        Selection = "selection",
    }
);

words!(
    /// What became of a thing that is told of.
    Fate, "fate", {
        /// It was not taken.
        Refused = "refused",
        /// It was taken, and not all of it, or something about it is odd.
        Noted = "noted",
    }
);

/// A thing that was not taken, or not as it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Which one: an id, an id and a session, a tag.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
    /// Why.
    pub reason: String,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The revision of the specs that was made, or would be; the latest one where no spec changes.
    pub revision: i64,
    /// How many specs are new.
    pub created: usize,
    /// How many took the place of one with their id.
    pub replaced: usize,
    /// How many stood here already as they are.
    pub unchanged: usize,
    /// How many results were recorded.
    pub recorded: usize,
    /// How many results had been recorded before.
    pub repeated: usize,
    /// How many selections were stored.
    pub selections: usize,
    /// What was not taken, or not as it stood: specs, then results, then selections.
    pub entries: Vec<Entry>,
}

impl Report {
    fn tell(&mut self, kind: Kind, name: impl AsRef<str>, fate: Fate, reason: impl AsRef<str>) {
        let (name, reason) = (cut(name.as_ref(), MAX_REASON), cut(reason.as_ref(), MAX_REASON));
        self.entries.push(Entry { kind, name, fate, reason });
    }

    /// How many things were not taken.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.entries.iter().filter(|entry| entry.fate == Fate::Refused).count()
    }
}

/// Imports a workspace: its file, its folder, or the folder that its folder `.canary` is in. With `dry_run` finds out what
/// would come of it, and changes nothing.
///
/// # Errors
/// [`AppError::Invalid`] if it is none, is one of a release that keeps other columns, is larger than 4 GiB, is damaged or is
/// being written to; otherwise if the service's own database fails.
pub async fn import(specs: &Specs, path: &Path, dry_run: bool) -> Result<Report> {
    let path = path.to_owned();
    let (copy, file) = blocking(move || copied(&path)).await?;
    let mut workspace = Workspace::open(&file).await.map_err(damaged)?;
    check_layout(&mut workspace).await?;
    let mut report = Report::default();
    take_specs(specs, &mut workspace, dry_run, &mut report).await?;
    take_results(specs, &mut workspace, dry_run, &mut report).await?;
    take_selections(specs, &mut workspace, dry_run, &mut report).await?;
    drop((workspace, copy));
    Ok(report)
}

/// The file that is meant.
fn the_file(path: &Path) -> PathBuf {
    let inside = [path.join(FILE), path.join(FOLDER).join(FILE)];
    if path.is_dir() {
        inside.into_iter().find(|file| file.exists()).unwrap_or_else(|| path.join(FILE))
    } else {
        path.into()
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> AppError {
    AppError::Invalid(format!("{}: {error}", path.display()))
}

fn damaged(error: store::Error) -> AppError {
    let error = anyhow::Error::from(error);
    AppError::Invalid(format!("the workspace's database cannot be read: {error:#}"))
}

/// What tells that a file has been written to.
type Stamp = Option<(u64, Option<SystemTime>)>;

fn stamp(file: &Path) -> Stamp {
    std::fs::metadata(file).ok().map(|it| (it.len(), it.modified().ok()))
}

/// A copy of a workspace's file, with what SQLite has beside it of changes that are not in it yet.
fn copied(path: &Path) -> Result<(TempDir, PathBuf)> {
    let file = the_file(path);
    let failed = |error: std::io::Error| unreadable(&file, &error);
    let mut magic = Vec::new();
    std::fs::File::open(&file).and_then(|open| open.take(16).read_to_end(&mut magic)).map_err(failed)?;
    if magic != MAGIC {
        return Err(AppError::Invalid(format!("{} is no SQLite database", file.display())));
    }
    let beside = |suffix: &str| {
        let mut name = file.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let files = [(file.clone(), FILE.to_owned())]
        .into_iter()
        .chain(["-wal", "-journal"].map(|suffix| (beside(suffix), format!("{FILE}{suffix}"))));
    let files: Vec<(PathBuf, String)> = files.collect();
    let before: Vec<Stamp> = files.iter().map(|(from, _)| stamp(from)).collect();
    let bytes = before.iter().flatten().fold(0_u64, |sum, (bytes, _)| sum.saturating_add(*bytes));
    if bytes > MAX_BYTES {
        return Err(AppError::Invalid(format!("{} has {bytes} bytes; want at most {MAX_BYTES}", file.display())));
    }
    let copy = tempfile::tempdir().map_err(failed)?;
    for ((from, name), _) in files.iter().zip(&before).filter(|(_, stamp)| stamp.is_some()) {
        let mut to = std::fs::File::create_new(copy.path().join(name)).map_err(failed)?;
        std::fs::File::open(from).and_then(|mut from| std::io::copy(&mut from, &mut to)).map_err(failed)?;
    }
    if files.iter().map(|(from, _)| stamp(from)).ne(before) {
        let words = format!("{} is being written to: repeat the import when no tests run in it", file.display());
        return Err(AppError::Invalid(words));
    }
    let file = copy.path().join(FILE);
    Ok((copy, file))
}

async fn check_layout(workspace: &mut Workspace) -> Result<()> {
    let tables = workspace.tables().await.map_err(damaged)?;
    let later: Vec<&str> = tables
        .get("results")
        .map_or_else(Vec::new, |columns| LATER.into_iter().filter(|column| columns.contains(*column)).collect());
    if !later.is_empty() {
        return Err(AppError::Invalid(format!(
            "a later release of Canary has written the workspace, which keeps specs as JSON and results in other columns \
             ({}): those of the releases 26.3 and 26.4 can be read",
            later.join(", ")
        )));
    }
    for (table, columns) in COLUMNS {
        let Some(known) = tables.get(table) else {
            return Err(AppError::Invalid(format!("it is no workspace of Canary's: there is no table `{table}`")));
        };
        if let Some(missing) = columns.iter().find(|column| !known.contains(**column)) {
            let words = format!("it is no workspace of Canary's that can be read: `{table}` has no column `{missing}`");
            return Err(AppError::Invalid(words));
        }
    }
    let encoding = workspace.encoding().await.map_err(damaged)?;
    if encoding == "UTF-8" {
        Ok(())
    } else {
        Err(AppError::Invalid(format!("the workspace's texts are written as {encoding}; want UTF-8, as Canary has it")))
    }
}

/// A spec, or why there is none, under the name to tell of it by.
type ReadSpec = (String, Result<Joined, String>);

fn read_specs(rows: Vec<SpecRow>, edges: &BTreeMap<String, Vec<String>>, timeouts: &Timeouts) -> Vec<ReadSpec> {
    let read = |row: SpecRow| match row.id.clone() {
        Some(id) => {
            let dependencies = edges.get(&id).cloned().unwrap_or_default();
            let read = read_spec(row, &id, dependencies, timeouts);
            (id, read)
        }
        None => ("without an id".to_owned(), Err("its `spec_id` is no text".to_owned())),
    };
    rows.into_iter().map(read).collect()
}

fn read_spec(row: SpecRow, id: &str, dependencies: Vec<String>, timeouts: &Timeouts) -> Result<Joined, String> {
    let Some(data) = row.data else {
        return Err(match row.kind.as_str() {
            "blob" => format!("its pickle has {} bytes; want at most {}", row.bytes, pickle::MAX_BYTES),
            kind => format!("its `data` is {kind}, and no pickle"),
        });
    };
    let imported = canary_spec::read(&data).map_err(|error| error.to_string())?;
    if imported.id != id {
        return Err(format!("its pickle is that of the spec {}", cut(&imported.id, 200)));
    }
    join(imported, dependencies, timeouts).map_err(|faults| in_words(&faults))
}

fn in_words(faults: &[Fault]) -> String {
    let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
    words.join("; ")
}

async fn take_specs(specs: &Specs, workspace: &mut Workspace, dry_run: bool, report: &mut Report) -> Result<()> {
    let edges = Arc::new(workspace.edges().await.map_err(damaged)?);
    let mut rows = workspace.specs();
    let mut taken: Vec<Spec> = Vec::new();
    loop {
        let some = stretch(&mut rows).await?;
        if some.is_empty() {
            break;
        }
        let (edges, timeouts) = (Arc::clone(&edges), Arc::clone(&specs.timeouts));
        for (id, read) in blocking(move || Ok(read_specs(some, &edges, &timeouts))).await? {
            match read {
                Ok(Joined { spec, left_out }) => {
                    taken.push(spec);
                    for what in left_out {
                        report.tell(Kind::Spec, &id, Fate::Noted, format!("left out: {what}"));
                    }
                }
                Err(why) => report.tell(Kind::Spec, &id, Fate::Refused, why),
            }
        }
    }
    drop(rows);
    tell_of_missing(specs, &taken, report).await?;
    write_specs(specs, taken, dry_run, report).await
}

/// Tells of what specs wait for that is neither in the workspace nor stored here: nothing can be selected by rules until it
/// is.
async fn tell_of_missing(specs: &Specs, taken: &[Spec], report: &mut Report) -> Result<()> {
    let own: BTreeSet<&str> = taken.iter().map(|spec| spec.id.as_str()).collect();
    let waits = taken.iter().flat_map(|spec| spec.dependencies.iter().map(move |it| (spec, it.id.as_str())));
    let missing: Vec<(&Spec, &str)> = waits.filter(|(_, id)| !own.contains(id)).collect();
    let ids: Vec<&str> = missing.iter().map(|(_, id)| *id).collect();
    let stored: BTreeSet<String> = {
        let mut db = specs.db.read().await?;
        store::spec::existing(&mut db.conn(), &ids).await?.into_iter().collect()
    };
    for (spec, id) in missing.into_iter().filter(|(_, id)| !stored.contains(*id)) {
        report.tell(Kind::Spec, &spec.id, Fate::Noted, format!("it depends on {id}, which is not here"));
    }
    Ok(())
}

/// Writes the specs that do not stand here as they are.
async fn write_specs(specs: &Specs, taken: Vec<Spec>, dry_run: bool, report: &mut Report) -> Result<()> {
    let (revision, stored) = {
        let mut snapshot = specs.db.snapshot().await?;
        let conn = &mut snapshot.conn();
        let ids: Vec<&str> = taken.iter().map(|spec| spec.id.as_str()).collect();
        (store::spec::state(conn).await?.revision, store::spec::get_many(conn, &ids).await?)
    };
    let stored: HashMap<&str, &Spec> = stored.iter().map(|row| (row.id.as_str(), &row.document.0)).collect();
    let all = taken.len();
    let changed: Vec<Spec> =
        taken.into_iter().filter(|spec| stored.get(spec.id.as_str()).is_none_or(|known| *known != spec)).collect();
    report.unchanged = all.saturating_sub(changed.len());
    report.replaced = changed.iter().filter(|spec| stored.contains_key(spec.id.as_str())).count();
    report.created = changed.len().saturating_sub(report.replaced);
    report.revision = revision;
    if changed.is_empty() {
        return Ok(());
    }
    report.revision = if dry_run {
        revision.saturating_add(1)
    } else {
        // What a spec waits for may be one that could not be read, and the others are taken all the same.
        put::write(specs, changed, put::Closed::No).await?.revision
    };
    Ok(())
}

/// The next rows; none at the end.
async fn stretch<T>(rows: &mut futures_util::stream::BoxStream<'_, store::Result<T>>) -> Result<Vec<T>> {
    let mut some = Vec::new();
    while some.len() < STRETCH
        && let Some(row) = rows.try_next().await.map_err(damaged)?
    {
        some.push(row);
    }
    Ok(some)
}

fn read_result(row: &ResultRow) -> Result<SpecResult, String> {
    match row.unread {
        Some(column) => Err(format!("its `{column}` is no text of at most {} bytes", store::canary::MAX_TEXT)),
        None => row.row.read().map_err(|faults| in_words(&faults)),
    }
}

async fn take_results(specs: &Specs, workspace: &mut Workspace, dry_run: bool, report: &mut Report) -> Result<()> {
    let mut rows = workspace.results();
    loop {
        let some = stretch(&mut rows).await?;
        if some.is_empty() {
            return Ok(());
        }
        let name = |row: &ResultRow| format!("{} in {}", row.row.spec_id, row.row.session);
        let mut names = Vec::with_capacity(some.len());
        let mut results = Vec::with_capacity(some.len());
        for row in &some {
            match read_result(row) {
                Ok(result) => {
                    names.push(name(row));
                    results.push(result);
                }
                Err(why) => report.tell(Kind::Result, name(row), Fate::Refused, why),
            }
        }
        let mut tx = specs.db.begin().await?;
        let recorded = store::spec_result::record(&mut tx.conn(), &results, specs.now()).await?;
        if !dry_run {
            tx.commit().await?;
        }
        for (name, recorded) in names.into_iter().zip(recorded) {
            match recorded {
                Recorded::New(_) => report.recorded += 1,
                Recorded::Same(_) => report.repeated += 1,
                Recorded::Conflict(number) => {
                    report.tell(Kind::Result, name, Fate::Refused, format!("the result {number} has its id"));
                }
            }
        }
    }
}

async fn take_selections(specs: &Specs, workspace: &mut Workspace, dry_run: bool, report: &mut Report) -> Result<()> {
    let members = workspace.selections().await.map_err(damaged)?;
    let mut all_metadata = workspace.selection_metadata().await.map_err(damaged)?;
    for (tag, ids) in members {
        let texts = all_metadata.remove(&tag).unwrap_or_default();
        let metadata = metadata(texts.last().map(String::as_str)).unwrap_or_else(|why| {
            report.tell(Kind::Selection, &tag, Fate::Noted, format!("left out: its metadata: {why}"));
            Map::new()
        });
        match take_selection(specs, &tag, ids, metadata, dry_run).await {
            Ok(()) => report.selections += 1,
            Err(error @ (AppError::Invalid(_) | AppError::Faults { .. } | AppError::Conflict(_))) => {
                report.tell(Kind::Selection, &tag, Fate::Refused, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn take_selection(
    specs: &Specs,
    tag: &str,
    ids: Vec<String>,
    metadata: Map<String, Json>,
    dry_run: bool,
) -> Result<()> {
    selection::check_tag(tag)?;
    selection::check_metadata(&metadata)?;
    let mut faults = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        if let Err(wrong) = crate::domain::spec::id::check(id) {
            faults.push(Fault::new(format!("/{place}"), wrong.to_string()));
        }
    }
    AppError::refuse("its specs", faults)?;
    let stands = {
        let mut db = specs.db.read().await?;
        store::selection::get(&mut db.conn(), tag).await?
    };
    if stands.is_some_and(|stands| !stands.rules.0.is_empty()) {
        let words = "a selection of this name was made here by rules: rename one of them".to_owned();
        return Err(AppError::Conflict(words));
    }
    if !dry_run {
        selection::put(specs, tag, Wanted::WholeIds(ids.into_iter().collect()), metadata, None, OnlyIf::Any).await?;
    }
    Ok(())
}

/// What is known of a selection. When Canary made it is told under a name of its own, for it says so without a time zone, and
/// `created_on` is when it came here.
fn metadata(text: Option<&str>) -> Result<Map<String, Json>, String> {
    let Some(text) = text else { return Ok(Map::new()) };
    let mut metadata: Map<String, Json> = match serde_json::from_str(text) {
        Ok(Json::Object(metadata)) => metadata,
        Ok(_) => return Err("want an object".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    metadata.remove("tag");
    if let Some(created_on) = metadata.remove("created_on") {
        metadata.entry("canary_created_on").or_insert(created_on);
    }
    Ok(metadata)
}
