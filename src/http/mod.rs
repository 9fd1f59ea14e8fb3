//! The edge: translates, authorises, pages; decides nothing. This is the list of all routes.

pub mod accept;
pub mod access;
pub mod agents;
pub mod archive;
pub mod artifacts;
pub mod body;
pub mod bridge;
pub mod builds;
pub mod callbacks;
pub mod catalogue;
pub mod condition;
pub mod deliveries;
pub mod events;
pub mod health;
pub mod leases;
pub mod log;
pub mod logs;
pub mod openapi;
pub mod params;
pub mod problem;
pub mod problems;
pub mod providers;
pub mod queue;
pub mod ranges;
pub mod restd;
pub mod results;
pub mod runs;
pub mod selections;
pub mod sessions;
pub mod specs;
mod stream;
pub mod submissions;
mod unit_fields;

use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::routing::get;
use axum::{Json, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;
use crate::config::Scope;
use crate::http::problem::{Code, Problem};

/// Routes that show things.
fn reading() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(builds::list_builds))
        .routes(routes!(builds::get_build))
        .routes(routes!(runs::list_runs))
        .routes(routes!(runs::get_run))
        .routes(routes!(logs::get_run_log))
        .routes(routes!(logs::search::search_run_log))
        .routes(routes!(artifacts::list_artifacts))
        .routes(routes!(artifacts::get_artifact))
        .routes(routes!(queue::explain_run))
        .routes(routes!(queue::get_queue))
        .routes(routes!(results::list_results))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::get_delivery))
        .routes(routes!(callbacks::list_callbacks))
        .routes(routes!(callbacks::get_callback))
        .routes(routes!(submissions::get_submission))
        .routes(routes!(catalogue::whole::get_catalogue))
        .routes(routes!(catalogue::classes::list_classes))
        .routes(routes!(catalogue::classes::get_class))
        .routes(routes!(catalogue::revisions::list_revisions))
        .routes(routes!(catalogue::revisions::get_revision))
        .routes(routes!(catalogue::revisions::list_changes))
        .routes(routes!(catalogue::questions::expand))
        .routes(routes!(catalogue::questions::compare_results))
        .routes(routes!(catalogue::questions::list_naming_suites))
        .routes(routes!(catalogue::transfer::export_database))
        .routes(routes!(catalogue::attachments::get_attachment))
        .routes(routes!(catalogue::items::list_items))
        .routes(routes!(catalogue::items::get_item))
        .routes(routes!(catalogue::items::list_item_revisions))
        .routes(routes!(catalogue::attachments::get_item_attachment))
        .routes(routes!(specs::find::list_specs))
        .routes(routes!(specs::find::select_specs))
        .routes(routes!(specs::find::get_spec))
        .routes(routes!(specs::graph::list_edges))
        .routes(routes!(specs::graph::list_graph))
        .routes(routes!(specs::graph::find_closure))
        .routes(routes!(specs::graph::list_upstream))
        .routes(routes!(specs::graph::list_downstream))
        .routes(routes!(specs::results::list_newest_spec_results))
        .routes(routes!(specs::results::list_spec_results))
        .routes(routes!(specs::results::list_spec_history))
        .routes(routes!(specs::results::list_partial_specs))
        .routes(routes!(specs::rerun::plan_rerun))
        .routes(routes!(selections::list_selections))
        .routes(routes!(selections::get_selection))
        .routes(routes!(selections::members::list_selected))
        .routes(routes!(selections::members::list_masked))
        .routes(routes!(selections::members::get_report))
        .routes(routes!(selections::members::explain_selection))
        .routes(routes!(selections::changes::get_snapshot))
        .routes(routes!(selections::changes::check_selection))
        .routes(routes!(selections::changes::compare_selections))
        .routes(routes!(sessions::make::list_sessions))
        .routes(routes!(sessions::make::get_session))
        .routes(routes!(sessions::execution::get_execution))
        .routes(routes!(sessions::execution::list_expected))
        .routes(routes!(sessions::units::list_units))
        .routes(routes!(sessions::jobs::list_jobs))
        .routes(routes!(sessions::jobs::list_run_list))
        .routes(routes!(sessions::jobs::get_job))
        .routes(routes!(sessions::jobs::explain_job))
        .routes(routes!(sessions::controllers::list_controllers))
        .routes(routes!(sessions::history::list_job_results))
        .routes(routes!(sessions::lists::get_desired))
        .routes(routes!(sessions::lists::get_mandatory))
        .routes(routes!(sessions::lists::qualify_jobs))
        .routes(routes!(sessions::plans::choose_jobs))
        .routes(routes!(sessions::resources::list_resources))
        .routes(routes!(sessions::resources::get_resource))
        .routes(routes!(sessions::resources::get_manifest))
        .routes(routes!(sessions::numbers::get_stats))
        .routes(routes!(sessions::numbers::get_estimate))
        .routes(routes!(sessions::numbers::get_certification))
        .routes(routes!(sessions::numbers::get_verdict))
        .routes(routes!(sessions::portable::export_session))
        .routes(routes!(providers::list_providers))
        .routes(routes!(providers::get_provider))
        .routes(routes!(providers::list_provider_units))
        .routes(routes!(sessions::events::list_session_events))
        .routes(routes!(sessions::shared::get_shared_value))
        .routes(routes!(events::list_events))
        .routes(routes!(events::list_run_events))
        .routes(routes!(agents::list_agents))
        .routes(routes!(agents::get_agent))
        .routes(routes!(leases::list_leases))
}

/// Routes that bring work or results in.
fn submitting() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(bridge::run_build))
        .routes(routes!(bridge::run_tests))
        .routes(routes!(bridge::run_boot_test))
        .routes(routes!(bridge::submit_results))
        .routes(routes!(builds::create_build))
        .routes(routes!(runs::create_run))
        .routes(routes!(specs::put::create_specs))
        .routes(routes!(specs::generate::generate_specs))
        .routes(routes!(specs::results::create_spec_results))
        .routes(routes!(sessions::make::create_session))
        .routes(routes!(sessions::execution::start_session))
        .routes(routes!(sessions::execution::pause_session))
        .routes(routes!(sessions::execution::cancel_session))
        .routes(routes!(sessions::execution::cancel_job))
        .routes(routes!(sessions::execution::rerun_jobs))
        .routes(routes!(sessions::notes::patch_session))
        .routes(routes!(sessions::units::add_units))
        .routes(routes!(sessions::units::remove_unit))
        .routes(routes!(sessions::units::add_provider))
        .routes(routes!(sessions::jobs::begin_job))
        .routes(routes!(sessions::jobs::patch_job))
        .routes(routes!(sessions::results::create_job_result))
        .routes(routes!(sessions::results::create_job_results))
        .routes(routes!(sessions::ending::skip_jobs))
        .routes(routes!(sessions::ending::resume_session))
        .routes(routes!(sessions::lists::put_desired))
        .routes(routes!(sessions::lists::put_mandatory))
        .routes(routes!(sessions::lists::trim_jobs))
        .routes(routes!(sessions::plans::put_plans))
        .routes(routes!(sessions::plans::start_setup))
        .routes(routes!(sessions::plans::start_bootstrap))
        .routes(routes!(sessions::plans::finish_bootstrap))
        .routes(routes!(sessions::resources::put_resource))
        .routes(routes!(sessions::resources::put_manifest))
        .routes(routes!(providers::put_provider))
        .routes(routes!(sessions::shared::put_shared_value))
        .routes(routes!(sessions::shared::delete_shared_value))
}

/// Routes that steer what is there.
fn operating() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(bridge::sync_builds))
        .routes(routes!(bridge::sync_results))
        .routes(routes!(builds::retry_build))
        .routes(routes!(builds::cancel_build))
        .routes(routes!(runs::retry_run))
        .routes(routes!(runs::cancel_run))
        .routes(routes!(queue::put_priority))
        .routes(routes!(deliveries::retry_delivery))
        .routes(routes!(catalogue::whole::freeze_catalogue))
        .routes(routes!(catalogue::classes::put_class))
        .routes(routes!(catalogue::classes::delete_class))
        .routes(routes!(catalogue::transfer::apply_changes))
        .routes(routes!(catalogue::transfer::import_database))
        .routes(routes!(catalogue::attachments::create_attachment))
        .routes(routes!(catalogue::items::put_item))
        .routes(routes!(catalogue::items::delete_item))
        .routes(routes!(catalogue::attachments::put_item_attachment))
        .routes(routes!(catalogue::attachments::delete_item_attachment))
        .routes(routes!(selections::put::put_selection))
        .routes(routes!(selections::delete_selection))
        .routes(routes!(selections::rename_selection))
        .routes(routes!(selections::changes::refresh_selection))
        .routes(routes!(sessions::make::delete_session))
        .routes(routes!(sessions::portable::import_session))
        .routes(routes!(providers::delete_provider))
        .routes(routes!(agents::create_agent_token))
        .routes(routes!(agents::drain_agent))
        .routes(routes!(agents::resume_agent))
        .routes(routes!(agents::delete_agent))
}

/// Routes that agents call, each with its own token.
fn agents() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(agents::asking::claim_work))
        .routes(routes!(leases::beat_lease))
        .routes(routes!(leases::append_log))
        .routes(routes!(leases::put_artifact))
        .routes(routes!(leases::report_results))
        .routes(routes!(leases::release_lease))
}

/// The door that an agent comes in by: a registration token guards it.
fn registering() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(agents::asking::register_agent))
}

/// Routes that runners call: a capability or a signature guards them.
fn calling_back() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(bridge::build_callback))
        .routes(routes!(bridge::test_callback))
        .routes(routes!(bridge::boot_callback))
        .routes(routes!(callbacks::receive_callback))
}

/// The KCIDB door in, which asks for its own tokens where it has a secret for them.
fn taking_in() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(restd::submit)).routes(routes!(restd::authtest))
}

/// The same door, as far as it only tells.
fn telling() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(restd::status))
}

/// Routes for everybody.
fn public() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::root))
        .routes(routes!(problems::get_problem_kind))
}

/// What stands before a group of routes.
#[derive(Clone, Copy, Debug)]
enum Guard {
    /// A token whose scope includes this one, where tokens are asked for.
    Scope(Scope),
    /// The token of an agent.
    Agent,
}

/// All routes and their document; `guarded` puts its guard before each group.
fn all(guarded: impl Fn(OpenApiRouter<App>, Guard) -> OpenApiRouter<App>, with_intake: bool) -> (Router<App>, OpenApi) {
    let of_agents = |mut routes: OpenApiRouter<App>| {
        openapi::guarded_by_agent(routes.get_openapi_mut());
        guarded(routes, Guard::Agent)
    };
    let guarded = |mut routes: OpenApiRouter<App>, scope| {
        openapi::guarded_by_token(routes.get_openapi_mut(), scope);
        guarded(routes, Guard::Scope(scope))
    };
    let registering = |mut routes: OpenApiRouter<App>| {
        openapi::guarded_by_registration(routes.get_openapi_mut());
        routes
    };
    let asking = |mut routes: OpenApiRouter<App>, scope| {
        openapi::guarded_by_jwt_or_token(routes.get_openapi_mut(), scope);
        routes
    };
    let mut router = OpenApiRouter::with_openapi(openapi::Document::openapi())
        .merge(guarded(reading(), Scope::Read))
        .merge(guarded(submitting(), Scope::Submit))
        .merge(guarded(operating(), Scope::Operate))
        .merge(of_agents(agents()))
        .merge(registering(self::registering()))
        .merge(calling_back())
        .merge(public());
    if with_intake {
        router = router.merge(asking(taking_in(), Scope::Submit)).merge(asking(telling(), Scope::Read));
    }
    let (router, mut document) = router.split_for_parts();
    openapi::name_problems(&mut document);
    openapi::name_rests(&mut document);
    (router, document)
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> OpenApi {
    all(|routes, _| routes, true).1
}

/// The service's router.
pub fn router(app: &App) -> Router {
    let guard = |routes: OpenApiRouter<App>, guard: Guard| match guard {
        Guard::Scope(scope) => routes.route_layer(middleware::from_fn_with_state((app.clone(), scope), access::guard)),
        Guard::Agent => routes.route_layer(middleware::from_fn_with_state(app.clone(), agents::guard::guard)),
    };
    let (router, document) = all(guard, app.settings.intake.enabled);
    let shown = document.clone();
    router
        .route("/api/v1/openapi.json", get(move || async move { Json(shown) }))
        // Unless told otherwise the page asks a validator on the internet about the document.
        .merge(SwaggerUi::new("/docs").config(Config::default().validator_url("none")).url("/openapi.json", document))
        .fallback(|| async { Problem::new(Code::NotFound, "Not Found") })
        .method_not_allowed_fallback(|| async { Problem::new(Code::MethodNotAllowed, "Method Not Allowed") })
        // Each handler reads its body within its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(log::panicked))
        .layer(cors(&app.settings.server.cors_origins))
        .layer(middleware::from_fn_with_state(app.clone(), log::request))
        .with_state(app.clone())
}

/// The bridge's policy: the listed origins, with credentials, all methods and headers. `*` alone is every origin,
/// without credentials, as browsers demand.
fn cors(origins: &[String]) -> CorsLayer {
    if origins == ["*"] {
        return CorsLayer::permissive();
    }
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin.trim_end_matches('/')).ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}
