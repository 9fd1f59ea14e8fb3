//! How the documents of items look, for the OpenAPI document. What they may hold in each place is the domain's to say
//! (`domain::catalogue::document`); a test holds the examples here against it.

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The document of an item, by its kind: what `PUT` takes.
#[derive(Debug)]
pub struct ItemDocument;

/// The definition of a class.
#[derive(Debug)]
pub struct ClassDocument;

/// What a document holds that is only told: `PUT` passes over it, so that what was read can be put back.
const READ_ONLY: [&str; 5] = ["kind", "label", "revision", "removed_in", "execution"];

/// Passes over what is only told.
pub fn drop_read_only(members: &mut Map<String, Value>) {
    members.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
}

fn schema(document: Value) -> RefOr<Schema> {
    serde_json::from_value(document).unwrap_or_else(|_| RefOr::T(Schema::default()))
}

fn labels(what: &str, example: &Value) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": what, "example": example})
}

/// The members that tests, resources and suites share, and those that are only told.
fn with_common(mut members: Value) -> Value {
    let common = json!({
        "keywords": labels("Words to find it by.", &json!(["dns"])),
        "owner": {"type": "string", "description": "Who answers for it.", "example": "net-team@example.org"},
        "description": {"type": "string", "description": "What it is."},
        "attachments": {
            "type": "object",
            "description": "Files beside it, by file name; their bytes are stored before.",
            "additionalProperties": {
                "type": "object",
                "required": ["sha256", "size"],
                "properties": {
                    "mime_type": {"type": "string"},
                    "description": {"type": "string"},
                    "sha256": {"type": "string"},
                    "size": {"type": "integer", "format": "int64"}
                }
            }
        }
    });
    merge(&mut members, common);
    with_told(members)
}

fn with_told(mut members: Value) -> Value {
    let told = json!({
        "kind": {"type": "string", "readOnly": true, "description": "Its kind."},
        "label": {"type": "string", "readOnly": true, "description": "Its label."},
        "revision": {"type": "integer", "format": "int64", "readOnly": true, "description": "The revision that made it what it is."},
        "removed_in": {"type": "integer", "format": "int64", "readOnly": true, "description": "The revision that replaced or removed this version."}
    });
    merge(&mut members, told);
    members
}

fn merge(members: &mut Value, more: Value) {
    if let (Value::Object(members), Value::Object(more)) = (members, more) {
        members.extend(more);
    }
}

/// An example of a document of each kind, and one of a class that the test's uses; all are taken as they are.
#[must_use]
pub fn examples() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            "test",
            "net.dns.lookup",
            json!({
                "class": "command.ShellCommandTest",
                "arguments": {"command": "host -t A example.org", "exit_code": 0},
                "prerequisites": [{"test": "net.up", "outcome": "PASS"}],
                "resources": ["net.resolver"],
                "target_group": "linux.*",
                "keywords": ["dns"],
                "owner": "net-team@example.org"
            }),
        ),
        ("resource", "net.resolver", json!({"class": "temporary.TempDirectoryResource"})),
        ("suite", "nightly", json!({"test_ids": ["net.up"], "suite_ids": ["net.dns"]})),
        ("directory", "net", json!({})),
        ("expectation", "net.dns.lookup", json!({"outcome": "FAIL", "cause": "no uplink in this lab"})),
        ("class", "boot.Boot", class_example()),
    ]
}

fn class_example() -> Value {
    json!({
        "of": "test",
        "description": "boots an image in QEMU",
        "fields": [
            {"name": "image", "type": "text", "not_empty": true},
            {"name": "memory_mb", "type": "integer", "default": 512}
        ],
        "execution": {"command": {"argv": ["boot-test", "--memory", "{memory_mb}", "{image}"], "timeout_s": 600}}
    })
}

fn example(kind: &str) -> Value {
    examples().into_iter().find(|(of, ..)| *of == kind).map(|(.., document)| document).unwrap_or_default()
}

impl PartialSchema for ItemDocument {
    fn schema() -> RefOr<Schema> {
        let class = json!({"type": "string", "description": "The class, `module.Class`.", "example": "command.ShellCommandTest"});
        let arguments = json!({"type": "object", "description": "The class's arguments, by name; `GET /api/v1/catalog/classes/{name}` has their schema."});
        let resources = labels("The resources that must be set up, in their order.", &json!(["net.resolver"]));
        let execution = json!({"type": "string", "readOnly": true, "description": "Who can execute it: `agent` (every agent) or `runner` (only a runner that has the class)."});
        let test = json!({
            "title": "A test", "type": "object", "required": ["class"], "example": example("test"),
            "properties": with_common(json!({
                "class": class, "arguments": arguments, "resources": resources, "execution": execution,
                "prerequisites": {
                    "type": "array", "description": "The tests that must have come to an outcome before.",
                    "items": {
                        "type": "object", "required": ["test"],
                        "properties": {
                            "test": {"type": "string"},
                            "outcome": {"type": "string", "enum": ["PASS", "FAIL", "ERROR", "UNTESTED"], "default": "PASS"}
                        }
                    }
                },
                "target_group": {"type": "string", "default": ".*", "description": "A pattern that must match at the start of a target's group."}
            }))
        });
        let resource = json!({
            "title": "A resource", "type": "object", "required": ["class"], "example": example("resource"),
            "properties": with_common(json!({"class": class, "arguments": arguments, "resources": resources, "execution": execution}))
        });
        let suite = json!({
            "title": "A suite", "type": "object", "example": example("suite"),
            "properties": with_common(json!({
                "class": {"type": "string", "default": "explicit_suite.ExplicitSuite"},
                "test_ids": labels("The tests that it names; they need not exist.", &json!(["net.up"])),
                "suite_ids": labels("The suites and directories that it names; the empty text is the whole catalogue.", &json!(["net.dns"])),
                "implicit": {"type": "boolean", "default": false, "description": "Whether the explicit suites in it are listed and not expanded."}
            }))
        });
        let directory = json!({"title": "A directory", "type": "object", "properties": with_told(json!({}))});
        let expectation = json!({
            "title": "An expectation", "type": "object", "required": ["outcome"], "example": example("expectation"),
            "properties": with_told(json!({
                "outcome": {"type": "string", "enum": ["PASS", "FAIL", "ERROR", "UNTESTED"]},
                "cause": {"type": "string", "description": "Why."}
            }))
        });
        schema(json!({
            "description": "The document of an item, by its kind: what `PUT` takes. Members that are only told are passed over by `PUT`.",
            "oneOf": [test, resource, suite, directory, expectation]
        }))
    }
}

impl ToSchema for ItemDocument {
    fn name() -> std::borrow::Cow<'static, str> {
        "CatalogueItem".into()
    }
}

impl PartialSchema for ClassDocument {
    fn schema() -> RefOr<Schema> {
        schema(json!({
            "description": "The definition of a class.",
            "type": "object", "required": ["of", "execution"], "example": class_example(),
            "properties": {
                "name": {"type": "string", "description": "Its name; the address has it."},
                "of": {"type": "string", "enum": ["test", "resource"]},
                "description": {"type": "string"},
                "fields": {
                    "description": "Its arguments. Left out: they are not known, and any are kept.",
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["name", "type"],
                        "properties": {
                            "name": {"type": "string"},
                            "type": {"type": "string", "enum": ["text", "integer", "boolean", "enumeration", "outcome", "choice", "test", "resource", "time", "set", "tuple", "dictionary", "attachment"]},
                            "title": {"type": "string"}, "description": {"type": "string"},
                            "default": {"description": "What holds where nothing is stated."}
                        }
                    }
                },
                "execution": {
                    "description": "Who can execute it.",
                    "oneOf": [
                        {
                            "type": "object", "required": ["command"],
                            "properties": {"command": {
                                "type": "object", "required": ["argv"],
                                "description": "Every agent, by this command: `{name}` stands for an argument.",
                                "properties": {
                                    "argv": {"type": "array", "items": {"type": "string"}},
                                    "stdin": {"type": "string"},
                                    "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                                    "exit_code": {"type": "integer", "format": "int32", "default": 0},
                                    "timeout_s": {"type": "integer", "format": "int32"}
                                }
                            }}
                        },
                        {
                            "type": "object", "required": ["runner"],
                            "properties": {"runner": {"type": "string", "description": "Only runners of this kind."}}
                        }
                    ]
                }
            }
        }))
    }
}

impl ToSchema for ClassDocument {
    fn name() -> std::borrow::Cow<'static, str> {
        "CatalogueClassDefinition".into()
    }
}
