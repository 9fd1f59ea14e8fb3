//! How long a job says that it takes.

/// The seconds that this text means: `1h 30m 10s`, of which each part may be missing and which blanks or colons part, or a
/// number as Python writes one. A text without anything is 0, as in the original, where the first form takes it. `None` of
/// anything else.
#[must_use]
pub fn seconds(text: &str) -> Option<f64> {
    parts(text).or_else(|| python_float(text))
}

fn parts(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    for (unit, worth) in [('h', 3600.0), ('m', 60.0), ('s', 1.0)] {
        let digits = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits)?;
        if let Some(after) = after.strip_prefix(unit) {
            total += number.parse::<f64>().ok()? * worth;
            rest = after;
        }
        if unit != 's' {
            rest = rest.trim_start_matches([' ', ':']);
        }
    }
    matches!(rest, "" | "\n").then_some(total)
}

/// What Python's `float` reads: blanks around it, `_` between digits.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim_matches(super::words::is_space);
    let mut digits = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = None;
    while let Some(char) = chars.next() {
        let between = |side: Option<char>| side.is_some_and(|side| side.is_ascii_digit());
        if char != '_' {
            digits.push(char);
        } else if !(between(before) && between(chars.peek().copied())) {
            return None;
        }
        before = Some(char);
    }
    // Rust reads the same numbers and the same words as Python.
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn forms_are_read() {
        for (text, expected) in [
            ("1h 30m 10s", Some(5410.0)),
            ("1h:2s", Some(3602.0)),
            ("::", Some(0.0)),
            ("", Some(0.0)),
            ("1m 70s", Some(130.0)),
            ("1_0.5e1", Some(105.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("+Infinity", Some(f64::INFINITY)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("h", None),
            ("1h1h", None),
            ("2.5m", None),
            ("1s ", None),
            (" 1s", Some(1.0)),
            ("0x10", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
        assert!(seconds("nan").is_some_and(f64::is_nan));
    }
}
