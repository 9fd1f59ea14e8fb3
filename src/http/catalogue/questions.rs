//! What the catalogue is asked: what labels come to, and whether results were expected.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::catalogue::compare::{self, Compared};
use crate::app::catalogue::index;
use crate::domain::catalogue::index::{Kind, MissingSuites};
use crate::domain::catalogue::item::ItemKind;
use crate::domain::catalogue::outcome::Outcome;
use crate::http::body;
use crate::http::catalogue::{Collection, label_of, revision};
use crate::http::params::{Params, Path};
use crate::http::problem::{Code, Problem, ProblemBody, Result};

/// What is to be expanded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expand {
    /// Labels of tests, suites and directories; the empty one is the whole catalogue. A suite comes before a test of the
    /// same name.
    #[schema(example = json!(["nightly", "net.dns"]))]
    ids: Vec<String>,
    /// As of this revision; now where it is left out.
    #[schema(example = 42)]
    revision: Option<i64>,
    /// Report suites that are named and not there, rather than refuse.
    #[serde(default)]
    allow_missing: bool,
}

/// What labels come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueExpansion)]
pub struct ExpansionView {
    /// As of which revision.
    #[schema(example = 42)]
    revision: i64,
    /// The tests, by label, each once; also those that a suite names and that are not there.
    #[schema(example = json!(["net.dns.lookup", "net.up"]))]
    test_ids: Vec<String>,
    /// The suites and directories that were named or found on the way, by label, each once.
    #[schema(example = json!(["net.dns", "nightly"]))]
    suite_ids: Vec<String>,
    /// What a suite names and is not there.
    missing: Vec<MissingView>,
}

/// Something that a suite names and that is not there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueMissing)]
pub struct MissingView {
    /// A test or a suite.
    kind: ItemKind,
    /// Its label.
    #[schema(example = "net.dns.old")]
    id: String,
    /// A suite that names it.
    #[schema(example = "nightly")]
    named_by: String,
}

/// Expands labels into tests and suites
///
/// Suites are expanded through any nesting; one that names itself, in however many steps, is expanded once. The explicit
/// suites in a directory are listed and not expanded: they may name tests anywhere.
#[utoipa::path(
    post, path = "/api/v1/catalog/expand", tag = "catalog",
    request_body = Expand,
    responses(
        (status = 200, description = "What they come to", body = ExpansionView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There has been no such revision", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "A label names neither a test nor a suite; a suite names one that is not there", body = ProblemBody),
    )
)]
pub(crate) async fn expand(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<ExpansionView>> {
    let asked: Expand = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let missing_suites = if asked.allow_missing { MissingSuites::Report } else { MissingSuites::Refuse };
    let expanded = index::expand(&app.catalogue, &asked.ids, asked.revision, missing_suites).await?;
    let missing = expanded.missing.into_iter().map(|(kind, id, named_by)| MissingView { kind, id, named_by });
    Ok(Json(ExpansionView {
        revision: expanded.revision,
        test_ids: expanded.test_ids,
        suite_ids: expanded.suite_ids,
        missing: missing.collect(),
    }))
}

/// What came of a test.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameOf {
    /// The test's label.
    #[schema(example = "net.dns.lookup")]
    test: String,
    /// What came of it: an outcome (`PASS`, `FAIL`, `ERROR`, `UNTESTED`) or a KCIDB status, of which `MISS` and `SKIP`
    /// count as untested and `DONE` as passed.
    #[schema(example = "FAIL")]
    outcome: String,
}

/// Results to compare with what is expected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The results; of a test that stands twice, both count.
    results: Vec<CameOf>,
    /// As of this revision; now where it is left out.
    #[schema(example = 42)]
    revision: Option<i64>,
}

/// A result beside what was expected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueComparison)]
pub struct ComparisonView {
    /// The test's label.
    #[schema(example = "net.dns.lookup")]
    test: String,
    /// What came of it.
    outcome: Outcome,
    /// What was expected; `PASS` where nothing else is.
    expected: Outcome,
    /// Why that was expected.
    #[schema(example = "no uplink in this lab")]
    cause: Option<String>,
    /// Whether it is as expected.
    as_expected: bool,
    /// In a word: `XPASS` for a pass that was expected to fail, `XFAIL` for a failure that was, else the outcome, with
    /// what was expected where that is another.
    #[schema(example = "XFAIL")]
    word: String,
}

/// Results beside what was expected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueComparisons)]
pub struct ComparisonsView {
    /// As of which revision.
    #[schema(example = 42)]
    revision: i64,
    /// Whether every result is as expected.
    as_expected: bool,
    /// How many results there are.
    total: usize,
    /// How many are not as expected.
    unexpected: usize,
    /// How many there are of each outcome.
    outcomes: BTreeMap<String, usize>,
    /// Each result, those that are not as expected first.
    results: Vec<ComparisonView>,
}

/// Compares results with what is expected
#[utoipa::path(
    post, path = "/api/v1/catalog/compare", tag = "catalog",
    request_body = Compare,
    responses(
        (status = 200, description = "Each result beside what was expected", body = ComparisonsView),
        (status = 400, description = "Not JSON", body = ProblemBody),
        (status = 404, description = "There has been no such revision", body = ProblemBody),
        (status = 413, description = "Too large", body = ProblemBody),
        (status = 415, description = "Not sent as JSON", body = ProblemBody),
        (status = 422, description = "An outcome is none", body = ProblemBody),
    )
)]
pub(crate) async fn compare_results(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ComparisonsView>> {
    let asked: Compare = body::json(&headers, body, app.settings.server.max_body_bytes).await?;
    let results: Vec<(String, String)> = asked.results.into_iter().map(|it| (it.test, it.outcome)).collect();
    let Compared { revision, statistics, results } = compare::compare(&app.catalogue, &results, asked.revision).await?;
    let views = results.into_iter().map(|it| ComparisonView {
        as_expected: it.outcome == it.expected,
        test: it.test,
        outcome: it.outcome,
        expected: it.expected,
        cause: it.cause,
        word: it.word,
    });
    let results: Vec<ComparisonView> = views.collect();
    Ok(Json(ComparisonsView {
        revision,
        as_expected: statistics.unexpected() == 0,
        total: statistics.total(),
        unexpected: statistics.unexpected(),
        outcomes: statistics.outcomes.into_iter().map(|(outcome, count)| (outcome.to_string(), count.all)).collect(),
        results,
    }))
}

/// The suites that name something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueUsers)]
pub struct UsersView {
    /// As of which revision.
    #[schema(example = 42)]
    revision: i64,
    /// The suites that name it explicitly, by label.
    #[schema(example = json!(["nightly"]))]
    suite_ids: Vec<String>,
}

/// Lists the suites that name a test or a suite
///
/// It need not be there itself.
#[utoipa::path(
    get, path = "/api/v1/catalog/{kind}/{label}/suites", tag = "catalog",
    params(
        ("kind" = Collection, Path, description = "Tests or suites"),
        ("label" = String, Path, example = "net.dns.lookup"),
        ("revision" = Option<i64>, Query, description = "As of this revision; now where it is left out"),
    ),
    responses(
        (status = 200, description = "The suites", body = UsersView),
        (status = 400, description = "A query field is unknown or malformed", body = ProblemBody),
        (status = 404, description = "There is no such kind, or nothing of it is named by suites; there has been no such revision", body = ProblemBody),
    )
)]
pub(crate) async fn list_naming_suites(
    State(app): State<App>,
    Path((kind, label)): Path<(String, String)>,
    params: Params,
) -> Result<Json<UsersView>> {
    let as_of = revision(&params.only(&["revision"])?)?;
    let kind = match Collection::read(&kind)? {
        Collection::Tests => Kind::Test,
        Collection::Suites | Collection::Directories => Kind::Suite,
        other => {
            let words = format!("suites name tests and suites, not {other}");
            return Err(Problem::new(Code::NotFound, words));
        }
    };
    let (revision, suite_ids) = index::named_by(&app.catalogue, kind, label_of(&label), as_of).await?;
    Ok(Json(UsersView { revision, suite_ids }))
}
