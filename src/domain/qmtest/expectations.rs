//! Expectations as rules: patterns of test ids, and the outcome that is expected of what they match.

use super::xml::{Element, Limits, XmlError, parse};
use crate::domain::catalogue::outcome::Outcome;

/// The most rules of a file: each is tried against each test, and a real file has some dozens.
pub const MAX_RULES: usize = 10_000;

/// A rule as it stands in the file; its patterns are not looked at here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// The pattern that is matched with the beginning of a test's id.
    pub test: String,
    /// The outcome that is expected: pass or fail.
    pub outcome: Outcome,
    /// Pairs of the key of an annotation of the run, and the pattern that is matched with the beginning of its text. All
    /// must match; a run without the annotation does not.
    pub annotations: Vec<(String, String)>,
    /// Why, for people.
    pub description: Option<String>,
}

/// Reads rules, in their order: the last that applies counts.
///
/// # Errors
/// If it is not XML, has more than [`MAX_RULES`], or an outcome is none of `pass` and `fail`.
pub fn read(bytes: &[u8]) -> Result<Vec<RuleText>, XmlError> {
    let root = parse(bytes, Limits::DEFINITION)?;
    let rules = root.descendants("expectation");
    match rules.get(MAX_RULES) {
        Some(rule) => Err(rule.error(format!("there are {} expectations: want at most {MAX_RULES}", rules.len()))),
        None if root.name != "expectations" && rules.is_empty() => {
            Err(root.error(format!("the root is `{}`: want `expectations`", root.name)))
        }
        None => rules.into_iter().map(rule).collect(),
    }
}

fn rule(element: &Element) -> Result<RuleText, XmlError> {
    let outcome = match element.attribute("outcome").unwrap_or_default() {
        "pass" => Outcome::Pass,
        "fail" => Outcome::Fail,
        other => {
            let other: String = other.chars().take(80).collect();
            return Err(element.error(format!("the outcome `{other}` is none of a rule: want `pass` or `fail`")));
        }
    };
    let attribute = |element: &Element, name: &str| element.attribute(name).unwrap_or_default().to_owned();
    let annotations = element.descendants("annotation").into_iter();
    Ok(RuleText {
        test: attribute(element, "test_id"),
        outcome,
        annotations: annotations.map(|child| (attribute(child, "name"), attribute(child, "value"))).collect(),
        description: element.elements().find(|child| child.name == "description").map(Element::text).transpose()?,
    })
}
