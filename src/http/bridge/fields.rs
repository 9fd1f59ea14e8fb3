//! Reads the fields of a JSON object strictly and gathers every problem, in the words of FastAPI and pydantic.
//!
//! Callers of the bridge know its 422 answers: a list of `{type, loc, msg, ctx?}`, one entry for each problem, in the
//! order in which the fields are declared. No value is converted, unknown keys are ignored. Three things differ on
//! purpose: the offending input is not echoed, since bodies may hold secrets; what no database could hold (a NUL) is
//! refused; and so is what is longer than anything sensible.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// The longest name (of a build, test, collection, device, branch, …), in characters. Names are parts of unique keys,
/// and PostgreSQL's index rows end at about 2,700 bytes.
pub const NAME: usize = 500;
/// The longest URL, in characters.
pub const URL: usize = 2_048;
/// The longest piece of configuration, in characters.
pub const TEXT: usize = 4_096;
/// The longest log that comes in a body, in characters.
pub const LOG: usize = 1_048_576;
/// The longest list.
pub const ITEMS: usize = 1_000;

/// One step on the way to a value in a request: `"body"`, `"tests"`, `0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Loc {
    /// A key.
    Name(Cow<'static, str>),
    /// The index in a list, or the offset in characters of a syntax error.
    Index(usize),
}

impl From<&'static str> for Loc {
    fn from(name: &'static str) -> Self {
        Self::Name(Cow::Borrowed(name))
    }
}

/// One problem with a request, as FastAPI writes it, without the `input`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(
    as = ValidationError,
    examples(json!({"type": "missing", "loc": ["body", "toolchain"], "msg": "Field required"}))
)]
pub struct Detail {
    /// What kind of problem: `missing`, `string_type`, `literal_error`, `value_error`, …
    #[schema(value_type = String)]
    pub r#type: &'static str,
    /// Where it is.
    pub loc: Vec<Loc>,
    /// What it is, for people.
    pub msg: String,
    /// The numbers and words that `msg` is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub ctx: Option<Value>,
}

impl Detail {
    /// A problem without a context.
    pub fn new(kind: &'static str, loc: Vec<Loc>, msg: impl Into<String>) -> Self {
        Self { r#type: kind, loc, msg: msg.into(), ctx: None }
    }

    /// What pydantic says when nothing is there that must be.
    #[must_use]
    pub fn missing(loc: Vec<Loc>) -> Self {
        Self::new("missing", loc, "Field required")
    }

    /// What pydantic says when a rule of the application's own does not hold; `why` in words.
    #[must_use]
    pub fn value_error(loc: Vec<Loc>, why: &str) -> Self {
        Self { ctx: Some(json!({"error": {}})), ..Self::new("value_error", loc, format!("Value error, {why}")) }
    }

    fn wrong_type(kind: &'static str, loc: Vec<Loc>, want: &str) -> Self {
        Self::new(kind, loc, format!("Input should be a valid {want}"))
    }

    fn object(loc: Vec<Loc>) -> Self {
        Self::wrong_type("model_attributes_type", loc, "dictionary or object to extract fields from")
    }

    fn nul(loc: Vec<Loc>) -> Self {
        Self::value_error(loc, "the text holds a NUL character, which cannot be stored; leave it out")
    }
}

/// Something did not read; what and why is in the list of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The fields of one object, read one by one in the order of their declaration.
#[derive(Debug)]
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    loc: Vec<Loc>,
    problems: &'a mut Vec<Detail>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, which lies at `loc`. Problems go to `problems`.
    ///
    /// # Errors
    /// `value` is not an object.
    pub fn of(value: &'a Value, loc: Vec<Loc>, problems: &'a mut Vec<Detail>) -> Result<Self, Refused> {
        let Value::Object(object) = value else {
            problems.push(Detail::object(loc));
            return Err(Refused);
        };
        Ok(Self { object, loc, problems })
    }

    /// A required string of at most `longest` characters.
    ///
    /// # Errors
    /// It is missing, of another type, too long, or holds a NUL.
    pub fn string(&mut self, name: &'static str, longest: usize) -> Result<String, Refused> {
        let value = self.required(name)?;
        self.text(value, vec![name.into()], longest)
    }

    /// A string that may be absent or null.
    ///
    /// # Errors
    /// As for [`Self::string`], where it is given.
    pub fn optional_string(&mut self, name: &'static str, longest: usize) -> Result<Option<String>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => self.text(value, vec![name.into()], longest).map(Some),
        }
    }

    /// A required list of strings, each of at most `longest` characters.
    ///
    /// # Errors
    /// It is missing, not a list, longer than [`ITEMS`], or one of its items is as [`Self::string`] says.
    pub fn strings(&mut self, name: &'static str, longest: usize) -> Result<Vec<String>, Refused> {
        let value = self.required(name)?;
        self.texts(value, name, longest)
    }

    /// A list of strings that may be absent or null, which is as good as empty.
    ///
    /// # Errors
    /// As for [`Self::strings`], where it is given.
    pub fn optional_strings(&mut self, name: &'static str, longest: usize) -> Result<Vec<String>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => self.texts(value, name, longest),
        }
    }

    /// A required word out of a fixed list: each word with what it stands for.
    ///
    /// # Errors
    /// It is missing or is none of the words; null is none of them.
    pub fn literal<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Result<T, Refused> {
        let value = self.required(name)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| value.as_str() == Some(word)) {
            return Ok(*meaning);
        }
        let expected = alternatives(words.iter().map(|(word, _)| *word));
        let msg = format!("Input should be {expected}");
        let detail = Detail::new("literal_error", self.below(vec![name.into()]), msg);
        self.refuse(Detail { ctx: Some(json!({"expected": expected})), ..detail })
    }

    /// A word out of a fixed list that may be absent, though not null: then it is the first word.
    ///
    /// # Errors
    /// It is given and is none of the words.
    pub fn literal_or_first<T: Copy>(
        &mut self,
        name: &'static str,
        first: (&str, T),
        others: &[(&str, T)],
    ) -> Result<T, Refused> {
        if !self.object.contains_key(name) {
            return Ok(first.1);
        }
        let mut words = vec![first];
        words.extend_from_slice(others);
        self.literal(name, &words)
    }

    /// A required object, whose fields `read` reads.
    ///
    /// # Errors
    /// It is missing, not an object, or `read` refuses it.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let value = self.required(name)?;
        let loc = self.below(vec![name.into()]);
        read(&mut Fields::of(value, loc, self.problems)?)
    }

    /// A required list of objects, whose fields `read` reads, each in its turn.
    ///
    /// # Errors
    /// It is missing, not a list, longer than [`ITEMS`], or `read` refuses one of its items.
    pub fn objects<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Fields<'_>) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        let value = self.required(name)?;
        let items = self.items(value, name)?;
        let read_all: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let loc = self.below(vec![name.into(), Loc::Index(index)]);
                read(&mut Fields::of(item, loc, self.problems)?)
            })
            .collect();
        read_all.into_iter().collect()
    }

    /// Notes that a rule does not hold at `place` below this object (empty: the object itself); `why` in words.
    pub fn broken_rule(&mut self, place: Vec<Loc>, why: &str) -> Refused {
        self.problems.push(Detail::value_error(self.below(place), why));
        Refused
    }

    /// Looks for a NUL in every key and text of the object, in the fields that nobody reads too: for bodies that are
    /// stored whole. Notes the first that it finds.
    ///
    /// # Errors
    /// There is one.
    pub fn without_nul(&mut self) -> Result<(), Refused> {
        match place_of_nul_in(self.object) {
            None => Ok(()),
            Some(place) => self.refuse(Detail::nul(self.below(place))),
        }
    }

    fn required(&mut self, name: &'static str) -> Result<&'a Value, Refused> {
        let object: &'a Map<String, Value> = self.object;
        object.get(name).ok_or_else(|| {
            self.problems.push(Detail::missing(self.below(vec![name.into()])));
            Refused
        })
    }

    fn text(&mut self, value: &Value, place: Vec<Loc>, longest: usize) -> Result<String, Refused> {
        let Value::String(text) = value else {
            return self.refuse(Detail::wrong_type("string_type", self.below(place), "string"));
        };
        if text.contains('\0') {
            return self.refuse(Detail::nul(self.below(place)));
        }
        if text.len() > longest && text.chars().count() > longest {
            let msg = format!("String should have at most {longest} characters");
            let detail = Detail::new("string_too_long", self.below(place), msg);
            return self.refuse(Detail { ctx: Some(json!({"max_length": longest})), ..detail });
        }
        Ok(text.clone())
    }

    fn texts(&mut self, value: &Value, name: &'static str, longest: usize) -> Result<Vec<String>, Refused> {
        let items = self.items(value, name)?;
        let texts: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.text(item, vec![name.into(), Loc::Index(index)], longest))
            .collect();
        texts.into_iter().collect()
    }

    fn items<'v>(&mut self, value: &'v Value, name: &'static str) -> Result<&'v [Value], Refused> {
        let Value::Array(items) = value else {
            return self.refuse(Detail::wrong_type("list_type", self.below(vec![name.into()]), "list"));
        };
        if items.len() > ITEMS {
            let msg = format!("List should have at most {ITEMS} items after validation, not {}", items.len());
            let ctx = json!({"field_type": "List", "max_length": ITEMS, "actual_length": items.len()});
            let detail = Detail::new("too_long", self.below(vec![name.into()]), msg);
            return self.refuse(Detail { ctx: Some(ctx), ..detail });
        }
        Ok(items)
    }

    fn refuse<T>(&mut self, detail: Detail) -> Result<T, Refused> {
        self.problems.push(detail);
        Err(Refused)
    }

    fn below(&self, place: Vec<Loc>) -> Vec<Loc> {
        let mut loc = self.loc.clone();
        loc.extend(place);
        loc
    }
}

/// The words as pydantic lists them: `'a', 'b' or 'c'`.
fn alternatives<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    match quoted.pop() {
        Some(last) if !quoted.is_empty() => format!("{} or {last}", quoted.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// Where the first NUL lies below a value; a key that holds one stands for the object that it is in. The parser bounds
/// how deeply a value nests, and so how deeply this recurses.
fn place_of_nul(value: &Value) -> Option<Vec<Loc>> {
    match value {
        Value::String(text) => text.contains('\0').then(Vec::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| place_of_nul(item).map(|place| beneath(Loc::Index(index), place))),
        Value::Object(object) => place_of_nul_in(object),
        _ => None,
    }
}

fn place_of_nul_in(object: &Map<String, Value>) -> Option<Vec<Loc>> {
    object.iter().find_map(|(name, value)| {
        if name.contains('\0') {
            return Some(Vec::new());
        }
        place_of_nul(value).map(|place| beneath(Loc::Name(Cow::Owned(name.clone())), place))
    })
}

fn beneath(first: Loc, rest: Vec<Loc>) -> Vec<Loc> {
    std::iter::once(first).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(value: &Value, read: impl FnOnce(&mut Fields<'_>)) -> Value {
        let mut problems = Vec::new();
        if let Ok(mut fields) = Fields::of(value, vec!["body".into()], &mut problems) {
            read(&mut fields);
        }
        serde_json::to_value(problems).unwrap()
    }

    #[test]
    fn every_problem_is_told_in_the_order_of_the_fields() {
        let value = json!({"tests": ["a", 1, null], "runner": null, "logs": 5});
        let found = problems(&value, |fields| {
            assert_eq!(fields.literal_or_first("runner", ("tuxsuite", ()), &[]), Err(Refused));
            assert_eq!(fields.string("build_id", NAME), Err(Refused));
            assert_eq!(fields.strings("tests", NAME), Err(Refused));
            assert_eq!(fields.optional_string("logs", LOG), Err(Refused));
        });
        let string = "Input should be a valid string";
        let expected = json!([
            {"type": "literal_error", "loc": ["body", "runner"], "msg": "Input should be 'tuxsuite'",
             "ctx": {"expected": "'tuxsuite'"}},
            {"type": "missing", "loc": ["body", "build_id"], "msg": "Field required"},
            {"type": "string_type", "loc": ["body", "tests", 1], "msg": string},
            {"type": "string_type", "loc": ["body", "tests", 2], "msg": string},
            {"type": "string_type", "loc": ["body", "logs"], "msg": string},
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn too_much_is_refused_and_just_enough_is_not() {
        let just = json!({"name": "ä".repeat(NAME), "list": vec!["x"; ITEMS]});
        assert_eq!(
            problems(&just, |fields| {
                assert!(fields.string("name", NAME).is_ok() && fields.strings("list", NAME).is_ok());
            }),
            json!([])
        );
        let over = json!({"name": "x".repeat(NAME + 1), "list": vec![0; ITEMS + 1]});
        let found = problems(&over, |fields| {
            assert!(fields.string("name", NAME).is_err() && fields.strings("list", NAME).is_err());
        });
        let expected = json!([
            {"type": "string_too_long", "loc": ["body", "name"], "msg": "String should have at most 500 characters",
             "ctx": {"max_length": 500}},
            {"type": "too_long", "loc": ["body", "list"],
             "msg": "List should have at most 1000 items after validation, not 1001",
             "ctx": {"field_type": "List", "max_length": 1000, "actual_length": 1001}},
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_nul_is_refused_where_it_is() {
        let value = json!({"a": "x\0", "deep": [{"b": ["ok", "\0"]}], "keys": {"bad\0": 1}});
        let found = problems(&value, |fields| assert!(fields.string("a", NAME).is_err()));
        assert_eq!((&found[0]["type"], &found[0]["loc"]), (&json!("value_error"), &json!(["body", "a"])));
        for (part, place) in [("deep", json!(["body", 0, "b", 1])), ("keys", json!(["body"]))] {
            let part = json!({"body": value[part]});
            let found = problems(&part, |fields| assert!(fields.without_nul().is_err()));
            let mut expected = vec![json!("body")];
            expected.extend(place.as_array().unwrap().clone());
            assert_eq!(found[0]["loc"], Value::Array(expected), "{part}");
        }
        assert_eq!(problems(&json!({"a": ["b"]}), |fields| assert!(fields.without_nul().is_ok())), json!([]));
    }

    #[test]
    fn alternatives_read_as_pydantic_writes_them() {
        for (words, text) in [(&["a"][..], "'a'"), (&["a", "b"], "'a' or 'b'"), (&["a", "b", "c"], "'a', 'b' or 'c'")] {
            assert_eq!(alternatives(words.iter().copied()), text);
        }
    }
}
