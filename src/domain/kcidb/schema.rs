//! The validator: KCIDB's schemas, of every version that its own library still takes.
//!
//! [`validate`] answers for a whole report as `V5_3.validate` of kcidb-io 141 does. [`validate_object`] answers for one
//! object that we are about to send, and is stricter: kcidb-io's patterns and formats let a final newline through,
//! because Python's `$` also matches before one, and we never send that.
//!
//! Each schema is compiled once, at its first use.

use std::sync::{LazyLock, OnceLock};

use jsonschema::{Draft, PatternOptions, Validator};
use serde::Serialize;
use serde_json::Value;

use crate::domain::kcidb::edition::{self, Edition};
use crate::domain::kcidb::format;
use crate::domain::kcidb::object::ObjectKind;
use crate::domain::words::Word as _;

/// More violations of one document are not listed.
const MOST_VIOLATIONS: usize = 1_000;
/// A violation's message is cut to so many characters.
const LONGEST_MESSAGE: usize = 300;
/// A string of more bytes is not repeated in a message; nor are lists and objects.
const LONGEST_QUOTE: usize = 80;

/// One thing that the schema forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {message}", if pointer.is_empty() { "the document" } else { pointer.as_str() })]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901) into what was validated; empty for the whole of it.
    pub pointer: String,
    /// The schema's keyword that says no: `pattern`, `required`, `format`, …
    pub keyword: String,
    /// What is wrong, for people; at most 300 characters.
    pub message: String,
}

/// Validates a whole report against the schema of the version that it declares; against 5.3 if it declares none that
/// is known.
///
/// # Errors
///
/// What is wrong with it, at most 1,000 things.
pub fn validate(report: &Value) -> Result<(), Vec<Violation>> {
    static REPORTS: LazyLock<Vec<Reports>> =
        LazyLock::new(|| edition::editions().into_iter().map(Reports::new).collect());
    let declared = edition::declared_version(report);
    let named = REPORTS.iter().find(|reports| Some(reports.edition.version) == declared);
    match named.or_else(|| REPORTS.first()) {
        Some(reports) => check(reports.compiled(), report),
        None => check(&Err("the embedded schemas cannot be read".to_owned()), report),
    }
}

/// Validates one object that is to be sent in a 5.3 report.
///
/// # Errors
///
/// What is wrong with it, at most 1,000 things.
pub fn validate_object(kind: ObjectKind, object: &Value) -> Result<(), Vec<Violation>> {
    static CHECKOUT: LazyLock<Compiled> = LazyLock::new(|| compile_object(ObjectKind::Checkout));
    static BUILD: LazyLock<Compiled> = LazyLock::new(|| compile_object(ObjectKind::Build));
    static TEST: LazyLock<Compiled> = LazyLock::new(|| compile_object(ObjectKind::Test));
    static ISSUE: LazyLock<Compiled> = LazyLock::new(|| compile_object(ObjectKind::Issue));
    static INCIDENT: LazyLock<Compiled> = LazyLock::new(|| compile_object(ObjectKind::Incident));
    let schema = match kind {
        ObjectKind::Checkout => &CHECKOUT,
        ObjectKind::Build => &BUILD,
        ObjectKind::Test => &TEST,
        ObjectKind::Issue => &ISSUE,
        ObjectKind::Incident => &INCIDENT,
    };
    check(schema, object)
}

/// A schema ready for use, or why it is not.
type Compiled = Result<Validator, String>;

/// A version's schema, compiled when it is first asked for.
struct Reports {
    edition: Edition,
    compiled: OnceLock<Compiled>,
}

impl Reports {
    fn new(edition: Edition) -> Self {
        Self { edition, compiled: OnceLock::new() }
    }

    fn compiled(&self) -> &Compiled {
        self.compiled.get_or_init(|| compile(self.edition.schema.clone(), Rigour::AsKcidbIo))
    }
}

/// How the ends of strings are looked at.
#[derive(Clone, Copy)]
enum Rigour {
    /// A final newline passes wherever Python's `$` stands.
    AsKcidbIo,
    /// It does not.
    Strict,
}

fn check(schema: &Compiled, document: &Value) -> Result<(), Vec<Violation>> {
    let whole = |message: &String| Violation {
        pointer: String::new(),
        keyword: "$schema".to_owned(),
        message: message.clone(),
    };
    let validator = schema.as_ref().map_err(|message| vec![whole(message)])?;
    if validator.is_valid(document) {
        return Ok(());
    }
    Err(validator.iter_errors(document).take(MOST_VIOLATIONS).map(|error| violation(&error)).collect())
}

fn violation(error: &jsonschema::ValidationError<'_>) -> Violation {
    let quotable = match error.instance().as_ref() {
        Value::String(text) => text.len() <= LONGEST_QUOTE,
        Value::Array(_) | Value::Object(_) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    let message = if quotable { error.to_string() } else { error.masked().to_string() };
    Violation {
        pointer: error.instance_path().to_string(),
        keyword: error.kind().keyword().to_owned(),
        message: message.chars().take(LONGEST_MESSAGE).collect(),
    }
}

/// The schema of one object alone: its definition, with all definitions beside it for the references to find.
fn compile_object(kind: ObjectKind) -> Compiled {
    let document: Value = serde_json::from_str(edition::NEWEST).map_err(|error| error.to_string())?;
    let definitions = document.get("$defs").cloned().unwrap_or_default();
    let mut schema = definitions.get(kind.as_str()).cloned().ok_or_else(|| format!("no definition of a {kind}"))?;
    if let Value::Object(schema) = &mut schema {
        schema.insert("$defs".to_owned(), definitions);
    }
    compile(schema, Rigour::Strict)
}

fn compile(mut schema: Value, rigour: Rigour) -> Compiled {
    translate_patterns(&mut schema, rigour);
    let checked_as = move |check: fn(&str) -> bool| {
        move |text: &str| match rigour {
            Rigour::AsKcidbIo => check(text.strip_suffix('\n').unwrap_or(text)),
            Rigour::Strict => check(text),
        }
    };
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .should_validate_formats(true)
        .with_format("date-time", checked_as(format::is_date_time))
        .with_format("uri", checked_as(format::is_uri))
        .with_format("email", format::is_email)
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|error| error.to_string())
}

/// Turns Python's patterns into Rust's: there is no `\0` here, `.` must match all but a newline (ECMA's, which the
/// validator follows, excludes three letters more), and `$` must match before a final newline if that is wanted.
fn translate_patterns(schema: &mut Value, rigour: Rigour) {
    match schema {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(pattern) if key == "pattern" => {
                        let end = match rigour {
                            Rigour::AsKcidbIo => r"\n?$",
                            Rigour::Strict => "$",
                        };
                        *pattern = pattern.replace(r"\0", r"\x00").replace(".*", r"[^\n]*").replace('$', end);
                    }
                    member => translate_patterns(member, rigour),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| translate_patterns(item, rigour)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::domain::golden;

    /// Pointers and keywords.
    type Places = BTreeSet<(String, String)>;

    fn rows() -> Vec<Value> {
        ["wire/kcidb_valid.json", "wire/kcidb_invalid.json"]
            .iter()
            .flat_map(|file| golden::cases(file, "reports"))
            .collect()
    }

    fn places(violations: Result<(), Vec<Violation>>) -> Places {
        violations.err().into_iter().flatten().map(|found| (found.pointer, found.keyword)).collect()
    }

    fn expected_places(row: &Value) -> Places {
        let pointer = |path: &Value| {
            let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
            let steps: Vec<String> = path.as_array().unwrap().iter().map(step).collect();
            crate::domain::fault::pointer(steps.iter().map(String::as_str))
        };
        let place = |error: &Value| (pointer(&error["path"]), error["keyword"].as_str().unwrap().to_owned());
        row["all_errors"].as_array().into_iter().flatten().map(place).collect()
    }

    fn objects(report: &Value) -> Vec<(ObjectKind, &Value)> {
        let list = |kind: &ObjectKind| report[kind.list_name()].as_array().map(|list| (*kind, list));
        ObjectKind::ALL
            .iter()
            .filter_map(list)
            .flat_map(|(kind, list)| list.iter().map(move |object| (kind, object)))
            .collect()
    }

    fn some_string_ends_in_a_newline(value: &Value) -> bool {
        match value {
            Value::String(text) => text.ends_with('\n'),
            Value::Array(items) => items.iter().any(some_string_ends_in_a_newline),
            Value::Object(members) => members.values().any(some_string_ends_in_a_newline),
            _ => false,
        }
    }

    #[test]
    fn every_schema_compiles() {
        let reports: Vec<_> = edition::editions().into_iter().map(Reports::new).collect();
        assert_eq!(reports.len(), 13);
        for reports in &reports {
            assert!(reports.compiled().is_ok(), "{:?}: {:?}", reports.edition.version, reports.compiled());
        }
        for kind in ObjectKind::ALL {
            assert!(compile_object(*kind).is_ok(), "{kind}");
        }
    }

    #[test]
    fn golden_reports_are_judged_as_kcidb_io_judges_them() {
        for row in rows() {
            assert_eq!(places(validate(&row["data"])), expected_places(&row), "{}", row["name"]);
            assert_eq!(validate(&row["data"]).is_err(), row.get("all_errors").is_some(), "{}", row["name"]);
        }
    }

    #[test]
    fn golden_reports_against_5_3_whatever_they_declare() {
        let newest = Reports::new(edition::editions().remove(0));
        for row in rows() {
            let verdict = check(newest.compiled(), &row["data"]);
            assert_eq!(verdict.is_ok(), row["valid_against_5.3_exactly"].as_bool().unwrap(), "{}", row["name"]);
        }
    }

    #[test]
    fn golden_objects_are_judged_alike_but_for_final_newlines() {
        let mut quirks = 0;
        for row in rows() {
            let bad = objects(&row["data"]).iter().any(|(kind, object)| validate_object(*kind, object).is_err());
            if row.get("quirk").is_some() {
                quirks += 1;
                assert!(bad, "{}", row["name"]);
            } else if !some_string_ends_in_a_newline(&row["data"]) {
                let in_an_object =
                    |(at, _): &(String, String)| !at.starts_with("/version") && at.matches('/').count() >= 2;
                if row["schema_used"] == "5.3" {
                    assert_eq!(bad, expected_places(&row).iter().any(in_an_object), "{}", row["name"]);
                } else if row["valid_against_5.3_exactly"] == true {
                    assert!(!bad, "{}", row["name"]);
                }
            }
        }
        assert!(quirks >= 2);
    }

    #[test]
    fn final_newlines_pass_in_reports_and_not_in_objects() {
        let test = |member: &str, value: &str| {
            let mut test = json!({"id": "a:b", "origin": "a", "build_id": "a:b"});
            test[member] = value.into();
            test
        };
        for (member, value) in
            [("origin", "a\n"), ("path", "a\n"), ("start_time", "2025-05-14T12:00:00Z\n"), ("log_url", "https://x/\n")]
        {
            let object = test(member, value);
            assert_eq!(validate(&json!({"version": {"major": 5, "minor": 3}, "tests": [object]})), Ok(()), "{member}");
            let violations = validate_object(ObjectKind::Test, &object).unwrap_err();
            assert_eq!(violations[0].pointer, format!("/{member}"));
        }
    }

    #[test]
    fn a_violation_says_where_and_what_without_repeating_logs() {
        let object =
            json!({"id": "a:b", "origin": "a", "build_id": "a:b", "status": "pass", "log_excerpt": "\0".repeat(9000)});
        let violations = validate_object(ObjectKind::Test, &object).unwrap_err();
        assert_eq!(violations.len(), 2);
        for violation in violations {
            let said = violation.to_string();
            assert!(said.len() < 400, "{said}");
            match violation.keyword.as_str() {
                "enum" => assert!(said.starts_with("/status: \"pass\" is not one of"), "{said}"),
                keyword => assert_eq!((keyword, violation.pointer.as_str()), ("pattern", "/log_excerpt")),
            }
        }
    }
}
