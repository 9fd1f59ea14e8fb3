//! Specs of a Canary workspace: the pickled objects of its table `specs`.
//!
//! Releases differ: newer ones have more fields, and objects where older ones have dictionaries. What is not known here is
//! named in [`ImportedSpec::left_out`]; what Canary works out anew is not missed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::domain::canary::pickle::{self, Object, PickleError, Value};
use crate::domain::spec_result::readiness::WANTED;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

/// A spec as Canary keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ImportedSpec {
    /// Its id: 64 or 128 hexadecimal digits, unless somebody chose one.
    pub id: String,
    /// The name without parameters.
    pub family: String,
    /// The folder that was searched.
    pub file_root: String,
    /// The file, from that folder on.
    pub file_path: String,
    /// Parameters that stand in the name.
    pub parameters: Map<String, Json>,
    /// Parameters that do not.
    pub meta_parameters: Map<String, Json>,
    /// Keywords, in their order.
    pub keywords: Vec<String>,
    /// Owners, if any were named.
    pub owners: Option<Vec<String>>,
    /// What is wanted of its dependencies, in their order. Which those are stands elsewhere: see [`Self::dependencies`].
    pub wanted: Vec<String>,
    /// How long it may take, in seconds.
    pub timeout_s: f64,
    /// Which exit code is hoped for: 0 for success, 64 for a difference, another one, or any failure where it is negative.
    pub xstatus: i64,
    /// Whether it must run alone.
    pub exclusive: bool,
    /// Files that it needs.
    pub assets: Vec<ImportedAsset>,
    /// How its baseline is made anew: Canary's own objects.
    pub baseline: Vec<Json>,
    /// Files that are kept of it.
    pub artifacts: Vec<ImportedArtifact>,
    /// Anything else that is known about it.
    pub attributes: Map<String, Json>,
    /// The file that its output goes to.
    pub stdout: String,
    /// The file that its errors go to, if that is another.
    pub stderr: Option<String>,
    /// What is loaded before it.
    pub preload: Option<String>,
    /// Environment modules that are loaded for it.
    pub modules: Option<Vec<String>>,
    /// Shell files that are read for it.
    pub rcfiles: Option<Vec<String>>,
    /// Environment variables, by name.
    pub environment: Map<String, Json>,
    /// Changes of environment variables: Canary's own objects of `name`, `action`, `value` and `sep`.
    pub environment_modifications: Vec<Json>,
    /// Why it is masked, if it is.
    pub mask: Option<String>,
    /// Fields and attributes that were left out, each with the reason.
    pub left_out: Vec<String>,
}

/// A spec that another depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedDependency {
    /// Its id.
    pub id: String,
    /// What is wanted of it.
    pub wanted: String,
}

/// A file that a spec needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedAsset {
    /// Where it is.
    pub src: String,
    /// Where it goes.
    pub dst: Option<String>,
    /// `copy`, `link` or `none`.
    pub action: String,
}

/// Files that are kept of a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedArtifact {
    /// A file or a pattern.
    pub pattern: String,
    /// When they are kept.
    pub when: String,
}

/// The bytes hold no spec of Canary's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// They are no pickle that is read here.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// The pickle holds something else.
    #[error("the pickle holds {0}; want a spec: _canary.testspec.ResolvedSpec")]
    NoSpec(String),
    /// A field is missing, or holds what a spec cannot have.
    #[error("the field `{field}` of the spec: {what}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong.
        what: String,
    },
    /// More results are wanted of dependencies than there are dependencies.
    #[error("the spec says what it wants of {wanted} dependencies, and the database knows {known}")]
    Dependencies {
        /// How many results are wanted.
        wanted: usize,
        /// How many dependencies there are.
        known: usize,
    },
}

/// Fields that are no part of a spec: what Canary works out of the others, and what it does not keep here.
const WORKED_OUT: [&str; 6] = ["command", "dependencies", "file", "fullname", "match_names", "name"];

/// Reads a spec from the bytes of the column `data`. Its dependencies are not in them: see
/// [`ImportedSpec::dependencies`].
///
/// # Errors
/// If the bytes are no pickle of a spec, or a field of it holds what a spec cannot have.
pub fn read(bytes: &[u8]) -> Result<ImportedSpec, SpecError> {
    of(&pickle::read(bytes)?)
}

/// The spec that an unpickled object is.
///
/// # Errors
/// If it is none, or a field of it holds what a spec cannot have.
pub fn of(value: &Value) -> Result<ImportedSpec, SpecError> {
    let fields = match value {
        Value::Object(object) if is_of(object, "ResolvedSpec") => object.state.as_ref(),
        _ => None,
    };
    let Some(Value::Dict(pairs)) = fields else { return Err(SpecError::NoSpec(value.kind())) };
    let mut fields = Fields { known: BTreeMap::new(), left_out: Vec::new() };
    for (name, value) in pairs {
        match name {
            Value::Text(name) => drop(fields.known.insert(name, value)),
            name => return Err(SpecError::NoSpec(format!("a spec with {} as the name of a field", name.kind()))),
        }
    }
    for name in WORKED_OUT {
        fields.known.remove(name);
    }
    let spec = ImportedSpec {
        id: fields.text("id")?,
        family: fields.text("family")?,
        file_root: fields.text("file_root")?,
        file_path: fields.text("file_path")?,
        parameters: fields.map("parameters")?,
        meta_parameters: fields.map("meta_parameters")?,
        keywords: fields.texts("keywords")?.unwrap_or_default(),
        owners: fields.texts("owners")?,
        wanted: fields.texts("dep_done_criteria")?.unwrap_or_default(),
        timeout_s: fields.number("timeout")?,
        xstatus: fields.whole("xstatus")?,
        exclusive: fields.flag("exclusive")?,
        assets: fields.list("assets", asset)?,
        baseline: fields.list("baseline", Value::json)?,
        artifacts: fields.list("artifacts", artifact)?,
        attributes: fields.attributes()?,
        stdout: fields.optional_text("stdout")?.unwrap_or_default(),
        stderr: fields.optional_text("stderr")?,
        preload: fields.optional_text("preload")?,
        modules: fields.texts("modules")?,
        rcfiles: fields.texts("rcfiles")?,
        environment: fields.map("environment")?,
        environment_modifications: fields.list("environment_modifications", Value::json)?,
        mask: fields.mask()?,
        left_out: Vec::new(),
    };
    let unknown = fields.known.keys().map(|name| format!("the field `{name}`: no spec has it here"));
    let left_out = fields.left_out.iter().cloned().chain(unknown).collect();
    Ok(ImportedSpec { left_out, ..spec })
}

impl ImportedSpec {
    /// Its dependencies, of their ids in the order in which the rows of `spec_deps` were written (by `rowid`): what is wanted
    /// of them stands in that order. SUCCESS is wanted of those of which nothing is said.
    ///
    /// # Errors
    /// If something is wanted of more dependencies than there are.
    pub fn dependencies(&self, ids: Vec<String>) -> Result<Vec<ImportedDependency>, SpecError> {
        let (wanted, known) = (self.wanted.len(), ids.len());
        if wanted > known {
            return Err(SpecError::Dependencies { wanted, known });
        }
        let wanted = self.wanted.iter().map(String::as_str).chain(std::iter::repeat(WANTED));
        Ok(ids
            .into_iter()
            .zip(wanted)
            .map(|(id, wanted)| ImportedDependency { id, wanted: wanted.to_owned() })
            .collect())
    }
}

fn is_of(object: &Object, class: &str) -> bool {
    let module = &object.class.module;
    object.class.name == class && (module == "_canary" || module.starts_with("_canary."))
}

/// The value of a field of a dictionary or of an object.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(object) => match &object.state {
            // Of a class with slots.
            Some(Value::Tuple(states)) => states.iter().find_map(|state| state.get(name)),
            state => state.as_ref()?.get(name),
        },
        value => value.get(name),
    }
}

fn member_text(value: &Value, name: &str) -> Result<String, String> {
    let found = member(value, name).ok_or_else(|| format!("{} has no `{name}`", value.kind()))?;
    found.text().ok_or_else(|| format!("its `{name}` is {}; want a text", found.kind()))
}

fn asset(value: &Value) -> Result<ImportedAsset, String> {
    let dst = match member(value, "dst") {
        None | Some(Value::None) => None,
        Some(_) => Some(member_text(value, "dst")?),
    };
    Ok(ImportedAsset { src: member_text(value, "src")?, dst, action: member_text(value, "action")? })
}

fn artifact(value: &Value) -> Result<ImportedArtifact, String> {
    let pattern = member_text(value, "pattern").or_else(|wrong| member_text(value, "file").map_err(|_| wrong))?;
    let when = match member(value, "when") {
        None | Some(Value::None) => "always".to_owned(),
        Some(_) => member_text(value, "when")?,
    };
    Ok(ImportedArtifact { pattern, when })
}

/// The fields of a spec that were not taken yet.
struct Fields<'a> {
    known: BTreeMap<&'a str, &'a Value>,
    left_out: Vec<String>,
}

type Field<T> = Result<T, SpecError>;

fn wrong<T>(field: &str, what: impl Into<String>) -> Field<T> {
    Err(SpecError::Field { field: field.to_owned(), what: what.into() })
}

impl<'a> Fields<'a> {
    /// A field that is there and not None.
    fn take(&mut self, name: &str) -> Option<&'a Value> {
        self.known.remove(name).filter(|value| !matches!(value, Value::None))
    }

    fn text(&mut self, name: &str) -> Field<String> {
        match self.optional_text(name)? {
            Some(text) => Ok(text),
            None => wrong(name, "it is missing"),
        }
    }

    fn optional_text(&mut self, name: &str) -> Field<Option<String>> {
        match self.take(name).map(|value| (value, value.text())) {
            None => Ok(None),
            Some((_, Some(text))) => Ok(Some(text)),
            Some((value, None)) => wrong(name, format!("want a text, not {}", value.kind())),
        }
    }

    fn number(&mut self, name: &str) -> Field<f64> {
        match self.take(name) {
            Some(Value::Float(number)) if number.is_finite() => Ok(*number),
            #[expect(clippy::cast_precision_loss, reason = "seconds of 32 bits are exact")]
            Some(Value::Int(number)) if i32::try_from(*number).is_ok() => Ok(*number as f64),
            None => Ok(-1.0),
            Some(value) => wrong(name, format!("want a number of seconds, not {}", value.kind())),
        }
    }

    fn whole(&mut self, name: &str) -> Field<i64> {
        match self.take(name) {
            Some(Value::Int(number)) => match i64::try_from(*number) {
                Ok(number) => Ok(number),
                Err(_) => wrong(name, "want a whole number of at most 64 bits"),
            },
            None => Ok(0),
            Some(value) => wrong(name, format!("want a whole number, not {}", value.kind())),
        }
    }

    fn flag(&mut self, name: &str) -> Field<bool> {
        match self.take(name) {
            Some(Value::Bool(yes)) => Ok(*yes),
            None => Ok(false),
            Some(value) => wrong(name, format!("want a boolean, not {}", value.kind())),
        }
    }

    fn values(&mut self, name: &str) -> Field<Option<&'a [Value]>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::List(values) | Value::Tuple(values) | Value::Set(values)) => Ok(Some(values)),
            Some(value) => wrong(name, format!("want a list, not {}", value.kind())),
        }
    }

    fn list<T>(&mut self, name: &str, read: impl Fn(&Value) -> Result<T, String>) -> Field<Vec<T>> {
        let values = self.values(name)?.unwrap_or_default();
        let read = values.iter().map(read).collect::<Result<_, _>>();
        read.or_else(|what| wrong(name, what))
    }

    fn texts(&mut self, name: &str) -> Field<Option<Vec<String>>> {
        let Some(values) = self.values(name)? else { return Ok(None) };
        let texts = values.iter().map(|value| value.text().ok_or_else(|| value.kind()));
        match texts.collect() {
            Ok(texts) => Ok(Some(texts)),
            Err(kind) => wrong(name, format!("want texts in the list, not {kind}")),
        }
    }

    fn map(&mut self, name: &str) -> Field<Map<String, Json>> {
        match self.take(name).map(Value::json) {
            None => Ok(Map::new()),
            Some(Ok(Json::Object(map))) => Ok(map),
            Some(Ok(_)) => wrong(name, "want a dictionary"),
            Some(Err(what)) => wrong(name, format!("JSON has no place for {what}")),
        }
    }

    /// Attributes are anybody's: one that JSON cannot hold is left out.
    fn attributes(&mut self) -> Field<Map<String, Json>> {
        let pairs = match self.take("attributes") {
            None => return Ok(Map::new()),
            Some(Value::Dict(pairs)) => pairs,
            Some(value) => return wrong("attributes", format!("want a dictionary, not {}", value.kind())),
        };
        let mut attributes = Map::new();
        for (name, value) in pairs {
            match (name.text(), value.json()) {
                (Some(name), Ok(value)) => drop(attributes.insert(name, value)),
                (Some(name), Err(what)) => {
                    self.left_out.push(format!("the attribute `{name}`: JSON has no place for {what}"));
                }
                (None, _) => self.left_out.push(format!("an attribute whose name is {}", name.kind())),
            }
        }
        Ok(attributes)
    }

    fn mask(&mut self) -> Field<Option<String>> {
        let Some(mask) = self.take("mask") else { return Ok(None) };
        match (member(mask, "value"), member(mask, "reason").and_then(Value::text)) {
            (Some(Value::Bool(false)), _) => Ok(None),
            (Some(Value::Bool(true)), Some(reason)) => Ok(Some(reason)),
            (Some(Value::Bool(true)), None) => wrong("mask", "it has no reason"),
            _ => wrong("mask", format!("want a mask, not {}", mask.kind())),
        }
    }
}
