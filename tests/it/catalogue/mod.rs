//! The catalogue over HTTP, on both databases.

mod apply;
mod attachments;
mod classes;
mod commands;
mod golden;
mod items;
mod questions;
mod revisions;
mod transfer;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{Answered, TestApp};

/// A test that runs a command.
pub(crate) fn shell(command: &str) -> Value {
    json!({"class": "command.ShellCommandTest", "arguments": {"command": command}})
}

pub(crate) const BASE: &str = "/api/v1/catalog";

pub(crate) async fn put(app: &TestApp, path: &str, document: &Value) -> Answered {
    put_if(app, path, document, &[]).await
}

pub(crate) async fn put_if(app: &TestApp, path: &str, document: &Value, headers: &[(&str, &str)]) -> Answered {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    app.send(Method::PUT, &format!("{BASE}/{path}"), &all, document.to_string()).await
}

pub(crate) async fn delete(app: &TestApp, path: &str) -> Answered {
    app.send(Method::DELETE, &format!("{BASE}/{path}"), &[], Vec::new()).await
}

pub(crate) async fn get(app: &TestApp, path: &str) -> Answered {
    app.get(&format!("{BASE}/{path}")).await
}

pub(crate) async fn post(app: &TestApp, path: &str, body: &Value) -> Answered {
    app.post(&format!("{BASE}/{path}"), body).await
}

/// The labels of a listing.
pub(crate) async fn labels(app: &TestApp, path: &str) -> Vec<String> {
    let items = app.items(&format!("{BASE}/{path}")).await;
    items.iter().map(|item| item["label"].as_str().expect("a label").to_owned()).collect()
}

/// The revision that the catalogue is at.
pub(crate) async fn revision(app: &TestApp) -> i64 {
    app.show(BASE).await["revision"].as_i64().expect("a number")
}
