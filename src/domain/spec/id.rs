//! What identifies a spec.

use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

use super::Spec;
use super::limits::{MAX_ID_DIGITS, MIN_ID_DIGITS};
use crate::domain::digest::Digest;

#[cfg(test)]
mod tests;

/// The first record of what is digested: another way of computing ids would have another.
const RULE: &str = "testyard spec 1";

/// The text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want {MIN_ID_DIGITS} to {MAX_ID_DIGITS} lower-case hexadecimal digits")]
pub struct InvalidId;

/// Checks an id that was stated. Nothing else could be found by a prefix.
///
/// # Errors
/// [`InvalidId`], if it has another length or other characters.
pub fn check(id: &str) -> Result<(), InvalidId> {
    let is_good = (MIN_ID_DIGITS..=MAX_ID_DIGITS).contains(&id.len())
        && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_good { Ok(()) } else { Err(InvalidId) }
}

/// The id of a spec that states none: a rule of our own, for Canary's reads the test's file and looks for its repository,
/// and the service sees neither. It depends on what Canary's depends on.
///
/// It is the SHA-256 of these records, each written as its length in bytes, in decimal digits, a colon and the bytes: the
/// text `testyard spec 1`; the name; of each parameter and meta parameter (the latter of a name that both have), sorted by
/// name, the name and the value; an empty record; the file's SHA-256 in hexadecimal digits, empty where none is stated; the
/// file's path in its repository, or else `file_path`. Values are JSON without blanks, with members sorted by name; numbers
/// that were written with a fraction or an exponent have one digit before the point, as few after it as read back as the
/// same number, and an exponent: `3e2`, `-2.5e-1`. So `2` and `2.0` are two values.
///
/// So it changes with the timeout, which is a meta parameter, with any other parameter and with the file's contents, and
/// with nothing else.
#[must_use]
pub fn computed(spec: &Spec) -> Digest {
    let mut hasher = Sha256::new();
    let mut record = |text: &str| {
        hasher.update(text.len().to_string());
        hasher.update(":");
        hasher.update(text);
    };
    record(RULE);
    record(&spec.name());
    for (name, value) in spec.all_parameters() {
        record(name);
        record(&canonical(value));
    }
    record("");
    record(&spec.content_sha256.map(|digest| digest.to_string()).unwrap_or_default());
    record(spec.repository_path.as_deref().unwrap_or(&spec.file_path));
    Digest::finish(hasher)
}

/// What of a value is still to be written.
enum Rest<'a> {
    Value(&'a Value),
    Name(&'a str),
    Sign(char),
}

/// A value as JSON without blanks, its members sorted by name whatever order they are kept in; without recursion.
fn canonical(value: &Value) -> String {
    let mut text = String::new();
    let mut rest = vec![Rest::Value(value)];
    while let Some(next) = rest.pop() {
        match next {
            Rest::Sign(sign) => text.push(sign),
            Rest::Name(name) => text.push_str(&Value::from(name).to_string()),
            Rest::Value(Value::Array(entries)) => {
                text.push('[');
                rest.push(Rest::Sign(']'));
                for (place, entry) in entries.iter().enumerate().rev() {
                    rest.push(Rest::Value(entry));
                    if place > 0 {
                        rest.push(Rest::Sign(','));
                    }
                }
            }
            Rest::Value(Value::Object(members)) => {
                let mut members: Vec<(&String, &Value)> = members.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                text.push('{');
                rest.push(Rest::Sign('}'));
                for (place, (name, value)) in members.into_iter().enumerate().rev() {
                    rest.extend([Rest::Value(value), Rest::Sign(':'), Rest::Name(name)]);
                    if place > 0 {
                        rest.push(Rest::Sign(','));
                    }
                }
            }
            Rest::Value(Value::Number(number)) => text.push_str(&digits(number)),
            Rest::Value(plain) => text.push_str(&plain.to_string()),
        }
    }
    text
}

/// A number as it is digested. A JSON library may print it in another way tomorrow.
fn digits(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(number) => format!("{number:e}"),
        None => number.to_string(),
    }
}
