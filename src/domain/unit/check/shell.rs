//! Whether the quotes of a shell command are closed.

/// Quotes or escapes that have no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ShellError {
    #[error("line {line}: nothing closes this {mark}: want another")]
    Unclosed { mark: char, line: usize },
    #[error("the command ends in a backslash: want the character that it is for")]
    NothingEscaped,
}

/// Checks the quotes as the original does, which splits the command into words: a `#` begins a comment anywhere but in
/// quotes, and what is in a here document is read as all else.
pub(super) fn check_quotes(command: &str) -> Result<(), ShellError> {
    let mut chars = command.chars();
    let mut line = 1;
    // Within which quotes, and the line where they begin.
    let mut quotes: Option<(char, usize)> = None;
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match (c, quotes) {
            ('\\', None | Some(('"', _))) => match chars.next() {
                Some(escaped) => line += usize::from(escaped == '\n'),
                None => return Err(ShellError::NothingEscaped),
            },
            ('#', None) => {
                let comment = chars.as_str();
                let end = comment.find('\n').map_or(comment.len(), |end| end + 1);
                line += usize::from(end > 0 && comment.as_bytes().get(end - 1) == Some(&b'\n'));
                chars = comment.get(end..).unwrap_or_default().chars();
            }
            ('\'' | '"', None) => quotes = Some((c, line)),
            (_, Some((mark, _))) if c == mark => quotes = None,
            _ => {}
        }
    }
    match quotes {
        Some((mark, line)) => Err(ShellError::Unclosed { mark, line }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{ShellError, check_quotes};

    #[test]
    fn quotes_must_be_closed() {
        for good in
            ["true", "echo 'a\"b' \"c'd\" \\' \\\"", "a \"\\\"\" b", "echo # don't\ntrue", "x#don't", "'#' \"#\"", ""]
        {
            assert_eq!(check_quotes(good), Ok(()), "{good}");
        }
        assert_eq!(check_quotes("true\necho 'oops\n"), Err(ShellError::Unclosed { mark: '\'', line: 2 }));
        assert_eq!(check_quotes("# it's\n\\\n\"x\\\""), Err(ShellError::Unclosed { mark: '"', line: 3 }));
        assert_eq!(check_quotes("a \\"), Err(ShellError::NothingEscaped));
        assert_eq!(check_quotes("'\\"), Err(ShellError::Unclosed { mark: '\'', line: 1 }), "no escapes in these");
    }
}
