//! A database's configuration: the file `QMTest/configuration`.
//!
//! The current form is an extension of kind `database`. In the older form the class is the text of a child `class-name`,
//! and elements `attribute` hold arguments as bare text.

use std::collections::BTreeMap;

use super::extension::{DOCTYPE, class_name};
use super::layout::{Extensions, LabelClass};
use super::value;
use super::xml::{Element, Limits, XmlError, parse};
use crate::domain::catalogue::field::{Field, FieldKind, TextOptions};
use crate::domain::catalogue::value::Value;

/// The class of databases that are read here: one file an item.
pub const XML_DATABASE: &str = "xml_database.XMLDatabase";

/// What the class was called before.
const FORMER_NAMES: [&str; 2] = ["xmldb.Database", "qm.test.xmldb.Database"];

const ARGUMENTS: [&str; 5] = ["label_class", "modifiable", "test_extension", "resource_extension", "suite_extension"];

/// How a database is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// How it names its items.
    pub labels: LabelClass,
    /// Whether QMTest's front ends change it.
    pub modifiable: bool,
    /// How its files end.
    pub extensions: Extensions,
    /// The arguments that are stated, by name, as text.
    pub stated: BTreeMap<String, String>,
}

impl Default for Configuration {
    /// What QMTest makes a new database with.
    fn default() -> Self {
        Self {
            labels: LabelClass::Python,
            modifiable: true,
            extensions: Extensions::default(),
            stated: BTreeMap::new(),
        }
    }
}

/// Reads a configuration.
///
/// # Errors
/// If it is not XML, its database is of another class than QMTest's XML databases, or an argument is not known or has a
/// wrong value.
pub fn read(bytes: &[u8]) -> Result<Configuration, XmlError> {
    let root = parse(bytes, Limits::DEFINITION)?;
    let class = class_name(&root)?;
    if class != XML_DATABASE && !FORMER_NAMES.contains(&class.as_str()) {
        return Err(root.error(format!(
            "the database is of the class `{}`: only databases of the class {XML_DATABASE} can be read",
            class.chars().take(80).collect::<String>()
        )));
    }
    let mut configuration = Configuration::default();
    for element in root.descendants("argument") {
        let name = known_argument(element)?;
        let value =
            element.elements().next().ok_or_else(|| element.error(format!("the argument `{name}` has no value")))?;
        let field = field(name);
        let read = value::read(&field, value)?;
        // `1`, `yes` and `on` are `true` to QMTest as well.
        let (Value::Text(text) | Value::Enumeral(text)) = field.validate(read.clone()).unwrap_or(read) else {
            continue;
        };
        configuration.stated.insert(name.to_owned(), text);
    }
    for element in root.elements().filter(|child| child.name == "attribute") {
        configuration.stated.insert(known_argument(element)?.to_owned(), element.text()?);
    }
    configuration.apply(&root)?;
    Ok(configuration)
}

/// Writes the configuration of a database with the defaults in everything: it is QMTest's own.
#[must_use]
pub fn write_default() -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{DOCTYPE}<extension class=\"{XML_DATABASE}\" kind=\"database\"/>"
    )
}

fn known_argument(element: &Element) -> Result<&str, XmlError> {
    let name = element.attribute("name").unwrap_or_default();
    if ARGUMENTS.contains(&name) {
        return Ok(name);
    }
    Err(element.error(format!("the database has no argument `{name}`: want one of {}", ARGUMENTS.join(", "))))
}

fn field(name: &str) -> Field {
    Field::new(name, if name == "modifiable" { FieldKind::Boolean } else { FieldKind::Text(TextOptions::default()) })
}

impl Configuration {
    /// Takes over what is stated.
    fn apply(&mut self, root: &Element) -> Result<(), XmlError> {
        for (name, text) in &self.stated {
            match name.as_str() {
                "label_class" => {
                    self.labels = LabelClass::of(text).ok_or_else(|| {
                        let known = [LabelClass::Python.name(), LabelClass::File.name()].join(", ");
                        let text: String = text.chars().take(80).collect();
                        root.error(format!("the label class `{text}` is not known: want one of {known}"))
                    })?;
                }
                // As QMTest compares it: what is not true is a no.
                "modifiable" => self.modifiable = text == "true",
                "test_extension" => self.extensions.test.clone_from(text),
                "resource_extension" => self.extensions.resource.clone_from(text),
                _ => self.extensions.suite.clone_from(text),
            }
        }
        match self.extensions.iter().find(|extension| extension.contains('/')) {
            Some(extension) => Err(root.error(format!("the extension `{extension}` is none: it holds a `/`"))),
            None => Ok(()),
        }
    }
}
