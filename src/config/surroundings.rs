//! What a process is started in: its environment, its user, its directory. Read from the machine in one place and an
//! argument everywhere else, so that tests make their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Where a service of the system keeps its files.
pub(super) const SYSTEM_STATE_DIR: &str = "/var/lib/testyard";

/// What a process is started in.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment, without what is not UTF-8. `Debug` shows the names alone.
    pub environment: Environment,
    /// Names whose value is not UTF-8.
    pub unreadable: Vec<String>,
    /// Whether the user is root.
    pub root: bool,
    /// Where a settings file is looked for when none is named, in this order.
    pub default_files: Vec<PathBuf>,
}

/// Names and values.
#[derive(Clone, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Surroundings {
    /// Reads the process's own. The only function here that does.
    #[must_use]
    pub fn from_process() -> Self {
        use std::os::unix::fs::MetadataExt as _;

        let mut surroundings = Self {
            root: std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0),
            default_files: vec![PathBuf::from("testyard.toml"), PathBuf::from("/etc/testyard/testyard.toml")],
            ..Self::default()
        };
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(surroundings.environment.0.insert(name, value)),
                Err(_) => surroundings.unreadable.push(name),
            }
        }
        surroundings
    }

    /// Surroundings with these names and values, an ordinary user and no settings file.
    #[must_use]
    pub fn with(environment: &[(&str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { environment: Environment(environment), ..Self::default() }
    }

    /// The value of `name`. An empty value counts as none: compose files and units set names to nothing when they
    /// mean not to set them.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.environment.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// The secret that `name` holds, or the file that `name_FILE` names; nothing if neither is set.
    ///
    /// # Errors
    /// If both are set, or the file cannot be read or is empty.
    pub(super) fn secret(&self, name: &str) -> Result<Option<SecretString>, String> {
        let file = format!("{name}_FILE");
        match (self.value(name), self.value(&file)) {
            (Some(_), Some(_)) => Err(format!("{name} and {file} are both set: leave one of them out")),
            (Some(value), None) => Ok(Some(value.trim().into())),
            (None, None) => Ok(None),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) if text.trim().is_empty() => Err(format!("the file {path} is empty")),
                Ok(text) => Ok(Some(text.trim().into())),
                Err(error) => Err(format!("the file {path} cannot be read: {error}")),
            },
        }
    }

    /// Where the service keeps its files unless it is told: `$XDG_STATE_HOME/testyard`, for root `/var/lib/testyard`,
    /// else `~/.local/state/testyard`; without a home `/var/lib/testyard`. The base directory specification ignores
    /// relative paths.
    pub(super) fn state_dir(&self) -> PathBuf {
        let absolute = |name| self.value(name).map(Path::new).filter(|path| path.is_absolute());
        if let Some(state) = absolute("XDG_STATE_HOME") {
            return state.join("testyard");
        }
        match absolute("HOME") {
            Some(home) if !self.root && home != Path::new("/") => home.join(".local/state/testyard"),
            _ => PathBuf::from(SYSTEM_STATE_DIR),
        }
    }
}

/// Reads an environment file: `NAME=value` a line, `#` comments, an optional `export`, values bare (cut at ` #`), in
/// single quotes (as they are) or in double quotes (with `\n`, `\"`, `\\`). `$` is an ordinary character, since secrets
/// hold it.
///
/// # Errors
///
/// The number of the line, and what is wrong with it.
pub(super) fn parse_env_file(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line_error = |what: &str| format!("line {}: {what}", place + 1);
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or_else(|| line_error("want NAME=value"))?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            return Err(line_error("the name must be letters, digits and _"));
        }
        let value = unquoted(value.trim()).ok_or_else(|| line_error("the quotes do not close"))?;
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

fn unquoted(value: &str) -> Option<String> {
    let rest_is_comment = |rest: &str| rest.trim().is_empty() || rest.trim_start().starts_with('#');
    if let Some(quoted) = value.strip_prefix('\'') {
        return quoted.split_once('\'').filter(|(_, rest)| rest_is_comment(rest)).map(|(value, _)| value.to_owned());
    }
    let Some(quoted) = value.strip_prefix('"') else {
        let end = if value.starts_with('#') { Some(0) } else { value.find(" #") };
        return Some(end.map_or(value, |end| value.split_at(end).0).trim_end().to_owned());
    };
    let mut text = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return rest_is_comment(letters.as_str()).then_some(text),
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_follows_the_user() {
        for (environment, root, path) in [
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/home/u")][..], false, "/x/testyard"),
            (&[("XDG_STATE_HOME", "x"), ("HOME", "/home/u")], false, "/home/u/.local/state/testyard"),
            (&[("HOME", "/root")], true, "/var/lib/testyard"),
            (&[("XDG_STATE_HOME", "/x")], true, "/x/testyard"),
            (&[("HOME", "/")], false, "/var/lib/testyard"),
            (&[], false, "/var/lib/testyard"),
        ] {
            let surroundings = Surroundings { root, ..Surroundings::with(environment) };
            assert_eq!(surroundings.state_dir(), Path::new(path), "{environment:?}");
        }
    }

    #[test]
    fn an_environment_file_reads_line_by_line() {
        let text =
            "# comment\n\nA=1\nexport B = two words # note\nC='a # $b \\n'\nD=\"x\\\"y\\\\z\\n\" # note\nE=\nF=a#b\n";
        let values = parse_env_file(text).expect("a good file");
        let value = |name: &str| values.get(name).map(String::as_str);
        assert_eq!(value("A"), Some("1"));
        assert_eq!(value("B"), Some("two words"));
        assert_eq!(value("C"), Some("a # $b \\n"));
        assert_eq!(value("D"), Some("x\"y\\z\n"));
        assert_eq!(value("E"), Some(""));
        assert_eq!(value("F"), Some("a#b"));
        for (text, words) in
            [("A", "line 1: want"), ("\nA B=1", "line 2: the name"), ("A='x", "close"), ("A=\"x\" y", "close")]
        {
            assert!(parse_env_file(text).expect_err(text).contains(words), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_values() {
        let shown = format!("{:?}", Surroundings::with(&[("KCIDB_TOKEN", "s3cret")]));
        assert!(shown.contains("KCIDB_TOKEN") && !shown.contains("s3cret"), "{shown}");
    }
}
