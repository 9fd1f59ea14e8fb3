//! How specs, their results, rules and reasons look, for the OpenAPI document. What they may hold in each place is the
//! domain's to say; a test holds the examples here against it.

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A spec as it is sent.
#[derive(Debug)]
pub struct SpecDocument;

/// A result of a spec as it is sent.
#[derive(Debug)]
pub struct SpecResultDocument;

/// A rule of a selection.
#[derive(Debug)]
pub struct RuleDocument;

/// A reason why a spec is left out.
#[derive(Debug)]
pub struct ReasonDocument;

pub(in crate::http) fn schema(document: Value) -> RefOr<Schema> {
    serde_json::from_value(document).unwrap_or_else(|_| RefOr::T(Schema::default()))
}

/// An example of a spec.
#[must_use]
pub fn spec_example() -> Value {
    json!({
        "file_root": "/src/tests",
        "file_path": "solver/mesh.pyt",
        "parameters": {"np": 4},
        "keywords": ["fast", "solver"],
        "owners": ["mesh-team"],
        "depends_on": [{"pattern": "solver/setup.pyt", "expect": 1}],
        "timeout": 60.0
    })
}

/// An example of a result.
#[must_use]
pub fn result_example() -> Value {
    json!({
        "id": "mesh-4@2026-01-02T03-04-05",
        "spec_id": "0a1f86e5c3d24b7799aa00bb11cc22dd33ee44ff5566778899aabbccddeeff00",
        "session": "2026-01-02T03-04-05",
        "status": {"status": "DIFFED", "reason": "mesh.out differs in 2 lines"},
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:04:47Z",
        "measurements": {"memory_mb": 512}
    })
}

/// An example of each type of rule.
#[must_use]
pub fn rule_examples() -> Vec<Value> {
    vec![
        json!({"type": "keyword", "expressions": ["fast and not gpu"]}),
        json!({"type": "parameter", "expression": "np<=4"}),
        json!({"type": "ids", "ids": ["0a1f86e5"]}),
        json!({"type": "owners", "owners": ["mesh-team"]}),
        json!({"type": "prefix", "prefixes": ["/src/tests/solver"]}),
        json!({"type": "regex", "pattern": "import mesh"}),
        json!({"type": "view", "globs": ["solver/*"]}),
        json!({"type": "history", "want": "flaky", "latest": 10}),
        json!({"type": "changed", "paths": ["solver/mesh.c"], "affects": [{"paths": ["solver/*.c"], "views": ["solver/*"]}]}),
        json!({"type": "budget", "seconds": 3600, "priority": -1}),
    ]
}

fn texts(what: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": what})
}

pub(in crate::http) fn text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

fn object(what: &str) -> Value {
    json!({"type": "object", "description": what})
}

/// What a spec has of assets, artifacts, changes of its environment and baselines.
fn files_and_environment() -> [Value; 4] {
    let assets = json!({
        "type": "array",
        "description": "Files that belong to it.",
        "items": {
            "type": "object",
            "required": ["src"],
            "properties": {
                "src": text("Where it is: absolute, or from the directory of the spec's file on."),
                "dst": text("What it is called where the spec runs."),
                "action": {"type": "string", "enum": ["copy", "link", "none"]},
                "sha256": text("The SHA-256 of its content; an attachment of the catalogue with it is what rules read.")
            }
        }
    });
    let artifacts = json!({
        "type": "array",
        "description": "Files that it leaves and that are kept.",
        "items": {
            "type": "object",
            "required": ["pattern"],
            "properties": {
                "pattern": text("A file name or a glob."),
                "when": {"type": "string", "enum": ["always", "never", "on_failure", "on_success"]}
            }
        }
    });
    let modifications = json!({
        "type": "array",
        "description": "Changes of its environment, in their order.",
        "items": {
            "type": "object",
            "required": ["name", "action"],
            "properties": {
                "name": text("The variable."),
                "action": {"type": "string", "enum": ["set", "unset", "prepend-path", "append-path"]},
                "value": text("The value."),
                "sep": text("What stands between the value and what was there; `:` where it is left out.")
            }
        }
    });
    let baseline = json!({
        "type": "array",
        "description": "What makes a result the one to compare with: `{\"type\": \"exe\", \"exe\", \"args\"}` or `{\"type\": \"copy\", \"src\", \"dst\"}`.",
        "items": {"type": "object"}
    });
    [assets, artifacts, modifications, baseline]
}

impl PartialSchema for SpecDocument {
    fn schema() -> RefOr<Schema> {
        let dependencies = json!({
            "type": "array",
            "description": "The specs that it waits for, by id, in their order.",
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": text("The id."),
                    "when": text("The status or category that it must have come to, in any case; `*` takes all; `success` where it is left out.")
                }
            }
        });
        let depends_on = json!({
            "type": "array",
            "writeOnly": true,
            "description": "What it waits for in words: they stand for specs of the same batch.",
            "items": {
                "type": "object",
                "required": ["pattern"],
                "properties": {
                    "pattern": text("Ids, names, families, files or globs of these, with blanks between them; `${name}` stands for a parameter."),
                    "expect": json!({"description": "How many specs that must be: `+`, `?`, `*` or a number; `+` where it is left out."}),
                    "when": text("The result that is wanted of each; `success` where it is left out.")
                }
            }
        });
        let [assets, artifacts, modifications, baseline] = files_and_environment();
        schema(json!({
            "type": "object",
            "description": "One concrete test. Members that are not stated are filled in. Others than these are refused.",
            "required": ["file_path"],
            "example": spec_example(),
            "properties": {
                "id": text("What identifies it: 8 to 128 lower-case hexadecimal digits, computed where none is stated."),
                "file_root": text("The directory below which tests were searched, on the machine that found it."),
                "file_path": text("Its file, from `file_root` on, with `/`."),
                "repository_path": text("Its file, from the repository on; where none is stated, `file_path` stands for it in the id."),
                "content_sha256": text("The SHA-256 of its file."),
                "family": text("The first part of its name; the stem of the file's name where none is stated."),
                "parameters": object("Parameters, which stand in its name."),
                "meta_parameters": object("Parameters that do not stand in its name; `cpus`, `gpus` and `runtime` are put there."),
                "keywords": texts("Words to select it by."),
                "owners": texts("Who answers for it."),
                "dependencies": dependencies,
                "depends_on": depends_on,
                "timeout": {"type": "number", "description": "How long it may run, in seconds; a default where it is left out."},
                "xstatus": {"type": "integer", "format": "int32", "description": "How it is expected to end: 0 well, 64 with differences, another positive number with that exit code, a negative one with any failure."},
                "exclusive": {"type": "boolean", "description": "Whether nothing else may run beside it."},
                "mask": text("Why it is left out, if it is."),
                "assets": assets,
                "baseline": baseline,
                "artifacts": artifacts,
                "attributes": object("What else is known of it."),
                "stdout": text("The file that its output goes to."),
                "stderr": text("The file that its errors go to; with the output where none is stated."),
                "preload": text("A program that its command is given to."),
                "modules": texts("Environment modules to load."),
                "rcfiles": texts("Shell files to source."),
                "environment": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Variables of its environment."},
                "environment_modifications": modifications,
                "catalogue_test": text("The label of the catalogue's test that it is an instance of."),
                "command": object("What is executed, in the words of whoever executes it.")
            }
        }))
    }
}

impl ToSchema for SpecDocument {
    fn schemas(_: &mut Vec<(String, RefOr<Schema>)>) {}
}

impl PartialSchema for SpecResultDocument {
    fn schema() -> RefOr<Schema> {
        let status = json!({
            "type": "object",
            "description": "How the spec stands. One word is enough where the others follow from it.",
            "properties": {
                "state": {"$ref": "#/components/schemas/SpecState"},
                "category": {"$ref": "#/components/schemas/SpecCategory"},
                "status": {"$ref": "#/components/schemas/SpecStatus"},
                "reason": {"type": ["string", "null"], "description": "Why."},
                "code": {"type": "integer", "format": "int32", "description": "The exit code, or the one of the status."}
            }
        });
        let names = json!({
            "type": ["object", "null"],
            "description": "How the spec was called when it ran.",
            "required": ["name", "fullname", "file_root", "file_path"],
            "properties": {
                "name": text("Its name, with its parameters."),
                "fullname": text("The same behind its directory."),
                "file_root": text("The folder that was searched."),
                "file_path": text("The file, from that folder on.")
            }
        });
        let time = |what: &str| json!({"type": ["string", "null"], "format": "date-time", "description": what});
        schema(json!({
            "type": "object",
            "description": "What came of a spec in a session.",
            "required": ["spec_id", "session", "status"],
            "example": result_example(),
            "properties": {
                "id": text("Its own id: the same id is the same result, sent again. Made where none is given."),
                "spec_id": text("The spec's id. The spec need not be stored."),
                "session": text("The session that it ran in. A spec has one result in a session; a later one takes its place."),
                "names": names,
                "workspace": {"type": ["string", "null"], "description": "Where it ran, below the session's folder."},
                "status": status,
                "submitted_at": time("When it was handed in."),
                "started_at": time("When it began."),
                "finished_at": time("When it ended."),
                "measurements": object("What was measured, by name.")
            }
        }))
    }
}

impl ToSchema for SpecResultDocument {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        use crate::domain::spec_result::status::{Category, State, Status};
        schemas.push((State::name().into_owned(), State::schema()));
        schemas.push((Category::name().into_owned(), Category::schema()));
        schemas.push((Status::name().into_owned(), Status::schema()));
    }
}

impl PartialSchema for RuleDocument {
    fn schema() -> RefOr<Schema> {
        schema(json!({
            "type": "object",
            "description": "Which specs pass: `type`, its members, and `priority`. `keyword`: every one of `expressions` holds of the keywords, name, family and file. `parameter`: `expression` holds of the parameters. `ids`: the id begins with one of `ids`. `owners`: one of `owners` is an owner. `prefix`: the file's whole path begins with one of `prefixes`. `regex`: a line of the file or an asset matches `pattern`. `view`: the view matches one of `globs`. `history`: earlier results are as `want` says (`failed`, `not_passed`, `never_run`, `changed`, `flaky` among the `latest`, `slow` from `slow_s` on). `changed`: one of `paths` concerns it, as its file or asset or as `affects` says. `budget`: there is time for it in `seconds`.",
            "required": ["type"],
            "example": {"type": "keyword", "expressions": ["fast and not gpu"]},
            "examples": rule_examples(),
            "properties": {
                "type": {"type": "string", "enum": ["keyword", "parameter", "ids", "owners", "prefix", "regex", "view", "history", "changed", "budget"]},
                "priority": {"type": "integer", "format": "int64", "description": "Rules of higher priority are asked first; 0 where it is left out."}
            },
            "additionalProperties": true
        }))
    }
}

impl ToSchema for RuleDocument {
    fn schemas(_: &mut Vec<(String, RefOr<Schema>)>) {}
}

impl PartialSchema for ReasonDocument {
    fn schema() -> RefOr<Schema> {
        schema(json!({
            "type": "object",
            "description": "Why a spec is left out: a `type`, and what belongs to it. Types may be joined by new ones.",
            "required": ["type"],
            "example": {"type": "keyword", "expression": "fast and not gpu"},
            "properties": {"type": text("`keyword`, `parameter`, `ids`, `owner`, `prefix`, `regex`, `view`, `history`, `not_affected`, `over_budget`, `dependency_masked`, `hook`, `custom`, …")},
            "additionalProperties": true
        }))
    }
}

impl ToSchema for ReasonDocument {
    fn schemas(_: &mut Vec<(String, RefOr<Schema>)>) {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::selection::rule::Rule;
    use crate::domain::spec::Timeouts;
    use crate::domain::spec::document::Draft;
    use crate::domain::spec_result::result::SpecResult;

    fn document(of: RefOr<Schema>) -> Value {
        serde_json::to_value(of).unwrap()
    }

    fn properties(of: &Value) -> BTreeSet<String> {
        of["properties"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_examples_are_taken() {
        Draft::read(spec_example(), &Timeouts::default()).unwrap();
        SpecResult::read(&result_example(), None).unwrap();
        let mut types = BTreeSet::new();
        for example in rule_examples() {
            let rule: Rule = serde_json::from_value(example.clone()).unwrap();
            assert_eq!(rule.faults(), []);
            assert_eq!(serde_json::to_value(&rule).unwrap(), example);
            types.insert(rule.word());
        }
        let documented = document(RuleDocument::schema())["properties"]["type"]["enum"].clone();
        let documented: BTreeSet<String> = serde_json::from_value(documented).unwrap();
        assert_eq!(types.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), documented);
    }

    #[test]
    fn every_member_of_the_schemas_is_one_of_the_documents_and_no_other() {
        let of_spec = document(SpecDocument::schema());
        for name in properties(&of_spec) {
            let read = Draft::read(json!({"file_path": "a", name.as_str(): null}), &Timeouts::default());
            assert!(name == "file_path" || read.is_ok(), "{name}: {read:?}");
        }
        // As it is told, it has none that is not documented.
        let mut full = spec_example();
        for (name, value) in [
            ("repository_path", json!("t/solver/mesh.pyt")),
            ("content_sha256", json!("ab".repeat(32))),
            ("meta_parameters", json!({"m": 1})),
            ("dependencies", json!([{"id": "0a1f86e5"}])),
            ("xstatus", json!(1)),
            ("exclusive", json!(true)),
            ("mask", json!("no licence")),
            ("assets", json!([{"src": "a"}])),
            ("baseline", json!([{"type": "copy", "src": "a", "dst": "b"}])),
            ("artifacts", json!([{"pattern": "*.log"}])),
            ("attributes", json!({"a": 1})),
            ("stderr", json!("err.txt")),
            ("preload", json!("srun")),
            ("modules", json!(["gcc"])),
            ("rcfiles", json!(["rc"])),
            ("environment", json!({"A": "b"})),
            ("environment_modifications", json!([{"name": "A", "action": "set", "value": "b"}])),
            ("catalogue_test", json!("net.up")),
            ("command", json!({"argv": ["true"]})),
        ] {
            full[name] = value;
        }
        let draft = Draft::read(full, &Timeouts::default()).unwrap();
        let told = serde_json::to_value(&draft.spec).unwrap();
        let mut wanted = properties(&of_spec);
        wanted.remove("depends_on");
        assert_eq!(told.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), wanted);
        let told = serde_json::to_value(SpecResult::read(&result_example(), None).unwrap()).unwrap();
        let of_result = document(SpecResultDocument::schema());
        assert_eq!(told.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), properties(&of_result));
    }
}
