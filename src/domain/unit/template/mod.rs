//! Templates: units that make other units of the records of a resource.
//!
//! A template's fields are texts to be filled in with a record's fields, by Python's format strings or by Jinja. What
//! was measured on Plainbox holds, but for one thing: the number of a record (`__index__`) makes two instances
//! different only if the template mentions it. So records may come again, or in another order, and make the same units
//! as before.

mod error;
mod failing;
pub(in crate::domain::unit) mod format;
#[cfg(test)]
mod golden_tests;
mod instance;
mod jinja;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

pub use error::{RenderError, TemplateError};
pub use format::FormatError;
pub use instance::{Dropped, Instance};
pub(in crate::domain::unit) use text::Mention;

use super::check::{self, Issue};
use super::{FieldValue, Kind, Unit};
use crate::domain::program::{Import, Program, Record, parse_imports};
use format::Argument;
use text::Texts;

/// The name under which texts have the number of the record, from 1; records that the filter does not accept have none.
pub(in crate::domain::unit) const INDEX: &str = "__index__";

/// How many bytes a field may come to.
const MAX_FIELD: usize = 1 << 20;

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    unit: Unit,
    kind: Kind,
    id: Option<String>,
    resource: String,
    filter: Option<Program>,
    texts: Texts,
    /// What is wrong with it whatever the record.
    issues: Vec<Issue>,
}

/// What a template's fields come to with a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendering {
    /// Each field, or why it comes to nothing.
    pub fields: BTreeMap<String, Result<FieldValue, RenderError>>,
    /// The fields of the record that the template mentions, and its number if the template mentions that.
    pub parameters: BTreeMap<String, String>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`]. What is wrong with a field that is to be filled in is told by [`Self::instances`], as it is
    /// in the way of each instance.
    pub fn read(unit: &Unit) -> Result<Self, TemplateError> {
        if *unit.kind() != Kind::Template {
            return Err(TemplateError::OtherKind(unit.kind().clone()));
        }
        let imports = imports(unit)?;
        let resource = resource(unit, &imports).ok_or(TemplateError::NoResource)?;
        let filter = filter(unit, &imports, &resource)?;
        let kind = target(unit);
        let texts = Texts::read(fields(unit, &kind), is_jinja(unit)?);
        let issues = check::of_texts(&kind, &texts.mentions());
        Ok(Self { id: id(unit), unit: unit.clone(), kind, resource, filter, texts, issues })
    }

    /// The unit that it was read from.
    #[must_use]
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// What it makes.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its own full id, by which test plans choose all its instances: the field `template-id`, or what is left of `id`
    /// without the characters that an id does not have.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The full id of the resource of whose records it makes units.
    #[must_use]
    pub fn resource_id(&self) -> &str {
        &self.resource
    }

    /// The names that its texts look up; some may not be fields of records.
    #[must_use]
    pub fn names(&self) -> &BTreeSet<String> {
        self.texts.names()
    }

    /// What its fields come to with the record of this number, from 1. `stand_in`, if there is one, takes the place of
    /// what the record has not.
    #[must_use]
    pub fn render(&self, record: &Record, index: usize, stand_in: Option<&str>) -> Rendering {
        let lookup = |name: &str| match name {
            INDEX => Some(Argument::Number(index)),
            _ => record.get(name).map(Argument::Text),
        };
        let mut parameters: BTreeMap<String, String> = record
            .iter()
            .filter(|(name, _)| self.names().contains(*name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if self.names().contains(INDEX) {
            parameters.insert(INDEX.to_owned(), index.to_string());
        }
        Rendering { fields: self.texts.render(&lookup, stand_in, MAX_FIELD), parameters }
    }
}

/// All that is wrong with what a template says of itself.
pub(in crate::domain::unit) fn faults(unit: &Unit) -> Vec<TemplateError> {
    let mut faults = Vec::new();
    let imports = imports(unit).unwrap_or_else(|error| {
        faults.push(error);
        Vec::new()
    });
    match resource(unit, &imports) {
        None => faults.push(TemplateError::NoResource),
        Some(resource) => faults.extend(filter(unit, &imports, &resource).err()),
    }
    faults.extend(is_jinja(unit).err());
    faults
}

/// The kind of the units that a template makes, and what their fields mention.
pub(in crate::domain::unit) fn mentions(unit: &Unit) -> (Kind, BTreeMap<String, Mention>) {
    let kind = target(unit);
    // What is of an unknown engine is told as such; its texts are read as what they are most often.
    let mentions = Texts::read(fields(unit, &kind), is_jinja(unit).unwrap_or_default()).mentions();
    (kind, mentions)
}

fn target(unit: &Unit) -> Kind {
    Kind::of(unit.text("template-unit").unwrap_or("job"))
}

/// The fields of the units that it makes: all that are not about the template itself.
fn fields<'a>(unit: &'a Unit, kind: &Kind) -> impl Iterator<Item = (String, FieldValue)> + use<'a> {
    let own = |name: &str| name.trim_start_matches('_').starts_with("template-") || name == "unit" || name == "_unit";
    let kind = ("unit".to_owned(), FieldValue::from(kind.as_str()));
    let fields = unit.fields().iter().filter(move |(name, _)| !own(name));
    fields.map(|(name, value)| (name.clone(), value.clone())).chain([kind])
}

fn is_jinja(unit: &Unit) -> Result<bool, TemplateError> {
    match unit.text("template-engine") {
        None | Some("default") => Ok(false),
        Some("jinja2") => Ok(true),
        Some(other) => Err(TemplateError::Engine(other.to_owned())),
    }
}

fn imports(unit: &Unit) -> Result<Vec<Import>, TemplateError> {
    let imports = parse_imports(unit.text("template-imports").unwrap_or_default())?;
    if imports.len() > 1 {
        return Err(TemplateError::ManyImports(imports.len()));
    }
    Ok(imports)
}

fn resource(unit: &Unit, imports: &[Import]) -> Option<String> {
    let written = unit.text("template-resource").filter(|text| !text.is_empty())?;
    let imported = imports.iter().find(|import| import.name == written);
    Some(imported.map_or_else(|| unit.qualify(written), |import| import.id.clone()))
}

fn filter(unit: &Unit, imports: &[Import], resource: &str) -> Result<Option<Program>, TemplateError> {
    let lines: Vec<&str> = match unit.value("template-filter") {
        None => return Ok(None),
        Some(FieldValue::Text(text)) => vec![text],
        Some(FieldValue::List(list)) => {
            list.iter().map(|line| line.as_str().ok_or(TemplateError::NoFilter)).collect::<Result<_, _>>()?
        }
        Some(FieldValue::Map(_)) => return Err(TemplateError::NoFilter),
    };
    let program = Program::compile_lines(lines, unit.namespace(), imports)?;
    if let Some(other) = program.resources().iter().find(|id| *id != resource) {
        return Err(TemplateError::OtherResource { other: other.clone(), resource: resource.to_owned() });
    }
    Ok(Some(program))
}

fn id(unit: &Unit) -> Option<String> {
    partial_id(unit).map(|partial| unit.qualify(&partial))
}

fn partial_id(unit: &Unit) -> Option<String> {
    if let Some(written) = unit.text("template-id") {
        return Some(written.to_owned());
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || r"-_.:/\".contains(*c);
    let id: String = unit.text("id")?.chars().filter(allowed).collect();
    (!id.is_empty()).then_some(id)
}
