//! Where Testyard differs from what was measured: `tests/golden/DEVIATIONS.md` says why. The rules stand there in the same
//! words.

use std::collections::BTreeSet;

use serde_json::Value;

/// The first step in which the answers are not what was expected and need not be otherwise.
pub(super) fn first_difference(case: &Value, expected: &[Value], answers: &[Value]) -> Option<usize> {
    assert_eq!(expected.len(), answers.len());
    let steps = case["steps"].as_array().expect("steps");
    let mut rules = Rules::of(case);
    for (place, step) in steps.iter().enumerate() {
        let (want, have) = (&expected[place], &answers[place]);
        if !same(want, have) && !rules.allows(&steps[..place], step, want, have) {
            return Some(place);
        }
        if rules.over {
            return None;
        }
        rules.remember(step, want);
    }
    None
}

/// What is known of the steps before.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
struct Rules<'c> {
    case: &'c Value,
    /// An exception escaped from a recomputation, which was left half done.
    half_done: bool,
    /// Jobs that a selection leaves out instead of raising.
    left_out: BTreeSet<String>,
    /// Jobs that are not removed, as they are on the run list.
    kept: BTreeSet<String>,
    /// A clash ended what was being generated.
    cut_short: bool,
    /// Mandatory jobs were desired again.
    doubled: bool,
    /// Nothing after this can be compared.
    over: bool,
}

impl<'c> Rules<'c> {
    fn of(case: &'c Value) -> Self {
        Self {
            case,
            half_done: false,
            left_out: BTreeSet::new(),
            kept: BTreeSet::new(),
            cut_short: false,
            doubled: false,
            over: false,
        }
    }

    fn remember(&mut self, step: &Value, want: &Value) {
        let recomputes = ["update_job_result", "update_desired_job_list", "add_unit", "remove_unit", "resume"];
        if recomputes.iter().any(|op| step["op"] == *op) && want.get("ok").is_some() {
            self.half_done = false;
        }
        if step["op"] == "update_job_result" && want["error"]["type"] == "DependencyDuplicateError" {
            self.cut_short = true;
        }
    }

    fn allows(&mut self, before: &[Value], step: &Value, want: &Value, have: &Value) -> bool {
        let op = step["op"].as_str().expect("an operation");
        let raised = want["error"]["type"].as_str();
        let key = want["error"]["key"].as_str();
        let went_well = have.get("ok").is_some();
        match (op, raised) {
            // A result without an outcome of a resource job that never ran is no error.
            ("update_job_result", Some("KeyError")) if key == step["job"].as_str() => {
                step["result"]["outcome"].is_null() && went_well
            }
            // What is salvaged need not be there.
            ("update_job_result", Some("KeyError")) => {
                self.half_done = true;
                self.is_salvaged(key) && went_well
            }
            ("update_desired_job_list", Some("KeyError")) => {
                self.half_done = true;
                let problem = have["ok"]["problems"].as_array().and_then(|problems| problems.last());
                self.is_salvaged(key)
                    && problem.is_some_and(|problem| {
                        problem["dep_type"] == "salvages" && problem["missing_job_id"].as_str() == key
                    })
            }
            // Expressions are cut where they are read, not in the middle of a text.
            ("update_job_result", Some("ResourceSyntaxError")) => {
                self.half_done = true;
                went_well
            }
            // A program that cannot be read is a problem of the selection.
            ("update_desired_job_list", Some(_)) => {
                let problems = have["ok"]["problems"].as_array().into_iter().flatten();
                let unreadable = problems.filter(|problem| problem["type"] == "Unreadable");
                let jobs: Vec<_> = unreadable.filter_map(|problem| problem["affected_job"].as_str()).collect();
                self.half_done = true;
                self.left_out.extend(jobs.iter().map(|job| (*job).to_owned()));
                !jobs.is_empty()
            }
            // Numbers of records make no difference between units, and what clashes does not end the rest.
            ("update_job_result", Some("DependencyDuplicateError")) => went_well,
            // What is on the run list is not removed.
            ("remove_unit", Some("KeyError")) => {
                self.kept.extend(key.map(str::to_owned));
                have["error"]["jobs"].as_array().is_some_and(|jobs| jobs.iter().any(|job| job.as_str() == key))
            }
            // A unit that was refused is refused for the same reason again.
            ("add_unit", Some("ValueError")) => have["error"]["type"] == "DependencyDuplicateError",
            // Kinds do not hide each other.
            ("get_unit", Some("KeyError")) => step["kind"].is_string() && have["ok"]["kind"] == step["kind"],
            // A score that is none is that of a controller that cannot.
            ("get_ctrl_for_job", Some("TypeError")) => {
                let scores = step["scores"].as_array().into_iter().flatten();
                scores.clone().any(|score| score[1].is_null()) && (went_well || have["error"]["type"] == "LookupError")
            }
            // Whole numbers are numbers; what is no base64 is damage.
            ("resume", Some("CorruptedSessionError")) => damages(step, "execution_duration") && went_well,
            ("resume", None) if damages(step, "io_log") => {
                self.over = true;
                have["error"]["type"] == "CorruptedSessionError"
            }
            (_, None) if went_well => self.allows_answer(before, step, &want["ok"], &have["ok"]),
            _ => false,
        }
    }

    fn allows_answer(&mut self, before: &[Value], step: &Value, want: &Value, have: &Value) -> bool {
        let last = |op: &str| before.iter().rev().find(|step| step["op"] == op);
        match step["op"].as_str().expect("an operation") {
            // A provider is added wholly or not at all.
            "drain_signals" => {
                let added = before.last().is_some_and(|step| step["op"] == "add_provider");
                let signals = want["signals"].as_array().map_or(&[][..], Vec::as_slice);
                added && have["signals"] == Value::Array(vec![]) && signals.iter().all(is_provider_added)
            }
            // A pattern in form only names the id that it stands for.
            "select_plan" => {
                let field = |unit: &Value| unit["include"].as_str().unwrap_or_default().to_owned();
                let includes: Vec<String> = self.units().map(field).collect();
                let odd = |text: &String| {
                    text.contains('\\') || text.split('[').skip(1).any(|rest| rest.chars().nth(1) == Some(']'))
                };
                includes.iter().any(odd) && is_part_of(&want["selected"], &have["selected"])
            }
            "resume" | "set_test_plans" | "observe" | "suspend" => {
                let (Some(want), Some(have)) = (want.as_object(), have.as_object()) else { return false };
                let effective = last("set_test_plans").is_some_and(|last| {
                    before.iter().any(|step| step["op"] == "set_test_plans" && step["plans"] != last["plans"])
                });
                let resumed = last("resume").is_some();
                want.len() == have.len()
                    && want.iter().all(|(name, want)| {
                        let Some(have) = have.get(name) else { return false };
                        same(want, have)
                            || match name.as_str() {
                                "desired" | "desired_job_list" => self.allows_desired(step, want, have),
                                "inhibitors" | "can_start" if self.half_done => true,
                                // What plans override, they override as long as they are set; resuming forgets nothing.
                                "effective" if effective => true,
                                "effective" if resumed => last("apply_overrides").or(last("set_test_plans")).is_some(),
                                "resources" | "inhibitors" | "can_start" if resumed => {
                                    last("set_resource_list").is_some()
                                }
                                "attempts" if resumed => last("set_attempts").is_some(),
                                _ => self.allows_jobs(want, have),
                            }
                    })
            }
            _ => false,
        }
    }

    /// Mandatory jobs are not desired again by resuming and by setting plans.
    fn allows_desired(&mut self, step: &Value, want: &Value, have: &Value) -> bool {
        if self.allows_jobs(want, have) {
            return true;
        }
        let (Some(want), Some(have)) = (want.as_array(), have.as_array()) else { return false };
        let more = want.len().saturating_sub(have.len());
        let doubles = step["op"] != "observe" && step["op"] != "suspend";
        self.doubled |= doubles;
        self.doubled && more > 0 && want[more..] == have[..] && have.starts_with(&want[..more])
    }

    /// The same but for the jobs that are told apart.
    fn allows_jobs(&self, want: &Value, have: &Value) -> bool {
        if let (Some(want), Some(have)) = (want.as_object(), have.as_object()) {
            let more = have.keys().filter(|key| !want.contains_key(*key));
            return more.into_iter().all(|key| self.kept.contains(key) || self.is_generated(key))
                && want.iter().all(|(key, want)| {
                    self.left_out.contains(key) || have.get(key).is_some_and(|have| same(want, have))
                });
        }
        let (Some(want), Some(have)) = (want.as_array(), have.as_array()) else { return false };
        let id = |entry: &Value| entry.as_str().or(entry[1].as_str()).unwrap_or_default().to_owned();
        let want: Vec<&Value> = want.iter().filter(|entry| !self.left_out.contains(&id(entry))).collect();
        let kept = |entry: &&Value| !self.kept.contains(&id(entry));
        let have: Vec<&Value> =
            have.iter().filter(kept).filter(|entry| want.contains(entry) || !self.is_generated(&id(entry))).collect();
        want == have
    }

    fn is_generated(&self, id: &str) -> bool {
        let given = |unit: &Value| {
            unit["id"].as_str().is_some_and(|partial| id == partial || id.ends_with(&format!("::{partial}")))
        };
        self.cut_short && !self.units().any(given)
    }

    fn is_salvaged(&self, id: Option<&str>) -> bool {
        let partial = id.and_then(|id| id.rsplit("::").next()).unwrap_or("::");
        self.units().any(|unit| unit["salvages"].as_str().is_some_and(|text| text.contains(partial)))
    }

    fn units(&self) -> impl Iterator<Item = &Value> {
        self.case["given"]["units"].as_array().into_iter().flatten()
    }
}

fn is_provider_added(signal: &Value) -> bool {
    signal[0] == "context.on_provider_added"
}

fn is_part_of(part: &Value, whole: &Value) -> bool {
    let whole = whole.as_array().map_or(&[][..], Vec::as_slice);
    part.as_array().is_some_and(|part| part.iter().all(|entry| whole.contains(entry)))
}

/// Whether the step damages this member of a result.
fn damages(step: &Value, member: &str) -> bool {
    let changes = step["mutate"].as_array().into_iter().flatten();
    let mut paths = changes.filter_map(|change| change["path"].as_array());
    paths.any(|path| path.iter().any(|step| step == member))
}

/// Whether two values are the same, 10 and 10.0 alike.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}
