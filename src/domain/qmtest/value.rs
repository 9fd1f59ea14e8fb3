//! Argument values as elements.
//!
//! `text`, `integer`, `enumeral` (booleans and outcomes too), `set` of values, `tuple` of values, `dictionary` of `item`
//! (each a key, then a value), `attachment` of `description`, `mime-type`, `filename` and `location`, or empty for none. A
//! time is an `integer`.

use std::collections::HashMap;

use super::xml::{Element, IllegalCharacter, Writer, XmlError};
use crate::domain::catalogue::field::{Field, FieldKind};
use crate::domain::catalogue::time;
use crate::domain::catalogue::value::{Attachment, Integer, Source, Value, guess_mime_type};

/// The type of a file whose attachment names none.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unwritable(pub String);

impl From<IllegalCharacter> for Unwritable {
    fn from(error: IllegalCharacter) -> Self {
        Self(error.to_string())
    }
}

/// Reads the value of a field, in the field's canonical form.
///
/// # Errors
/// If the element is none of the field's, or the field refuses its value.
pub fn read(field: &Field, element: &Element) -> Result<Value, XmlError> {
    let value = match &field.kind {
        FieldKind::Integer => Value::Integer(integer(named(element, "integer")?)?),
        FieldKind::Time => point_in_time(named(element, "integer")?)?,
        FieldKind::Text(_) | FieldKind::Choice(_) | FieldKind::Test | FieldKind::Resource => {
            Value::Text(named(element, "text")?.text()?)
        }
        FieldKind::Enumeration(_) | FieldKind::Boolean | FieldKind::Outcome => {
            Value::Enumeral(named(element, "enumeral")?.text()?)
        }
        FieldKind::Set(options) => {
            let values = named(element, "set")?.elements().map(|child| read(&options.of, child));
            Value::Set(values.collect::<Result<_, _>>()?)
        }
        // QMTest does not look at the names of these two.
        FieldKind::Tuple(fields) => Value::Tuple(tuple(fields, element)?),
        FieldKind::Dictionary(options) => {
            dictionary(element, |child| read(&options.key, child), |child| read(&options.value, child))?
        }
        FieldKind::Attachment => attachment(named(element, "attachment")?)?,
        FieldKind::Python => return Err(element.error("a value of this field cannot be stated")),
    };
    field.validate(value).map_err(|error| element.error(error.to_string()))
}

/// Reads a value whose field is not known, by the names of its elements.
///
/// # Errors
/// If an element is none that QMTest writes, or its content is none of its kind.
pub fn read_untyped(element: &Element) -> Result<Value, XmlError> {
    match element.name.as_str() {
        "text" => Ok(Value::Text(element.text()?)),
        "enumeral" => Ok(Value::Enumeral(element.text()?)),
        "integer" => integer(element).map(Value::Integer).or_else(|error| point_in_time(element).map_err(|_| error)),
        "set" => Ok(Value::Set(element.elements().map(read_untyped).collect::<Result<_, _>>()?)),
        "tuple" => {
            no_text(element)?;
            Ok(Value::Tuple(element.elements().map(read_untyped).collect::<Result<_, _>>()?))
        }
        "dictionary" => dictionary(element, read_untyped, read_untyped),
        "attachment" => attachment(element),
        other => Err(element.error(format!(
            "`{other}` is no value: want one of text, integer, enumeral, set, tuple, dictionary, attachment"
        ))),
    }
}

/// Writes a value. `locate` says where below the database's root the bytes of an attachment lie.
///
/// # Errors
/// If XML cannot hold a character of it, or the attachment cannot be located.
pub fn write(
    value: &Value,
    out: &mut Writer,
    locate: &mut dyn FnMut(&Attachment) -> Result<String, Unwritable>,
) -> Result<(), Unwritable> {
    match value {
        Value::Text(text) => out.text_element("text", text)?,
        Value::Integer(integer) => out.text_element("integer", integer.as_str())?,
        Value::Enumeral(word) => out.text_element("enumeral", word)?,
        Value::Time(seconds) => out.text_element("integer", &time_text(*seconds))?,
        Value::Set(values) => list("set", values, out, locate)?,
        Value::Tuple(values) => list("tuple", values, out, locate)?,
        Value::Dictionary(pairs) => {
            out.raw("<dictionary>");
            for (key, value) in pairs {
                out.raw("<item>");
                write(key, out, locate)?;
                write(value, out, locate)?;
                out.raw("</item>");
            }
            out.raw("</dictionary>");
        }
        Value::Attachment(None) => out.raw("<attachment/>"),
        Value::Attachment(Some(attachment)) => {
            let location = locate(attachment)?;
            out.raw("<attachment>");
            out.text_element("description", &attachment.description)?;
            out.text_element("mime-type", &attachment.mime_type)?;
            out.text_element("filename", &attachment.filename)?;
            out.text_element("location", &location)?;
            out.raw("</attachment>");
        }
    }
    Ok(())
}

fn list(
    name: &str,
    values: &[Value],
    out: &mut Writer,
    locate: &mut dyn FnMut(&Attachment) -> Result<String, Unwritable>,
) -> Result<(), Unwritable> {
    out.open_tag(name);
    out.close_tag();
    for value in values {
        write(value, out, locate)?;
    }
    out.end(name);
    Ok(())
}

fn named<'a>(element: &'a Element, name: &str) -> Result<&'a Element, XmlError> {
    if element.name == name {
        return Ok(element);
    }
    Err(element.error(format!("the field takes `{name}`, not `{}`", element.name)))
}

fn integer(element: &Element) -> Result<Integer, XmlError> {
    element.text()?.parse().map_err(|error| element.error(format!("{error}")))
}

/// A time in either form: in seconds as QMTest writes it, in words as QMTest reads it.
fn point_in_time(element: &Element) -> Result<Value, XmlError> {
    let text = element.text()?;
    match text.parse() {
        Ok(seconds) => Ok(Value::Integer(seconds)),
        Err(_) => time::parse(&text).map(Value::Time).map_err(|error| element.error(error.to_string())),
    }
}

/// A time in the form that QMTest can read, which has whole minutes only; it does not read the form that it writes.
fn time_text(seconds: i64) -> String {
    let text = time::format(seconds).filter(|text| time::parse(text) == Ok(seconds));
    text.unwrap_or_else(|| seconds.to_string())
}

fn no_text(element: &Element) -> Result<(), XmlError> {
    if element.has_stray_text() {
        return Err(element.error(format!("there is text beside the values of `{}`", element.name)));
    }
    Ok(())
}

fn tuple(fields: &[Field], element: &Element) -> Result<Vec<Value>, XmlError> {
    no_text(element)?;
    let count = element.elements().count();
    if count != fields.len() {
        return Err(element.error(format!("the field takes {} values, not {count}", fields.len())));
    }
    fields.iter().zip(element.elements()).map(|(field, child)| read(field, child)).collect()
}

/// A later value of a key takes the place of the earlier one.
fn dictionary(
    element: &Element,
    mut read_key: impl FnMut(&Element) -> Result<Value, XmlError>,
    mut read_value: impl FnMut(&Element) -> Result<Value, XmlError>,
) -> Result<Value, XmlError> {
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    let mut places = HashMap::new();
    for item in element.elements() {
        named(item, "item")?;
        no_text(item)?;
        let mut children = item.elements();
        let (Some(key), Some(value), None) = (children.next(), children.next(), children.next()) else {
            return Err(item.error("an item of a dictionary is a key, then a value"));
        };
        let (key, value) = (read_key(key)?, read_value(value)?);
        let place = *places.entry(key.clone()).or_insert(pairs.len());
        match pairs.get_mut(place) {
            Some(pair) => pair.1 = value,
            None => pairs.push((key, value)),
        }
    }
    Ok(Value::Dictionary(pairs))
}

/// A part that is missing, or stands twice, is as if it were not stated; but the location must be.
fn attachment(element: &Element) -> Result<Value, XmlError> {
    if element.elements().next().is_none() {
        no_text(element)?;
        return Ok(Value::Attachment(None));
    }
    let part = |name: &str| element.only(name).map(Element::text).transpose();
    let location = part("location")?.ok_or_else(|| element.error("an attachment takes exactly one `location`"))?;
    let filename = part("filename")?.unwrap_or_default();
    let mime_type = match part("mime-type")? {
        None => UNKNOWN_TYPE.to_owned(),
        Some(empty) if empty.is_empty() => guess_mime_type(&filename),
        Some(mime_type) => mime_type,
    };
    Ok(Value::Attachment(Some(Attachment {
        filename,
        mime_type,
        description: part("description")?.unwrap_or_default(),
        source: Source::Location { location },
    })))
}
