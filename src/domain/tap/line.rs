//! The grammar of one TAP line, without its indentation.

use super::{Directive, MAX_WORDS};

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `TAP version N`.
    Version(u64),
    /// `1..N`, with the text of a `# SKIP`.
    Plan { count: u64, skipped: Option<String> },
    /// `ok` or `not ok`.
    Test(TestLine),
    /// `Bail out!` and its reason.
    Bail(String),
    /// `pragma +strict` is true, `pragma -strict` is false.
    Strict(bool),
    /// `# Subtest: name`.
    Subtest(String),
    /// A blank line, any other comment or any other pragma.
    Comment,
    /// Not TAP.
    Other,
}

/// A test point's own line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TestLine {
    pub(super) ok: bool,
    /// `None`: the line has none, or one that no `u64` holds.
    pub(super) number: Option<u64>,
    /// Unescaped; empty where the line has none.
    pub(super) name: String,
    pub(super) directive: Option<(Directive, Option<String>)>,
}

pub(super) fn parse(line: &str) -> Line {
    if let Some(rest) = line.strip_prefix("not ok").and_then(at_word_end) {
        Line::Test(test(false, rest))
    } else if let Some(rest) = line.strip_prefix("ok").and_then(at_word_end) {
        Line::Test(test(true, rest))
    } else if let Some(rest) = line.strip_prefix("1..") {
        plan(rest)
    } else if let Some(rest) = line.strip_prefix("Bail out!") {
        Line::Bail(clip(rest))
    } else if let Some(rest) = line.strip_prefix('#') {
        let subtest = rest.trim_start().strip_prefix("Subtest:");
        subtest.map_or(Line::Comment, |name| Line::Subtest(clip(&unescape(name))))
    } else if let Some(rest) = line.strip_prefix("TAP version ") {
        rest.trim().parse().map_or(Line::Other, Line::Version)
    } else if let Some(rest) = line.strip_prefix("pragma ") {
        match rest.trim() {
            "+strict" => Line::Strict(true),
            "-strict" => Line::Strict(false),
            _ => Line::Comment,
        }
    } else if line.trim().is_empty() {
        Line::Comment
    } else {
        Line::Other
    }
}

/// Text without its outer white space, cut to what a report keeps.
pub(super) fn clip(text: &str) -> String {
    text.trim().chars().take(MAX_WORDS).collect::<String>().trim_end().to_owned()
}

/// `okay` and `ok_` are other words than `ok`.
fn at_word_end(rest: &str) -> Option<&str> {
    (!rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(rest)
}

fn plan(rest: &str) -> Line {
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (count, rest) = rest.split_at(digits);
    if !(rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '#')) {
        return Line::Other;
    }
    let Ok(count) = count.parse() else { return Line::Other };
    let skipped = split_directive(rest).1.filter(|(directive, _)| *directive == Directive::Skip);
    Line::Plan { count, skipped: skipped.and_then(|(_, reason)| reason) }
}

fn test(ok: bool, rest: &str) -> TestLine {
    let (number, rest) = split_number(rest.trim_start());
    let (description, directive) = split_directive(rest);
    let name = match description.strip_prefix('-') {
        Some(name) if name.is_empty() || name.starts_with(char::is_whitespace) => name,
        _ => description,
    };
    TestLine { ok, number, name: clip(&unescape(name)), directive }
}

/// Takes a number off the front; `3rd try` and `2.5 volts` begin with none.
fn split_number(text: &str) -> (Option<u64>, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let ends = rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '#');
    if digits > 0 && ends { (number.parse().ok(), rest.trim_start()) } else { (None, text) }
}

/// Splits `description # SKIP reason`. A `#` that is escaped, that follows a letter, or that no directive follows belongs
/// to the description.
fn split_directive(text: &str) -> (&str, Option<(Directive, Option<String>)>) {
    let mut escaped = false;
    let mut after_blank = true;
    for (at, c) in text.char_indices() {
        if c == '#'
            && !escaped
            && after_blank
            && let Some((before, hash)) = text.split_at_checked(at)
            && let Some(found) = directive(hash.trim_start_matches('#').trim_start())
        {
            return (before.trim(), Some(found));
        }
        after_blank = c.is_whitespace();
        escaped = c == '\\' && !escaped;
    }
    (text.trim(), None)
}

/// `SKIP` with anything that clings to it (`skipped:`), or the word `TODO`; letters of either case.
fn directive(text: &str) -> Option<(Directive, Option<String>)> {
    let word = text.get(..4)?;
    let rest = text.get(4..)?;
    let (directive, reason) = if word.eq_ignore_ascii_case("skip") {
        (Directive::Skip, rest.trim_start_matches(|c: char| !c.is_whitespace()))
    } else if word.eq_ignore_ascii_case("todo") {
        (Directive::Todo, at_word_end(rest)?.trim_start_matches(':'))
    } else {
        return None;
    };
    let reason = clip(reason);
    Some((directive, (!reason.is_empty()).then_some(reason)))
}

/// Takes the backslash off `\#` and `\\`.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next @ ('#' | '\\')) if c == '\\' => {
                plain.push(*next);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}
