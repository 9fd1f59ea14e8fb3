//! Rows of the table `results` of a Canary workspace.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::domain::digest::Digest;
use crate::domain::fault::Fault;
use crate::domain::spec_result::result::{SpecNames, SpecResult};
use crate::domain::spec_result::status::Change;

#[cfg(test)]
mod tests;

/// A row, with the columns of the table in their order. Times are seconds since 1970, and -1 where they are not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// `spec_id`.
    pub spec_id: String,
    /// `spec_name`.
    pub spec_name: String,
    /// `spec_fullname`.
    pub spec_fullname: String,
    /// `file_root`.
    pub file_root: String,
    /// `file_path`.
    pub file_path: String,
    /// `session`.
    pub session: String,
    /// `workspace`: the folder it ran in, below the session's.
    pub workspace: String,
    /// `status_state`.
    pub state: String,
    /// `status_category`.
    pub category: String,
    /// `status_status`.
    pub status: String,
    /// `status_reason`; empty where there is none.
    pub reason: String,
    /// `status_code`.
    pub code: i64,
    /// `submitted`.
    pub submitted: f64,
    /// `started`.
    pub started: f64,
    /// `finished`.
    pub finished: f64,
    /// `measurements`: an object, as JSON of Python's.
    pub measurements: String,
}

impl Row {
    /// The result that it holds.
    ///
    /// Its own id follows from all that stands in the row: the same row is the same result whenever it is read, and a row that
    /// Canary has written anew since is another one, which takes the place of the first. Measurements that are no numbers
    /// (`NaN`, `Infinity`), which Python writes and JSON has not, become null.
    ///
    /// # Errors
    /// If the status breaks the table of statuses, the measurements are no object, or something is larger than a result may
    /// be.
    pub fn read(&self) -> Result<SpecResult, Vec<Fault>> {
        let fault = |pointer: &str, detail: String| vec![Fault::new(pointer, detail)];
        let code = i32::try_from(self.code);
        let code = code.map_err(|_| fault("/status/code", format!("want a code of 32 bits, not {}", self.code)))?;
        let told = Change {
            state: Some(self.state.clone()),
            category: Some(self.category.clone()),
            status: Some(self.status.clone()),
            reason: some(&self.reason),
            code: Some(code),
        };
        let status =
            told.apply().map_err(|invalid| fault(&format!("/status/{}", invalid.member()), invalid.to_string()))?;
        let measurements = measurements(&self.measurements).map_err(|detail| fault("/measurements", detail))?;
        let result = SpecResult {
            id: format!("canary-{}", self.digest()),
            spec_id: self.spec_id.clone(),
            session: self.session.clone(),
            names: Some(SpecNames {
                name: self.spec_name.clone(),
                fullname: self.spec_fullname.clone(),
                file_root: self.file_root.clone(),
                file_path: self.file_path.clone(),
            }),
            workspace: some(&self.workspace),
            status,
            submitted_at: time(self.submitted),
            started_at: time(self.started),
            finished_at: time(self.finished),
            measurements,
        };
        result.check().map(|()| result)
    }

    /// The SHA-256 of the row: of each column, in their order, the length of its text in bytes, a colon and the text.
    fn digest(&self) -> Digest {
        let (code, [submitted, started, finished]) =
            (self.code.to_string(), [self.submitted, self.started, self.finished].map(|time| format!("{time:e}")));
        let columns: [&str; 16] = [
            &self.spec_id,
            &self.spec_name,
            &self.spec_fullname,
            &self.file_root,
            &self.file_path,
            &self.session,
            &self.workspace,
            &self.state,
            &self.category,
            &self.status,
            &self.reason,
            &code,
            &submitted,
            &started,
            &finished,
            &self.measurements,
        ];
        let mut hasher = Sha256::new();
        for column in columns {
            hasher.update(column.len().to_string());
            hasher.update(":");
            hasher.update(column);
        }
        Digest::finish(hasher)
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The moment of these seconds, cut to microseconds, which both databases keep. None of those that are not known, and of
/// those that no calendar has.
fn time(seconds: f64) -> Option<DateTime<Utc>> {
    const MOST: f64 = 253_402_300_800.0;
    if !(0.0..MOST).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is between 0 and 2^58, and what is cut is under a microsecond"
    )]
    let micros = (seconds * 1_000_000.0) as i64;
    DateTime::from_timestamp_micros(micros)
}

fn measurements(text: &str) -> Result<Map<String, Value>, String> {
    let parsed = serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_non_numbers(text)));
    match parsed {
        Ok(Value::Object(measurements)) => Ok(measurements),
        Ok(_) => Err("want an object".to_owned()),
        Err(error) => Err(format!("want an object as JSON: {error}")),
    }
}

/// The JSON with `NaN`, `Infinity` and `-Infinity` outside of texts made null.
fn without_non_numbers(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let (mut rest, mut in_text) = (text, false);
    while let Some(first) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| !in_text && rest.starts_with(word));
        let taken = match (word, in_text, first) {
            (Some(word), ..) => word.len(),
            // What is escaped ends no text.
            (None, true, '\\') => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            _ => first.len_utf8(),
        };
        in_text ^= first == '"' && word.is_none();
        clean.push_str(if word.is_some() { "null" } else { rest.get(..taken).unwrap_or_default() });
        rest = rest.get(taken..).unwrap_or_default();
    }
    clean
}
