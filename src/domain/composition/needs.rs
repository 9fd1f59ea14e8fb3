//! What a job asks of the machine that runs it, beside its command.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{ARTIFACTS, REQUIRES, SLOTS, TIMEOUT};
use crate::domain::agent::{Labels, MAX_LABELS};
use crate::domain::catalogue::limits::MAX_TIMEOUT_S;
use crate::domain::unit::words::{Token, Tokens};
use crate::domain::unit::{FieldValue, Unit, duration};

/// The most slots of a pool that a job takes.
pub const MAX_SLOTS: u32 = 10_000;

/// The most patterns of files that are kept.
const MAX_PATTERNS: usize = 100;

/// What a job asks of the machine that runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The labels that its agent must have.
    pub requires: Labels,
    /// How many slots it takes, by pool.
    pub slots: BTreeMap<String, u32>,
}

/// A field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {detail}")]
pub struct WrongField {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it, and what was expected.
    pub detail: String,
}

impl WrongField {
    pub(super) fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self { field, detail: detail.into() }
    }
}

impl Needs {
    /// What this unit says that it needs.
    ///
    /// # Errors
    /// [`WrongField`].
    pub fn read(unit: &Unit) -> Result<Self, WrongField> {
        let requires = Labels(pairs(unit, REQUIRES)?);
        requires.check().map_err(|words| WrongField::new(REQUIRES, words))?;
        let mut slots = BTreeMap::new();
        for (pool, count) in pairs(unit, SLOTS)? {
            let number = count.parse().ok().filter(|number| (1..=MAX_SLOTS).contains(number));
            let wrong = || WrongField::new(SLOTS, format!("want 1 to {MAX_SLOTS} slots of `{pool}`, not `{count}`"));
            let number = number.ok_or_else(wrong)?;
            slots.insert(pool, number);
        }
        // A pool is named as a label is.
        let names = Labels(slots.keys().map(|pool| (pool.clone(), String::new())).collect());
        names.check().map_err(|words| WrongField::new(SLOTS, words))?;
        Ok(Self { requires, slots })
    }
}

/// After how many seconds a job is stopped that says so.
///
/// # Errors
/// [`WrongField`].
pub fn timeout(unit: &Unit) -> Result<Option<u64>, WrongField> {
    let wrong = || WrongField::new(TIMEOUT, format!("want 1 to {MAX_TIMEOUT_S} seconds, or `1h 30m`"));
    let Some(value) = unit.value(TIMEOUT) else { return Ok(None) };
    let seconds = value.as_text().and_then(duration::seconds).ok_or_else(wrong)?;
    if !(seconds > 0.0 && seconds <= f64::from(MAX_TIMEOUT_S)) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was held to its bounds above")]
    Ok(Some(seconds.ceil() as u64))
}

/// The patterns of the files that are kept of a job.
///
/// # Errors
/// [`WrongField`].
pub fn artifacts(unit: &Unit) -> Result<Vec<String>, WrongField> {
    let patterns = unit.words(ARTIFACTS);
    check_artifacts(&patterns).map_err(|words| WrongField::new(ARTIFACTS, words))?;
    Ok(patterns)
}

/// What is wrong with the patterns of the files that are kept.
pub(super) fn check_artifacts(patterns: &[String]) -> Result<(), String> {
    if patterns.len() > MAX_PATTERNS {
        return Err(format!("want at most {MAX_PATTERNS} patterns, not {}", patterns.len()));
    }
    let leaves = |pattern: &&String| {
        pattern.is_empty() || pattern.starts_with('/') || pattern.split('/').any(|part| part == "..")
    };
    match patterns.iter().find(leaves) {
        Some(pattern) => {
            Err(format!("`{pattern}` leaves the job's folder: want a relative path or pattern without `..`"))
        }
        None => Ok(()),
    }
}

/// What is wrong with the fields of a unit that are read here, if anything is.
///
/// # Errors
/// [`WrongField`].
pub fn check(unit: &Unit) -> Result<(), WrongField> {
    Needs::read(unit)?;
    timeout(unit)?;
    artifacts(unit)?;
    super::definition::stated(unit)?;
    super::definition::wants(unit)?;
    Ok(())
}

/// The pairs of a field: words like `name=value`, or a map of texts and numbers.
fn pairs(unit: &Unit, field: &'static str) -> Result<BTreeMap<String, String>, WrongField> {
    let want = "want words like `name=value`, or a map";
    let pairs = match unit.value(field) {
        None => BTreeMap::new(),
        Some(FieldValue::Text(text)) => {
            let mut tokens = Tokens::new(text).map(|(_, token)| token).filter(|token| *token != Token::Comma);
            let mut pairs = BTreeMap::new();
            while let Some(name) = tokens.next() {
                match (name, tokens.next(), tokens.next()) {
                    (Token::Word(name), Some(Token::Equals), Some(Token::Word(value))) => pairs.insert(name, value),
                    _ => return Err(WrongField::new(field, want)),
                };
            }
            pairs
        }
        Some(FieldValue::Map(map)) => {
            let text = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let pairs = map.iter().map(|(name, value)| Some((name.clone(), text(value)?)));
            pairs.collect::<Option<_>>().ok_or_else(|| WrongField::new(field, want))?
        }
        Some(FieldValue::List(_)) => return Err(WrongField::new(field, want)),
    };
    if pairs.len() > MAX_LABELS {
        return Err(WrongField::new(field, format!("want at most {MAX_LABELS}, not {}", pairs.len())));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests;
