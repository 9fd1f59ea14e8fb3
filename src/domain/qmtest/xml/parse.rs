//! From a document's text to its tree.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::errors::Error;
use quick_xml::escape::{EscapeError, resolve_predefined_entity};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::{Element, Limits, MAX_ATTRIBUTES, MAX_DEPTH, Node, Position, XmlError, decode, is_blank, is_char};

/// Reads a document.
///
/// # Errors
/// If it is not well formed, declares entities, uses an encoding that is not known, or passes a limit.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Element, XmlError> {
    let text = decode::text(bytes, limits)?;
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_comments = true;
    let mut builder =
        Builder { cursor: Cursor::new(&text), limits, nodes: 0, doctype: false, open: Vec::new(), root: None };
    loop {
        let at = reader.buffer_position();
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                builder.cursor.advance(reader.error_position().max(at));
                return Err(XmlError::new(builder.cursor.position, explain(&error)));
            }
        };
        builder.cursor.advance(at);
        if matches!(event, Event::Eof) {
            return builder.finish();
        }
        builder.event(&event, at == 0)?;
    }
}

/// What the reader says, in a sentence of our own where its own means little to people.
fn explain(error: &Error) -> String {
    match error {
        Error::IllFormed(ill) => format!("not well formed: {ill}"),
        other => format!("not XML: {other}"),
    }
}

/// Walks through the text to find lines and columns: each character is counted once.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    position: Position,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, position: Position::START }
    }

    /// Goes on to a byte; never back.
    fn advance(&mut self, to: u64) {
        let to = usize::try_from(to).unwrap_or(usize::MAX).min(self.text.len());
        for c in self.text.get(self.at..to).unwrap_or_default().chars() {
            if c == '\n' {
                self.position.line += 1;
                self.position.column = 1;
            } else {
                self.position.column += 1;
            }
        }
        self.at = self.at.max(to);
    }
}

struct Builder<'a> {
    cursor: Cursor<'a>,
    limits: Limits,
    nodes: usize,
    doctype: bool,
    /// The elements whose end has not come yet, outermost first.
    open: Vec<Element>,
    root: Option<Element>,
}

impl Builder<'_> {
    fn error(&self, what: impl Into<String>) -> XmlError {
        XmlError::new(self.cursor.position, what)
    }

    /// Counts what takes memory beyond the text itself.
    fn count(&mut self, nodes: usize) -> Result<(), XmlError> {
        self.nodes += nodes;
        if self.nodes > self.limits.nodes {
            return Err(self.error(format!("the document has too many parts: want at most {}", self.limits.nodes)));
        }
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, first: bool) -> Result<(), XmlError> {
        match event {
            Event::Start(start) => self.start(start),
            Event::Empty(start) => {
                self.start(start)?;
                self.end();
                Ok(())
            }
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) if text.contains("]]>") => Err(self.error("`]]>` may not stand in text: write `]]&gt;`")),
            Event::Text(text) => self.text(text),
            Event::CData(_) if self.open.is_empty() => Err(self.error("there is text outside of the root element")),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(reference) => self.reference(reference),
            Event::DocType(content) => self.doctype(content),
            Event::Decl(declaration) => self.declaration(declaration, first),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.root.is_some() {
            return Err(self.error("there is a second root element: want one"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(format!("elements are nested too deeply: want at most {MAX_DEPTH} levels")));
        }
        let name = start.name().0;
        if !is_name(name) {
            return Err(self.error(format!("`{}` is no name of an element", excerpt(name))));
        }
        let attributes = self.attributes(start)?;
        self.count(1 + attributes.len())?;
        let position = self.cursor.position;
        self.open.push(Element { name: name.to_owned(), attributes, nodes: Vec::new(), position });
        Ok(())
    }

    fn attributes(&self, start: &BytesStart<'_>) -> Result<Vec<(String, String)>, XmlError> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        // The reader's own check for duplicates takes time with the square of their number.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.error(format!("not well formed: {error}")))?;
            let name = attribute.key.0;
            if attributes.len() >= MAX_ATTRIBUTES {
                return Err(self.error(format!("an element has too many attributes: want at most {MAX_ATTRIBUTES}")));
            }
            if !is_name(name) || attributes.iter().any(|(other, _)| other == name) {
                return Err(self.error(format!("the attribute `{}` is repeated or has no proper name", excerpt(name))));
            }
            if attribute.value.contains('<') {
                return Err(self.error(format!("`<` may not stand in the attribute `{name}`: write `&lt;`")));
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| match error {
                Error::Escape(EscapeError::UnrecognizedEntity(_, entity)) => self.undefined(&entity),
                other => self.error(format!("not well formed: the attribute `{name}`: {other}")),
            })?;
            if let Some(c) = value.chars().find(|c| !is_char(*c)) {
                return Err(self.illegal(c));
            }
            attributes.push((name.to_owned(), value.into_owned()));
        }
        Ok(attributes)
    }

    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.nodes.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some(element) = self.open.last_mut() else {
            return match text.find(|c| !is_blank(c)) {
                None => Ok(()),
                Some(offset) => {
                    self.cursor.advance((self.cursor.at + offset) as u64);
                    let place = if self.root.is_some() { "after" } else { "before" };
                    Err(self.error(format!("not XML: there is text {place} the root element")))
                }
            };
        };
        match element.nodes.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => {
                element.nodes.push(Node::Text(text.to_owned()));
                self.count(1)?;
            }
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        if self.open.is_empty() {
            return Err(self.error("not XML: there is text outside of the root element"));
        }
        match reference.resolve_char_ref() {
            Ok(Some(c)) if is_char(c) => self.text(c.encode_utf8(&mut [0; 4])),
            Ok(Some(c)) => Err(self.illegal(c)),
            Ok(None) => match resolve_predefined_entity(reference) {
                Some(text) => self.text(text),
                None => Err(self.undefined(reference)),
            },
            Err(_) => Err(self.error(format!("`&{};` is no character", excerpt(reference)))),
        }
    }

    fn illegal(&self, c: char) -> XmlError {
        self.error(format!("the character U+{:04X} may not stand in XML", u32::from(c)))
    }

    fn undefined(&self, entity: &str) -> XmlError {
        self.error(format!(
            "the entity `&{};` is not defined: there are &lt; &gt; &amp; &quot; &apos; and references by number",
            excerpt(entity)
        ))
    }

    fn doctype(&mut self, content: &str) -> Result<(), XmlError> {
        if self.doctype || self.root.is_some() || !self.open.is_empty() {
            return Err(self.error("not well formed: a document type stands once, before the root element"));
        }
        self.doctype = true;
        // What the rest of a document type may say is of no concern to a reader that does not validate.
        if content.contains("<!ENTITY") {
            return Err(
                self.error("the document declares entities, which are not taken: write their text in their place")
            );
        }
        Ok(())
    }

    fn declaration(&self, declaration: &BytesDecl<'_>, first: bool) -> Result<(), XmlError> {
        if !first {
            return Err(self.error("not well formed: an XML declaration may stand only at the very beginning"));
        }
        match declaration.version() {
            Ok(version) if version.starts_with("1.") => Ok(()),
            _ => Err(self.error("the XML declaration names no version that is known: want version=\"1.0\"")),
        }
    }

    fn finish(self) -> Result<Element, XmlError> {
        if let Some(element) = self.open.last() {
            let what = format!("not well formed: `{}` of {} is not closed", excerpt(&element.name), element.position);
            return Err(self.error(what));
        }
        let error = self.error("not XML: there is no element");
        self.root.ok_or(error)
    }
}

/// Whether the text may be a name. Letters are taken more widely than XML has them.
fn is_name(text: &str) -> bool {
    let start = |c: char| c.is_alphabetic() || matches!(c, '_' | ':');
    let rest = |c: char| {
        start(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{b7}') || ('\u{300}'..='\u{36f}').contains(&c)
    };
    text.starts_with(start) && text.chars().all(rest)
}

/// A piece of the document for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
