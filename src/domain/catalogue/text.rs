//! What a text may hold that the catalogue keeps, and how QMTest trims it.

use crate::domain::catalogue::field::TextOptions;

/// The first character of a text that XML 1.0 cannot write, if there is one: control characters other than tab, line
/// feed and carriage return, and two that are no characters. What cannot be written cannot be exported; a NUL cannot
/// even be stored.
#[must_use]
pub fn unwritable(text: &str) -> Option<char> {
    text.chars().find(|c| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}'))
}

/// What QMTest takes for true and for false, in any case and without blanks.
pub(super) const YES: [&str; 4] = ["1", "true", "yes", "on"];
pub(super) const NO: [&str; 4] = ["0", "false", "no", "off"];

/// The word as a yes or a no; `None` if it is neither.
#[must_use]
pub(super) fn yes_or_no(word: &str) -> Option<bool> {
    let is_one_of = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    if is_one_of(&YES) { Some(true) } else { is_one_of(&NO).then_some(false) }
}

/// The text as a field with these options takes it: unless verbatim without the blanks before it, and unless multiline
/// with a blank for each run of line feeds and the spaces around it, also at the end.
pub(super) fn trimmed(text: &str, options: TextOptions) -> String {
    let text = if options.verbatim { text } else { text.trim_start_matches(is_blank) };
    if options.multiline || !text.contains('\n') {
        return text.to_owned();
    }
    let mut one_line = String::with_capacity(text.len());
    let mut lines = text.split('\n').peekable();
    let mut first = true;
    while let Some(line) = lines.next() {
        // Only spaces count: of `a\r\nb` the `\r` stays.
        let line = if first { line } else { line.trim_start_matches(' ') };
        let is_last = lines.peek().is_none();
        one_line.push_str(if is_last { line } else { line.trim_end_matches(' ') });
        if is_last {
            break;
        }
        one_line.push(' ');
        while lines.next_if_eq(&"").is_some() {
            // A line feed right behind another one belongs to the same run.
        }
        first = false;
    }
    one_line
}

/// What Python 2 strips from Unicode text.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}
