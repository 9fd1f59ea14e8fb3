//! `config show`: the settings in force, and where each that somebody chose came from. Secrets are `<set>`, the password
//! in the database's URL is `***`: the tree of settings writes itself so.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::keys::KEYS;
use super::load::Loaded;

/// The settings in force as TOML, each that somebody chose with its origin in a comment.
#[must_use]
pub fn show_toml(loaded: &Loaded) -> String {
    let mut text = match &loaded.file {
        Some(file) => format!("# Settings file: {}\n", file.display()),
        None => "# No settings file.\n".to_owned(),
    };
    let tree = tree(loaded);
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[{section}]\n");
        }
        let value = tree.get(key.section).and_then(|section| section.get(key.name)).cloned().unwrap_or_default();
        let _ = match toml::Value::try_from(&value) {
            Ok(value) => write!(text, "{} = {value}", key.name),
            Err(_) => write!(text, "# {} is not set", key.name),
        };
        if let Some(origin) = loaded.origins.get(&key.path()) {
            let _ = write!(text, "  # {}", one_line(&origin.to_string()));
        }
        text.push('\n');
    }
    text
}

/// The same as JSON: `{"file", "settings": {section: {key: value}}, "origins": {"section.key": text}}`.
#[must_use]
pub fn show_json(loaded: &Loaded) -> String {
    let origins: serde_json::Map<String, Value> =
        loaded.origins.iter().map(|(key, origin)| (key.clone(), Value::String(origin.to_string()))).collect();
    let document = json!({ "file": loaded.file, "settings": tree(loaded), "origins": origins });
    format!("{document:#}\n")
}

fn tree(loaded: &Loaded) -> Value {
    serde_json::to_value(&loaded.settings).unwrap_or_default()
}

/// A path may hold a line break, which would end the comment.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
