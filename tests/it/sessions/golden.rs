//! Replays what was measured on Plainbox's sessions over HTTP, on both databases: each case as far as its steps have a
//! request, and as far as the original did what is done here. The domain replays all of it (`domain/session`).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{JSON, SESSIONS, encoded};
use crate::support::app::{Answered, TestApp};
use crate::support::db::TestDb;
use crate::support::{golden, on_both};

/// How many cases have to be replayed.
const ENOUGH: usize = 100;

/// What plain units are made of: those of other kinds, or that make more units when they are added, are left to the domain.
fn is_plain(unit: &Value) -> bool {
    let odd = ["siblings", "@ns", "@provider"];
    let suspends = unit["flags"].as_str().is_some_and(|flags| flags.contains("suspend"));
    !suspends && unit.as_object().is_some_and(|unit| !odd.iter().any(|field| unit.contains_key(*field)))
}

/// The cases of an area of which all units are plain, none stands twice, and the original did nothing odd.
fn cases(area: &str) -> Vec<Value> {
    let all = golden::files(&format!("plainbox/{area}.json"));
    let all = all.iter().flat_map(|document| document.as_array().expect("a list of cases"));
    all.filter(|case| {
        let units = case["given"]["units"].as_array().map_or(&[][..], Vec::as_slice);
        let ids: BTreeSet<String> = units.iter().map(|unit| unit["id"].to_string()).collect();
        let plain = units.iter().all(is_plain) && ids.len() == units.len();
        plain && case.get("quirk").is_none() && case["given"].get("manifest").is_none()
    })
    .cloned()
    .collect()
}

/// A session under a case.
struct Replay<'a> {
    app: &'a TestApp,
    case: &'a Value,
    session: String,
}

/// What a step came to: the answer, or that it has no request.
type Came = Option<Value>;

impl Replay<'_> {
    async fn get(&self, path: &str) -> Value {
        self.app.get(&format!("{}{path}", self.session)).await.expect(200).json()
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answered {
        self.app.send(method, &format!("{}{path}", self.session), &[JSON], body.to_string()).await
    }

    /// All jobs, by id, in the order of the job list.
    async fn jobs(&self) -> Vec<(String, Value)> {
        let page = self.get("/jobs?limit=1000").await;
        assert!(page["next_cursor"].is_null(), "a case is small");
        let jobs = page["items"].as_array().expect("jobs").iter();
        jobs.map(|job| (job["id"].as_str().expect("an id").to_owned(), job.clone())).collect()
    }

    async fn take(&mut self, step: &Value) -> Came {
        match step["op"].as_str().expect("an operation") {
            "new_session" => self.make(step).await,
            "update_desired_job_list" => self.desire(step).await,
            "update_mandatory_job_list" => {
                self.send(Method::PUT, "/mandatory", &json!({"jobs": step["jobs"]})).await.expect(200);
                Some(Value::Null)
            }
            "update_job_result" => self.report(step).await,
            "apply_overrides" => {
                let overrides = step["overrides"].as_array().expect("overrides").iter();
                let fields: Map<String, Value> =
                    overrides.map(|one| (one[0].as_str().expect("a field").to_owned(), one[1].clone())).collect();
                let job = encoded(step["job"].as_str().expect("a job"));
                self.send(Method::PATCH, &format!("/jobs/{job}"), &Value::Object(fields)).await.expect(200);
                Some(Value::Null)
            }
            "trim_job_list" => self.trim(step).await,
            "observe" => self.observe(step).await,
            "get_outcome_stats" => Some(json!({"stats": self.get("/stats").await["outcomes"]})),
            "get_test_outcome_stats" => Some(json!({"stats": self.get("/stats").await["test_outcomes"]})),
            "category_views" => Some(self.get("/stats").await["categories"].clone()),
            "get_estimated_duration" => {
                let overhead = step["manual_overhead"].as_f64().map_or(String::new(), |it| format!("?overhead={it}"));
                Some(self.get(&format!("/estimate{overhead}")).await)
            }
            "get_certification_status_map" => self.certification(step).await,
            _ => None,
        }
    }

    async fn make(&mut self, step: &Value) -> Came {
        if step.as_object()?.keys().any(|key| key != "op" && key != "flags") {
            return None;
        }
        let given = &self.case["given"];
        let mut new = json!({"units": given["units"], "flags": step["flags"].as_array().cloned().unwrap_or_default()});
        if let Some(namespace) = given["namespace"].as_str() {
            new["namespace"] = namespace.into();
        }
        let made = self.app.post(SESSIONS, &new).await.expect(201);
        made.header("location").clone_into(&mut self.session);
        let ids: Vec<String> = self.jobs().await.into_iter().map(|(id, _)| id).collect();
        Some(json!({"job_list": ids}))
    }

    async fn desire(&mut self, step: &Value) -> Came {
        let jobs = step["jobs"].as_array()?;
        if !jobs.iter().all(Value::is_string) || step.get("include_mandatory").is_some() {
            return None;
        }
        let answer = self.send(Method::PUT, "/desired", &json!({"jobs": jobs})).await.expect(200).json();
        let problems = answer["problems"]["items"].as_array()?.iter().map(problem);
        Some(json!({
            "problems": problems.collect::<Option<Vec<Value>>>()?,
            "desired": self.get("/desired").await["jobs"],
            "run_list": self.run_list().await,
        }))
    }

    async fn run_list(&self) -> Vec<Value> {
        let page = self.get("/run-list?limit=1000").await;
        page["items"].as_array().expect("jobs").iter().map(|job| job["id"].clone()).collect()
    }

    async fn report(&mut self, step: &Value) -> Came {
        let mut result = step["result"].as_object()?.clone();
        if let Some(entries) = result.get_mut("io_log").and_then(Value::as_array_mut) {
            for entry in entries {
                let bytes = match &entry[2] {
                    Value::String(text) => STANDARD.encode(text),
                    coded => coded["b64"].as_str()?.to_owned(),
                };
                entry[2] = bytes.into();
            }
        }
        let known = ["outcome", "comments", "return_code", "execution_duration", "io_log", "stdout"];
        if !result.keys().all(|field| known.contains(&field.as_str())) {
            return None;
        }
        let job = encoded(step["job"].as_str()?);
        let answer = self.send(Method::POST, &format!("/jobs/{job}/results"), &Value::Object(result)).await;
        // Made-up outcomes are refused at the door.
        (answer.status == 200).then_some(Value::Null)
    }

    async fn trim(&mut self, step: &Value) -> Came {
        let mut qualifier = match step["qualifier"]["kind"].as_str()? {
            "id" => json!({"id": step["qualifier"]["id"]}),
            "pattern" => json!({"pattern": step["qualifier"]["pattern"]}),
            _ => return None,
        };
        if let Some(inclusive) = step["qualifier"].get("inclusive") {
            qualifier["inclusive"] = inclusive.clone();
        }
        let answer = self.send(Method::POST, "/trim", &json!({"qualifier": qualifier})).await;
        if answer.status != 200 {
            return None;
        }
        let ids: Vec<String> = self.jobs().await.into_iter().map(|(id, _)| id).collect();
        Some(json!({"job_list": ids, "removed": answer.json()["jobs"]}))
    }

    async fn certification(&mut self, step: &Value) -> Came {
        let mut query = String::new();
        for (name, filter) in [("outcome", "outcome_filter"), ("status", "certification_status_filter")] {
            let values = step[filter].as_array();
            if values.is_some_and(Vec::is_empty) {
                // Over HTTP nothing is what is left out.
                return None;
            }
            for value in values.into_iter().flatten() {
                let word = value.as_str().unwrap_or("none");
                query = format!("{query}{}{name}={word}", if query.is_empty() { '?' } else { '&' });
            }
        }
        let found = self.get(&format!("/certification{query}")).await;
        let jobs: Vec<&Value> = found["jobs"].as_array()?.iter().map(|job| &job["job"]).collect();
        Some(json!({"jobs": jobs}))
    }

    async fn observe(&mut self, step: &Value) -> Came {
        let jobs = self.jobs().await;
        let only = step["jobs"].as_array();
        let wanted = |id: &str| only.is_none_or(|only| only.iter().any(|one| one == id));
        let of_each = |of: &dyn Fn(&Value) -> Value| {
            let told = jobs.iter().filter(|(id, _)| wanted(id)).map(|(id, job)| (id.clone(), of(job)));
            Value::Object(told.collect())
        };
        let mut seen = Map::new();
        for what in step["what"].as_array()?.iter().filter_map(Value::as_str) {
            let value = match what {
                "job_list" => jobs.iter().map(|(id, _)| id.clone()).collect(),
                "desired" | "mandatory" => self.get(&format!("/{what}")).await["jobs"].clone(),
                "run_list" => self.run_list().await.into(),
                "run_set" => {
                    let mut ids = self.run_list().await;
                    ids.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
                    ids.into()
                }
                "todo" => {
                    let page = self.get("/run-list?done=false&limit=1000").await;
                    page["items"].as_array()?.iter().map(|job| job["id"].clone()).collect()
                }
                "inhibitors" => of_each(&|job| job["inhibitors"].clone()),
                "can_start" => of_each(&|job| job["can_start"].clone()),
                "outcomes" => of_each(&|job| job["outcome"].clone()),
                "attempts" => of_each(&|job| job["attempts"].clone()),
                "effective" => of_each(&|job| job["effective"].clone()),
                "resources" => {
                    let page = self.get("/resources?limit=1000").await;
                    let mut told = Map::new();
                    for resource in page["items"].as_array()?.iter().filter_map(|one| one["resource"].as_str()) {
                        let found = self.get(&format!("/resources/{}", encoded(resource))).await;
                        told.insert(resource.to_owned(), found["records"].clone());
                    }
                    Value::Object(told)
                }
                "history" => {
                    let mut told = Map::new();
                    for (id, _) in jobs.iter().filter(|(id, _)| wanted(id)) {
                        let page = self.get(&format!("/jobs/{}/results?limit=1000", encoded(id))).await;
                        let results =
                            page["items"].as_array()?.iter().map(|result| result["result"]["outcome"].clone());
                        told.insert(id.clone(), results.collect());
                    }
                    Value::Object(told)
                }
                _ => return None,
            };
            seen.insert(what.to_owned(), value);
        }
        Some(Value::Object(seen))
    }
}

/// A problem as the cases write it.
fn problem(told: &Value) -> Option<Value> {
    Some(match told["problem"].as_str()? {
        "unknown" => json!({"type": "DependencyUnknownError", "affected_job": told["job"]}),
        "missing" => json!({
            "type": "DependencyMissingError", "affected_job": told["job"], "missing_job_id": told["missing"],
            "dep_type": told["need"],
        }),
        "cycle" => json!({
            "type": "DependencyCycleError", "affected_job": told["job"], "affecting_job": told["job"],
            "cycle": told["cycle"],
        }),
        _ => return None,
    })
}

/// Whether everything that was measured was told, numbers alike as 10 and 10.0 are.
fn tells(measured: &Value, told: &Value) -> bool {
    match (measured, told) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| tells(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.iter().all(|(key, one)| other.get(key).is_some_and(|other| tells(one, other)))
        }
        _ => measured == told,
    }
}

/// How many steps of a case were replayed.
async fn replay(app: &TestApp, case: &Value) -> Result<usize, String> {
    let steps = case["steps"].as_array().expect("steps");
    let expected: Vec<&Vec<Value>> = match case.get("expect") {
        Some(expected) => vec![expected.as_array().expect("outcomes")],
        None => case["expect_any_of"].as_array().expect("alternatives").iter().filter_map(Value::as_array).collect(),
    };
    let mut session = Replay { app, case, session: String::new() };
    for (place, step) in steps.iter().enumerate() {
        if expected.iter().any(|outcomes| outcomes[place].get("ok").is_none()) {
            return Ok(place);
        }
        let Some(told) = session.take(step).await else { return Ok(place) };
        if !expected.iter().any(|outcomes| tells(&outcomes[place]["ok"], &told)) {
            let want = &expected[0][place]["ok"];
            return Err(format!("{} step {place}: {step}\n  want {want}\n  have {told}", case["name"]));
        }
    }
    Ok(steps.len())
}

on_both! {
    async fn golden_sessions_are_served_as_they_were_measured(db: TestDb) {
        let app = TestApp::start(db).await;
        let (mut replayed, mut failed) = (0, Vec::new());
        for area in ["readiness", "depmgr", "stats", "trim", "generated", "stories"] {
            // Of each area as many as keep this quick; the domain replays them all.
            for case in cases(area).iter().take(40) {
                match replay(&app, case).await {
                    Ok(steps) => replayed += usize::from(steps >= 2),
                    Err(difference) => failed.push(difference),
                }
            }
        }
        assert!(failed.is_empty(), "{} differ:\n{}", failed.len(), failed.join("\n"));
        assert!(replayed >= ENOUGH, "only {replayed} cases were replayed");
    }
}
