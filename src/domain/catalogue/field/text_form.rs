//! The text form of values: what people write on QMTest's command line.

use super::{Field, FieldError, FieldKind};
use crate::domain::catalogue::literal::{Scanner, SyntaxError};
use crate::domain::catalogue::time;
use crate::domain::catalogue::value::Value;

impl Field {
    /// Reads a value from the text that people write on QMTest's command line. A list is `['a', 'b']`: each value's own
    /// text form in quotes, without a comma at the end.
    ///
    /// # Errors
    /// If the text is no value of this field, or values of its kind have no text form: tuples, dictionaries,
    /// attachments.
    pub fn parse_text(&self, text: &str) -> Result<Value, FieldError> {
        let value = match &self.kind {
            FieldKind::Integer => Value::Integer(text.parse().map_err(|error| FieldError(format!("{error}")))?),
            FieldKind::Text(_) | FieldKind::Choice(_) | FieldKind::Test | FieldKind::Resource => {
                Value::Text(text.to_owned())
            }
            FieldKind::Enumeration(_) | FieldKind::Boolean | FieldKind::Outcome => Value::Enumeral(text.to_owned()),
            FieldKind::Time => Value::Time(time::parse(text).map_err(|error| FieldError(error.to_string()))?),
            FieldKind::Set(options) => {
                let texts = list(text).map_err(|error| FieldError(format!("want a list as ['a', 'b']: {error}")))?;
                Value::Set(texts.iter().map(|text| options.of.parse_text(text)).collect::<Result<_, _>>()?)
            }
            FieldKind::Tuple(_) | FieldKind::Dictionary(_) | FieldKind::Attachment | FieldKind::Python => {
                let wanted = self.kind.wanted();
                return Err(FieldError(format!("want {wanted}, which has no form as text; write it as JSON or TOML")));
            }
        };
        self.validate(value)
    }
}

/// Reads `['a', 'b']`.
fn list(text: &str) -> Result<Vec<String>, SyntaxError> {
    let mut scanner = Scanner::new(text, 0);
    let mut texts = Vec::new();
    scanner.expect('[')?;
    scanner.skip_blanks();
    while !scanner.take(']') {
        if !texts.is_empty() {
            scanner.expect(',')?;
            scanner.skip_blanks();
        }
        texts.push(scanner.string()?);
        scanner.skip_blanks();
    }
    scanner.end()?;
    Ok(texts)
}
