//! Tests and resources: the current form, and the forms before it.
//!
//! The current form is a root with the attribute `class` and elements `argument`, each with the attribute `name` and one
//! value. In older files the class is the text of a child `class` or `class-name`, and elements `prerequisite` and
//! `resource` stand beside the arguments and are added to those of the same meaning. The two mix.

use std::collections::BTreeMap;

use super::about;
use super::value::{self, Unwritable};
use super::xml::{Element, Writer, XmlError, is_blank};
use crate::domain::catalogue::class::{Class, ClassKind, Classes};
use crate::domain::catalogue::item::{Extension, PREREQUISITES, RESOURCES};
use crate::domain::catalogue::value::{Attachment, Value};

/// The doctype of what is written. QMTest writes one with this public id; its readers look at no part of it, and so the
/// system id names no place that anybody would fetch.
pub(super) const DOCTYPE: &str = "<!DOCTYPE extension PUBLIC \"-//QM/2.4.1/Extension//EN\" \"extension.dtd\">\n";

/// Reads a test or a resource of a class that is known. The names of the root and its attribute `kind` do not matter, as
/// in QMTest: the file's name has said what it is.
///
/// # Errors
/// If the class is not named, not known or of another kind; if an argument is not one of the class, is computed, or has
/// no value or a wrong one.
pub fn read(kind: ClassKind, root: &Element, classes: &Classes) -> Result<Extension, XmlError> {
    let name = class_name(root)?;
    let class = known_class(root, kind, &name, classes)?;
    let mut arguments = read_arguments(root, class)?;
    if kind == ClassKind::Test {
        let older = root.descendants("prerequisite").into_iter().map(prerequisite);
        append(&mut arguments, PREREQUISITES, older.collect::<Result<_, _>>()?);
    }
    let older = root.descendants("resource").into_iter().map(|element| Ok(Value::Text(element.text()?)));
    append(&mut arguments, RESOURCES, older.collect::<Result<_, XmlError>>()?);
    Ok(Extension { class: name, arguments, about: about::read(root)? })
}

/// Writes a test or a resource, each argument on a line of its own and no blank inside of one.
///
/// # Errors
/// If XML cannot hold a character of it, or an attachment cannot be located; names the argument.
pub fn write(
    kind: ClassKind,
    extension: &Extension,
    locate: &mut dyn FnMut(&Attachment) -> Result<String, Unwritable>,
) -> Result<String, Unwritable> {
    let mut out = Writer::new();
    begin(&mut out, &extension.class, kind)?;
    for (name, value) in &extension.arguments {
        argument(&mut out, name, value, locate)?;
    }
    about::write(&extension.about, &mut out, locate)?;
    out.end("extension");
    Ok(out.finish())
}

/// The doctype and the root's tag.
pub(super) fn begin(out: &mut Writer, class: &str, kind: ClassKind) -> Result<(), Unwritable> {
    out.raw(DOCTYPE);
    out.open_tag("extension");
    out.attribute("class", class)?;
    out.attribute("kind", &kind.to_string())?;
    out.close_tag();
    out.raw("\n");
    Ok(())
}

/// An argument on a line of its own.
pub(super) fn argument(
    out: &mut Writer,
    name: &str,
    value: &Value,
    locate: &mut dyn FnMut(&Attachment) -> Result<String, Unwritable>,
) -> Result<(), Unwritable> {
    let say = |error: Unwritable| Unwritable(format!("the argument `{name}`: {error}"));
    out.raw(" ");
    out.open_tag("argument");
    out.attribute("name", name).map_err(|error| say(error.into()))?;
    out.close_tag();
    value::write(value, out, locate).map_err(say)?;
    out.end("argument");
    out.raw("\n");
    Ok(())
}

/// The class that a root names: by its attribute, or in the older way.
pub(super) fn class_name(root: &Element) -> Result<String, XmlError> {
    if let Some(name) = root.attribute("class").filter(|name| !name.is_empty()) {
        return Ok(name.to_owned());
    }
    for older in ["class", "class-name"] {
        if let Some(element) = root.only(older) {
            return Ok(element.text()?.trim_matches(is_blank).to_owned());
        }
    }
    Err(root.error("no class is named: want <extension class=\"module.Class\" kind=\"...\">"))
}

/// The class of this name, which must be of this kind.
pub(super) fn known_class<'a>(
    root: &Element,
    kind: ClassKind,
    name: &str,
    classes: &'a Classes,
) -> Result<&'a Class, XmlError> {
    match classes.get(name) {
        Some(class) if class.kind == kind => Ok(class),
        Some(class) => Err(root.error(format!("the class `{name}` is a class of {}s, not of {kind}s", class.kind))),
        None => Err(root.error(format!(
            "unknown class `{}`: list it in QMTest/classes.qmc, or register it first",
            name.chars().take(80).collect::<String>()
        ))),
    }
}

/// The arguments of an instance of the class: every element `argument` anywhere below the root. The last of a name
/// counts, and the first element in it.
pub(super) fn read_arguments(root: &Element, class: &Class) -> Result<BTreeMap<String, Value>, XmlError> {
    let mut arguments = BTreeMap::new();
    for element in root.descendants("argument") {
        let name = element
            .attribute("name")
            .filter(|name| !name.is_empty())
            .ok_or_else(|| element.error("an argument has no name: want <argument name=\"...\">"))?;
        let value = element
            .elements()
            .next()
            .ok_or_else(|| element.error(format!("the argument `{name}` has no value: want <text>...</text>, say")))?;
        let value = match (class.field(name), &class.fields) {
            (Some(field), _) if field.computed => {
                return Err(element.error(format!("the argument `{name}` is computed by the class and not stated")));
            }
            (Some(field), _) => value::read(field, value),
            (None, None) => value::read_untyped(value),
            (None, Some(_)) => {
                return Err(element.error(format!("the class `{}` has no argument `{name}`", class.name)));
            }
        };
        let value =
            value.map_err(|error| XmlError::new(error.position, format!("the argument `{name}`: {}", error.what)))?;
        arguments.insert(name.to_owned(), value);
    }
    Ok(arguments)
}

/// The older form is taken as it is, as QMTest does: neither the id nor the outcome need be one.
fn prerequisite(element: &Element) -> Result<Value, XmlError> {
    let outcome = element.attribute("outcome").unwrap_or_default();
    Ok(Value::Tuple(vec![Value::Text(element.text()?), Value::Enumeral(outcome.to_owned())]))
}

fn append(arguments: &mut BTreeMap<String, Value>, name: &str, values: Vec<Value>) {
    if values.is_empty() {
        return;
    }
    match arguments.get_mut(name) {
        Some(Value::Set(before)) => before.extend(values),
        _ => {
            arguments.insert(name.to_owned(), Value::Set(values));
        }
    }
}
