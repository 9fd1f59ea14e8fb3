//! Texts as Python's `repr` and `ascii` write them.

use std::fmt::Write as _;

/// The text in quotes, with escapes for what cannot be printed and, if so asked, for what is not ASCII.
pub(super) fn quoted(text: &str, is_ascii: bool) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str(r"\\"),
            '\n' => quoted.push_str(r"\n"),
            '\r' => quoted.push_str(r"\r"),
            '\t' => quoted.push_str(r"\t"),
            _ if c == mark => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ if !is_ascii && is_printable(c) => quoted.push(c),
            _ => escape(&mut quoted, u32::from(c)),
        }
    }
    quoted.push(mark);
    quoted
}

fn escape(quoted: &mut String, code: u32) {
    let written = match code {
        0..=0xff => write!(quoted, r"\x{code:02x}"),
        0x100..=0xffff => write!(quoted, r"\u{code:04x}"),
        _ => write!(quoted, r"\U{code:08x}"),
    };
    // Writing to a `String` does not fail.
    written.unwrap_or_default();
}

fn is_printable(c: char) -> bool {
    // Behind another letter, so that accents are not escaped for standing alone.
    format!("x{c}").escape_debug().nth(1) != Some('\\')
}
