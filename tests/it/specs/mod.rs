//! Specs, their results and selections over HTTP, on both databases.

mod conditions;
mod find;
mod generate;
mod hooks;
mod put;
mod refused;
mod results;
mod selection_changes;
mod selections;
mod table;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{Answered, TestApp};

const SPECS: &str = "/api/v1/specs";
const SELECTIONS: &str = "/api/v1/selections";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// An id that begins with this digit.
fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A spec that waits for others, all named by the digit of their ids.
fn spec(digit: char, family: &str, keywords: &[&str], on: &[char]) -> Value {
    let dependencies: Vec<Value> = on.iter().map(|digit| json!({"id": id(*digit)})).collect();
    json!({
        "id": id(digit), "file_root": "/src", "file_path": format!("d/{family}.pyt"), "family": family,
        "keywords": keywords, "dependencies": dependencies, "timeout": 60.0, "stdout": "out.txt",
    })
}

/// Four specs: `b` and `c` wait for `a`, `d` for `b`; `e` stands alone.
fn five() -> Value {
    json!([
        spec('a', "setup", &["fast"], &[]),
        spec('b', "build", &["fast"], &['a']),
        spec('c', "check", &["slow"], &['a']),
        spec('d', "deploy", &["fast"], &['b']),
        spec('e', "extra", &["slow"], &[]),
    ])
}

async fn with_five(app: &TestApp) {
    app.post(SPECS, &five()).await.expect(200);
}

/// A result of a spec in a session.
fn result(id_of: &str, digit: char, session: &str, status: &str) -> Value {
    json!({"id": id_of, "spec_id": id(digit), "session": session, "status": {"status": status}})
}

async fn put_selection(app: &TestApp, tag: &str, asked: &Value) -> Answered {
    let json = [("content-type", "application/json")];
    app.send(Method::PUT, &format!("{SELECTIONS}/{tag}"), &json, asked.to_string()).await
}

/// A keyword rule alone.
fn keyword(expression: &str) -> Value {
    json!({"rules": [{"type": "keyword", "expressions": [expression]}]})
}

/// The digits that ids begin with.
fn digits<'v>(ids: impl IntoIterator<Item = &'v Value>) -> String {
    ids.into_iter().map(|id| id.as_str().expect("an id").chars().next().expect("a digit")).collect()
}

/// The digits of the ids in a listing, under this member; of the items themselves where it is empty.
async fn listed(app: &TestApp, path: &str, member: &str) -> String {
    let items = app.items(path).await;
    digits(items.iter().map(|item| if member.is_empty() { item } else { &item[member] }))
}

/// All items of a listing in pages of this many, which must all be full but for the last.
async fn in_pages(app: &TestApp, path: &str, limit: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = String::new();
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = app.show(&format!("{path}{sign}limit={limit}{next}")).await;
        let items = page["items"].as_array().expect("items").clone();
        all.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            None => return all,
            Some(cursor) => {
                assert_eq!(items.len(), limit, "{path}: a page with another one after it is full");
                let cursor: String = url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
                next = format!("&cursor={cursor}");
            }
        }
    }
}

/// The pointers of a refusal.
fn pointers(refused: &Answered) -> Vec<String> {
    let errors = refused.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}
