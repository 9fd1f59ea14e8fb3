//! Qualifiers as JSON: which jobs are meant.

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::app::cut;
use crate::domain::fault::Fault;
use crate::domain::unit::{Pattern, Qualifier, Test};

/// The most qualifiers of a request, those inside others counted.
const MAX_QUALIFIERS: usize = 1_000;

/// The longest id or pattern, in bytes.
const MAX_TEXT: usize = 2_000;

/// How deep qualifiers may stand in each other.
const MAX_DEPTH: usize = 16;

/// A qualifier, for the OpenAPI document.
#[derive(Debug)]
pub struct QualifierDocument;

impl PartialSchema for QualifierDocument {
    fn schema() -> RefOr<Schema> {
        let document = serde_json::json!({
            "type": "object",
            "description": "Which jobs are meant: exactly one of `id`, `pattern` (alone, of the id; with `field`, of that field) and `any_of`. Patterns are Python's, and match at the start. A job is chosen if one chooses it and none leaves it out.",
            "properties": {
                "id": {"type": "string", "description": "The full id of the job, or of the template that it was made of"},
                "pattern": {"type": "string", "description": "What the full id of the job, or of its template, or `field` begins with"},
                "field": {"type": "string", "description": "The field that `pattern` is about, such as `plugin` or `category_id`"},
                "any_of": {"type": "array", "items": {"$ref": "#/components/schemas/JobQualifier"}, "description": "Any of these"},
                "inclusive": {"type": "boolean", "default": true, "description": "Whether it chooses, rather than leaves out. Not of `any_of`: that leaves it to those in it"}
            },
            "examples": [{"any_of": [{"pattern": "net::.*"}, {"field": "plugin", "pattern": "manual", "inclusive": false}]}]
        });
        serde_json::from_value(document).unwrap_or_else(|_| RefOr::T(Schema::default()))
    }
}

impl ToSchema for QualifierDocument {
    fn name() -> std::borrow::Cow<'static, str> {
        "JobQualifier".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Self::name().into_owned(), Self::schema()));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: Option<String>,
    pattern: Option<String>,
    field: Option<String>,
    any_of: Option<Vec<Value>>,
    inclusive: Option<bool>,
}

/// Reads qualifiers, and counts what it reads.
#[derive(Debug, Default)]
pub struct Qualifiers {
    read: usize,
    /// What is wrong with them.
    pub faults: Vec<Fault>,
}

impl Qualifiers {
    /// Reads a qualifier at this place; `None` if there are faults in it.
    pub fn read(&mut self, value: Value, pointer: &str) -> Option<Qualifier> {
        self.read_below(value, pointer, 0)
    }

    fn wrong<T>(&mut self, pointer: impl Into<String>, words: impl Into<String>) -> Option<T> {
        self.faults.push(Fault::new(pointer, words));
        None
    }

    fn read_below(&mut self, value: Value, pointer: &str, depth: usize) -> Option<Qualifier> {
        self.read += 1;
        if self.read > MAX_QUALIFIERS {
            // Told once: it is the same for all that follow.
            return (self.read == MAX_QUALIFIERS + 1)
                .then(|| self.wrong::<()>(pointer, format!("want at most {MAX_QUALIFIERS} qualifiers in all")))
                .and(None);
        }
        if depth >= MAX_DEPTH {
            return self.wrong(pointer, format!("want at most {MAX_DEPTH} qualifiers in each other"));
        }
        if !value.is_object() {
            return self.wrong(pointer, "want an object: a qualifier");
        }
        let asked = match serde_json::from_value::<Asked>(value) {
            Ok(asked) => asked,
            Err(error) => return self.wrong(pointer, cut(&error.to_string(), 400)),
        };
        let inclusive = asked.inclusive;
        let test = match (asked.id, asked.pattern, asked.field, asked.any_of) {
            (Some(id), None, None, None) => {
                if id.len() > MAX_TEXT {
                    return self.wrong(format!("{pointer}/id"), format!("want at most {MAX_TEXT} bytes"));
                }
                Test::Id(id)
            }
            (None, Some(pattern), None, None) => Test::Pattern(self.pattern(&pattern, pointer)?),
            (None, Some(pattern), Some(field), None) => {
                Test::Field { pattern: self.pattern(&pattern, pointer)?, field }
            }
            (None, None, None, Some(any_of)) => {
                if inclusive.is_some() {
                    let words = "`any_of` leaves it to those in it: want `inclusive` there";
                    return self.wrong(format!("{pointer}/inclusive"), words);
                }
                let before = self.faults.len();
                let inner = any_of
                    .into_iter()
                    .enumerate()
                    .filter_map(|(place, value)| {
                        self.read_below(value, &format!("{pointer}/any_of/{place}"), depth + 1)
                    })
                    .collect();
                if self.faults.len() > before {
                    return None;
                }
                Test::AnyOf(inner)
            }
            _ => return self.wrong(pointer, "want one of `id`, `pattern`, `field` with `pattern`, and `any_of`"),
        };
        Some(Qualifier { test, inclusive: inclusive.unwrap_or(true) })
    }

    fn pattern(&mut self, text: &str, pointer: &str) -> Option<Pattern> {
        let at = format!("{pointer}/pattern");
        if text.len() > MAX_TEXT {
            return self.wrong(at, format!("want at most {MAX_TEXT} bytes"));
        }
        match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => self.wrong(at, cut(&error.to_string(), 400)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: Value) -> Vec<(String, String)> {
        let mut qualifiers = Qualifiers::default();
        let read = qualifiers.read(value, "/q");
        assert_eq!(read.is_none(), !qualifiers.faults.is_empty());
        qualifiers.faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    fn pointers(value: Value) -> Vec<String> {
        told(value).into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn qualifiers_are_read_as_they_are_meant() {
        let mut qualifiers = Qualifiers::default();
        let value = json!({"any_of": [{"id": "a"}, {"pattern": "b.*", "inclusive": false}, {"field": "plugin", "pattern": "shell"}]});
        let read = qualifiers.read(value, "").unwrap();
        let pattern = |text| Pattern::new(text).unwrap();
        let wanted = Test::AnyOf(vec![
            Qualifier::including(Test::Id("a".into())),
            Qualifier::excluding(Test::Pattern(pattern("b.*"))),
            Qualifier::including(Test::Field { field: "plugin".into(), pattern: pattern("shell") }),
        ]);
        assert_eq!(read, Qualifier::including(wanted));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for wrong in
            [json!(7), json!({}), json!({"id": "a", "pattern": "b"}), json!({"field": "plugin"}), json!({"colour": 1})]
        {
            assert_eq!(pointers(wrong.clone()), ["/q"], "{wrong}");
        }
        assert_eq!(pointers(json!({"pattern": "("})), ["/q/pattern"]);
        assert_eq!(pointers(json!({"any_of": [], "inclusive": false})), ["/q/inclusive"]);
        let both = json!({"any_of": [{"pattern": "("}, {"id": "a"}, {"any_of": [{"id": 7}]}]});
        assert_eq!(pointers(both), ["/q/any_of/0/pattern", "/q/any_of/2/any_of/0"]);
        assert_eq!(pointers(json!({"id": "x".repeat(MAX_TEXT + 1)})), ["/q/id"]);
    }

    #[test]
    fn how_many_there_are_and_how_deep_is_bounded() {
        let deep = (0..100).fold(json!({"id": "a"}), |inner, _| json!({"any_of": [inner]}));
        assert_eq!(told(deep).len(), 1);
        let many = json!({"any_of": vec![json!({"id": "a"}); MAX_QUALIFIERS + 50]});
        assert_eq!(told(many).len(), 1);
    }
}
