//! What a spec is called.

use serde_json::Value;

use super::{EXECPATH, Spec};

#[cfg(test)]
mod tests;

impl Spec {
    /// The family, and the parameters sorted by name (code points, so capitals come first): `mesh.degree=2.np=4`.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.family.clone();
        for (parameter, value) in &self.parameters {
            name.push('.');
            name.push_str(parameter);
            name.push('=');
            name.push_str(&rendered(value));
        }
        name
    }

    /// The directory of its file and its name: `solver/mesh.np=4`. A file at the top has no directory.
    #[must_use]
    pub fn fullname(&self) -> String {
        joined(directory(&self.file_path), &self.name())
    }

    /// What people see: the name, or the full name where a name alone would not tell which.
    #[must_use]
    pub fn display_name(&self, resolved: bool) -> String {
        if resolved { self.fullname() } else { self.name() }
    }

    /// Its file on the machine that found it.
    #[must_use]
    pub fn file(&self) -> String {
        joined(&self.file_root, &self.file_path)
    }

    /// Where it runs, below the directory of a session: the attribute [`EXECPATH`], or else its full name.
    #[must_use]
    pub fn execution_path(&self) -> String {
        self.stated_path().map_or_else(|| self.fullname(), str::to_owned)
    }

    /// Where it says that it runs.
    fn stated_path(&self) -> Option<&str> {
        self.attributes.get(EXECPATH).and_then(Value::as_str).filter(|path| !path.is_empty())
    }

    /// Where people find it: the execution path and the name of its file, `solver/mesh.np=4/mesh.pyt`. It is text, and not
    /// made any shorter.
    #[must_use]
    pub fn view(&self) -> String {
        self.view_of(&self.name())
    }

    /// As [`Self::view`], for whoever has its name already.
    pub(crate) fn view_of(&self, name: &str) -> String {
        let file = file_name(&self.file_path);
        match self.stated_path() {
            Some(path) => joined(path, file),
            None => joined(&joined(directory(&self.file_path), name), file),
        }
    }

    /// Words that it can be selected by beside its keywords: its name, its family and its file.
    #[must_use]
    pub fn implicit_keywords(&self) -> [String; 3] {
        [self.name(), self.family.clone(), self.file()]
    }
}

/// A parameter's value as it stands in a name: numbers that are no whole ones with six significant digits and without
/// zeros at the end (`0.1`, `1e-07`, `1.23457e+06`, and `2` for `2.0`), true and false as `1` and `0`, null as `None`, a
/// list or an object as JSON without blanks, and anything else as it is. Two different values may look alike.
#[must_use]
pub fn rendered(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(value) => u8::from(*value).to_string(),
        Value::Number(number) if number.is_f64() => number.as_f64().map(general).unwrap_or_default(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A number as C's `%g` prints it.
fn general(number: f64) -> String {
    // Rounding first may make the exponent greater: 999999.5 is 1e+06.
    let scientific = format!("{number:.5e}");
    let split = scientific.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)));
    let Some((digits, exponent)) = split else { return scientific };
    match usize::try_from(5 - exponent) {
        Ok(decimals) if exponent >= -4 => without_zeros(&format!("{number:.decimals$}")).to_owned(),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", without_zeros(digits), exponent.unsigned_abs())
        }
    }
}

/// A decimal fraction without zeros at its end.
fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// The directory of a path; empty where it has none.
pub(super) fn directory(path: &str) -> &str {
    path.rsplit_once('/').unwrap_or_default().0
}

/// The last component of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The last component of a path without its last extension. A dot at its beginning or end begins none.
pub(super) fn stem(path: &str) -> &str {
    let name = file_name(path);
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => stem,
        _ => name,
    }
}

fn joined(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        _ if directory.ends_with('/') => format!("{directory}{name}"),
        _ => format!("{directory}/{name}"),
    }
}
