//! The OpenAPI 3.1 document, made from the handlers.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use crate::app::catalogue::import::Fate;
use crate::app::spec::hook::Moment;
use crate::config::Scope;
use crate::domain::agent::{PROTOCOL, PROTOCOL_HEADER};
use crate::domain::agent_lease::{AgentState, LeaseState};
use crate::domain::callback::{CallbackState, Trust};
use crate::domain::catalogue::class::ClassKind;
use crate::domain::catalogue::item::ItemKind;
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::composition::definition::NoDefinitionCause;
use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::domain::execution::ExecutionState;
use crate::domain::kcidb::object::ObjectKind;
use crate::domain::log::LogStream;
use crate::domain::result::{ResultSource, SubmissionState};
use crate::domain::run::{RunKind, RunState};
use crate::domain::spec_result::status as spec_result;
use crate::domain::status::Status;
use crate::domain::unit::check::{Flaw, Severity};
use crate::domain::words::Word;
use crate::http::catalogue::Collection;
use crate::http::problem::Code;
use crate::http::sessions::plans::PlanPart;

macro_rules! documented {
    ($($word:ty $(as $name:literal)?),+ $(,)?) => { $(
        impl PartialSchema for $word {
            fn schema() -> RefOr<Schema> {
                let words = <$word as Word>::ALL.iter().map(|word| word.as_str());
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
            }
        }

        impl ToSchema for $word {
            $(fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            })?
        }
    )+ };
}

documented!(
    AgentState,
    CallbackState,
    spec_result::Category as "SpecCategory",
    ClassKind,
    Code,
    Collection,
    DeadCause,
    DeliveryState,
    ExecutionState,
    Fate,
    Flaw as "UnitFlaw",
    ItemKind,
    LeaseState,
    LogStream,
    Moment as "SelectionMoment",
    NoDefinitionCause,
    ObjectKind,
    Outcome,
    PlanPart,
    ResultSource,
    RunKind,
    RunState,
    Severity as "UnitSeverity",
    spec_result::State as "SpecState",
    spec_result::Status as "SpecStatus",
    Status,
    SubmissionState,
    Trust,
);

/// The document without its paths, which the router adds.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Testyard",
        description = "Builds and tests in, runners called, results kept and delivered to KCIDB.\n\nTimes are RFC 3339 in UTC. Ids are opaque, and ordered by time. Listings are pages: newest first, the catalogue's by label, those of specs by id. Refusals are `application/problem+json` (RFC 9457). Words in enums may be joined by new ones.",
    ),
    // Parts of paths: their schemas are not found by themselves.
    components(schemas(crate::http::catalogue::Collection, PlanPart, crate::ids::SessionId)),
    tags(
        (name = "bridge", description = "The routes of riscv-kcidb-bridge"),
        (name = "builds", description = "Builds"),
        (name = "runs", description = "Attempts at a runner"),
        (name = "agents", description = "Programs in labs that ask for work, and what they have in their hands"),
        (name = "results", description = "What came of tests"),
        (name = "deliveries", description = "Reports on their way to KCIDB"),
        (name = "callbacks", description = "What runners told"),
        (name = "catalog", description = "What can be run: tests, suites and resources under labels"),
        (name = "specs", description = "Concrete tests with their parameters, what they depend on, and what came of them"),
        (name = "sessions", description = "Which jobs are wanted, which can run, what holds the others up, and what came of them"),
        (name = "selections", description = "Which specs are selected under a tag, and why the others are not"),
        (name = "providers", description = "Units that sessions are made of, kept under a name"),
        (name = "events", description = "What happened, in one order"),
        (name = "intake", description = "The KCIDB door in"),
        (name = "health", description = "The service itself"),
    ),
    modifiers(&Security)
)]
pub struct Document;

struct Security;

/// The scheme of this service's own tokens.
const TOKEN: &str = "token";

/// The scheme of agents' tokens.
const AGENT: &str = "agent";

/// The scheme of the tokens that agents register with.
const REGISTRATION: &str = "registration";

/// The scheme of kcidb-restd's tokens.
const JWT: &str = "jwt";

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let described = |format: Option<&str>, words: &str| {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(words));
            let scheme = format.into_iter().fold(scheme, HttpBuilder::bearer_format);
            SecurityScheme::Http(scheme.build())
        };
        let token = "A token of the settings, whose scope includes the one that is named. None is asked for on a service that has no tokens or is open.";
        components.add_security_scheme(TOKEN, described(None, token));
        let jwt = "A token as kcidb-restd takes it: HS256, with `origin` and `exp`. It is asked for where the service has a secret for it.";
        let agent = "The token that an agent was given when it registered. It is always asked for.";
        components.add_security_scheme(AGENT, described(None, agent));
        let registration = "A token that lets one agent register, once: `POST /api/v1/agents/tokens` makes it. It is always asked for.";
        components.add_security_scheme(REGISTRATION, described(None, registration));
        components.add_security_scheme(JWT, described(Some("JWT"), jwt));
    }
}

/// Says of each operation that it asks for a token of this scope, and how it refuses.
pub(super) fn guarded_by_token(document: &mut utoipa::openapi::OpenApi, scope: Scope) {
    for operation in operations(document) {
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, [scope.as_str()])]);
        refuses(operation, "401", "The token is missing or not known");
        refuses(operation, "403", "The token's scope is too small");
        refuses(operation, "503", "The database is away: repeat the request later");
    }
}

/// Says of each operation that an agent asks for it, with its own token, and how it refuses.
pub(super) fn guarded_by_agent(document: &mut utoipa::openapi::OpenApi) {
    for operation in operations(document) {
        operation.security = Some(vec![SecurityRequirement::new(AGENT, [""; 0])]);
        let header = ParameterBuilder::new()
            .name(PROTOCOL_HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("The version of the protocol that the agent speaks"))
            .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).examples([PROTOCOL]).build()));
        operation.parameters.get_or_insert_default().push(RefOr::T(header.build()));
        refuses(operation, "401", "The agent's token is missing or not known");
        refuses(operation, "409", "The version of the protocol is not known (`unknown-protocol`)");
        refuses(operation, "503", "The database is away: repeat the request later");
    }
}

/// Says of each operation that it asks for a registration token.
pub(super) fn guarded_by_registration(document: &mut utoipa::openapi::OpenApi) {
    for operation in operations(document) {
        operation.security = Some(vec![SecurityRequirement::new(REGISTRATION, [""; 0])]);
    }
}

/// Says of each operation that it asks for kcidb-restd's token, or for one of this service. Its refusals are
/// kcidb-restd's.
pub(super) fn guarded_by_jwt_or_token(document: &mut utoipa::openapi::OpenApi, scope: Scope) {
    for operation in operations(document) {
        let either = [SecurityRequirement::new(JWT, [""; 0]), SecurityRequirement::new(TOKEN, [scope.as_str()])];
        operation.security = Some(either.to_vec());
    }
}

/// Names the rest of a path as any other part of it: how the router takes it is no business of the document.
pub(super) fn name_rests(document: &mut utoipa::openapi::OpenApi) {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
}

/// Gives the refusals that are problems the content type that they have. `ToSchema` knows of no content type, and a
/// handler's list of answers that names each would say the same thing a hundred times.
pub(super) fn name_problems(document: &mut utoipa::openapi::OpenApi) {
    let problem = Some(RefOr::from(problem()));
    for operation in operations(document) {
        for response in operation.responses.responses.values_mut() {
            let RefOr::T(response) = response else { continue };
            let content = std::mem::take(&mut response.content);
            response.content = content
                .into_iter()
                .map(|(kind, content)| match &content {
                    RefOr::T(it) if it.schema == problem => (PROBLEM.to_owned(), content),
                    _ => (kind, content),
                })
                .collect();
        }
    }
}

const PROBLEM: &str = "application/problem+json";

fn problem() -> Ref {
    Ref::from_schema_name("Problem")
}

/// Adds a refusal, unless the operation speaks of it itself.
fn refuses(operation: &mut Operation, status: &str, words: &str) {
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
        ResponseBuilder::new().description(words).content(PROBLEM, Content::new(Some(problem()))).build().into()
    });
}

fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    let items = document.paths.paths.values_mut();
    items.flat_map(|item| [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]).flatten()
}
