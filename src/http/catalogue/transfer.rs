//! Much at once: lists of changes, and QMTest databases in and out as tar archives.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::catalogue::apply::{self, Applied, How, Name, Wanted};
use crate::app::catalogue::change::Did;
use crate::app::catalogue::import::{self, Fate, Import, Line, Report};
use crate::app::catalogue::{By, export};
use crate::domain::catalogue::item::ItemKind;
use crate::domain::catalogue::label::Label;
use crate::http::catalogue::schema::drop_read_only;
use crate::http::catalogue::{Author, flag, label_of, revision};
use crate::http::params::Params;
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::http::{archive, body};

/// An item that is to be: its kind and label, and the members of its document.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CatalogueWanted, example = json!({"kind": "test", "label": "net.up", "class": "command.ShellCommandTest", "arguments": {"command": "ip link"}}))]
pub struct WantedItem {
    /// Its kind.
    kind: ItemKind,
    /// Its label; of a class its name.
    label: String,
    /// The members of its document.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    document: Map<String, Value>,
}

/// An item that is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogueUnwanted)]
pub struct UnwantedItem {
    /// Its kind.
    kind: ItemKind,
    /// Its label; of a class its name.
    #[schema(example = "net.old")]
    label: String,
}

/// Changes that are to be made, all or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogueChanges)]
pub struct Changes {
    /// What is to be. An item that is so already is left alone.
    #[serde(default)]
    items: Vec<WantedItem>,
    /// What is to go.
    #[serde(default)]
    remove: Vec<UnwantedItem>,
    /// Everything in this directory that is not among the items is to go too; `~` is the whole catalogue.
    #[schema(example = "net")]
    prune: Option<String>,
    /// Only if the catalogue is at this revision.
    #[schema(example = 42)]
    expected_revision: Option<i64>,
    /// Find out what would come of it, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// What the changes are for.
    #[schema(example = "the 2026 test plan")]
    message: Option<String>,
}

/// What was done to an item, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoneTo {
    /// There was none of this name.
    Created,
    /// There was another.
    Replaced,
    /// It is gone.
    Removed,
    /// It was so already.
    Unchanged,
}

impl From<Did> for DoneTo {
    fn from(did: Did) -> Self {
        match did {
            Did::Created => Self::Created,
            Did::Replaced => Self::Replaced,
            Did::Removed => Self::Removed,
            Did::Nothing => Self::Unchanged,
        }
    }
}

/// What was done to one item, or would be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueDone)]
pub struct DoneView {
    /// Its kind.
    kind: ItemKind,
    /// Its label; of a class its name.
    #[schema(example = "net.up")]
    label: String,
    /// What was done.
    did: DoneTo,
}

/// What came of changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueApplied)]
pub struct AppliedView {
    /// The revision that was made, or would be; the latest one where nothing changes.
    #[schema(example = 43)]
    revision: i64,
    /// Whether nothing was changed because that was asked.
    dry_run: bool,
    /// How many items were created, replaced, removed and left alone.
    #[schema(value_type = BTreeMap<String, usize>)]
    counts: BTreeMap<DoneTo, usize>,
    /// What was done to each, by kind and label.
    items: Vec<DoneView>,
}

impl AppliedView {
    /// Shows what came of changes.
    #[must_use]
    pub fn new(applied: Applied, dry_run: bool) -> Self {
        let all = [DoneTo::Created, DoneTo::Replaced, DoneTo::Removed, DoneTo::Unchanged];
        let mut counts = BTreeMap::from(all.map(|did| (did, 0)));
        for (_, did) in &applied.done {
            *counts.entry(DoneTo::from(*did)).or_insert(0) += 1;
        }
        let view = |((kind, label), did): (Name, Did)| DoneView { kind, label, did: did.into() };
        Self { revision: applied.revision, dry_run, counts, items: applied.done.into_iter().map(view).collect() }
    }
}

/// Makes many changes as one revision
///
/// All are made or none: faults are told of all items at once. Items may come in any order, a class after the tests of it.
#[utoipa::path(
    post, path = "/api/v1/catalog/apply", tag = "catalog",
    request_body = Changes,
    responses(
        (status = 200, description = "What was done, or would be", body = AppliedView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 409, description = "The changes do not go together, or not with what stands there", body = ProblemBody),
        (status = 412, description = "The catalogue is at another revision", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn apply_changes(
    State(app): State<App>,
    author: Author,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AppliedView>> {
    let most = usize::try_from(app.catalogue.limits.max_import_bytes).unwrap_or(usize::MAX);
    let asked: Changes = body::json(&headers, body, most).await?;
    let by = By { message: asked.message.clone(), ..author.by() };
    let documents = asked.items.into_iter().map(|mut item| {
        // Who executes a class is a part of its definition.
        if item.kind != ItemKind::Class {
            drop_read_only(&mut item.document);
        }
        ((item.kind, item.label), Value::Object(item.document))
    });
    let wanted = Wanted::Documents(documents.collect());
    let prune = asked
        .prune
        .map(|directory| label_of(&directory).parse::<Label>())
        .transpose()
        .map_err(|error| Problem::new(Code::Invalid, format!("`prune`: {error}")))?;
    let how = How {
        remove: asked.remove.into_iter().map(|item| (item.kind, item.label)).collect(),
        prune,
        expected_revision: asked.expected_revision,
        dry_run: asked.dry_run,
        ..How::default()
    };
    let applied = apply::apply(&app.catalogue, &by, &wanted, &how).await?;
    Ok(Json(AppliedView::new(applied, how.dry_run)))
}

/// What became of a file or directory of a database.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueImportLine)]
pub struct LineView {
    /// Its path in the database.
    #[schema(example = "net.qms/up.qmt")]
    path: String,
    /// What it is, where that is known.
    kind: Option<ItemKind>,
    /// Its label, where it has one.
    #[schema(example = "net.up")]
    label: Option<String>,
    /// Whether it was taken.
    fate: Fate,
    /// What was done to the item, or would be.
    did: Option<DoneTo>,
    /// Why it was not taken, or what is odd about it.
    reason: Option<String>,
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        let Line { path, kind, label, fate, did, reason } = line;
        Self { path, kind, label, fate, did: did.map(DoneTo::from), reason }
    }
}

/// What came of an import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueImported)]
pub struct ImportedView {
    /// The revision that was made, or would be; the latest one where nothing changes.
    #[schema(example = 43)]
    revision: i64,
    /// Whether nothing was changed because that was asked.
    dry_run: bool,
    /// How many tests, resources, suites and so on were taken.
    taken: BTreeMap<String, usize>,
    /// How many files could not be read.
    refused: usize,
    /// How many files are no part of a database.
    ignored: usize,
    /// What became of each file and directory, by path.
    entries: Vec<LineView>,
}

impl ImportedView {
    /// Shows what came of an import.
    #[must_use]
    pub fn new(report: Report, dry_run: bool) -> Self {
        let count = |fate| report.lines.iter().filter(|line| line.fate == fate).count();
        let mut taken = BTreeMap::new();
        for line in report.lines.iter().filter(|line| line.fate == Fate::Taken) {
            if let Some(kind) = line.kind {
                *taken.entry(kind.to_string()).or_insert(0) += 1;
            }
        }
        Self {
            revision: report.revision,
            dry_run,
            taken,
            refused: count(Fate::Refused),
            ignored: count(Fate::Ignored),
            entries: report.lines.into_iter().map(LineView::from).collect(),
        }
    }
}

/// Imports a QMTest database
///
/// The body is a tar archive of the database's folder. What can be read is taken, as one revision; the answer tells of
/// each file whether it was, and why not. Nothing is changed where the archive or the database itself cannot be read.
#[utoipa::path(
    post, path = "/api/v1/catalog/import", tag = "catalog",
    request_body(content = Vec<u8>, content_type = "application/x-tar", description = "The database's folder"),
    params(
        ("dry_run" = Option<bool>, Query, description = "Find out what would come of it, and change nothing"),
        ("prune" = Option<bool>, Query, description = "Remove what is not in the database"),
        ("bare" = Option<bool>, Query, description = "Take a folder without `QMTest/configuration` for a database of the default kind"),
        ("message" = Option<String>, Query, description = "What the import is for"),
    ),
    responses(
        (status = 200, description = "What was taken, or would be, and what not", body = ImportedView),
        (status = 400, description = "The body breaks off; a query field is unknown or malformed", body = ProblemBody),
        (status = 409, description = "What is in the database does not go together with what stands there", body = ProblemBody),
        (status = 413, description = "More than `catalogue.max_import_bytes`", body = ProblemBody),
        (status = 415, description = "Not sent as `application/x-tar`", body = ProblemBody),
        (status = 422, description = "No tar archive, or no QMTest database", body = ProblemBody),
    )
)]
pub(crate) async fn import_database(
    State(app): State<App>,
    author: Author,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportedView>> {
    let params = params.only(&["dry_run", "prune", "bare", "message"])?;
    let how =
        Import { dry_run: flag(&params, "dry_run")?, prune: flag(&params, "prune")?, bare: flag(&params, "bare")? };
    let by = author.with(&params)?;
    let file = archive::receive(&headers, body, app.catalogue.limits.max_import_bytes).await?;
    let report = import::archive(&app.catalogue, &by, file, how).await?;
    Ok(Json(ImportedView::new(report, how.dry_run)))
}

/// Exports the catalogue as a QMTest database
///
/// A tar archive of a database that QMTest reads and that [importing](#operation/import_database) reads back as equal.
#[utoipa::path(
    get, path = "/api/v1/catalog/export", tag = "catalog",
    params(("revision" = Option<i64>, Query, description = "As of this revision; now where it is left out")),
    responses(
        (status = 200, description = "The database's folder", content_type = "application/x-tar", body = Vec<u8>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There has been no such revision", body = ProblemBody),
    )
)]
pub(crate) async fn export_database(State(app): State<App>, params: Params) -> Result<Response> {
    let as_of = revision(&params.only(&["revision"])?)?;
    let exported = export::archive(&app.catalogue, as_of).await?;
    Ok(archive::answer(exported.file, exported.length, &format!("catalog-r{}.tar", exported.revision)))
}
