//! The example files and `docs/settings.md` say what the code does: each is compared with the list of settings.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::keys::{KEYS, Key};
use super::surroundings::{Environment, parse_env_file};
use super::{Flags, Settings, Surroundings, Warning, compat, load};

const EXAMPLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testyard.example.toml"));
const DOTENV: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example"));
const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md"));

/// Settings whose example is not the default: the default depends on the machine, or is empty and shows nothing.
const EXAMPLES: [&str; 10] = [
    "server.state_dir",
    "database.url",
    "access.tokens",
    "kcidb.trees",
    "local.recipes",
    "runners.http",
    "runners.subprocess",
    "queue.max_running",
    "queue.weights",
    "queue.pools",
];

fn default_of(key: &Key) -> Option<Value> {
    let tree = serde_json::to_value(Settings::default()).expect("settings are JSON");
    let value = tree.get(key.section).and_then(|section| section.get(key.name)).expect("every key is a leaf");
    Value::try_from(value).ok()
}

/// `# key = value` without the `# `; other lines as they are.
fn uncommented(text: &str) -> String {
    let is_setting = |line: &str| {
        line.split_once(" = ").is_some_and(|(name, _)| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        })
    };
    text.lines()
        .map(|line| line.strip_prefix("# ").filter(|line| is_setting(line)).unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_example_file_parses_as_it_is_and_sets_nothing() {
    let table: Table = EXAMPLE.parse().expect("TOML");
    assert!(table.values().all(|section| section.as_table().is_some_and(Table::is_empty)));
}

#[test]
fn the_example_file_holds_every_setting_in_order_with_its_default() {
    let text = uncommented(EXAMPLE);
    let mut listed = Vec::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            listed.push(format!("{section}.{name}"));
        }
    }
    assert_eq!(listed, KEYS.iter().map(Key::path).collect::<Vec<_>>());

    let table: Table = text.parse().expect("the uncommented file is TOML");
    for key in KEYS.iter().filter(|key| !EXAMPLES.contains(&key.path().as_str())) {
        let example = table.get(key.section).and_then(|section| section.get(key.name)).expect("it is listed");
        if let Some(default) = default_of(key) {
            assert_eq!(example, &default, "{}", key.path());
        }
    }
}

#[test]
fn the_example_file_uncommented_is_a_good_settings_file() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), uncommented(EXAMPLE)).expect("room for it");
    let flags = Flags { config: Some(file.path().to_owned()), ..Flags::default() };
    let surroundings = Surroundings::with(&[("LAB_TOKEN", "a token")]);
    let loaded = load(&flags, &surroundings).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.origins.len(), KEYS.len());
    let unused = Warning("database.ca_cert has no effect: the database is SQLite".to_owned());
    assert_eq!(loaded.settings.check(), Ok(vec![unused]));
}

#[test]
fn the_example_environment_has_only_known_names_and_loads() {
    let text: String = DOTENV
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| line.contains('=') && !line.contains(' ')).unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n");
    let values = parse_env_file(&text).expect("a good file");
    let known: BTreeSet<String> = KEYS.iter().flat_map(Key::names).collect();
    assert!(values.len() >= 20, "the lines were not uncommented");
    for name in values.keys() {
        assert!(known.contains(name) || compat::is_without_effect(name), "{name}");
    }
    let surroundings = Surroundings { environment: Environment(values), ..Surroundings::default() };
    let loaded = load(&Flags::default(), &surroundings).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((loaded.warnings.len(), loaded.settings.check()), (0, Ok(Vec::new())));
    assert_eq!(parse_env_file(DOTENV).map(|values| values.len()), Ok(0), "the example sets nothing as it is");
}

#[test]
fn the_document_lists_every_setting_with_its_default_and_its_names() {
    let rows: Vec<Vec<&str>> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 3)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let listed: Vec<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(listed, KEYS.iter().map(Key::path).collect::<Vec<_>>());
    for (row, key) in rows.iter().zip(KEYS) {
        let names: Vec<String> = key.environment.iter().map(|name| format!("`{name}`")).collect();
        assert_eq!(row[2], names.join(", "), "{}", key.path());
        let default = match (key.path().as_str(), default_of(key)) {
            ("server.state_dir" | "database.url", _) => "see below".to_owned(),
            (_, Some(default)) => format!("`{default}`"),
            (_, None) => String::new(),
        };
        assert_eq!(row[1], default, "{}", key.path());
        assert_eq!(row[3].ends_with('†'), key.is_secret(), "{}", key.path());
    }
}
