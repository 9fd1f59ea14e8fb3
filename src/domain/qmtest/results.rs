//! Results files: what came of a run.
//!
//! A root `results` with elements `result` (attributes `id`, `kind`, `outcome`; in each, elements `annotation` with the
//! attribute `name`) and elements `annotation` with the attribute `key`, about the run. The text of an annotation of a
//! result stands in quotation marks, blanks around them do not count; the text of one of the run stands bare. In older
//! files the outcome is a child element, and elements `property` hold annotations as they are.

use std::collections::BTreeMap;

use super::xml::{Element, IllegalCharacter, Limits, Writer, XmlError, is_blank, is_char, parse};
use crate::domain::catalogue::outcome::Outcome;
use crate::domain::words::words;

words!(
    /// What a result is a result of.
    ResultKind, "kind of result", {
        /// A test.
        Test = "test",
        /// Setting up a resource.
        ResourceSetup = "resource_setup",
        /// Cleaning up a resource.
        ResourceCleanup = "resource_cleanup",
    }
);

/// What a results file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// What is known about the run, by key. Blanks around a text do not survive in a file.
    pub run_annotations: BTreeMap<String, String>,
    /// The results in their order. An id may come more than once; the last counts.
    pub results: Vec<ResultText>,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultText {
    /// The label of the test or resource, as it stands in the file.
    pub id: String,
    /// What it is a result of.
    pub kind: ResultKind,
    /// The outcome.
    pub outcome: Outcome,
    /// What is known about it, by name: `qmtest.cause`, say. The texts are HTML.
    pub annotations: BTreeMap<String, String>,
}

/// The annotation that says why.
pub const CAUSE: &str = "qmtest.cause";

/// Reads a results file.
///
/// # Errors
/// If it does not begin with an XML declaration (by which QMTest tells the formats of results apart), is not XML, holds no
/// results under another root, or a result has no id, or a kind or an outcome that is none.
pub fn read(bytes: &[u8]) -> Result<Results, XmlError> {
    let root = parse(bytes, Limits::RESULTS)?;
    if !begins_with_declaration(bytes) {
        return Err(root.error("a results file begins with an XML declaration: want <?xml version=\"1.0\"?>"));
    }
    let elements = root.descendants("result");
    if root.name != "results" && elements.is_empty() {
        return Err(root.error(format!("the root is `{}`: want `results`", root.name)));
    }
    let mut results = Results::default();
    for element in elements {
        results.results.push(result(element)?);
    }
    // QMTest takes those of the results for annotations of the run as well, with an empty key: an accident.
    for element in root.elements().filter(|child| child.name == "annotation") {
        let key = element.attribute("key").unwrap_or_default();
        results.run_annotations.insert(key.to_owned(), element.text()?.trim_matches(is_blank).to_owned());
    }
    Ok(results)
}

/// Writes a results file. A character that XML cannot hold is replaced in annotations by U+FFFD: the output of programs
/// has such, and what came of a run is worth more than they are.
///
/// # Errors
/// If an id, a key or the name of an annotation holds a character that XML cannot.
pub fn write(results: &Results) -> Result<String, IllegalCharacter> {
    let mut out = Writer::new();
    out.raw("<!DOCTYPE results PUBLIC \"-//QM/2.4.1/Result//EN\" \"results.dtd\">\n<results>\n");
    for (key, text) in &results.run_annotations {
        out.raw(" ");
        out.open_tag("annotation");
        out.attribute("key", key)?;
        out.close_tag();
        out.text(&legal(text))?;
        out.end("annotation");
        out.raw("\n");
    }
    for result in &results.results {
        out.raw(" ");
        out.open_tag("result");
        out.attribute("id", &result.id)?;
        out.attribute("kind", &result.kind.to_string())?;
        out.attribute("outcome", &result.outcome.to_string())?;
        out.close_tag();
        for (name, text) in &result.annotations {
            out.raw("\n  ");
            out.open_tag("annotation");
            out.attribute("name", name)?;
            out.close_tag();
            out.text(&format!("\"{}\"", legal(text)))?;
            out.end("annotation");
        }
        out.end("result");
        out.raw("\n");
    }
    out.end("results");
    out.raw("\n");
    Ok(out.finish())
}

fn legal(text: &str) -> String {
    text.chars().map(|c| if is_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn begins_with_declaration(bytes: &[u8]) -> bool {
    // In UTF-16 every second byte is null; whatever else may stand before the first element is no `?xml`.
    let mut start = bytes.iter().filter(|byte| byte.is_ascii() && **byte != 0);
    b"<?xml".iter().all(|byte| start.next() == Some(byte))
}

fn result(element: &Element) -> Result<ResultText, XmlError> {
    let id =
        element.attribute("id").filter(|id| !id.is_empty()).ok_or_else(|| element.error("a result has no `id`"))?;
    let kind = element.attribute("kind").ok_or_else(|| element.error("a result has no `kind`"))?;
    let kind = kind.parse().map_err(|error| element.error(format!("{error}")))?;
    let outcome = match element.attribute("outcome") {
        Some(outcome) => outcome.to_owned(),
        None => match element.only("outcome") {
            Some(outcome) => outcome.text()?.trim_matches(is_blank).to_owned(),
            None => return Err(element.error("a result has no `outcome`")),
        },
    };
    let outcome = outcome.parse().map_err(|error| element.error(format!("{error}")))?;
    let mut annotations = BTreeMap::new();
    for child in element.elements() {
        let text = match child.name.as_str() {
            "annotation" => unquoted(&child.text()?),
            "property" => child.text()?,
            _ => continue,
        };
        annotations.insert(child.attribute("name").unwrap_or_default().to_owned(), text);
    }
    Ok(ResultText { id: id.to_owned(), kind, outcome, annotations })
}

/// The text between the quotation marks. QMTest cuts off the first and the last character whatever they are; a text
/// without the marks is better kept whole.
fn unquoted(text: &str) -> String {
    let text = text.trim_matches(is_blank);
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}
