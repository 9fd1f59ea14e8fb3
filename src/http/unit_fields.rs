//! The fields of a unit as JSON has them, for whoever takes units in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::app::{cut, holds_nul};
use crate::domain::fault::Fault;
use crate::domain::unit::FieldValue;

/// The longest name of a field, in characters.
const MAX_FIELD_NAME: usize = 200;

const NUL: &str = "it holds a NUL character, which cannot be stored";

/// The fields that can be read of these; what is wrong with the others is added to the faults.
pub(super) fn fields_of(
    given: Map<String, Value>,
    pointer: &str,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, FieldValue> {
    let mut fields = BTreeMap::new();
    for (name, value) in given {
        let wrong = wrong_name(&name).or_else(|| holds_nul(&value).then(|| NUL.to_owned()));
        match wrong.map_or_else(|| FieldValue::from_json(value).ok_or_else(|| NULL.to_owned()), Err) {
            Ok(value) => drop(fields.insert(name, value)),
            Err(words) => faults.push(Fault::new(below(pointer, &name), words)),
        }
    }
    fields
}

const NULL: &str = "want a text, a list or a map, not `null`: leave the field out";

/// What is wrong with the name of a field, if anything is.
pub(super) fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() || name.chars().count() > MAX_FIELD_NAME {
        return Some(format!("the name of a field: want 1 to {MAX_FIELD_NAME} characters"));
    }
    name.contains('\0').then(|| format!("the name of a field: {NUL}"))
}

/// The pointer to a member of what a pointer points to (RFC 6901).
pub(super) fn below(pointer: &str, member: &str) -> String {
    format!("{pointer}/{}", cut(member, 500).replace('~', "~0").replace('/', "~1"))
}
