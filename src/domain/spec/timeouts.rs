//! How long tests may run that do not say so themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Default timeouts, in seconds. The first that there is counts: what was asked for, by the test's keywords in the order of
/// the test; what was asked for all; what is set up by keyword; what is set up for all; the default.
///
/// Keywords are compared with case. Canary's table holds two settings more, `session` and `multiplier`, which tests with
/// such a keyword get for a timeout; here they are keywords like any other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// What whoever runs the tests asked for, by keyword.
    pub asked_by_keyword: BTreeMap<String, f64>,
    /// What whoever runs the tests asked for all.
    pub asked: Option<f64>,
    /// What is set up, by keyword.
    pub by_keyword: BTreeMap<String, f64>,
    /// What is set up for all.
    pub all: Option<f64>,
    /// What is left.
    pub default: f64,
}

impl Default for Timeouts {
    /// Canary's own: 120 s for tests with the keyword `fast`, 900 s for `long`, 300 s for others.
    fn default() -> Self {
        Self {
            asked_by_keyword: BTreeMap::new(),
            asked: None,
            by_keyword: [("fast", 120.0), ("long", 900.0)].map(|(keyword, s)| (keyword.to_owned(), s)).into(),
            all: None,
            default: 300.0,
        }
    }
}

impl Timeouts {
    /// The default timeout of a test with these keywords, in seconds.
    #[must_use]
    pub fn of(&self, keywords: &[String]) -> f64 {
        let first = |table: &BTreeMap<String, f64>| keywords.iter().find_map(|keyword| table.get(keyword).copied());
        first(&self.asked_by_keyword)
            .or(self.asked)
            .or_else(|| first(&self.by_keyword))
            .or(self.all)
            .unwrap_or(self.default)
    }
}
