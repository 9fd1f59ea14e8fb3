//! Units that come in: as fields, as a `.pxu` text, or both.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::session::source::{self, Source};
use crate::app::{AppError, MAX_FAULTS, cut};
use crate::domain::composition::needs;
use crate::domain::fault::Fault;
use crate::domain::session::{MAX_UNITS, check_id};
use crate::domain::unit::{Job, Unit, pxu};
use crate::http::sessions::schema::UnitFields;
use crate::http::unit_fields::{fields_of, wrong_name};

/// The longest namespace, in characters.
const MAX_NAMESPACE: usize = 200;

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
    let Value::Object(mut given) = value else {
        faults.push(Fault::new(pointer, "want an object: the fields of a unit"));
        return None;
    };
    let before = faults.len();
    if given.is_empty() {
        faults.push(Fault::new(pointer, "a unit needs a field"));
    }
    // Here a field that is null is one that is left out.
    given.retain(|_, value| !value.is_null());
    let fields = fields_of(given, pointer, faults);
    let unit = Unit::new(namespace, None, fields);
    if let Some(words) = wrong_unit(&unit) {
        faults.push(Fault::new(pointer, words));
    }
    (faults.len() == before).then_some(unit)
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
    let (units, problems) = source::read(text, &pxu::Source { file: "", namespace, provider: None });
    for problem in problems.into_iter().take(MAX_FAULTS) {
        faults.push(Fault::new("/pxu", cut(&format!("line {}: {}", problem.line, problem.detail), 400)));
    }
    for source in units {
        if faults.len() >= MAX_FAULTS {
            return;
        }
        if let Some((line, words)) = wrong_source(&source) {
            faults.push(Fault::new("/pxu", format!("line {}: {words}", line.unwrap_or_default())));
        } else {
            read.push(source.unit);
        }
    }
}

fn wrong_source(source: &Source) -> Option<(Option<u32>, String)> {
    let wrong = source.unit.fields().keys().find_map(|name| Some((source.line_of(name), wrong_name(name)?)));
    wrong.or_else(|| wrong_unit(&source.unit).map(|words| (source.line, words)))
}
