//! What every value of the catalogue keeps to, whatever its field takes: sizes, characters, file names.

use crate::domain::catalogue::limits::{
    MAX_DESCRIPTION, MAX_DIGITS, MAX_ENTRIES, MAX_FILE_SIZE, MAX_FILENAME_BYTES, MAX_NAME, MAX_TEXT,
};
use crate::domain::catalogue::text::unwritable;
use crate::domain::catalogue::time;
use crate::domain::catalogue::value::{Attachment, Source, Value};
use crate::domain::fault::{At, Faults};

impl Faults {
    /// Checks a text: nothing that cannot be written, and at most so many characters.
    pub(super) fn check_text(&mut self, at: At<'_>, text: &str, most: usize) -> bool {
        // Counting bytes first spares counting the characters of short texts.
        if text.len() > most && text.chars().count() > most {
            self.add(at, format!("want at most {most} characters"));
            return false;
        }
        if let Some(c) = unwritable(text) {
            let detail = format!(
                "it holds {c:?}, which XML 1.0 cannot write; of control characters want only tabs and line breaks"
            );
            self.add(at, detail);
            return false;
        }
        true
    }

    /// Checks a number of entries.
    pub(super) fn check_count(&mut self, at: At<'_>, count: usize, most: usize) -> bool {
        if count > most {
            self.add(at, format!("want at most {most} entries, not {count}"));
        }
        count <= most
    }

    /// Checks a value, at any depth.
    pub(super) fn check_value(&mut self, at: At<'_>, value: &Value) {
        match value {
            Value::Text(text) | Value::Enumeral(text) => {
                self.check_text(at, text, MAX_TEXT);
            }
            Value::Integer(integer) if integer.as_str().len() > MAX_DIGITS => {
                self.add(at, format!("want at most {MAX_DIGITS} digits"));
            }
            Value::Time(seconds) if time::in_range(*seconds).is_none() => {
                self.add(at, "want a time in the years 1 to 9999");
            }
            Value::Attachment(Some(attachment)) => {
                if let Err(wrong) = check_filename(&attachment.filename) {
                    self.add(at.member("filename"), wrong);
                }
                self.check_attachment(at, attachment);
            }
            Value::Integer(_) | Value::Time(_) | Value::Attachment(None) => {}
            Value::Set(values) | Value::Tuple(values) => {
                if self.check_count(at, values.len(), MAX_ENTRIES) {
                    for (index, value) in values.iter().enumerate() {
                        self.check_value(at.entry(index), value);
                    }
                }
            }
            Value::Dictionary(pairs) => {
                if self.check_count(at, pairs.len(), MAX_ENTRIES) {
                    for (index, (key, value)) in pairs.iter().enumerate() {
                        self.check_value(at.entry(index), key);
                        self.check_value(at.entry(index), value);
                    }
                }
            }
        }
    }

    /// Checks an attachment but its file name. Its bytes must be in the catalogue.
    pub(super) fn check_attachment(&mut self, at: At<'_>, attachment: &Attachment) {
        // It becomes the value of a header.
        let mime_type = attachment.mime_type.as_str();
        if mime_type.is_empty() || mime_type.len() > MAX_NAME || !mime_type.bytes().all(|b| matches!(b, b' '..=b'~')) {
            let detail = format!("want a MIME type such as text/plain: printable ASCII, at most {MAX_NAME} characters");
            self.add(at.member("mime_type"), detail);
        }
        self.check_text(at.member("description"), &attachment.description, MAX_DESCRIPTION);
        match attachment.source {
            Source::Content { size, .. } if size > MAX_FILE_SIZE => {
                self.add(at.member("size"), format!("want at most {MAX_FILE_SIZE} bytes"));
            }
            Source::Content { .. } => {}
            Source::Location { .. } => {
                self.add(at, "want `sha256` and `size` of a file that has been uploaded");
            }
        }
    }
}

/// Checks the name of a file, which is laid out under it on other machines.
pub(super) fn check_filename(name: &str) -> Result<(), String> {
    let is_path = name.contains(['/', '\\']) || matches!(name, "" | "." | "..");
    if is_path || name.len() > MAX_FILENAME_BYTES || name.chars().any(char::is_control) {
        return Err(format!(
            "want the name of a file: no path, not `.` or `..`, no control characters, at most {MAX_FILENAME_BYTES} bytes"
        ));
    }
    Ok(())
}
