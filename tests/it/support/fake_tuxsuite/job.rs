//! One job at the fake TuxSuite: what it is refused for, the object that clients see, and how it ends.

use std::collections::BTreeMap;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use testyard::clock::{Clock as _, SystemClock};

/// What a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A build of a kernel.
    Build,
    /// Tests of one, or its boot alone.
    Test,
}

impl Kind {
    /// The word in a callback.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
        }
    }

    /// The word in a path.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Build => "builds",
            Self::Test => "tests",
        }
    }
}

/// A job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) kind: Kind,
    /// What clients see of it.
    pub(super) object: Value,
    /// Its artifacts by name.
    pub(super) files: BTreeMap<String, Bytes>,
}

/// Why TuxSuite would not take this entry.
pub(super) fn refused(kind: Kind, entry: &Value) -> Option<String> {
    let (texts, others): (&[&str], &[&str]) = match kind {
        Kind::Build => (
            &["client_token", "git_repo", "target_arch", "toolchain"],
            &["kconfig", "environment", "targets", "make_variables", "is_public"],
        ),
        Kind::Test => (&["device", "kernel"], &["parameters", "is_public", "host"]),
    };
    let text = texts.iter().find(|name| entry[**name].as_str().is_none_or(str::is_empty));
    let other = others.iter().find(|name| entry[**name].is_null());
    if let Some(name) = text.or(other) {
        return Some(format!("`{name}` is missing"));
    }
    match kind {
        Kind::Build if entry["git_ref"].is_null() == entry["git_sha"].is_null() => {
            Some("want `git_ref` or `git_sha`, and not both".to_owned())
        }
        Kind::Build if entry["kconfig"].as_array().is_none_or(Vec::is_empty) => {
            Some("`kconfig` is not a list with something in it".to_owned())
        }
        _ => None,
    }
}

/// The job that a good entry makes, as the `serial`th of all.
pub(super) fn created(kind: Kind, entry: Value, project: &str, storage: &str, serial: usize) -> Job {
    let now = SystemClock.now();
    let uid = ksuid(now, serial);
    let mut object = entry;
    if kind == Kind::Test {
        let asked = object["tests"].as_array().cloned().unwrap_or_default();
        let tests: Vec<Value> =
            std::iter::once(json!("boot")).chain(asked.into_iter().filter(|t| t != "boot")).collect();
        merge(&mut object, &json!({"tests": tests, "results": {}, "retries": 0, "waiting_for": null}));
    } else {
        merge(
            &mut object,
            &json!({"build_status": "queued", "tuxbuild_status": "queued", "status_message": "", "errors_count": 0,
                "warnings_count": 0, "git_short_log": "", "retry": 0, "waited_by": []}),
        );
    }
    merge(
        &mut object,
        &json!({"uid": uid, "project": project, "plan": null, "user": "bot@example.com", "result": "unknown",
            "state": if kind == Kind::Build { "queued" } else { "provisioning" }, "is_canceling": false,
            "download_url": format!("{storage}/{}/{uid}/", kind.plural()), "duration": 0,
            "provisioning_time": zoneless(now), "running_time": null, "finished_time": null}),
    );
    Job { kind, object, files: BTreeMap::new() }
}

impl Job {
    pub(super) fn uid(&self) -> &str {
        self.object["uid"].as_str().unwrap_or_default()
    }

    pub(super) fn finish_build(&mut self, status: &str) {
        assert_eq!(self.kind, Kind::Build, "{} is no build", self.uid());
        let complete = matches!(status, "pass" | "fail");
        self.finish(
            status,
            &json!({"build_status": status, "tuxbuild_status": if complete { "complete" } else { "error" },
                "errors_count": u8::from(status == "fail"), "status_message": format!("build ended: {status}")}),
        );
        if complete {
            merge(
                &mut self.object,
                &json!({"git_describe": "v6.15-rc6-12-gabcdef012345", "git_short_log": "abcdef012345 (\"riscv: a change\")",
                    "git_sha": "abcdef0123456789abcdef0123456789abcdef01"}),
            );
            self.offer("build.log", "  CC      init/main.o\n");
            self.offer("config", "CONFIG_RISCV=y\n");
        }
        if status == "pass" {
            merge(
                &mut self.object,
                &json!({"kernel_image_name": "Image.gz", "kernel_version": "6.15.0-rc6", "modules": "modules.tar.xz"}),
            );
        }
    }

    pub(super) fn finish_test(&mut self, result: &str, results: &[(&str, &str)]) {
        assert_eq!(self.kind, Kind::Test, "{} is no test job", self.uid());
        let told: Map<String, Value> =
            results.iter().map(|(test, result)| ((*test).to_owned(), json!(result))).collect();
        if !told.is_empty() {
            let step = |result: &Value| json!({"result": result, "level": "1.1", "namespace": "common"});
            // The boot shows as the step that logs in.
            let name = |test: &str| if test == "boot" { "login".to_owned() } else { test.to_owned() };
            let lava: Map<String, Value> = told.iter().map(|(test, result)| (name(test), step(result))).collect();
            self.offer("results.json", &json!({ "lava": lava }).to_string());
            self.offer("logs.txt", "[    0.000000] Linux version 6.15.0-rc6\n");
        }
        self.finish(result, &json!({ "results": told }));
    }

    pub(super) fn cancel(&mut self) {
        if self.object["state"] != "finished" {
            match self.kind {
                Kind::Build => self.finish_build("canceled"),
                Kind::Test => self.finish_test("canceled", &[]),
            }
            merge(&mut self.object, &json!({"is_canceling": true}));
        }
    }

    fn finish(&mut self, result: &str, fields: &Value) {
        let now = zoneless(SystemClock.now());
        merge(
            &mut self.object,
            &json!({"state": "finished", "result": result, "duration": 301, "running_time": now, "finished_time": now}),
        );
        merge(&mut self.object, fields);
    }

    /// Puts a file where the test has not put one of its own.
    fn offer(&mut self, name: &str, content: &str) {
        self.files.entry(name.to_owned()).or_insert_with(|| Bytes::from(content.to_owned()));
    }
}

/// Overwrites the fields of one object with those of another.
pub(super) fn merge(object: &mut Value, fields: &Value) {
    let (Some(object), Some(fields)) = (object.as_object_mut(), fields.as_object()) else {
        panic!("fields are merged into an object")
    };
    object.extend(fields.clone());
}

/// TuxSuite's times are UTC and do not say so.
fn zoneless(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// A KSUID: 27 base62 digits that begin with the time.
fn ksuid(now: DateTime<Utc>, serial: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const EPOCH: i64 = 1_400_000_000;
    let seconds = u64::try_from(now.timestamp() - EPOCH).expect("a clock that is not years slow");
    let mut words = [seconds, 0, 0, 0, serial as u64];
    let mut text = [0_u8; 27];
    for digit in text.iter_mut().rev() {
        let mut rest = 0;
        for word in &mut words {
            let value = (rest << 32) | *word;
            (*word, rest) = (value / 62, value % 62);
        }
        *digit = DIGITS[usize::try_from(rest).expect("below 62")];
    }
    text.map(char::from).iter().collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn uids_are_ordered_by_time_and_then_by_number() {
        let now = SystemClock.now();
        let uids = [ksuid(now, 0), ksuid(now, 1), ksuid(now, 62), ksuid(now + TimeDelta::seconds(1), 0)];
        assert!(uids.is_sorted_by(|a, b| a < b), "{uids:?}");
        assert!(uids.iter().all(|uid| uid.len() == 27));
    }
}
