//! Imports go down only: reads every path that the source names and fails when a floor uses one above it, or when the
//! domain uses what is not pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The modules of `src/` that are floors, from the top down. One of a greater height may use one of a smaller height,
/// and itself; two of one height know nothing of each other.
const FLOORS: &[(&str, u8, &str)] = &[
    ("main", 9, "parses, starts, exits: all else is the library, where tests reach it"),
    ("cli", 8, "command line -> runtime -> exit code; the only floor that knows the terminal"),
    ("server", 7, "wires settings -> store -> runners -> work -> router"),
    ("http", 6, "translates, authorises, pages; a decision made here would have to be made again by every other door"),
    ("web", 6, "server-rendered pages, beside the API and not on top of it"),
    ("work", 5, "background tasks whose input is the due rows; they call use cases as the doors do"),
    ("app", 4, "the use cases, which own their transactions: what a door or a task wants done is done here, once"),
    ("runner", 3, "adapters to what executes; they translate, and know nothing of what the service makes of it"),
    ("agent", 3, "the program in a lab: it knows the protocol and nothing of the service that speaks it"),
    ("sink", 3, "adapters to what takes results"),
    ("objects", 3, "the object store: bytes under keys, in a folder or a bucket"),
    ("net", 2, "the one guarded way out, under every adapter"),
    ("store", 1, "SQL; it keeps what the domain means and decides nothing"),
    ("domain", 0, "plain functions over plain values, to be replayed, property-tested and fuzzed without a server"),
];

/// The modules that stand beside the floors: every floor but the domain may use them, and they use no floor but the
/// domain.
const BESIDE: &[(&str, &str)] = &[
    ("clock", "the one place that reads the machine's clock"),
    ("config", "the settings, read once at the start"),
    ("entropy", "the one place that draws random numbers"),
    ("ids", "the types of ids; the only one that the domain may use, and so it may not use the domain"),
    ("lifecycle", "how the process starts and ends"),
    ("telemetry", "logs and metrics"),
];

/// The crates that the domain may use: data, errors, formats, digests and signatures. None of them waits, connects,
/// draws or tells the time (chrono could; clippy.toml forbids it; aws-lc-rs could draw, and here only verifies, and signs with
/// a shared secret, for which nothing is drawn).
const DOMAIN_CRATES: &[&str] = &[
    "aws_lc_rs",
    "base64",
    "chrono",
    "fancy_regex",
    "hex",
    "ipnet",
    "jsonschema",
    "mime_guess",
    "minijinja",
    "quick_xml",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "url",
    "uuid",
];

/// The parts of the standard library that reach out of the process, and so are not for the domain.
const IMPURE_STD: &[&[&str]] = &[
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
];

#[test]
fn imports_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let crates = dependencies();
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 2, "no source under {}", root.display());
    let mut found = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        found.extend(violations(&name, &source, &crates));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_violation_is_found() {
    let crates = BTreeSet::from(["axum", "serde", "sqlx", "tokio", "url"].map(String::from));
    let bad = [
        ("store/run.rs", "use crate::app::run::start;"),
        ("store/run.rs", "fn f() { crate::http::error::problem() }"),
        ("store/run.rs", "use super::super::http::error;"),
        ("store/mod.rs", "use {std::fmt, crate::{domain::{run, status}, runner::{self as r}}};"),
        ("runner/mod.rs", "use crate::sink::Sink;"),
        ("net/client.rs", "macro_rules! m { () => { $crate::work::wake() } }"),
        ("clock.rs", "pub use crate::store::Db;"),
        ("ids.rs", "use crate::domain::run::RunKind;"),
        ("domain/run.rs", "use crate::clock::Clock;"),
        ("domain/run.rs", "use sqlx::Type;"),
        ("domain/run.rs", "#[derive(sqlx::FromRow)] struct Row;"),
        ("domain/run.rs", "async fn f() {}"),
        ("domain/run.rs", "fn f() { std::thread::yield_now() }"),
        ("domain/run.rs", "use std::{fmt, time::Instant};"),
        ("domain/run.rs", "fn a() {} #[cfg(test)] mod tests { fn t() {} } use tokio;"),
        ("shelf/mod.rs", ""),
        ("app/mod.rs", "use crate::shelf::Book;"),
        ("store/run.rs", "const A: &[u8] = br#\"\"#; const Q: char = '\"'; use crate::work::x; const R: char = '\"';"),
    ];
    for (file, source) in bad {
        assert_eq!(violations(file, source, &crates).len(), 1, "{file}: {source}");
    }
    let good = [
        ("main.rs", "fn main() { testyard::cli::main() }"),
        ("app/run.rs", "use crate::{clock::Clock, net::client, runner, sink::{self, Sink as _}, store::run};"),
        ("app/run.rs", "use super::build; use self::x::y; fn f<'a>(a: &'a str) -> char { '/' }"),
        (
            "store/run.rs",
            "//! [`crate::http`]\n/* use crate::http; /* */ use crate::app; */ const A: &str = \"crate::http::x\";",
        ),
        ("store/run.rs", "const A: &str = r#\"\" crate::http::x\"#; const B: &str = \"\\\" crate::http::x\";"),
        ("store/run.rs", "#[cfg(test)] mod tests { use crate::app::x; fn t() { { } } }"),
        ("store/tests.rs", "use crate::app::x;"),
        ("store/run_tests.rs", "use crate::app::x;"),
        ("domain/kcidb/golden.rs", "use std::fs::read;"),
        ("domain/run.rs", "use std::fmt; use std::time::Duration; use serde::Serialize; use crate::ids::RunId;"),
        ("domain/run.rs", "fn f(url: &crate::domain::url::Url) { crate::domain::{url::parse, x}; }"),
        ("http/mod.rs", "use axum::Router; use tokio::sync::Notify;"),
        ("lib.rs", "pub mod http; pub use crate::http::x;"),
    ];
    for (file, source) in good {
        assert_eq!(violations(file, source, &crates), Vec::<String>::new(), "{file}: {source}");
    }
}

/// What a file, named relative to `src/`, uses that it may not. `crates` are the names of the package's dependencies.
/// Test modules, in files of their own by the names that we give them, are not looked at: they are no part of the
/// program.
fn violations(file: &str, source: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let module: Vec<&str> = file.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    let (Some(floor), Some(last)) = (module.first().copied(), module.last().copied()) else { return Vec::new() };
    if file == "lib.rs" || ["golden", "tests"].contains(&last) || last.ends_with("_tests") {
        return Vec::new();
    }
    if !is_known(floor) {
        return vec![format!("src/{file} stands on no floor: give it one in tests/it/architecture.rs")];
    }
    let text = without_comments_and_literals(source);
    let tokens = without_tests(&tokens(&text));
    let mut found = Vec::new();
    for path in paths(&tokens) {
        let why = match used_floor(&module, &path) {
            Some(other) if !is_known(other) => Some("no floor has this name".to_owned()),
            Some(other) => (!may_use(floor, other)).then(|| format!("`{floor}` may not use `{other}`")),
            None => (floor == "domain").then(|| impurity(&path, crates)).flatten().map(str::to_owned),
        };
        found.extend(why.map(|why| format!("src/{file} uses {}: {why}", path.join("::"))));
    }
    if floor == "domain" && tokens.contains(&"async") {
        found.push(format!("src/{file} uses async: the domain waits for nothing"));
    }
    found
}

fn height(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, ..)| *name == module).map(|(_, height, _)| *height)
}

fn is_known(module: &str) -> bool {
    height(module).is_some() || BESIDE.iter().any(|(name, _)| *name == module)
}

fn may_use(floor: &str, other: &str) -> bool {
    match (height(floor), height(other)) {
        _ if floor == other => true,
        (Some(here), Some(there)) => here > there,
        (Some(_), None) => floor != "domain" || other == "ids",
        (None, Some(_)) => other == "domain" && floor != "ids",
        (None, None) => true,
    }
}

/// Why the domain may not use this path of another crate.
fn impurity(path: &[&str], crates: &BTreeSet<String>) -> Option<&'static str> {
    let first = path.first()?;
    if crates.contains(*first) && !DOMAIN_CRATES.contains(first) {
        return Some("the domain uses only the crates in DOMAIN_CRATES");
    }
    IMPURE_STD.iter().any(|part| path.starts_with(part)).then_some("the domain does not reach out of the process")
}

/// The module of `src/` that a path leads to, if it leads to one.
fn used_floor<'a>(module: &[&str], path: &[&'a str]) -> Option<&'a str> {
    match path.first().copied()? {
        "crate" | "testyard" => path.get(1).copied(),
        "super" => {
            let up = path.iter().take_while(|part| **part == "super").count();
            // From inside an inline module fewer steps lead out; those names are no floors.
            path.get(up).copied().filter(|name| up >= module.len() && is_known(name))
        }
        _ => None,
    }
}

/// The source with each comment and each literal of text made a blank.
fn without_comments_and_literals(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_name = text.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string_literal(rest),
            'r' | 'b' | 'c' if !after_name => prefixed_literal(rest),
            '\'' => character_literal(rest),
            _ => 0,
        };
        if skipped == 0 {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            text.push(' ');
            rest = &rest[skipped..];
        }
    }
    text
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string_literal(text: &str) -> usize {
    let mut escaped = true;
    let end = text.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        // The opening quote counts as escaped.
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// `b"…"`, `r#"…"#`, `br"…"`, `c"…"`; 0 when it is a name instead.
fn prefixed_literal(text: &str) -> usize {
    let quoted = text.trim_start_matches(['b', 'c', 'r']);
    let prefix = &text[..text.len() - quoted.len()];
    if !["b", "c", "r", "br", "cr"].contains(&prefix) {
        return 0;
    }
    if !prefix.ends_with('r') {
        return if quoted.starts_with('"') { prefix.len() + string_literal(quoted) } else { 0 };
    }
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    if !quoted[hashes..].starts_with('"') {
        return 0;
    }
    let start = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// 0 when it is a lifetime instead.
fn character_literal(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = at + escaped.len_utf8();
            text[after..].find('\'').map_or(0, |end| after + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// Names, `::`, and every other character by itself.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match name {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            length => length,
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The tokens without the items that are marked `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&MARK) {
            kept.push(tokens[at]);
            at += 1;
            continue;
        }
        let mut depth = 0;
        for token in &tokens[at..] {
            at += 1;
            match *token {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(*token, "}" | ";") {
                break;
            }
        }
    }
    kept
}

/// Every path of two names or more, and every `use` of one; groups are spread out.
fn paths<'a>(tokens: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_name(tokens[at])
            && (tokens.get(at + 1) == Some(&"::") || at > 0 && tokens[at - 1] == "use")
            && (at == 0 || tokens[at - 1] != "::");
        at = if begins { spread(tokens, at, &[], &mut found) } else { at + 1 };
    }
    found
}

/// Reads one path, or one branch of a group, that begins at `at`; returns where it ends.
fn spread<'a>(tokens: &[&'a str], mut at: usize, before: &[&'a str], found: &mut Vec<Vec<&'a str>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"{") if at > 0 && tokens[at - 1] == "::" => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    let end = if is_name(tokens[at]) { spread(tokens, at, &path, found) } else { at };
                    at = end.max(at + 1);
                }
                return at + 1;
            }
            Some(name) if is_name(name) => {
                path.push(name);
                at += 1;
            }
            _ => break,
        }
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    found.push(path);
    // The new name is nobody's path.
    if tokens.get(at) == Some(&"as") { at + 2 } else { at }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn dependencies() -> BTreeSet<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the package's manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest that cargo has read");
    let dependencies = manifest["dependencies"].as_table().expect("its dependencies");
    let names: BTreeSet<String> = dependencies.keys().map(|name| name.replace('-', "_")).collect();
    assert!(
        names.is_superset(&DOMAIN_CRATES.iter().map(ToString::to_string).collect()),
        "a crate that is none of ours"
    );
    names
}
