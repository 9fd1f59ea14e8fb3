//! Explicit suites: the current form, and the one before it.

use super::extension::{argument, begin, class_name, known_class};
use super::layout::is_python_path;
use super::value::{self, Unwritable};
use super::xml::{Element, Writer, XmlError};
use super::{about, layout::LabelClass};
use crate::domain::catalogue::class::{ClassKind, Classes};
use crate::domain::catalogue::field::{Field, FieldKind, SetOptions, TRUE, TextOptions};
use crate::domain::catalogue::item::{About, EXPLICIT_SUITE, Suite};
use crate::domain::catalogue::value::{Attachment, Value};

const TEST_IDS: &str = "test_ids";
const SUITE_IDS: &str = "suite_ids";
const IS_IMPLICIT: &str = "is_implicit";

/// Reads a suite. The members of the current form are taken as they are; those of the older form (root `suite`) must be
/// labels, as in QMTest.
///
/// # Errors
/// If the class is not named or not known, an argument is not one of a suite or has a wrong value, or a member of the
/// older form is no label.
pub fn read(root: &Element, classes: &Classes, labels: LabelClass) -> Result<Suite, XmlError> {
    if root.name == "suite" {
        return read_older(root, labels);
    }
    let class = class_name(root)?;
    if class != EXPLICIT_SUITE {
        known_class(root, ClassKind::Suite, &class, classes)?;
    }
    let mut suite = empty(class);
    for element in root.descendants("argument") {
        let name = element.attribute("name").unwrap_or_default();
        let field = field(name).ok_or_else(|| {
            let known = [TEST_IDS, SUITE_IDS, IS_IMPLICIT].join(", ");
            element.error(format!("a suite has no argument `{name}`: want one of {known}"))
        })?;
        let value =
            element.elements().next().ok_or_else(|| element.error(format!("the argument `{name}` has no value")))?;
        match value::read(&field, value)? {
            Value::Set(ids) if name == TEST_IDS => suite.test_ids = texts(ids),
            Value::Set(ids) => suite.suite_ids = texts(ids),
            value => suite.implicit = value == Value::Enumeral(TRUE.to_owned()),
        }
    }
    suite.about = about::read(root)?;
    Ok(suite)
}

/// Writes a suite in the current form.
///
/// # Errors
/// If XML cannot hold a character of it, or an attachment cannot be located.
pub fn write(
    suite: &Suite,
    locate: &mut dyn FnMut(&Attachment) -> Result<String, Unwritable>,
) -> Result<String, Unwritable> {
    let mut out = Writer::new();
    begin(&mut out, &suite.class, ClassKind::Suite)?;
    for (name, ids) in [(TEST_IDS, &suite.test_ids), (SUITE_IDS, &suite.suite_ids)] {
        if !ids.is_empty() {
            let ids = ids.iter().cloned().map(Value::Text).collect();
            argument(&mut out, name, &Value::Set(ids), locate)?;
        }
    }
    if suite.implicit {
        argument(&mut out, IS_IMPLICIT, &Value::Enumeral(TRUE.to_owned()), locate)?;
    }
    about::write(&suite.about, &mut out, locate)?;
    out.end("extension");
    Ok(out.finish())
}

fn empty(class: String) -> Suite {
    Suite { class, test_ids: Vec::new(), suite_ids: Vec::new(), implicit: false, about: About::default() }
}

/// The fields of an explicit suite. Other classes of suites can be taken as far as they have no more than these.
fn field(name: &str) -> Option<Field> {
    match name {
        TEST_IDS | SUITE_IDS => {
            let of = Field::new(name, FieldKind::Text(TextOptions::default()));
            Some(Field::new(name, FieldKind::Set(Box::new(SetOptions { of, not_empty: false }))))
        }
        IS_IMPLICIT => Some(Field::new(name, FieldKind::Boolean)),
        _ => None,
    }
}

fn texts(values: Vec<Value>) -> Vec<String> {
    values.into_iter().filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None }).collect()
}

fn read_older(root: &Element, labels: LabelClass) -> Result<Suite, XmlError> {
    let members = |name: &str| {
        let member = |element: &Element| {
            let id = element.text()?;
            let valid = match labels {
                LabelClass::Python => is_python_path(&id),
                LabelClass::File => !id.is_empty() && !id.starts_with('/') && !id.contains("//"),
            };
            let what = || {
                format!(
                    "`{}` is no id of a test or suite: want one as `net.dns`",
                    id.chars().take(80).collect::<String>()
                )
            };
            if valid { Ok(id) } else { Err(element.error(what())) }
        };
        root.descendants(name).into_iter().map(member).collect::<Result<Vec<_>, _>>()
    };
    let (test_ids, suite_ids) = (members("test_id")?, members("suite_id")?);
    Ok(Suite { test_ids, suite_ids, about: about::read(root)?, ..empty(EXPLICIT_SUITE.to_owned()) })
}
