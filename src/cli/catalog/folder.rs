//! A catalogue as a folder of TOML and JSON files.
//!
//! A file's path is its label: `net/dns/lookup.test.toml` is the test `net.dns.lookup`. The word before the ending is its
//! kind: `test`, `resource`, `suite`, `directory`, `expectation` or `class` (`boot/Boot.class.toml` is the class
//! `boot.Boot`). A file named `items.toml` or `items.json`, or `NAME.items.…`, holds a list `items` of many, each with its
//! `kind` and `label`. Files of other endings are no part of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};

use crate::app::catalogue::apply::Name;
use crate::domain::catalogue::item::ItemKind;

/// The most files of a folder.
const MAX_FILES: usize = 500_000;

/// The longest file.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 64;

/// The documents of a folder, by name, each with the file that it came from.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// The documents.
    pub(super) documents: Vec<(Name, Value)>,
    /// The files, in the order of the documents.
    pub(super) files: Vec<PathBuf>,
}

/// Reads a folder, in the order of its files' names.
///
/// # Errors
/// The first file that cannot be read, with what is wrong in it; two files of one name.
pub(super) fn read(root: &Path) -> anyhow::Result<Folder> {
    ensure!(root.is_dir(), "{} is no folder", root.display());
    let mut files = Vec::new();
    collect(root, 0, &mut files)?;
    files.sort();
    let mut folder = Folder::default();
    let mut seen: BTreeMap<Name, PathBuf> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(root).unwrap_or(&file).to_owned();
        let Some(part) = part_of(&relative) else { continue };
        let document = parse(&file).with_context(|| format!("{}", relative.display()))?;
        let items = match part {
            Part::One(name) => vec![(name, document)],
            Part::Many => list(document).with_context(|| format!("{}", relative.display()))?,
        };
        for (name, document) in items {
            if let Some(other) = seen.insert(name.clone(), relative.clone()) {
                bail!("{} and {}: both are the {} `{}`", other.display(), relative.display(), name.0, name.1);
            }
            folder.documents.push((name, document));
            folder.files.push(relative.clone());
        }
    }
    Ok(folder)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    ensure!(depth <= MAX_DEPTH, "{}: folders lie more than {MAX_DEPTH} deep in each other", folder.display());
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("{}", folder.display()))?;
        let kind = entry.file_type().with_context(|| format!("{}", entry.path().display()))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if hidden {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() {
            ensure!(files.len() < MAX_FILES, "the folder holds more than {MAX_FILES} files");
            files.push(entry.path());
        }
    }
    Ok(())
}

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// The document of one item.
    One(Name),
    /// A list of items.
    Many,
}

/// What a file is by its path; `None` if it is no part of a catalogue.
fn part_of(path: &Path) -> Option<Part> {
    let text = path.to_str()?;
    let stem = text.strip_suffix(".toml").or_else(|| text.strip_suffix(".json"))?;
    let (label, kind) = match stem.rsplit_once(['.', '/']) {
        Some(parts) => parts,
        None => ("", stem),
    };
    if kind == "items" {
        return Some(Part::Many);
    }
    let kind: ItemKind = kind.parse().ok()?;
    (!label.is_empty()).then(|| Part::One((kind, label.replace('/', "."))))
}

fn parse(path: &Path) -> anyhow::Result<Value> {
    let length = std::fs::metadata(path)?.len();
    ensure!(length <= MAX_FILE_BYTES, "it is longer than {MAX_FILE_BYTES} bytes");
    let text = std::fs::read_to_string(path)?;
    if path.extension().is_some_and(|end| end == "json") {
        return Ok(serde_json::from_str(&text)?);
    }
    let table: toml::Table = text.parse()?;
    Ok(from_toml(toml::Value::Table(table)))
}

/// TOML as JSON: a date is its RFC 3339 text.
fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(boolean) => Value::from(boolean),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(from_toml).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(name, value)| (name, from_toml(value))).collect())
        }
    }
}

/// The items of a list, each with its kind and label taken out.
fn list(document: Value) -> anyhow::Result<Vec<(Name, Value)>> {
    let Value::Object(mut members) = document else { bail!("want a table with a list `items`") };
    let Some(Value::Array(items)) = members.remove("items") else { bail!("want a list `items`") };
    ensure!(members.is_empty(), "want only a list `items`, not `{}`", members.keys().next().map_or("", String::as_str));
    items
        .into_iter()
        .enumerate()
        .map(|(place, item)| {
            let Value::Object(mut members) = item else { bail!("item {place}: want a table") };
            let name = take_name(&mut members).with_context(|| format!("item {place}"))?;
            Ok((name, Value::Object(members)))
        })
        .collect()
}

fn take_name(members: &mut Map<String, Value>) -> anyhow::Result<Name> {
    let mut take = |member: &str| match members.remove(member) {
        Some(Value::String(text)) => Ok(text),
        _ => bail!("want a text `{member}`"),
    };
    Ok((take("kind")?.parse()?, take("label")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_path_says_what_a_file_is() {
        let one = |kind, label: &str| Some(Part::One((kind, label.to_owned())));
        for (path, part) in [
            ("net/dns/lookup.test.toml", one(ItemKind::Test, "net.dns.lookup")),
            ("net.dns.lookup.test.json", one(ItemKind::Test, "net.dns.lookup")),
            ("db.resource.toml", one(ItemKind::Resource, "db")),
            ("boot/Boot.class.toml", one(ItemKind::Class, "boot.Boot")),
            ("a/b.expectation.json", one(ItemKind::Expectation, "a.b")),
            ("empty.directory.toml", one(ItemKind::Directory, "empty")),
            ("items.toml", Some(Part::Many)),
            ("a/items.json", Some(Part::Many)),
            ("a/more.items.json", Some(Part::Many)),
            ("a/README.md", None),
            ("a/other.toml", None),
            ("test.toml", None),
            ("a/x.tests.toml", None),
        ] {
            assert_eq!(part_of(Path::new(path)), part, "{path}");
        }
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_its_names() {
        let folder = folder(&[
            ("b.test.toml", "class = 'c.C'\n[arguments]\nwhen = 2026-01-02T03:04:05Z\nn = [1, 2]\n"),
            ("a/items.json", r#"{"items": [{"kind": "suite", "label": "s", "test_ids": ["b"]}]}"#),
            (".git/x.test.toml", "nonsense"),
            ("README", "nonsense"),
        ]);
        let read = read(folder.path()).unwrap();
        assert_eq!(read.files, [Path::new("a/items.json"), Path::new("b.test.toml")]);
        assert_eq!(read.documents[0], ((ItemKind::Suite, "s".into()), serde_json::json!({"test_ids": ["b"]})));
        let arguments = &read.documents[1].1["arguments"];
        assert_eq!(arguments, &serde_json::json!({"when": "2026-01-02T03:04:05Z", "n": [1, 2]}));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        for (files, words) in [
            (&[("a.test.toml", "x = ")][..], "a.test.toml"),
            (&[("a.test.json", "{")], "a.test.json"),
            (&[("items.json", "[]")], "list `items`"),
            (&[("items.json", r#"{"items": [], "more": 1}"#)], "more"),
            (&[("items.toml", "[[items]]\nkind = 'test'\n")], "item 0"),
            (&[("items.toml", "[[items]]\nkind = 'tests'\nlabel = 'a'\n")], "tests"),
            (&[("a.test.toml", ""), ("a.test.json", "{}")], "both are the test `a`"),
        ] {
            let error = format!("{:#}", read(folder(files).path()).unwrap_err());
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(read(Path::new("/nonexistent")).is_err());
    }
}
