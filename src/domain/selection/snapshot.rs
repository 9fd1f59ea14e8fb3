//! A selection written down: what was selected from, what was left out and why, and by which rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Rule, Test};
use crate::domain::selection::selector::Selector;
use crate::domain::selection::table::Table;

#[cfg(test)]
mod golden_tests;

/// A selection written down, in Canary's form: exactly these four fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The name of the set of specs that were selected from: [`Table::spec_set_id`], in hexadecimal digits.
    pub spec_set_id: String,
    /// The masked specs, by id, each with its reason in words.
    pub masked: BTreeMap<String, String>,
    /// The rules, each a JSON document as text. They are read by [`Self::rules`], not before.
    pub rules: Vec<String>,
    /// When it was taken; any text is taken for one.
    pub created_on: String,
}

/// Why a text is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// It is JSON of something else.
    #[error("it is no snapshot: {0}")]
    Schema(String),
    /// A rule in it is none.
    #[error("rule {place}: {error}")]
    Rule {
        /// The rule's place in the list, from 1.
        place: usize,
        /// What is wrong with it.
        error: String,
    },
}

impl Snapshot {
    /// Writes a selection down: of which specs, what is masked and why, by which rules, and when.
    #[must_use]
    pub fn new<'r>(
        spec_set_id: String,
        masked: BTreeMap<String, String>,
        rules: impl IntoIterator<Item = &'r Json>,
        created_on: String,
    ) -> Self {
        Self { spec_set_id, masked, rules: rules.into_iter().map(Json::to_string).collect(), created_on }
    }

    /// Reads what [`serde_json::to_string`] made of one, here or in Canary.
    ///
    /// # Errors
    /// [`SnapshotError::Json`], [`SnapshotError::Schema`].
    pub fn reconstruct(text: &str) -> Result<Self, SnapshotError> {
        let document: Json = serde_json::from_str(text).map_err(|error| SnapshotError::Json(error.to_string()))?;
        // A list of the right length would do for serde.
        if !document.is_object() {
            return Err(SnapshotError::Schema("want an object".to_owned()));
        }
        Self::deserialize(document).map_err(|error| SnapshotError::Schema(error.to_string()))
    }

    /// Whether it was taken of a set of specs with the same ids. What the specs are plays no part.
    #[must_use]
    pub fn is_compatible_with(&self, table: &Table) -> bool {
        self.spec_set_id == table.spec_set_id().to_string()
    }

    /// Masks what it has masked, whatever reason there was, and leaves everything else as it is. Ids that are not there
    /// and empty reasons are passed over.
    pub fn apply(&self, table: &Table, selector: &mut Selector<'_>) {
        for (id, text) in self.masked.iter().filter(|(_, text)| !text.is_empty()) {
            if let Some(spec) = table.place(id) {
                selector.premask(spec, Reason::Custom { text: text.clone() });
            }
        }
    }

    /// Its rules.
    ///
    /// # Errors
    /// [`SnapshotError::Rule`] for the first that is none.
    pub fn rules(&self) -> Result<Vec<Rule>, SnapshotError> {
        let read = |(place, text): (usize, &String)| {
            read_rule(text).map_err(|error| SnapshotError::Rule { place: place + 1, error })
        };
        self.rules.iter().enumerate().map(read).collect()
    }
}

/// Reads a rule from its text: ours, or Canary's `{"module", "classname", "params"}` with one of its classes.
fn read_rule(text: &str) -> Result<Rule, String> {
    let document: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Json::Object(fields) = document else { return Err("want an object".to_owned()) };
    let rule = match (fields.get("classname").and_then(Json::as_str), fields.get("params")) {
        (Some(class), Some(Json::Object(params))) => of_canary(class, params)?,
        _ => fields,
    };
    Rule::deserialize(Json::Object(rule)).map_err(|error| error.to_string())
}

/// One of Canary's rules as ours would be written.
fn of_canary(class: &str, params: &Map<String, Json>) -> Result<Map<String, Json>, String> {
    let (kind, theirs, ours) = match class {
        "KeywordRule" => ("keyword", "keyword_exprs", "expressions"),
        "ParameterRule" => ("parameter", "parameter_expr", "expression"),
        "IDsRule" => ("ids", "ids", "ids"),
        "OwnersRule" => ("owners", "owners", "owners"),
        "PrefixRule" => ("prefix", "prefixes", "prefixes"),
        "RegexRule" => ("regex", "regex", "pattern"),
        other => {
            let other: String = other.chars().take(80).collect();
            return Err(format!("there is no class `{other}` of rules"));
        }
    };
    let mut rule = Map::from_iter([("type".to_owned(), Json::from(kind))]);
    for (name, value) in params {
        let name = if name == theirs { ours } else { name };
        rule.insert(name.to_owned(), value.clone());
    }
    Ok(rule)
}

/// What differs between two selections of specs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Left out before, not now: the ids, and why they were left out.
    pub entered: Vec<(String, String)>,
    /// Selected before and left out now: the ids, and why they are left out.
    pub left: Vec<(String, String)>,
    /// Left out before and now, for another reason: the ids, the old and the new reason.
    pub reason_changed: Vec<(String, String, String)>,
}

/// A selection as far as it is compared: the selected ids, and the masked ones with their reasons.
pub type Side<'a> = (&'a std::collections::BTreeSet<String>, &'a BTreeMap<String, String>);

/// Compares two selections. A spec that one of them did not know was not selected there because it was not there.
#[must_use]
pub fn compare(before: Side<'_>, now: Side<'_>) -> Difference {
    const ABSENT: &str = "it was not among the specs";
    const GONE: &str = "it is no longer among the specs";
    let reason = |side: Side<'_>, id: &String, none: &str| side.1.get(id).cloned().unwrap_or_else(|| none.to_owned());
    let new = now.0.difference(before.0).map(|id| (id.clone(), reason(before, id, ABSENT)));
    let gone = before.0.difference(now.0).map(|id| (id.clone(), reason(now, id, GONE)));
    let changed = now.1.iter().filter_map(|(id, reason)| {
        let old = before.1.get(id).filter(|old| *old != reason)?;
        (!before.0.contains(id) && !now.0.contains(id)).then(|| (id.clone(), old.clone(), reason.clone()))
    });
    Difference { entered: new.collect(), left: gone.collect(), reason_changed: changed.collect() }
}

impl Rule {
    /// What the rule is called in reports: the `type` of its wire form.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &self.test {
            Test::Keyword { .. } => "keyword",
            Test::Parameter { .. } => "parameter",
            Test::Ids { .. } => "ids",
            Test::Owners { .. } => "owners",
            Test::Prefix { .. } => "prefix",
            Test::Regex { .. } => "regex",
            Test::View { .. } => "view",
            Test::History { .. } => "history",
            Test::Changed { .. } => "changed",
            Test::Budget { .. } => "budget",
        }
    }
}
