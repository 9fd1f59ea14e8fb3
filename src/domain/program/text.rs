//! Text as Python takes it apart, in which these formats were first read.

/// Whether Python's `strip` and `split` take the character for a blank.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// The text without blanks around it.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// The lines of the text with their ends, as Python's `splitlines(True)` cuts it.
pub(crate) fn lines_with_ends(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = rest.split_at_checked(line_length(rest))?;
        rest = after;
        Some(line)
    })
}

/// The lines of the text without their ends.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    lines_with_ends(text)
        .map(|line| line.strip_suffix("\r\n").or_else(|| line.strip_suffix(is_line_end)).unwrap_or(line))
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\x0b' | '\x0c' | '\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// How many bytes the first line and its end have.
fn line_length(text: &str) -> usize {
    match text.find(is_line_end) {
        None => text.len(),
        Some(at) => {
            let end = text.get(at..).unwrap_or_default();
            let end_length = if end.starts_with("\r\n") { 2 } else { end.chars().next().map_or(0, char::len_utf8) };
            at + end_length
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_python_ends_them() {
        let text = "a\r\nb\rc\n\nd\x0be\x0cf\x1cg\x1dh\x1ei\u{85}j\u{2028}k\u{2029}l\x1fm";
        let cut: Vec<&str> = lines(text).collect();
        assert_eq!(cut, ["a", "b", "c", "", "d", "e", "f", "g", "h", "i", "j", "k", "l\x1fm"]);
        assert_eq!(lines_with_ends(text).collect::<String>(), text);
        assert_eq!(lines("a\n").collect::<Vec<_>>(), ["a"]);
        assert_eq!(lines("\n\n").collect::<Vec<_>>(), ["", ""]);
        assert_eq!(lines("").count(), 0);
    }

    #[test]
    fn blanks_are_those_of_python() {
        assert_eq!(strip("\u{a0}\x0c\t a b \x1f\u{3000}"), "a b");
        assert_eq!(strip("\u{200b}a"), "\u{200b}a");
    }
}
