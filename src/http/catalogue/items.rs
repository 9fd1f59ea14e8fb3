//! Items by kind and label: tests, resources, suites, directories and expectations.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::catalogue::change::Did;
use crate::app::catalogue::item::{self, Found};
use crate::app::catalogue::{check_revision, index};
use crate::app::{App, AppError};
use crate::domain::catalogue::class::{Class, Execution};
use crate::domain::catalogue::document;
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::label::Label;
use crate::http::body;
use crate::http::catalogue::schema::{ItemDocument, drop_read_only};
use crate::http::catalogue::{Author, Collection, label_of, no_such, revision};
use crate::http::condition::{etag, only_if, unchanged};
use crate::http::params::{Listing, Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::store;
use crate::store::catalogue_item::{Filter, Version};
use crate::store::page::Stretch;

/// An item in a listing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueItemSummary)]
pub struct Summary {
    /// Its kind; a directory among suites says so here.
    kind: ItemKind,
    /// Its label.
    #[schema(example = "net.dns.lookup")]
    label: String,
    /// Its class, if it has one.
    #[schema(example = "command.ShellCommandTest")]
    class: Option<String>,
    /// The revision that made it what it is.
    #[schema(example = 42)]
    revision: i64,
    /// Words to find it by.
    keywords: Vec<String>,
    /// Who answers for it.
    owner: Option<String>,
    /// What it is.
    description: Option<String>,
}

impl From<Version> for Summary {
    fn from(version: Version) -> Self {
        let about = version.document.about().cloned().unwrap_or_default();
        Self {
            kind: version.kind,
            label: version.name,
            class: version.document.class().map(str::to_owned),
            revision: version.since_revision,
            keywords: about.keywords.into_iter().collect(),
            owner: about.owner,
            description: about.description,
        }
    }
}

/// The words for who can execute a class.
#[must_use]
pub fn execution(class: Option<&Class>) -> &'static str {
    match class.map(|class| &class.execution) {
        Some(Execution::Builtin(_) | Execution::Command(_)) => "agent",
        Some(Execution::Runner(_)) => "runner",
        None => "unknown",
    }
}

/// Shows a version of an item: its document, and what is known about it.
fn view(found: &Found) -> Value {
    let Version { kind, name, since_revision, until_revision, document } = &found.version;
    let mut shown = match document::write(&document.0, &found.classes) {
        Value::Object(shown) => shown,
        _ => Map::new(),
    };
    shown.insert("kind".to_owned(), Value::from(kind.to_string()));
    shown.insert("label".to_owned(), Value::from(name.as_str()));
    shown.insert("revision".to_owned(), Value::from(*since_revision));
    if let Some(until) = until_revision {
        shown.insert("removed_in".to_owned(), Value::from(*until));
    }
    if let Item::Test(extension) | Item::Resource(extension) = &document.0 {
        let execution = execution(found.classes.get(&extension.class));
        shown.insert("execution".to_owned(), Value::from(execution));
    }
    Value::Object(shown)
}

/// Lists items of a kind, by label
#[utoipa::path(
    get, path = "/api/v1/catalog/{kind}", tag = "catalog",
    params(
        ("kind" = Collection, Path, description = "Suites are listed with the directories, which are suites of what is in them"),
        ("directory" = Option<String>, Query, description = "Only what is in this directory; the whole catalogue where it is left out"),
        ("recursive" = Option<bool>, Query, description = "And in the directories below it: true where it is left out"),
        ("class" = Option<String>, Query, description = "Only items of this class"),
        ("keyword" = Option<Vec<String>>, Query, description = "Only items with this keyword; repeated: with all of them"),
        ("owner" = Option<String>, Query, description = "Only items of this owner"),
        ("revision" = Option<i64>, Query, description = "As of this revision; now where it is left out"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of items", body = Listing<Summary>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such kind, directory or revision", body = ProblemBody),
    )
)]
pub(crate) async fn list_items(
    State(app): State<App>,
    Path(kind): Path<String>,
    params: Params,
) -> Result<Json<Listing<Summary>>> {
    let collection = Collection::read(&kind)?;
    let params = params.only(&["directory", "recursive", "class", "keyword", "owner", "revision"])?;
    let kinds = match collection {
        Collection::Suites => vec![ItemKind::Suite, ItemKind::Directory],
        other => vec![other.kind()],
    };
    let directory = params.one::<String>("directory")?.unwrap_or_default();
    let directory: Label = label_of(&directory)
        .parse()
        .map_err(|error| Problem::new(Code::BadRequest, format!("the query field `directory`: {error}")))?;
    let filter = Filter {
        kinds,
        directory,
        recursive: params.one("recursive")?.unwrap_or(true),
        class: params.one("class")?,
        keywords: params.all("keyword")?,
        owner: params.one("owner")?,
        revision: revision(&params)?,
    };
    // Names are unique among what is listed together: suites and directories share theirs.
    let Stretch { limit, after } = params.stretch::<String>()?;
    let page = Stretch { limit, after: after.map(|label| (label, collection.kind())) };
    let mut db = app.read().await?;
    let conn = &mut db.conn();
    if filter.revision.is_some() {
        check_revision(&store::catalogue::state(conn).await?, filter.revision)?;
    }
    if !filter.directory.is_root() && collection != Collection::Expectations {
        let name = filter.directory.as_str();
        if store::catalogue_item::get(conn, ItemKind::Directory, name, filter.revision).await?.is_none() {
            return Err(no_such(ItemKind::Directory, name));
        }
    }
    let found = store::catalogue_item::list(conn, &filter, &page).await?;
    Ok(Json(Listing::of(found, |version| version.name.clone(), Summary::from)))
}

/// Shows an item
///
/// A directory is a suite too: of the tests in it, and of the suites and directories in it. The root directory, the whole
/// catalogue, is written `~`.
#[utoipa::path(
    get, path = "/api/v1/catalog/{kind}/{label}", tag = "catalog",
    params(
        ("kind" = Collection, Path),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("revision" = Option<i64>, Query, description = "As of this revision; now where it is left out"),
        ("if-none-match" = Option<String>, Header, description = "The ETag of a version that the caller has"),
    ),
    responses(
        (status = 200, description = "The item", body = ItemDocument, headers(("etag" = String, description = "Names the version"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such item, or there has been no such revision", body = ProblemBody),
    )
)]
pub(crate) async fn get_item(
    State(app): State<App>,
    Path((kind, label)): Path<(String, String)>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response> {
    let collection = Collection::read(&kind)?;
    let as_of = revision(&params.only(&["revision"])?)?;
    let label = label_of(&label);
    let (tag, shown) = match item::get(&app.catalogue, collection.kind(), label, as_of).await {
        Ok(found) => (etag(found.version.since_revision), view(&found)),
        Err(AppError::NotFound { .. }) if collection == Collection::Suites => {
            let (at, suite) = index::directory_suite(&app.catalogue, label, as_of).await?;
            (
                etag(at),
                serde_json::json!({
                    "kind": "directory", "label": label, "revision": at, "implicit": true,
                    "test_ids": suite.test_ids, "suite_ids": suite.suite_ids,
                }),
            )
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(response) = unchanged(&headers, &tag) {
        return Ok(response);
    }
    Ok(([(header::ETAG, tag)], Json(shown)).into_response())
}

/// Puts an item, in the place of what stands there
///
/// The directories above it are made where they are not there yet. What is like what stands there makes no revision.
#[utoipa::path(
    put, path = "/api/v1/catalog/{kind}/{label}", tag = "catalog",
    request_body = ItemDocument,
    params(
        ("kind" = Collection, Path),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("message" = Option<String>, Query, description = "What the change is for"),
        ("if-match" = Option<String>, Header, description = "The ETag that the item was read with: only if it is still that version; `*`: only if there is one"),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none yet"),
    ),
    responses(
        (status = 200, description = "It stands there now", body = ItemDocument, headers(("etag" = String, description = "Names the version"))),
        (status = 201, description = "There was none, and it stands there now", body = ItemDocument, headers(
            ("etag" = String, description = "Names the version"), ("location" = String, description = "The item"))),
        (status = 400, description = "Not JSON; a header or query field is malformed", body = ProblemBody),
        (status = 404, description = "There is no such kind", body = ProblemBody),
        (status = 409, description = "A suite and a directory would have one name; the catalogue is full", body = ProblemBody),
        (status = 412, description = "It is not as the condition says", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn put_item(
    State(app): State<App>,
    author: Author,
    Path((kind, label)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let collection = Collection::read(&kind)?;
    let by = author.with(&params.only(&["message"])?)?;
    let only_if = only_if(&headers)?;
    let mut document: Value = body::any_json(&headers, body, app.settings.server.max_body_bytes).await?;
    if let Value::Object(members) = &mut document {
        drop_read_only(members);
    }
    let put = item::put(&app.catalogue, &by, collection.kind(), &label, &document, only_if).await?;
    let tag = etag(put.found.version.since_revision);
    let shown = Json(view(&put.found));
    if put.did == Did::Created {
        let location = format!("/api/v1/catalog/{collection}/{label}");
        return Ok((StatusCode::CREATED, [(header::ETAG, tag)], [(header::LOCATION, location)], shown).into_response());
    }
    Ok(([(header::ETAG, tag)], shown).into_response())
}

/// Removes an item
///
/// What names it goes on naming it: expanding a suite then says what is missing. Earlier revisions keep it. A directory
/// can be removed when it is empty.
#[utoipa::path(
    delete, path = "/api/v1/catalog/{kind}/{label}", tag = "catalog",
    params(
        ("kind" = Collection, Path),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("message" = Option<String>, Query, description = "What the change is for"),
        ("if-match" = Option<String>, Header, description = "The ETag that the item was read with: only if it is still that version"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A header or query field is malformed", body = ProblemBody),
        (status = 404, description = "There is no such item", body = ProblemBody),
        (status = 409, description = "The directory is not empty", body = ProblemBody),
        (status = 412, description = "It is another version by now", body = ProblemBody),
    )
)]
pub(crate) async fn delete_item(
    State(app): State<App>,
    author: Author,
    Path((kind, label)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let collection = Collection::read(&kind)?;
    let by = author.with(&params.only(&["message"])?)?;
    item::remove(&app.catalogue, &by, collection.kind(), &label, only_if(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A version of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueItemVersion)]
pub struct VersionView {
    /// The revision that made it.
    #[schema(example = 42)]
    revision: i64,
    /// The revision that replaced or removed it; absent while it holds.
    #[schema(example = 43)]
    until_revision: Option<i64>,
    /// Its class, if it has one.
    class: Option<String>,
}

/// Lists the versions of an item, newest first
#[utoipa::path(
    get, path = "/api/v1/catalog/{kind}/{label}/revisions", tag = "catalog",
    params(
        ("kind" = Collection, Path),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 1000, 50 if left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of versions; each can be read with `?revision=`", body = Listing<VersionView>),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There has never been such an item", body = ProblemBody),
    )
)]
pub(crate) async fn list_item_revisions(
    State(app): State<App>,
    Path((kind, label)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Listing<VersionView>>> {
    let collection = Collection::read(&kind)?;
    let page = params.only(&[])?.stretch()?;
    let mut db = app.read().await?;
    let found = store::catalogue_item::history(&mut db.conn(), collection.kind(), &label, &page).await?;
    if found.0.is_empty() && page.after.is_none() {
        return Err(no_such(collection.kind(), &label));
    }
    Ok(Json(Listing::of(
        found,
        |version| version.since_revision.to_string(),
        |version| VersionView {
            revision: version.since_revision,
            until_revision: version.until_revision,
            class: version.document.class().map(str::to_owned),
        },
    )))
}
