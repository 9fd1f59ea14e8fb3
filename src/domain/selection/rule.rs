//! The rules of a selection.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use crate::domain::fault::Fault;
use crate::domain::regex;
use crate::domain::selection::{keyword, parameter};
use crate::domain::words::words;

/// A rule: which specs pass. On the wire an object with its `type`, its parameters, and a `priority` where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule<T = Test> {
    /// What it asks.
    #[serde(flatten)]
    pub test: T,
    /// Rules of higher priority go first; of equal priority, those that were given first.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i64,
}

words! {
    /// What a spec's earlier results are.
    Past, "kind of history", {
        /// The newest one is a failure.
        Failed = "failed",
        /// The newest one is no pass, or there is none.
        NotPassed = "not_passed",
        /// There is none.
        NeverRun = "never_run",
        /// The spec was changed after its newest one, or there is none.
        Changed = "changed",
        /// Of the latest ones some passed and some failed.
        Flaky = "flaky",
        /// It takes long, as measured.
        Slow = "slow",
    }
}

impl Past {
    /// Who they are, for people: `asked for were those that …`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed last",
            Self::NotPassed => "did not pass last",
            Self::NeverRun => "never ran",
            Self::Changed => "changed since they ran",
            Self::Flaky => "pass and fail by turns",
            Self::Slow => "are slow",
        }
    }
}

/// What a rule asks of a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Test {
    /// That every expression holds of its keywords, and of its name, family and file beside them. A list with the entry
    /// `:all:` or `__all__` asks nothing; so does the empty one.
    Keyword {
        /// The expressions.
        expressions: Vec<String>,
    },
    /// That an expression holds of its parameters and meta parameters.
    Parameter {
        /// The expression.
        expression: String,
    },
    /// That its id begins with one of these.
    Ids {
        /// Beginnings of ids.
        ids: Vec<String>,
    },
    /// That it has one of these owners.
    Owners {
        /// The owners.
        owners: Vec<String>,
    },
    /// That its file's whole path begins with one of these texts. They are no paths: `/s/core` takes `/s/core2` too.
    Prefix {
        /// The beginnings.
        prefixes: Vec<String>,
    },
    /// That a line of its file, or of an asset, matches.
    Regex {
        /// The pattern, searched for in each line by itself.
        pattern: String,
    },
    /// That its view matches one of these shell globs.
    View {
        /// The globs.
        globs: Vec<String>,
    },
    /// That its earlier results are such.
    History {
        /// What they are.
        want: Past,
        /// How many of the newest results count for `flaky`; 10 where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latest: Option<u32>,
        /// From how many seconds on a spec is `slow`; 60 where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow_s: Option<u32>,
    },
    /// That something that changed concerns it: its own file or an asset, or what `affects` says of a changed path. If a
    /// changed path is nobody's and `affects` does not know it either, every spec passes: nothing is left out because
    /// somebody forgot to write down what it concerns.
    Changed {
        /// The changed paths, as the specs' files have them: below the root.
        paths: Vec<String>,
        /// Which specs a changed path concerns.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        affects: Vec<Affects>,
    },
    /// That there is time for it. Specs are taken in the order of their list, each with what it depends on, until no more
    /// fit. A spec takes as long as its newest result did; without any, as long as its timeout.
    Budget {
        /// The time that there is, in seconds, one spec after the other.
        seconds: u64,
    },
}

/// Which specs a changed path concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affects {
    /// Globs of changed paths.
    pub paths: Vec<String>,
    /// Globs of views; none says that such a change concerns no spec.
    pub views: Vec<String>,
}

impl<T> Rule<T> {
    /// A rule of the usual priority.
    #[must_use]
    pub fn new(test: T) -> Self {
        Self { test, priority: 0 }
    }
}

impl Rule {
    /// What in it is no expression or pattern. Selecting tells that only of what it comes to ask.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        match &self.test {
            Test::Keyword { expressions } if is_off(expressions) => Vec::new(),
            Test::Keyword { expressions } => {
                let fault = |(place, text): (usize, &String)| {
                    let error = keyword::Expression::parse(text).err()?;
                    Some(Fault::new(format!("/expressions/{place}"), error.to_string()))
                };
                expressions.iter().enumerate().filter_map(fault).collect()
            }
            Test::Parameter { expression } => {
                let error = parameter::Expression::parse(expression).err();
                error.map(|error| Fault::new("/expression", error.to_string())).into_iter().collect()
            }
            Test::Regex { pattern } => {
                let error = regex::compiled(pattern).err();
                error.map(|error| Fault::new("/pattern", error)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The entries that switch a keyword rule off.
const ALL: [&str; 2] = [":all:", "__all__"];

/// Whether an entry switches a keyword rule off.
pub(super) fn is_off(expressions: &[String]) -> bool {
    expressions.iter().any(|expression| ALL.contains(&expression.as_str()))
}

/// The rules in the order in which they are asked, with their places in the list.
#[must_use]
pub fn in_order<T>(rules: &[Rule<T>]) -> Vec<(usize, &Rule<T>)> {
    let mut rules: Vec<(usize, &Rule<T>)> = rules.iter().enumerate().collect();
    rules.sort_by_key(|(_, rule)| std::cmp::Reverse(rule.priority));
    rules
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Rule<T> {
    /// `flatten` would let unknown fields pass.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let priority = match fields.remove("priority") {
            Some(priority) => priority.as_i64().ok_or_else(|| D::Error::custom("`priority`: want a whole number"))?,
            None => 0,
        };
        let test = T::deserialize(Json::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { test, priority })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(priority: &i64) -> bool {
    *priority == 0
}
