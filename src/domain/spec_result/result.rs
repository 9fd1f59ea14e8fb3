//! Results of specs: what is kept of one run of a spec.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::catalogue::limits::{MAX_DEPTH, MAX_DESCRIPTION, MAX_NAME};
use crate::domain::fault::{self, Fault, Faults};
use crate::domain::spec_result::status::{CaseStatus, Change};

#[cfg(test)]
mod tests;

/// The most characters of the id of a spec: Canary's have 64 or 128.
pub const MAX_SPEC_ID: usize = 128;

/// The most bytes of a path, and of a name that stands in one.
pub const MAX_PATH: usize = 4_096;

/// The most measurements of a result.
pub const MAX_MEASUREMENTS: usize = 1_000;

/// The most bytes of all measurements of a result, as compact JSON.
pub const MAX_MEASUREMENTS_BYTES: usize = 262_144;

/// A result.
///
/// As a document the JSON object of these members; those that are `Option`s, `names` and `measurements` may be left out, and
/// `id` too where the reader is given one. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpecResult {
    /// Its own id, given by whoever brings it: the same id is the same result, brought again.
    pub id: String,
    /// The spec that it is a result of, which need not be stored.
    pub spec_id: String,
    /// The session that it ran in. A spec has one result in a session; a later one takes its place.
    pub session: String,
    /// How the spec was called when it ran.
    pub names: Option<SpecNames>,
    /// Where it ran, below the session's folder.
    pub workspace: Option<String>,
    /// How the spec stands.
    pub status: CaseStatus,
    /// When it was handed in.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What was measured, by name.
    pub measurements: Map<String, Value>,
}

/// How a spec was called when it ran: the spec may be called otherwise since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpecNames {
    /// Its name, with its parameters.
    pub name: String,
    /// The same behind its directory.
    pub fullname: String,
    /// The folder that was searched.
    pub file_root: String,
    /// The file, from that folder on.
    pub file_path: String,
}

impl SpecResult {
    /// Reads a result. `id` is what it gets as its own where the document has none.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn read(document: &Value, id: Option<&str>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        let read = reader.object(document).and_then(|members| reader.result(members, id));
        reader.0.or(read)
    }

    /// Checks a result that was made otherwise: the same bounds.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut reader = Reader::default();
        reader.check(self);
        reader.0.or(Some(()))
    }
}

/// Of these results, in the order of their coming, the newest of each spec: the one of the greatest session.
///
/// Sessions are compared as texts, by code points, whatever their times: that is the order of their names, which begin with
/// the time where Canary gives them. So `run9` comes after `run10`. Of two in one session the later took the earlier's place.
#[must_use]
pub fn newest<'a>(results: impl IntoIterator<Item = &'a SpecResult>) -> BTreeMap<&'a str, &'a SpecResult> {
    let mut newest: BTreeMap<&str, &SpecResult> = BTreeMap::new();
    for result in results {
        newest
            .entry(result.spec_id.as_str())
            .and_modify(|known| {
                if known.session <= result.session {
                    *known = result;
                }
            })
            .or_insert(result);
    }
    newest
}

/// Of these results, in the order of their coming, all that a spec has: in the order of their sessions, one of each.
#[must_use]
pub fn history<'a>(results: impl IntoIterator<Item = &'a SpecResult>, spec_id: &str) -> Vec<&'a SpecResult> {
    let of_spec = results.into_iter().filter(|result| result.spec_id == spec_id);
    let by_session: BTreeMap<&str, &SpecResult> = of_spec.map(|result| (result.session.as_str(), result)).collect();
    by_session.into_values().collect()
}

/// Reads and checks a result, and has the faults that were found so far.
#[derive(Default)]
struct Reader(Faults);

const MEMBERS: [&str; 10] = [
    "id",
    "spec_id",
    "session",
    "names",
    "workspace",
    "status",
    "submitted_at",
    "started_at",
    "finished_at",
    "measurements",
];

impl Reader {
    fn object<'a>(&mut self, document: &'a Value) -> Option<&'a Map<String, Value>> {
        match document {
            Value::Object(members) => Some(members),
            _ => self.0.refuse("", "want a result: an object"),
        }
    }

    fn result(&mut self, members: &Map<String, Value>, id: Option<&str>) -> Option<SpecResult> {
        for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
            self.0.add("", format!("there is no member `{}`", name.chars().take(80).collect::<String>()));
        }
        let own_id = match members.get("id") {
            None if id.is_some() => id.map(str::to_owned),
            _ => self.text(members, "", "id"),
        };
        let spec_id = self.text(members, "", "spec_id");
        let session = self.text(members, "", "session");
        let names = self.names(members);
        let workspace = Self::optional(members, "workspace").and_then(|_| self.text(members, "", "workspace"));
        let status = self.status(members);
        let [submitted_at, started_at, finished_at] =
            ["submitted_at", "started_at", "finished_at"].map(|name| self.time(members, name));
        let measurements = match Self::optional(members, "measurements") {
            None => Map::new(),
            Some(Value::Object(measurements)) => measurements.clone(),
            Some(_) => self.0.refuse("/measurements", "want an object: a value under each name")?,
        };
        let result = SpecResult {
            id: own_id?,
            spec_id: spec_id?,
            session: session?,
            names,
            workspace,
            status: status?,
            submitted_at,
            started_at,
            finished_at,
            measurements,
        };
        self.check(&result);
        Some(result)
    }

    /// A member that is there and not null.
    fn optional<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        members.get(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, members: &Map<String, Value>, above: &str, name: &str) -> Option<String> {
        match members.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => self.0.refuse(format!("{above}/{name}"), "want a text"),
            None => self.0.refuse(above, format!("want `{name}`")),
        }
    }

    fn names(&mut self, members: &Map<String, Value>) -> Option<SpecNames> {
        match Self::optional(members, "names")? {
            Value::Object(names) => {
                let [name, fullname, file_root, file_path] =
                    ["name", "fullname", "file_root", "file_path"].map(|name| self.text(names, "/names", name));
                Some(SpecNames { name: name?, fullname: fullname?, file_root: file_root?, file_path: file_path? })
            }
            _ => self.0.refuse("/names", "want an object of `name`, `fullname`, `file_root` and `file_path`"),
        }
    }

    fn status(&mut self, members: &Map<String, Value>) -> Option<CaseStatus> {
        let Some(told) = members.get("status") else { return self.0.refuse("", "want `status`") };
        match serde_json::from_value::<Change>(told.clone()) {
            Ok(change) => match change.apply() {
                Ok(status) => Some(status),
                Err(invalid) => self.0.refuse(format!("/status/{}", invalid.member()), invalid.to_string()),
            },
            Err(error) => self.0.refuse("/status", error.to_string()),
        }
    }

    fn time(&mut self, members: &Map<String, Value>, name: &str) -> Option<DateTime<Utc>> {
        let told = Self::optional(members, name)?;
        match told.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()) {
            Some(time) => Some(time.to_utc()),
            None => self.0.refuse(format!("/{name}"), "want a time as RFC 3339 has it: 2026-01-02T03:04:05Z"),
        }
    }

    fn check(&mut self, result: &SpecResult) {
        self.check_text("/id", &result.id, 1, MAX_NAME);
        self.check_text("/spec_id", &result.spec_id, 1, MAX_SPEC_ID);
        self.check_text("/session", &result.session, 1, MAX_NAME);
        if let Some(names) = &result.names {
            self.check_text("/names/name", &names.name, 1, MAX_PATH);
            self.check_text("/names/fullname", &names.fullname, 1, MAX_PATH);
            self.check_text("/names/file_root", &names.file_root, 0, MAX_PATH);
            self.check_text("/names/file_path", &names.file_path, 1, MAX_PATH);
        }
        if let Some(workspace) = &result.workspace {
            self.check_text("/workspace", workspace, 0, MAX_PATH);
        }
        let reason = result.status.reason().unwrap_or_default();
        // A reason may have lines, and what programs print in colours.
        if reason.chars().count() > MAX_DESCRIPTION || reason.contains('\0') {
            let detail = format!("want at most {MAX_DESCRIPTION} characters, and no NUL, which cannot be stored");
            self.0.add("/status/reason", detail);
        }
        for (name, time) in [
            ("submitted_at", result.submitted_at),
            ("started_at", result.started_at),
            ("finished_at", result.finished_at),
        ] {
            if time.is_some_and(|time| !(1..=9999).contains(&time.year())) {
                self.0.add(format!("/{name}"), "want a time in the years 1 to 9999");
            }
        }
        self.check_measurements(&result.measurements);
    }

    fn check_text(&mut self, at: &str, text: &str, least: usize, most: usize) {
        let is_long = text.len() > most && text.chars().count() > most;
        if text.len() < least || is_long || text.chars().any(char::is_control) {
            self.0.add(at, format!("want {least} to {most} characters, no control characters"));
        }
    }

    fn check_measurements(&mut self, measurements: &Map<String, Value>) {
        const AT: &str = "/measurements";
        if measurements.len() > MAX_MEASUREMENTS {
            let count = measurements.len();
            return self.0.add(AT, format!("want at most {MAX_MEASUREMENTS}, not {count}"));
        }
        for (name, value) in measurements {
            let is_long = name.len() > MAX_NAME && name.chars().count() > MAX_NAME;
            if name.is_empty() || is_long || name.contains('\0') {
                self.0.add(AT, format!("want as a name 1 to {MAX_NAME} characters, no NUL"));
            } else if !is_storable(value, MAX_DEPTH) {
                self.0.add(
                    fault::pointer(["measurements", name]),
                    format!("want no NUL, which cannot be stored, and at most {MAX_DEPTH} levels"),
                );
            }
        }
        if self.0.is_empty() && serde_json::to_vec(measurements).is_ok_and(|json| json.len() > MAX_MEASUREMENTS_BYTES) {
            self.0.add(AT, format!("want at most {MAX_MEASUREMENTS_BYTES} bytes of JSON in all"));
        }
    }
}

fn is_storable(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(values) => values.iter().all(|value| is_storable(value, below)),
        Value::Object(members) => members.iter().all(|(name, value)| !name.contains('\0') && is_storable(value, below)),
        _ => true,
    }
}
