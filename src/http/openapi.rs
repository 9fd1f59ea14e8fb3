//! The OpenAPI 3.1 document, made from the handlers.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use crate::domain::callback::{CallbackState, Trust};
use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::domain::kcidb::object::ObjectKind;
use crate::domain::result::{ResultSource, SubmissionState};
use crate::domain::run::{RunKind, RunState};
use crate::domain::status::Status;
use crate::domain::words::Word;
use crate::http::problem::Code;

macro_rules! documented {
    ($($word:ty),+ $(,)?) => { $(
        impl PartialSchema for $word {
            fn schema() -> RefOr<Schema> {
                let words = <$word as Word>::ALL.iter().map(|word| word.as_str());
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
            }
        }

        impl ToSchema for $word {}
    )+ };
}

documented!(
    CallbackState,
    Code,
    DeadCause,
    DeliveryState,
    ObjectKind,
    ResultSource,
    RunKind,
    RunState,
    Status,
    SubmissionState,
    Trust,
);

/// The document without its paths, which the router adds.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Testyard",
        description = "Builds and tests in, runners called, results kept and delivered to KCIDB.\n\nTimes are RFC 3339 in UTC. Ids are opaque, and ordered by time. Listings are pages, newest first. Refusals are `application/problem+json` (RFC 9457). Words in enums may be joined by new ones.",
    ),
    tags(
        (name = "bridge", description = "The routes of riscv-kcidb-bridge"),
        (name = "builds", description = "Builds"),
        (name = "runs", description = "Attempts at a runner"),
        (name = "results", description = "What came of tests"),
        (name = "deliveries", description = "Reports on their way to KCIDB"),
        (name = "callbacks", description = "What runners told"),
        (name = "intake", description = "The KCIDB door in"),
        (name = "health", description = "The service itself"),
    ),
    modifiers(&Security)
)]
pub struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", bearer);
    }
}
