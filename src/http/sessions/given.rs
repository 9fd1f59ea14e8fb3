//! Units that come in: as fields, as a `.pxu` text, or both.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::{AppError, MAX_FAULTS, cut, holds_nul};
use crate::domain::composition::needs;
use crate::domain::fault::Fault;
use crate::domain::session::{MAX_UNITS, check_id};
use crate::domain::unit::pxu::{self, Located, Source};
use crate::domain::unit::{FieldValue, Job, Unit};
use crate::http::sessions::escaped;
use crate::http::sessions::schema::UnitFields;

/// The longest namespace, in characters.
const MAX_NAMESPACE: usize = 200;

/// The longest name of a field, in characters.
const MAX_FIELD_NAME: usize = 200;

/// Units, and where their ids are: `units`, `pxu`, or both, of which the former come first.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUnits, example = json!({
    "namespace": "net",
    "units": [{"id": "link", "plugin": "shell", "command": "ip link | grep -q 'state UP'"}],
    "pxu": "id: ping\nplugin: shell\ncommand: ping -c 1 example.org\ndepends: link\n",
}))]
pub struct AskedUnits {
    /// What comes before the ids of the units, and a `::`. Without it an id stands alone.
    #[schema(example = "net")]
    pub namespace: Option<String>,
    /// Units as their fields.
    #[serde(default)]
    #[schema(value_type = Vec<UnitFields>)]
    pub units: Vec<Value>,
    /// Units as Checkbox's `.pxu` files have them.
    pub pxu: Option<String>,
}

impl AskedUnits {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty() && self.pxu.is_none()
    }

    /// Reads the units, in their order.
    ///
    /// # Errors
    /// [`AppError::Faults`]: what cannot be read of `pxu` has the line in its words.
    pub fn read(self) -> Result<Vec<Unit>, AppError> {
        let Self { namespace, units, pxu } = self;
        let mut faults: Vec<Fault> =
            wrong_namespace(namespace.as_deref()).map(|words| Fault::new("/namespace", words)).into_iter().collect();
        if units.len() > MAX_UNITS {
            faults.push(Fault::new("/units", format!("want at most {MAX_UNITS} units, not {}", units.len())));
            return Err(refused(faults));
        }
        let mut read = Vec::with_capacity(units.len());
        for (place, unit) in units.into_iter().enumerate() {
            if faults.len() >= MAX_FAULTS {
                break;
            }
            if let Some(unit) = unit_of(namespace.as_deref(), unit, &format!("/units/{place}"), &mut faults) {
                read.push(unit);
            }
        }
        if let Some(text) = pxu {
            read_pxu(&text, namespace.as_deref(), &mut read, &mut faults);
        }
        if faults.is_empty() { Ok(read) } else { Err(refused(faults)) }
    }
}

fn refused(mut faults: Vec<Fault>) -> AppError {
    faults.truncate(MAX_FAULTS);
    AppError::Faults { what: "the units".to_owned(), faults }
}

/// What is wrong with a namespace, if anything is.
fn wrong_namespace(namespace: Option<&str>) -> Option<String> {
    let namespace = namespace?;
    if namespace.is_empty() || namespace.chars().count() > MAX_NAMESPACE {
        return Some(format!("want 1 to {MAX_NAMESPACE} characters"));
    }
    let is_wrong = |letter: char| letter.is_control() || letter.is_whitespace();
    (namespace.contains("::") || namespace.chars().any(is_wrong))
        .then(|| "want no `::`, no blanks and no control characters".to_owned())
}

/// The unit of these fields, unless there are faults in them.
fn unit_of(namespace: Option<&str>, value: Value, pointer: &str, faults: &mut Vec<Fault>) -> Option<Unit> {
    let Value::Object(given) = value else {
        faults.push(Fault::new(pointer, "want an object: the fields of a unit"));
        return None;
    };
    let before = faults.len();
    if given.is_empty() {
        faults.push(Fault::new(pointer, "a unit needs a field"));
    }
    let fields = fields_of(given, pointer, faults);
    let unit = Unit::new(namespace, None, fields);
    if let Some(words) = wrong_unit(&unit) {
        faults.push(Fault::new(pointer, words));
    }
    (faults.len() == before).then_some(unit)
}

fn fields_of(given: Map<String, Value>, pointer: &str, faults: &mut Vec<Fault>) -> BTreeMap<String, FieldValue> {
    let mut fields = BTreeMap::new();
    for (name, value) in given {
        let at = || format!("{pointer}/{}", escaped(&name));
        if let Some(words) = wrong_name(&name) {
            faults.push(Fault::new(at(), words));
        } else if holds_nul(&value) {
            faults.push(Fault::new(at(), NUL));
        } else if let Some(value) = FieldValue::from_json(value) {
            fields.insert(name, value);
        }
    }
    fields
}

const NUL: &str = "it holds a NUL character, which cannot be stored";

fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() || name.chars().count() > MAX_FIELD_NAME {
        return Some(format!("the name of a field: want 1 to {MAX_FIELD_NAME} characters"));
    }
    name.contains('\0').then(|| format!("the name of a field: {NUL}"))
}

/// What is wrong with a unit as a whole, if anything is: it cannot be named, or not under that name.
fn wrong_unit(unit: &Unit) -> Option<String> {
    if let Some(Err(words)) = unit.id().map(check_id) {
        return Some(words);
    }
    if !unit.kind().is_job() {
        return None;
    }
    let unreadable = Job::read(unit).err().map(|error| error.to_string());
    unreadable.or_else(|| needs::check(unit).err().map(|wrong| wrong.to_string()))
}

fn read_pxu(text: &str, namespace: Option<&str>, read: &mut Vec<Unit>, faults: &mut Vec<Fault>) {
    let (units, problems) = pxu::read(text, &Source { file: "pxu", namespace, provider: None });
    for problem in problems.into_iter().take(MAX_FAULTS) {
        faults.push(Fault::new("/pxu", cut(&format!("line {}: {}", problem.line, problem.detail), 400)));
    }
    for located in units {
        if faults.len() >= MAX_FAULTS {
            return;
        }
        if let Some((line, words)) = wrong_located(&located) {
            faults.push(Fault::new("/pxu", format!("line {line}: {words}")));
        } else {
            read.push(located.value);
        }
    }
}

fn wrong_located(located: &Located<Unit>) -> Option<(usize, String)> {
    let unit = &located.value;
    for (name, value) in unit.fields() {
        let nul = || value.as_text().is_some_and(|text| text.contains('\0')).then(|| NUL.to_owned());
        if let Some(words) = wrong_name(name).or_else(nul) {
            return Some((located.line_of(name), words));
        }
    }
    wrong_unit(unit).map(|words| (located.first_line, words))
}
