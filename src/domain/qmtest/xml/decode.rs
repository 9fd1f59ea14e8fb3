//! From a document's bytes to its text: its encoding, the characters that XML has, and one kind of line end.

use quick_xml::Reader;
use quick_xml::encoding::{DetectedEncoding, decode, detect_encoding};
use quick_xml::events::Event;

use super::{Limits, Position, XmlError, is_char};

/// The most bytes of an XML declaration: there is nothing in one but a version, an encoding and a yes or no.
const MAX_DECLARATION: usize = 256;

/// The text of a document, without a byte order mark, each line's end as one line feed.
pub(super) fn text(bytes: &[u8], limits: Limits) -> Result<String, XmlError> {
    let too_large = |size: usize| {
        let what = format!("the document has {size} bytes: want at most {}", limits.bytes);
        Err(XmlError::new(Position::START, what))
    };
    if bytes.len() > limits.bytes {
        return too_large(bytes.len());
    }
    let text = decoded(bytes)?;
    if text.len() > limits.bytes {
        return too_large(text.len());
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    match text.char_indices().find(|(_, c)| !is_char(*c)) {
        Some((at, c)) => {
            let what = format!("the character U+{:04X} may not stand in XML", u32::from(c));
            Err(XmlError::new(position(&text, at), what))
        }
        None => Ok(text),
    }
}

fn decoded(bytes: &[u8]) -> Result<String, XmlError> {
    match detect_encoding(bytes) {
        Some(detected @ (DetectedEncoding::Utf8Bom | DetectedEncoding::Utf16LeBom | DetectedEncoding::Utf16BeBom)) => {
            let rest = bytes.get(detected.bom_len()..).unwrap_or_default();
            decode(rest, detected.encoding()).map(Into::into).map_err(|_| not_in(detected.encoding().name()))
        }
        Some(detected @ (DetectedEncoding::Utf16LeLike | DetectedEncoding::Utf16BeLike)) => {
            decode(bytes, detected.encoding()).map(Into::into).map_err(|_| not_in(detected.encoding().name()))
        }
        Some(DetectedEncoding::AsciiCompatible) => declared(bytes),
        None => utf8(bytes),
    }
}

/// Decodes as the declaration says; as UTF-8 if it says nothing.
fn declared(bytes: &[u8]) -> Result<String, XmlError> {
    let head = bytes.get(..MAX_DECLARATION).unwrap_or(bytes);
    // A declaration is ASCII in every encoding that comes here. What is wrong with it is said when it is parsed.
    let Some(end) = head.windows(2).position(|pair| pair == b"?>") else { return utf8(bytes) };
    let declaration = head.get(..end + 2).unwrap_or_default();
    let Ok(declaration) = std::str::from_utf8(declaration) else { return utf8(bytes) };
    let Ok(Event::Decl(declaration)) = Reader::from_str(declaration).read_event() else { return utf8(bytes) };
    let Some(Ok(name)) = declaration.encoding() else { return utf8(bytes) };
    match name.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => utf8(bytes),
        // To the web, this name means another encoding; XML and QMTest mean what it says.
        "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" | "l1" => Ok(bytes.iter().copied().map(char::from).collect()),
        "us-ascii" | "ascii" if bytes.is_ascii() => utf8(bytes),
        "us-ascii" | "ascii" => Err(not_in("US-ASCII")),
        other if other.starts_with("utf-16") || other.starts_with("iso-10646") => {
            Err(XmlError::new(Position::START, format!("the document declares the encoding {name} and is not in it")))
        }
        _ => {
            let unknown =
                || format!("the encoding `{}` is not known: want UTF-8", name.chars().take(40).collect::<String>());
            let encoding = declaration.encoder().ok_or_else(|| XmlError::new(Position::START, unknown()))?;
            decode(bytes, encoding).map(Into::into).map_err(|_| not_in(encoding.name()))
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, XmlError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let good = String::from_utf8_lossy(good);
            Err(XmlError::new(
                position(&good, good.len()),
                "the bytes are not UTF-8: another encoding must be named, as in <?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
            ))
        }
    }
}

fn not_in(encoding: &str) -> XmlError {
    XmlError::new(Position::START, format!("the bytes are not in the document's encoding, {encoding}"))
}

/// The place of a byte of a text.
fn position(text: &str, at: usize) -> Position {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position { line, column }
}
