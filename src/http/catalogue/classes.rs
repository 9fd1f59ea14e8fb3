//! Classes: those built in, and those registered.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::catalogue::change::Did;
use crate::app::catalogue::item;
use crate::app::{App, AppError};
use crate::domain::catalogue::class::{Class, ClassKind, Classes};
use crate::domain::catalogue::item::{Item, ItemKind};
use crate::domain::catalogue::{builtin, document};
use crate::http::body;
use crate::http::builds::missing;
use crate::http::catalogue::Author;
use crate::http::catalogue::items::execution;
use crate::http::catalogue::schema::ClassDocument;
use crate::http::condition::{etag, only_if};
use crate::http::params::{Params, Path};
use crate::http::problem::{ProblemBody, Result};

/// A class.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueClass)]
pub struct ClassView {
    /// Its name.
    #[schema(example = "command.ShellCommandTest")]
    name: String,
    /// What it is a class of.
    of: ClassKind,
    /// What it does.
    #[schema(example = "runs a command in a shell and compares its exit code and output")]
    description: String,
    /// Whether it is built in; else it was registered, and can be replaced and removed.
    built_in: bool,
    /// Who can execute it: `agent` (every agent), or `runner` (only a runner that has it).
    #[schema(example = "agent")]
    execution: &'static str,
    /// The kind of runner that it needs.
    #[schema(example = "qmtest")]
    needs_runner: Option<String>,
    /// Whether its fields are known; else any argument is kept as it is.
    fields_known: bool,
    /// Its definition, as it can be registered.
    #[schema(value_type = Object)]
    definition: Value,
    /// What its arguments look like, as JSON Schema (2020-12).
    #[schema(value_type = Object)]
    arguments_schema: Value,
}

impl ClassView {
    fn new(class: &Class, classes: &Classes) -> Self {
        Self {
            name: class.name.clone(),
            of: class.kind,
            description: class.description.clone(),
            built_in: builtin::classes().get(&class.name).is_some(),
            execution: execution(Some(class)),
            needs_runner: class.needs_runner().map(str::to_owned),
            fields_known: class.fields.is_some(),
            definition: document::write(&Item::Class(class.clone()), classes),
            arguments_schema: crate::domain::catalogue::schema::of(class),
        }
    }
}

/// All classes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueClasses)]
pub struct ClassesView {
    /// The classes, by name.
    items: Vec<ClassView>,
}

/// Lists the classes of tests, resources and suites
#[utoipa::path(
    get, path = "/api/v1/catalog/classes", tag = "catalog",
    params(
        ("of" = Option<Vec<ClassKind>>, Query, description = "Only classes of this; may be repeated"),
        ("revision" = Option<i64>, Query, description = "As of this revision; now where it is left out"),
    ),
    responses(
        (status = 200, description = "The classes", body = ClassesView),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
    )
)]
pub(crate) async fn list_classes(State(app): State<App>, params: Params) -> Result<Json<ClassesView>> {
    let params = params.only(&["of", "revision"])?;
    let of: Vec<ClassKind> = params.all("of")?;
    let classes = app.catalogue.classes(params.one("revision")?).await?;
    let wanted = classes.iter().filter(|class| of.is_empty() || of.contains(&class.kind));
    Ok(Json(ClassesView { items: wanted.map(|class| ClassView::new(class, &classes)).collect() }))
}

/// Shows a class
#[utoipa::path(
    get, path = "/api/v1/catalog/classes/{name}", tag = "catalog",
    params(
        ("name" = String, Path, example = "command.ShellCommandTest"),
        ("revision" = Option<i64>, Query, description = "As of this revision; now where it is left out"),
    ),
    responses(
        (status = 200, description = "The class", body = ClassView),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such class", body = ProblemBody),
    )
)]
pub(crate) async fn get_class(State(app): State<App>, Path(name): Path<String>, params: Params) -> Result<Response> {
    let as_of: Option<i64> = params.only(&["revision"])?.one("revision")?;
    let built_in = builtin::classes();
    // One that is built in has no version.
    if let Some(class) = built_in.get(&name) {
        return Ok(Json(ClassView::new(class, &built_in)).into_response());
    }
    let no_such = || missing("class", crate::app::cut(&name, 80));
    let found = item::get(&app.catalogue, ItemKind::Class, &name, as_of).await.map_err(|error| match error {
        AppError::NotFound { what, .. } if what == item::what(ItemKind::Class) => no_such(),
        other => other.into(),
    })?;
    let class = found.classes.get(&name).ok_or_else(no_such)?;
    let shown = Json(ClassView::new(class, &found.classes));
    Ok(([(header::ETAG, etag(found.version.since_revision))], shown).into_response())
}

/// Registers a class, or defines it anew
///
/// Items that use it must fit its new definition.
#[utoipa::path(
    put, path = "/api/v1/catalog/classes/{name}", tag = "catalog",
    request_body = ClassDocument,
    params(
        ("name" = String, Path, example = "boot.BootTest"),
        ("message" = Option<String>, Query, description = "What the change is for"),
        ("if-match" = Option<String>, Header, description = "The ETag that the class was read with"),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none yet"),
    ),
    responses(
        (status = 200, description = "It is defined so now", body = ClassView),
        (status = 201, description = "It is registered", body = ClassView, headers(("location" = String, description = "The class"))),
        (status = 400, description = "Not JSON; a header or query field is malformed", body = ProblemBody),
        (status = 409, description = "It is built in; an item that uses it would not fit it any more", body = ProblemBody),
        (status = 412, description = "It is not as the condition says", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "Makes no sense: `errors` says what and where", body = ProblemBody),
    )
)]
pub(crate) async fn put_class(
    State(app): State<App>,
    author: Author,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let by = author.with(&params.only(&["message"])?)?;
    let only_if = only_if(&headers)?;
    let document: Value = body::any_json(&headers, body, app.settings.server.max_body_bytes).await?;
    let put = item::put(&app.catalogue, &by, ItemKind::Class, &name, &document, only_if).await?;
    let Item::Class(class) = &put.found.version.document.0 else { return Err(missing("class", name)) };
    let tag = [(header::ETAG, etag(put.found.version.since_revision))];
    let shown = Json(ClassView::new(class, &put.found.classes));
    if put.did == Did::Created {
        let location = [(header::LOCATION, format!("/api/v1/catalog/classes/{name}"))];
        return Ok((StatusCode::CREATED, tag, location, shown).into_response());
    }
    Ok((tag, shown).into_response())
}

/// Removes a class that nothing uses
#[utoipa::path(
    delete, path = "/api/v1/catalog/classes/{name}", tag = "catalog",
    params(
        ("name" = String, Path, example = "boot.BootTest"),
        ("message" = Option<String>, Query, description = "What the change is for"),
        ("if-match" = Option<String>, Header, description = "The ETag that the class was read with"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A header or query field is malformed", body = ProblemBody),
        (status = 404, description = "There is no such class", body = ProblemBody),
        (status = 409, description = "It is built in, or something uses it", body = ProblemBody),
        (status = 412, description = "It is another version by now", body = ProblemBody),
    )
)]
pub(crate) async fn delete_class(
    State(app): State<App>,
    author: Author,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let by = author.with(&params.only(&["message"])?)?;
    item::remove(&app.catalogue, &by, ItemKind::Class, &name, only_if(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
