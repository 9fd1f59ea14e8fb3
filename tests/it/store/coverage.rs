//! Every function of the storage layer is called by a test of it.

use std::path::Path;

/// The `pub async fn`s of a source file: each as the tests must call it, `run::plan(` or, of a method, `.fetch_one(`.
fn functions(module: &str, source: &str) -> Vec<(String, String)> {
    source
        .lines()
        .filter_map(|line| {
            let name: String = line
                .trim_start()
                .strip_prefix("pub async fn ")?
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            let method = line.starts_with(' ');
            let calls = if method {
                (format!(".{name}("), format!("Db::{name}("))
            } else {
                (format!("{module}::{name}("), String::new())
            };
            Some(calls)
        })
        .collect()
}

/// The functions of a source file that no test calls. Comments call nothing.
fn untested(module: &str, source: &str, tests: &str) -> Vec<String> {
    let calls = |call: &str| {
        !call.is_empty()
            && tests.lines().any(|line| !line.trim_start().starts_with("//") && line.replace("::<", "(").contains(call))
    };
    functions(module, source)
        .into_iter()
        .filter(|(one, other)| !calls(one) && !calls(other))
        .map(|(name, _)| name)
        .collect()
}

fn rust_files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

#[test]
fn every_function_of_the_storage_layer_is_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests: String = rust_files(&root.join("tests/it/store")).into_iter().map(|(_, text)| text + "\n").collect();
    let sources = rust_files(&root.join("src/store"));
    let all: usize = sources.iter().map(|(module, source)| functions(module, source).len()).sum();
    assert!(all > 60, "only {all} functions found: has the source moved?");
    let untested: Vec<String> = sources.iter().flat_map(|(module, source)| untested(module, source, &tests)).collect();
    assert!(untested.is_empty(), "no test in tests/it/store calls {untested:?}");
}

#[test]
fn a_function_that_no_test_calls_is_seen() {
    let source =
        "pub async fn plan(c: &mut Conn<'_>) {}\nimpl Tx {\n    pub async fn commit(self) {}\n}\nasync fn own() {}";
    let tests = "// run::plan( .commit(\nfn f() { run::planned(); callback::plan(conn); }";
    assert_eq!(untested("run", source, tests), ["run::plan(", ".commit("]);
    assert!(untested("run", source, "store::run::plan(conn, &[]); tx.commit();").is_empty());
}
