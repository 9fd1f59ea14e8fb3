//! Targets: the file `QMTest/targets`, which says where QMTest runs tests.

use std::collections::BTreeMap;

use super::extension::{class_name, known_class, read_arguments};
use super::xml::{Limits, XmlError, parse};
use crate::domain::catalogue::class::{ClassKind, Classes};
use crate::domain::catalogue::value::Value;

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its class: `serial_target.SerialTarget`, say.
    pub class: String,
    /// Its name; empty where none is stated.
    pub name: String,
    /// The group that the patterns of tests are matched with; empty where none is stated.
    pub group: String,
    /// The arguments that are stated, these two included.
    pub arguments: BTreeMap<String, Value>,
}

/// Reads targets, in their order.
///
/// # Errors
/// If it is not XML, its root is not `targets`, or a target is of a class that is not known or has an argument that its
/// class does not take.
pub fn read(bytes: &[u8], classes: &Classes) -> Result<Vec<Target>, XmlError> {
    let root = parse(bytes, Limits::DEFINITION)?;
    if root.name != "targets" {
        return Err(root.error(format!("the root is `{}`: want `targets`", root.name)));
    }
    let mut targets = Vec::new();
    for element in root.descendants("extension") {
        let class = class_name(element)?;
        let arguments = read_arguments(element, known_class(element, ClassKind::Target, &class, classes)?)?;
        let text = |name: &str| match arguments.get(name) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        targets.push(Target { class, name: text("name"), group: text("group"), arguments });
    }
    Ok(targets)
}
