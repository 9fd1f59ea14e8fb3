//! What tests are expected to come to, and how results compare with that.
//!
//! Everything is expected to pass that is not expected to come to something else. Only tests count: a resource that could
//! not be cleaned up makes no run unexpected.

use std::collections::BTreeMap;

use crate::domain::catalogue::item::Expectation;
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::catalogue::pattern::{Pattern, PatternError};
use crate::domain::words::Word as _;

/// What a test comes to beside what was expected, as QMTest shows it: `XPASS` for a pass that was expected to fail, `XFAIL`
/// for a failure that was, otherwise the outcome, with the expectation where that is another.
#[must_use]
pub fn shown(outcome: Outcome, expected: Outcome) -> String {
    match (outcome, expected) {
        (Outcome::Pass, Outcome::Fail) => "XPASS".to_owned(),
        (Outcome::Fail, Outcome::Fail) => "XFAIL".to_owned(),
        _ if outcome == expected || expected == Outcome::Pass => outcome.to_string(),
        _ => format!("{outcome} (expected {expected})"),
    }
}

/// How many results there are of an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub all: usize,
    /// Those that were expected to come to something else.
    pub unexpected: usize,
}

/// Results in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// For each outcome.
    pub outcomes: BTreeMap<Outcome, Count>,
}

impl Default for Statistics {
    fn default() -> Self {
        Self { outcomes: Outcome::ALL.iter().map(|outcome| (*outcome, Count::default())).collect() }
    }
}

impl Statistics {
    /// Counts a test's result. A test that has two counts twice.
    pub fn add(&mut self, outcome: Outcome, expected: Outcome) {
        let count = self.outcomes.entry(outcome).or_default();
        count.all += 1;
        count.unexpected += usize::from(outcome != expected);
    }

    /// How many results there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.outcomes.values().map(|count| count.all).sum()
    }

    /// How many are not as expected.
    #[must_use]
    pub fn unexpected(&self) -> usize {
        self.outcomes.values().map(|count| count.unexpected).sum()
    }

    /// A share of the results in per cent, rounded to two decimals; 0 where there are none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 tests")]
    pub fn percent(&self, count: usize) -> f64 {
        match self.total() {
            0 => 0.0,
            total => (count as f64 * 10_000.0 / total as f64).round() / 100.0,
        }
    }
}

/// Those of the tests that are worth running again, in their order: whose last result, a pass where there is none, is not
/// what is expected of them.
#[must_use]
pub fn rerun<'a>(
    ids: &[&'a str],
    previous: &BTreeMap<String, Outcome>,
    expected: &BTreeMap<String, Expectation>,
) -> Vec<&'a str> {
    let is_unexpected = |id: &&&str| {
        let expected = expected.get(**id).map_or(Outcome::Pass, |it| it.outcome);
        previous.get(**id).copied().unwrap_or(Outcome::Pass) != expected
    };
    ids.iter().filter(is_unexpected).copied().collect()
}

/// A rule of QMTest's expectation databases: which tests it is about, in which runs, and what they are expected to come to.
#[derive(Clone, Debug)]
pub struct Rule {
    test: Pattern,
    annotations: Vec<(String, Pattern)>,
    expectation: Expectation,
}

impl Rule {
    /// A rule for the tests whose id the pattern matches at its start, in runs of which each of these annotations is there
    /// and is matched at its start.
    ///
    /// # Errors
    /// If one of them is no pattern.
    pub fn new(
        test: &str,
        outcome: Outcome,
        annotations: &[(String, String)],
        description: Option<String>,
    ) -> Result<Self, PatternError> {
        let annotations = annotations.iter().map(|(name, pattern)| Ok((name.clone(), Pattern::new(pattern)?)));
        Ok(Self {
            test: Pattern::new(test)?,
            annotations: annotations.collect::<Result<_, PatternError>>()?,
            expectation: Expectation { outcome, cause: description },
        })
    }

    fn applies(&self, id: &str, run: &BTreeMap<String, String>) -> bool {
        let matches = |pattern: &Pattern, text: &str| pattern.matches(text).unwrap_or_default();
        matches(&self.test, id)
            && self.annotations.iter().all(|(name, pattern)| run.get(name).is_some_and(|value| matches(pattern, value)))
    }
}

/// What these rules expect of a test in a run with these annotations: the last that applies counts.
#[must_use]
pub fn expected(rules: &[Rule], id: &str, run: &BTreeMap<String, String>) -> Expectation {
    let last = rules.iter().rev().find(|rule| rule.applies(id, run));
    last.map_or(Expectation { outcome: Outcome::Pass, cause: None }, |rule| rule.expectation.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::domain::golden;

    fn outcome(value: &Value) -> Outcome {
        value.as_str().unwrap().parse().unwrap()
    }

    fn expectations(value: &Value) -> BTreeMap<String, Expectation> {
        let expected = value.as_object().into_iter().flatten();
        expected.map(|(id, it)| (id.clone(), Expectation { outcome: outcome(it), cause: None })).collect()
    }

    /// The format `stats` of the original does not count what is unexpected; here every result is counted.
    fn recount(expected: &mut Map<String, Value>, statistics: &Statistics) {
        let of = |count: usize| json!(count);
        for (outcome, count) in &statistics.outcomes {
            expected.insert(format!("{outcome}_UNEXPECTED"), of(count.unexpected));
        }
        expected.insert("UNEXPECTED".into(), of(statistics.unexpected()));
        expected.insert("EXPECTED".into(), of(statistics.total() - statistics.unexpected()));
        let percent = statistics.percent(statistics.total() - statistics.unexpected());
        expected.insert("EXPECTED_PERCENT".into(), json!(percent));
    }

    #[test]
    fn golden_results_are_counted_and_shown_as_by_qmtest() {
        for case in golden::cases("qmtest/summary_rerun.json", "cases").iter().filter(|case| case["area"] == "summary")
        {
            let (name, given) = (case["name"].as_str().unwrap(), &case["given"]);
            let expected_of = expectations(&given["expected"]);
            let (mut statistics, mut displayed) = (Statistics::default(), Map::new());
            for result in given["results"].as_array().unwrap() {
                let (id, came) = (result[1].as_str().unwrap(), outcome(&result[2]));
                let expected = expected_of.get(id).map_or(Outcome::Pass, |it| it.outcome);
                match result[0].as_str().unwrap() {
                    "test" => {
                        statistics.add(came, expected);
                        displayed.insert(id.to_owned(), json!(shown(came, expected)));
                    }
                    "resource_setup" => drop(displayed.insert(format!("Setup {id}"), json!(came.to_string()))),
                    _ => drop(displayed.insert(format!("Cleanup {id}"), json!(came.to_string()))),
                }
            }
            let mut ours = Map::new();
            for (outcome, count) in &statistics.outcomes {
                ours.insert(outcome.to_string(), json!(count.all));
                ours.insert(format!("{outcome}_PERCENT"), json!(statistics.percent(count.all)));
            }
            ours.insert("TOTAL".into(), json!(statistics.total()));
            recount(&mut ours, &statistics);
            let mut expected = case["expect"]["result"].as_object().unwrap().clone();
            let theirs = expected.remove("displayed").unwrap();
            if given["format"] == "stats" {
                recount(&mut expected, &statistics);
            } else {
                assert_eq!(Value::Object(displayed), theirs, "{name}");
            }
            assert_eq!(ours, expected, "{name}");
        }
    }

    #[test]
    fn golden_reruns_take_the_tests_that_qmtest_takes() {
        for case in golden::cases("qmtest/summary_rerun.json", "cases").iter().filter(|case| case["area"] == "rerun") {
            let given = &case["given"];
            let previous = given["previous"].as_array().unwrap().iter().filter(|result| result[0] == "test");
            let previous = previous.map(|it| (it[1].as_str().unwrap().to_owned(), outcome(&it[2]))).collect();
            let ids: Vec<&str> =
                case["call"]["args"]["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
            let taken = rerun(&ids, &previous, &expectations(&given["expected"]));
            assert_eq!(json!(taken), case["expect"]["result"], "{}", case["name"]);
        }
    }

    #[test]
    fn a_rule_with_a_pattern_that_is_none_is_refused() {
        assert!(Rule::new("(", Outcome::Fail, &[], None).is_err());
        assert!(Rule::new("a", Outcome::Fail, &[("os".into(), "[".into())], None).is_err());
    }
}
