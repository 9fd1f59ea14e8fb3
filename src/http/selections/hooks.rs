//! The hooks of a selection: as they are sent, as they are shown, and how they failed.

use serde::Serialize;
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::app::spec::hook::{Hook, Moment};
use crate::app::spec::selection::Warning;
use crate::http::specs::schema::{schema, text};

/// Somebody who is to be asked, as it is sent.
#[derive(Debug)]
pub struct HookDocument;

impl PartialSchema for HookDocument {
    fn schema() -> RefOr<Schema> {
        schema(json!({
            "type": "object",
            "description": "Somebody who is to be asked while specs are selected.",
            "required": ["url", "on"],
            "example": {"url": "https://lab.example.org/hooks/testyard", "on": ["modify"], "optional": true},
            "properties": {
                "url": text("Where: http:// or https://, on the public internet or allowed by the operator, without user and password."),
                "on": {"type": "array", "items": {"$ref": "#/components/schemas/SelectionMoment"}, "description": "When: each moment once."},
                "optional": {"type": "boolean", "description": "Select without it if it fails; else nothing is stored then, which is so where this is left out."}
            },
            "additionalProperties": false
        }))
    }
}

impl ToSchema for HookDocument {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Moment::name().into_owned(), Moment::schema()));
    }
}

/// Somebody who is asked while specs are selected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionHook)]
pub struct HookView {
    /// Where, without a query: that may hold what only the hook should know.
    #[schema(example = "https://lab.example.org/hooks/testyard")]
    url: String,
    /// When.
    on: Vec<Moment>,
    /// Whether specs are selected without it if it fails.
    optional: bool,
}

impl From<Hook> for HookView {
    fn from(hook: Hook) -> Self {
        let mut url = hook.url;
        url.set_query(None);
        url.set_fragment(None);
        Self { url: url.to_string(), on: hook.on, optional: hook.optional }
    }
}

/// A hook failed, and the selection was made without what it wanted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SelectionWarning)]
pub struct WarningView {
    /// Its place among the hooks, from 0.
    #[schema(example = 0)]
    hook: usize,
    /// Its host.
    #[schema(example = "lab.example.org")]
    host: String,
    /// When it was asked.
    moment: Moment,
    /// Why it failed.
    #[schema(example = "no complete answer within 10s")]
    detail: String,
}

impl From<Warning> for WarningView {
    fn from(warning: Warning) -> Self {
        let Warning { hook, host, moment, why } = warning;
        Self { hook, host, moment, detail: why }
    }
}
