//! Writing XML so that it reads back as it was.

/// Whether XML 1.0 can hold the character at all.
#[must_use]
pub fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// A text holds a character that XML 1.0 cannot hold, not even as a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the character U+{:04X} cannot be written in XML", u32::from(*.0))]
pub struct IllegalCharacter(pub char);

/// A document that is being written. Nothing is put between elements but what the caller puts there: QMTest takes each
/// blank in some places for a value.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
}

impl Writer {
    /// A document with its declaration.
    #[must_use]
    pub fn new() -> Self {
        Self { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() }
    }

    /// Puts in markup as it is.
    pub fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// Begins an element: its tag, left open for [`attribute`](Self::attribute) and [`close_tag`](Self::close_tag).
    pub fn open_tag(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
    }

    /// An attribute of the open tag.
    ///
    /// # Errors
    /// If the value holds what XML cannot.
    pub fn attribute(&mut self, name: &str, value: &str) -> Result<(), IllegalCharacter> {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.escaped(value, true)?;
        self.out.push('"');
        Ok(())
    }

    /// Ends the open tag; the element's content follows.
    pub fn close_tag(&mut self) {
        self.out.push('>');
    }

    /// Ends the open tag and with it the element, which is empty.
    pub fn close_empty(&mut self) {
        self.out.push_str("/>");
    }

    /// Ends an element.
    pub fn end(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Text.
    ///
    /// # Errors
    /// If it holds what XML cannot.
    pub fn text(&mut self, text: &str) -> Result<(), IllegalCharacter> {
        self.escaped(text, false)
    }

    /// An element that is just text.
    ///
    /// # Errors
    /// If the text holds what XML cannot.
    pub fn text_element(&mut self, name: &str, text: &str) -> Result<(), IllegalCharacter> {
        self.open_tag(name);
        self.close_tag();
        self.text(text)?;
        self.end(name);
        Ok(())
    }

    /// The document.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    fn escaped(&mut self, text: &str, in_attribute: bool) -> Result<(), IllegalCharacter> {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if in_attribute => self.out.push_str("&quot;"),
                // As they are, readers make a line feed of the first, and blanks of all in an attribute.
                '\r' => self.out.push_str("&#13;"),
                '\n' if in_attribute => self.out.push_str("&#10;"),
                '\t' if in_attribute => self.out.push_str("&#9;"),
                c if is_char(c) => self.out.push(c),
                c => return Err(IllegalCharacter(c)),
            }
        }
        Ok(())
    }
}
