//! Imports: names for resources that are not of the unit's own namespace.

use super::text::{is_blank, lines};

/// The most bytes of the field `imports`.
const MAX_BYTES: usize = 1 << 20;

/// One line `from NAMESPACE import PARTIAL [as NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The full id of what is imported.
    pub id: String,
    /// What it is called in the programs of the unit.
    pub name: String,
}

/// A line that is no import.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ImportError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// The imports of the field `imports`, in their order.
///
/// # Errors
/// The first line that is no import; a blank line is none.
pub fn parse_imports(text: &str) -> Result<Vec<Import>, ImportError> {
    if text.len() > MAX_BYTES {
        let message = format!("the imports have {} bytes, and {MAX_BYTES} are the most", text.len());
        return Err(ImportError { line: 1, message });
    }
    lines(text)
        .enumerate()
        .map(|(index, line)| import(line).map_err(|message| ImportError { line: index + 1, message }))
        .collect()
}

fn import(line: &str) -> Result<Import, String> {
    const WANTED: &str = "`from NAMESPACE import ID`, or that and `as NAME`";
    let words: Vec<&str> = line.split(is_blank).filter(|word| !word.is_empty()).collect();
    let (from, namespace, import, id, alias) = match words.as_slice() {
        &[from, namespace, import, id] => (from, namespace, import, id, None),
        &[from, namespace, import, id, r#as, name] => (from, namespace, import, id, Some((r#as, name))),
        [] => return Err(format!("want {WANTED}, and the line is blank")),
        words => return Err(format!("want {WANTED}, which are 4 or 6 words, and there are {}", words.len())),
    };
    let keyword = |wanted: &str, word: &str| {
        if word == wanted { Ok(()) } else { Err(format!("want {WANTED}, and there is `{}` for `{wanted}`", cut(word))) }
    };
    keyword("from", from)?;
    keyword("import", import)?;
    if let Some((r#as, _)) = alias {
        keyword("as", r#as)?;
    }
    for (what, word) in [("namespace", namespace), ("id", id)] {
        if word.contains("::") {
            return Err(format!("the {what} `{}` has `::` in it: want {WANTED}", cut(word)));
        }
    }
    Ok(Import { id: format!("{namespace}::{id}"), name: alias.map_or(id, |(_, name)| name).to_owned() })
}

fn cut(word: &str) -> String {
    word.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where_and_what() {
        let message = |text| parse_imports(text).expect_err(text).to_string();
        assert_eq!(
            message("from a import b\n\nfrom c import d"),
            "line 2: want `from NAMESPACE import ID`, or that and `as NAME`, and the line is blank"
        );
        assert!(message("from a import b as").ends_with("which are 4 or 6 words, and there are 5"));
        assert!(message("from a imports b").ends_with("there is `imports` for `import`"));
        assert!(message("from a::b import c").starts_with("line 1: the namespace `a::b` has `::` in it"));
        assert!(message(&format!("{} b c d", "x".repeat(9_999))).len() < 300);
    }
}
