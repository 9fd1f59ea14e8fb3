//! Texts and bytes in expressions, with Python's prefixes and escapes.

use super::error::Fault;
use super::token::Token;

/// The text or the bytes with which an expression goes on, and how long they are written; nothing if it does not go on
/// so. `at` is where that is.
///
/// # Errors
/// A quote that is not closed, an escape that is none.
pub(super) fn read(source: &str, at: usize) -> Result<Option<(Token, usize)>, Fault> {
    let Some(quote_at) = source.bytes().take(3).position(|byte| matches!(byte, b'\'' | b'"')) else { return Ok(None) };
    let (prefix, quoted) = source.split_at_checked(quote_at).unwrap_or_default();
    let prefix = prefix.to_ascii_lowercase();
    if !["", "r", "u", "b", "br", "rb", "f", "fr", "rf"].contains(&prefix.as_str()) {
        return Ok(None);
    }
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| quoted.starts_with(quote)).unwrap_or_default();
    let inner = quoted.get(quote.len()..).unwrap_or_default();
    let Some(length) = closing(inner, quote) else {
        return Err(Fault::syntax(at, format!("the text is not closed: want {quote} behind it")));
    };
    let inner = inner.get(..length).unwrap_or_default();
    let inner_at = at + quote_at + quote.len();
    let token = if prefix.contains('f') {
        Token::Format
    } else if prefix.contains('b') {
        Token::Bytes(bytes(inner, prefix.contains('r'), inner_at)?)
    } else if prefix.contains('r') {
        Token::Text(inner.to_owned())
    } else {
        Token::Text(text(inner, inner_at)?)
    };
    Ok(Some((token, quote_at + 2 * quote.len() + length)))
}

/// Where the quote closes the text; a backslash takes the character behind it along, in raw texts too.
fn closing(text: &str, quote: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if text.get(at..)?.starts_with(quote) {
            return Some(at);
        }
    }
    None
}

/// What an escape stands for.
enum Escape {
    Code(u32),
    /// There is no such escape: the backslash is one.
    None,
}

/// The escape behind a backslash, and how many bytes it has there.
fn escape(text: &str, in_bytes: bool, at: usize) -> Result<(Escape, usize), Fault> {
    let Some(first) = text.chars().next() else { return Ok((Escape::None, 0)) };
    let simple = |code: u32| Ok((Escape::Code(code), 1));
    let digits = match first {
        '\\' | '\'' | '"' => return simple(u32::from(first)),
        'a' => return simple(7),
        'b' => return simple(8),
        'f' => return simple(12),
        'n' => return simple(10),
        'r' => return simple(13),
        't' => return simple(9),
        'v' => return simple(11),
        '0'..='7' => {
            let length = text.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let code = u32::from_str_radix(text.get(..length).unwrap_or_default(), 8).unwrap_or_default();
            return Ok((Escape::Code(if in_bytes { code & 0xff } else { code }), length));
        }
        'N' if !in_bytes => {
            return Err(Fault::syntax(at, r"`\N` is not read: write the character, or its code as `\uXXXX`"));
        }
        'x' => 2,
        'u' if !in_bytes => 4,
        'U' if !in_bytes => 8,
        _ => return Ok((Escape::None, 0)),
    };
    let code = text.get(1..=digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match code.and_then(|code| u32::from_str_radix(code, 16).ok()) {
        Some(code) => Ok((Escape::Code(code), digits + 1)),
        None => Err(Fault::syntax(at, format!("`\\{first}` wants {digits} hexadecimal digits behind it"))),
    }
}

fn text(source: &str, at: usize) -> Result<String, Fault> {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, behind)) = rest.split_once('\\') {
        text.push_str(before);
        let escape_at = at + source.len() - behind.len() - 1;
        let (escape, length) = escape(behind, false, escape_at)?;
        match escape {
            Escape::Code(code) => text.push(
                char::from_u32(code)
                    .ok_or_else(|| Fault::syntax(escape_at, format!("{code:#x} is the code of no character")))?,
            ),
            Escape::None => text.push('\\'),
        }
        rest = behind.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    Ok(text)
}

fn bytes(source: &str, raw: bool, at: usize) -> Result<Vec<u8>, Fault> {
    if let Some(outside) = source.find(|c: char| !c.is_ascii()) {
        return Err(Fault::syntax(at + outside, "bytes hold only ASCII: write others as `\\xXX`"));
    }
    if raw {
        return Ok(source.as_bytes().to_vec());
    }
    let mut bytes = Vec::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escape, length) = escape(behind, true, at + source.len() - behind.len() - 1)?;
        match escape {
            Escape::Code(code) => bytes.push(u8::try_from(code & 0xff).unwrap_or_default()),
            Escape::None => bytes.push(b'\\'),
        }
        rest = behind.get(length..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(source: &str) -> Option<Token> {
        let (token, length) = read(source, 0).ok()??;
        assert_eq!(length, source.len(), "{source}");
        Some(token)
    }

    #[test]
    fn texts_are_those_of_python() {
        for (source, text) in [
            (r"'a'", "a"),
            (r#""a'b""#, "a'b"),
            (r"'''a'b'''", "a'b"),
            (r"''", ""),
            (r"u'a'", "a"),
            (r"R'a\n\'b'", r"a\n\'b"),
            (r"'\a\b\f\n\r\t\v\\\'\'\0'", "\x07\x08\x0c\n\r\t\x0b\\''\0"),
            (r"'\x41\u00e9\U0001F600\101\18\777'", "Aé😀A\x018\u{1ff}"),
            (r"'\q\é\ \8'", r"\q\é\ \8"),
        ] {
            assert_eq!(literal(source), Some(Token::Text(text.to_owned())), "{source}");
        }
        assert_eq!(literal(r"'\q\\n'"), Some(Token::Text(r"\q\n".to_owned())));
        for source in
            [r"'a", r"'''a'", r"'a\'", r"'\x4'", r"'\u12'", r"'\U00110000'", r"'\ud800'", r"'\N{DIGIT ONE}'", r"'\x4é'"]
        {
            assert!(read(source, 0).is_err(), "{source}");
        }
        for source in ["a'b'", "ub'a'", "a", "bb'a'", "", "x == 'a'"] {
            assert!(matches!(read(source, 0), Ok(None)), "{source}");
        }
    }

    #[test]
    fn bytes_are_those_of_python() {
        for (source, bytes) in [
            (r"b'a\x41\n'", &b"aA\n"[..]),
            (r"B'\777\u0041\N{X}\q'", b"\xff\\u0041\\N{X}\\q"),
            (r"rb'\x41'", br"\x41"),
            (r#"bR"a\"b""#, br#"a\"b"#),
        ] {
            assert_eq!(literal(source), Some(Token::Bytes(bytes.to_vec())), "{source}");
        }
        assert!(read("b'é'", 0).is_err());
        assert!(read(r"b'\x4'", 0).is_err());
        assert_eq!(literal("f'{a}'"), Some(Token::Format));
        assert_eq!(literal("Rf'{a}'"), Some(Token::Format));
    }
}
