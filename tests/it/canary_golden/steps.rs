//! The steps of the cases, taken with the use cases.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use testyard::app::AppError;
use testyard::app::condition::OnlyIf;
use testyard::app::spec::find::{self, ViewPattern, Way};
use testyard::app::spec::put::{self, Closed};
use testyard::app::spec::selection::{self, Wanted};
use testyard::app::spec::{Specs, result};
use testyard::clock::Clock as _;
use testyard::domain::selection::runtime::Strategy;
use testyard::store;
use testyard::store::page::Stretch;

use super::given::{document, is_let_in, seconds, shown_result, spec, texts, time};
use super::oracle::{CREATED, Oracle, error, shown};
use crate::support::app::TestApp;

/// How much is read at once: little, so that most listings take several pages.
const LIMIT: u32 = 3;

/// Empties what the cases fill. The revision goes on, as no process may take the emptied specs for those it knows.
pub(super) async fn clean(app: &TestApp) {
    let mut tx = app.app.db.begin().await.unwrap();
    for statement in [
        "DELETE FROM selection",
        "DELETE FROM spec_result",
        "DELETE FROM spec",
        "UPDATE spec_set SET revision = revision + 1, specs = 0",
    ] {
        tx.conn().query(statement).execute().await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Writes specs, each when its file was changed. What our door refuses is written behind it: it can be asked for all the
/// same.
pub(super) async fn put(app: &TestApp, given: &[&Value]) {
    let specs = &app.app.specs;
    if given.is_empty() {
        assert!(put::put(specs, Vec::new(), Closed::No).await.unwrap().ids.is_empty());
    }
    for some in given.chunk_by(|one, other| one["mtime"] == other["mtime"]) {
        let changed_at = time(some[0]["mtime"].as_f64().unwrap_or_default());
        app.clock.advance(changed_at - app.clock.now());
        let documents: Vec<Value> = some.iter().map(|given| document(given)).collect();
        let put = put::put(specs, documents, Closed::No).await;
        if some.iter().all(|given| is_let_in(given)) {
            let ids: BTreeSet<String> = put.unwrap().ids.into_iter().collect();
            assert_eq!(ids, some.iter().map(|given| given["id"].as_str().unwrap().to_owned()).collect());
        } else {
            assert!(matches!(put, Err(AppError::Faults { .. })), "{put:?}");
            let behind = some.iter().map(|given| spec(given)).collect();
            put::write(specs, behind, Closed::No).await.unwrap();
        }
    }
}

/// Records results, each with the specs that it is one of. Those without a session are refused, and left out.
pub(super) async fn record(app: &TestApp, oracle: &mut Oracle, sources: &BTreeMap<String, Value>, given: &[Value]) {
    let now = app.clock.now();
    let mut documents = Vec::new();
    for given in given {
        let spec = spec(&sources[given["id"].as_str().unwrap()]);
        let document = super::given::result(given, &spec);
        match given["session"].as_str().filter(|session| !session.is_empty()) {
            Some(session) => {
                oracle.record(&spec.id, session, shown_result(given, &spec));
                documents.push(document);
            }
            None => match result::read(&[document], now) {
                Err(AppError::Faults { faults, .. }) => assert_eq!(faults[0].pointer, "/0/session"),
                other => panic!("{other:?}"),
            },
        }
    }
    let results = result::read(&documents, now).unwrap();
    let recorded = result::record(&app.app, results).await.unwrap();
    assert!(recorded.iter().all(|what| matches!(what, store::spec_result::Recorded::New(_))), "{recorded:?}");
}

/// The answer to a step that asks, or that changes selections; a refusal by its kind.
pub(super) async fn answer(app: &TestApp, step: &Value) -> Value {
    match answered(&app.app.specs, step).await {
        Ok(answer) => answer,
        Err(refused) => error(kind(step, &refused)),
    }
}

/// The kind of a refusal in the recorder's words.
fn kind(step: &Value, refused: &AppError) -> &'static str {
    let op = step["op"].as_str().unwrap();
    match refused {
        AppError::NotFound { what: "selection", .. } => "not_a_selection",
        AppError::NotFound { .. } => "not_found",
        AppError::Conflict(_) if op == "rename_selection" => "duplicate",
        AppError::Conflict(_) => "ambiguous",
        AppError::Faults { faults, .. } if faults[0].pointer == "/tag" => "reserved",
        AppError::Faults { faults, .. } if faults[0].pointer.starts_with("/ids/") => {
            match faults[0].detail.split(' ').next() {
                Some("there") => "not_found",
                Some("several") => "ambiguous",
                _ => "invalid_prefix",
            }
        }
        AppError::Invalid(_) if op == "select_from_view" || op == "rerun_from_view" => "too_many",
        AppError::Invalid(_) if op == "resolve_one" => "invalid_prefix",
        other => panic!("{step}: {other:?}"),
    }
}

async fn answered(specs: &Specs, step: &Value) -> Result<Value, AppError> {
    let text = |member: &str| step[member].as_str().unwrap_or_default();
    let tag = step["tag"].as_str();
    let upstream = step["include_upstreams"] == true;
    Ok(match text("op") {
        "graph" => json!({"graph": find::graph(specs).await?}),
        "edges" => edges(specs, &texts(&step["ids"])).await,
        "upstream" => json!({"ids": find::closure(specs, &texts(&step["seeds"]), Way::Up).await?.upstream}),
        "downstream" => json!({"ids": find::closure(specs, &texts(&step["seeds"]), Way::Down).await?.downstream}),
        "updownstream" => {
            let closure = find::closure(specs, &texts(&step["seeds"]), Way::UpDown).await?;
            json!({"upstream": closure.upstream, "downstream": closure.downstream})
        }
        "resolve_one" => match find::resolve(specs, text("id")).await {
            Err(AppError::NotFound { what: "spec", .. } | AppError::Invalid(_)) => json!({"id": null}),
            resolved => json!({"id": resolved?}),
        },
        "resolve_many" => json!({"ids": find::resolve_many(specs, &texts(&step["ids"])).await?}),
        "load_specs" => loaded(specs, &texts(&step["ids"]), upstream).await?,
        "load_by_tag" => {
            selection::get(specs, text("tag")).await?;
            let ids: Vec<String> = selection::selected_ids(specs, text("tag")).await?.into_iter().collect();
            assert!(!ids.is_empty(), "a selection of no ids is none");
            loaded(specs, &ids, false).await?
        }
        "get_results" => results(specs, &texts(&step["ids"]), upstream).await?,
        "history" => history(specs, text("id")).await,
        "partial_specs" => partials(specs, tag).await?,
        "put_selection" => {
            let metadata = step["meta"].as_object().cloned().unwrap_or_default();
            let ids = texts(&step["ids"]);
            let is_empty = ids.is_empty();
            let made = selection::put(specs, text("tag"), Wanted::Ids(ids), metadata, None, OnlyIf::Any).await?;
            assert_eq!(made.is_none(), is_empty);
            Value::Null
        }
        "rename_selection" => {
            selection::rename(specs, text("old"), text("new"), OnlyIf::Any).await?;
            Value::Null
        }
        "delete_selection" => json!({"deleted": selection::delete(specs, text("tag"), OnlyIf::Any).await?}),
        "is_selection" => match selection::get(specs, text("tag")).await {
            Err(AppError::NotFound { .. }) => json!({"is_selection": false}),
            got => json!({"is_selection": got?.selection.tag == text("tag")}),
        },
        "tags" => tags(specs).await,
        "selection_metadata" => {
            let made = selection::get(specs, text("tag")).await?.selection;
            assert!(made.created_at <= specs.now());
            let mut metadata = made.metadata.0;
            let told =
                metadata.insert("created_on".into(), json!(CREATED)).or(metadata.insert("tag".into(), json!(made.tag)));
            assert_eq!(told, None);
            json!({"metadata": metadata})
        }
        "select_from_view" => json!({"ids": by_view(specs, &step["patterns"]).await?}),
        "rerun_ids" | "rerun_specs" => {
            let Ok(strategy) = text("strategy").parse::<Strategy>() else { return Ok(error("unknown_strategy")) };
            let roots = selection::rerun_roots(specs, &strategy, tag).await?;
            if text("op") == "rerun_ids" { json!({"ids": roots}) } else { rerun(specs, &roots).await? }
        }
        "rerun_closure" => rerun(specs, &texts(&step["roots"]).into_iter().collect()).await?,
        "rerun_from_view" => rerun(specs, &by_view(specs, &step["patterns"]).await?).await?,
        other => panic!("{other}"),
    })
}

async fn edges(specs: &Specs, ids: &[String]) -> Value {
    let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
    let of = (!asked.is_empty()).then_some(asked.as_slice());
    let mut page = Stretch { limit: LIMIT, after: None };
    let mut pairs = BTreeSet::new();
    loop {
        let (rows, more) = store::spec::edges(&mut specs.db.read().await.unwrap().conn(), of, &page).await.unwrap();
        page.after = rows.last().map(|edge| (edge.spec_id.clone(), edge.place));
        pairs.extend(rows.into_iter().map(|edge| (edge.spec_id, edge.dependency_id)));
        if !more {
            return json!({"edges": pairs});
        }
    }
}

async fn loaded(specs: &Specs, ids: &[String], upstream: bool) -> Result<Value, AppError> {
    let loaded = find::load(specs, ids, upstream).await?;
    Ok(json!({"specs": loaded.iter().map(shown).collect::<Vec<_>>()}))
}

async fn results(specs: &Specs, ids: &[String], upstream: bool) -> Result<Value, AppError> {
    let newest = result::newest(specs, ids, upstream).await?.into_iter().map(|stored| {
        let result = stored.result;
        let names = result.names.unwrap();
        let status = &result.status;
        let shown = json!({
            "spec_name": names.name, "spec_fullname": names.fullname,
            "file_root": names.file_root, "file_path": names.file_path,
            "session": result.session, "workspace": result.workspace,
            "status": {
                "state": status.state(), "category": status.category(), "status": status.status(),
                "reason": status.reason().unwrap_or_default(), "code": status.code(),
            },
            "timekeeper": {
                "submitted": seconds(result.submitted_at), "started": seconds(result.started_at),
                "finished": seconds(result.finished_at),
            },
            "measurements": result.measurements,
        });
        (result.spec_id, shown)
    });
    Ok(json!({"results": newest.collect::<Map<_, _>>()}))
}

async fn history(specs: &Specs, prefix: &str) -> Value {
    let mut page = Stretch { limit: LIMIT, after: None };
    let mut history = Vec::new();
    loop {
        let conn = &mut specs.db.read().await.unwrap();
        let (rows, more) = store::spec_result::history_by_prefix(&mut conn.conn(), prefix, &page).await.unwrap();
        page.after = rows.last().map(|row| (row.result.session.clone(), row.result.spec_id.clone()));
        history.extend(rows.into_iter().map(|row| {
            let status = &row.result.status;
            json!({
                "id": row.result.spec_id, "session": row.result.session,
                "category": status.category(), "status": status.status(),
            })
        }));
        if !more {
            return json!({"history": history});
        }
    }
}

async fn partials(specs: &Specs, tag: Option<&str>) -> Result<Value, AppError> {
    let told = result::partials(specs, tag).await?.into_iter().map(|partial| {
        let newest = partial.newest;
        json!({
            "id": partial.id, "file": partial.file, "view": partial.view,
            "result_category": newest.as_ref().map(|newest| newest.category),
            "result_status": newest.as_ref().map(|newest| newest.status),
            "started_at": newest.map(|newest| seconds(newest.started_at)),
        })
    });
    Ok(json!({"partial": told.collect::<Vec<_>>()}))
}

async fn tags(specs: &Specs) -> Value {
    let mut page = Stretch { limit: LIMIT, after: None };
    let mut tags = Vec::new();
    loop {
        let (rows, more) = store::selection::list(&mut specs.db.read().await.unwrap().conn(), &page).await.unwrap();
        page.after = rows.last().map(|row| row.tag.clone());
        tags.extend(rows.into_iter().map(|row| row.tag));
        if !more {
            return json!({"tags": tags});
        }
    }
}

async fn by_view(specs: &Specs, patterns: &Value) -> Result<BTreeSet<String>, AppError> {
    let patterns: Vec<ViewPattern> = texts(patterns).into_iter().map(ViewPattern::Canary).collect();
    find::by_view(specs, &patterns).await
}

async fn rerun(specs: &Specs, roots: &BTreeSet<String>) -> Result<Value, AppError> {
    let rerun = selection::rerun(specs, roots).await?;
    let masked = rerun.upstream_only.into_iter().map(|id| (id, json!({"class": "upstream_only"})));
    Ok(json!({"masked": masked.collect::<Map<_, _>>(), "run": rerun.run}))
}
