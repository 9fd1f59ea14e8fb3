//! Works out a part of an expression for one combination of records.

use super::Record;
use super::integer::Integer;
use super::number::{float_of_text, int_of_text};
use super::tree::{Function, Node};
use super::value::{Meter, Stop, Value, compare};

/// The record that stands for each resource; none while it is not chosen.
pub(super) type Chosen<'a> = [Option<&'a Record>];

/// The value of a node.
///
/// # Errors
/// What Python would raise; too many steps.
pub(super) fn evaluate<'a>(node: &'a Node, chosen: &Chosen<'a>, meter: &mut Meter) -> Result<Value<'a>, Stop> {
    meter.spend(1)?;
    let record = |resource: &usize| chosen.get(*resource).copied().flatten().ok_or(Stop::Raised);
    Ok(match node {
        Node::Text(text) => Value::Text(text),
        Node::Bytes(bytes) => Value::Bytes(bytes),
        Node::Int(integer) => Value::Int(std::borrow::Cow::Borrowed(integer)),
        Node::Float(float) => Value::Float(*float),
        Node::Imaginary(part) => Value::Imaginary(*part),
        Node::Bool(yes) => Value::Bool(*yes),
        Node::None => Value::None,
        Node::Ellipsis => Value::Ellipsis,
        Node::Record(resource) => Value::Record(record(resource)?),
        // A field that is not there reads as empty.
        Node::Field(resource, field) => Value::Text(record(resource)?.get(field).unwrap_or_default()),
        Node::List(nodes) => Value::List(all(nodes, chosen, meter)?),
        Node::Tuple(nodes) => Value::Tuple(all(nodes, chosen, meter)?),
        Node::Compare(first, rest) => {
            let mut before = evaluate(first, chosen, meter)?;
            for (sign, node) in rest {
                let value = evaluate(node, chosen, meter)?;
                if !compare(&before, *sign, &value, meter)? {
                    return Ok(Value::Bool(false));
                }
                before = value;
            }
            Value::Bool(true)
        }
        Node::All(operands) => first_that(&operands.nodes, false, chosen, meter)?,
        Node::Any(operands) => first_that(&operands.nodes, true, chosen, meter)?,
        Node::Call(function, nodes) => call(*function, &all(nodes, chosen, meter)?, meter)?,
        Node::Refused(_) => return Err(Stop::Raised),
    })
}

/// Whether the node is worked out and counts as `wanted`.
pub(super) fn comes_to<'a>(node: &'a Node, wanted: bool, chosen: &Chosen<'a>, meter: &mut Meter) -> Result<bool, Stop> {
    match evaluate(node, chosen, meter) {
        Ok(value) => Ok(value.is_true() == wanted),
        Err(Stop::Raised) => Ok(false),
        Err(Stop::Spent) => Err(Stop::Spent),
    }
}

fn all<'a>(nodes: &'a [Node], chosen: &Chosen<'a>, meter: &mut Meter) -> Result<Vec<Value<'a>>, Stop> {
    nodes.iter().map(|node| evaluate(node, chosen, meter)).collect()
}

/// The first value that counts as `wanted`, or the last one.
fn first_that<'a>(nodes: &'a [Node], wanted: bool, chosen: &Chosen<'a>, meter: &mut Meter) -> Result<Value<'a>, Stop> {
    let mut last = Value::None;
    for node in nodes {
        last = evaluate(node, chosen, meter)?;
        if last.is_true() == wanted {
            break;
        }
    }
    Ok(last)
}

fn call<'a>(function: Function, arguments: &[Value<'a>], meter: &mut Meter) -> Result<Value<'a>, Stop> {
    let text_of_bytes = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii());
    let value = match (function, arguments) {
        (Function::Len, [Value::Text(text)]) => {
            meter.spend_bytes(text.len())?;
            Some(Value::int(Integer::from(text.chars().count())))
        }
        (Function::Len, [Value::Bytes(bytes)]) => Some(Value::int(Integer::from(bytes.len()))),
        (Function::Len, [Value::List(values) | Value::Tuple(values)]) => Some(Value::int(Integer::from(values.len()))),
        (Function::Bool, []) => Some(Value::Bool(false)),
        (Function::Bool, [value]) => Some(Value::Bool(value.is_true())),
        (Function::Int, []) => Some(Value::int(Integer::default())),
        (Function::Int, [Value::Int(integer)]) => Some(Value::Int(integer.clone())),
        (Function::Int, [Value::Bool(yes)]) => Some(Value::int(Integer::from(*yes))),
        (Function::Int, [Value::Float(float)]) => Integer::of_float(*float).map(Value::int),
        (Function::Int, [Value::Text(_) | Value::Bytes(_), ..]) => {
            let base = match arguments.get(1..) {
                Some([]) => Some(10),
                Some([Value::Int(base)]) => base.small(),
                Some([Value::Bool(yes)]) => Some(u32::from(*yes)),
                _ => None,
            };
            let text = match arguments.first() {
                Some(Value::Text(text)) => Some(*text),
                Some(Value::Bytes(bytes)) => text_of_bytes(bytes),
                _ => None,
            };
            meter.spend(text.map_or(0, str::len))?;
            base.zip(text).and_then(|(base, text)| int_of_text(text, base)).map(Value::int)
        }
        (Function::Float, []) => Some(Value::Float(0.0)),
        (Function::Float, [Value::Int(integer)]) => integer.to_float().map(Value::Float),
        (Function::Float, [Value::Bool(yes)]) => Some(Value::Float(f64::from(u8::from(*yes)))),
        (Function::Float, [Value::Float(float)]) => Some(Value::Float(*float)),
        (Function::Float, [Value::Text(text)]) => {
            meter.spend_bytes(text.len())?;
            float_of_text(text).map(Value::Float)
        }
        (Function::Float, [Value::Bytes(bytes)]) => {
            meter.spend_bytes(bytes.len())?;
            text_of_bytes(bytes).and_then(float_of_text).map(Value::Float)
        }
        _ => None,
    };
    value.ok_or(Stop::Raised)
}
