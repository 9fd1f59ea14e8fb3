//! Numbers in texts, as Python's `int` and `float` read them, and in expressions.

use super::integer::{Integer, MAX_DIGITS};
use super::text::strip;

/// The zeros of the scripts that have decimal digits; the other nine follow each.
const ZEROS: [char; 66] = [
    '0',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// The text with the digits of all scripts as 0 to 9.
fn plain_digits(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii() {
            return c;
        }
        let zero = ZEROS.partition_point(|zero| *zero <= c).checked_sub(1).and_then(|at| ZEROS.get(at));
        let digit = zero.and_then(|zero| u32::from(c).checked_sub(u32::from(*zero)));
        digit.and_then(|digit| char::from_digit(digit, 10)).unwrap_or(c)
    };
    text.chars().map(plain).collect()
}

/// The text without its `_`; nothing if one does not stand between two digits of the base.
fn without_underscores(text: &str, base: u32) -> Option<String> {
    let mut before_is_digit = false;
    let mut open = false;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '_' {
            if !before_is_digit || open {
                return None;
            }
            open = true;
            before_is_digit = false;
            continue;
        }
        before_is_digit = c.is_digit(base);
        if open && !before_is_digit {
            return None;
        }
        open = false;
        plain.push(c);
    }
    (!open).then_some(plain)
}

/// The whole number that `int(text, base)` gives; nothing where it raises. Of more than [`MAX_DIGITS`] digits there is
/// none in any base.
pub(super) fn int_of_text(text: &str, base: u32) -> Option<Integer> {
    let text = plain_digits(strip(text));
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(prefix, of_base)| {
        (base == 0 || base == *of_base) && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    });
    let (digits, base) = match prefixed {
        Some((_, base)) => {
            let digits = text.get(2..).unwrap_or_default();
            (digits.strip_prefix('_').unwrap_or(digits), base)
        }
        None if base == 0 => {
            let is_zero = text.chars().all(|c| matches!(c, '0' | '_'));
            if text.starts_with('0') && !is_zero {
                return None;
            }
            (text, 10)
        }
        None => (text, base),
    };
    if !(2..=36).contains(&base) || digits.len() > 2 * MAX_DIGITS {
        return None;
    }
    let digits = without_underscores(digits, base)?;
    let digits: Vec<u32> = digits.chars().map(|c| c.to_digit(base)).collect::<Option<_>>()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    let integer = Integer::of_digits(&digits, base);
    Some(if negative { integer.negated() } else { integer })
}

/// The number that `float(text)` gives; nothing where it raises.
pub(super) fn float_of_text(text: &str) -> Option<f64> {
    without_underscores(&plain_digits(strip(text)), 10)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(text: &str, base: u32) -> Option<f64> {
        int_of_text(text, base).and_then(|integer| integer.to_float())
    }

    #[test]
    fn whole_numbers_are_read_as_python_does() {
        for (text, base, number) in [
            (" \u{a0}12\n", 10, Some(12.0)),
            ("-1_000", 10, Some(-1000.0)),
            ("+007", 10, Some(7.0)),
            ("\u{664}\u{ff12}", 10, Some(42.0)),
            ("1__0", 10, None),
            ("_1", 10, None),
            ("1_", 10, None),
            ("", 10, None),
            ("-", 10, None),
            ("- 1", 10, None),
            ("+-1", 10, None),
            ("4.0", 10, None),
            ("1e3", 10, None),
            ("0x10", 10, None),
            ("0x10", 16, Some(16.0)),
            ("0X_fF", 16, Some(255.0)),
            ("ff", 16, Some(255.0)),
            ("0b1", 16, Some(177.0)),
            ("0b1", 0, Some(1.0)),
            ("0o17", 0, Some(15.0)),
            ("017", 0, None),
            ("00_0", 0, Some(0.0)),
            ("zz", 36, Some(1295.0)),
            ("1", 1, None),
            ("1", 37, None),
            ("0x", 16, None),
            ("²", 10, None),
        ] {
            assert_eq!(int(text, base), number, "{text:?} in base {base}");
        }
        assert!(int_of_text(&"9".repeat(4_300), 10).is_some());
        assert!(int_of_text(&"9".repeat(4_301), 10).is_none());
        assert!(int_of_text(&"1".repeat(1 << 20), 2).is_none());
    }

    #[test]
    fn floats_are_read_as_python_does() {
        for (text, number) in [
            (" 1.5 ", Some(1.5)),
            ("1_0.5", Some(10.5)),
            ("1_0e1_0", Some(10e10)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("+1E-2", Some(0.01)),
            ("\u{661}.5", Some(1.5)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("iNf", Some(f64::INFINITY)),
            ("1e400", Some(f64::INFINITY)),
            ("1_.5", None),
            ("1._5", None),
            ("1e_5", None),
            ("", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("0x10", None),
            ("1 5", None),
            ("infinit", None),
            ("1.5f", None),
        ] {
            assert_eq!(float_of_text(text), number, "{text:?}");
        }
        assert!(float_of_text("-nan").is_some_and(f64::is_nan));
    }
}
