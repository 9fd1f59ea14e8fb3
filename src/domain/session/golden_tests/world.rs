//! A session that is asked as the cases ask.

use serde_json::{Map, Value, json};

use super::answers::{
    clash_error, error, event, inhibitors, key_error, metadata, plan_error, problem, problems, refused, texts,
};
use super::text;
use super::written::{counts, damage, field, from, records, report, unit, without};
use crate::domain::session::controller::{self, Controller, Machine, NoController};
use crate::domain::session::{
    GivenUp, Image, JobView, NoOrder, NotTrimmed, Outcome, Part, Refused, Report, Session, Source, Unresumable,
    order_of,
};
use crate::domain::unit::{Job, Kind, Pattern, Qualifier, Test, Unit};

pub(super) type Answer = Result<Value, Value>;

/// What a case is about.
pub(super) struct World {
    given: Value,
    units: Vec<Unit>,
    session: Session,
    /// Places of the given units that went into the session as it was made.
    begun_with: Vec<usize>,
    image: Option<Value>,
    calls: u64,
}

impl World {
    pub(super) fn new(given: &Value) -> Self {
        let units = given["units"].as_array().expect("units").iter().map(|unit| self::unit(given, unit)).collect();
        Self { given: given.clone(), units, session: Session::default(), begun_with: vec![], image: None, calls: 0 }
    }

    /// What comes of a step, as the cases write it.
    pub(super) fn answer(&mut self, step: &Value) -> Value {
        match self.step(step) {
            Ok(ok) => json!({"ok": ok}),
            Err(error) => json!({"error": error}),
        }
    }

    fn step(&mut self, step: &Value) -> Answer {
        match text(&step["op"]) {
            "new_session" => self.new_session(step),
            "observe" => Ok(self.observe(step)),
            "drain_signals" => {
                let events = self.session.take_changes().events;
                let events = events.iter().filter(|row| row.source != Source::Session).map(event);
                Ok(json!({"signals": events.collect::<Vec<_>>()}))
            }
            "update_desired_job_list" => {
                let with_mandatory = step["include_mandatory"].as_bool().unwrap_or(true);
                let jobs = self.job_ids(&step["jobs"]);
                let found = self.session.select(&jobs, with_mandatory);
                Ok(without(self.selection(&problems(&found)), &step["ignore"]))
            }
            "update_mandatory_job_list" => {
                let jobs = self.job_ids(&step["jobs"]);
                self.session.set_mandatory(&jobs);
                Ok(Value::Null)
            }
            "update_job_result" => {
                let job = text(&step["job"]);
                let is_local = self.session.job(job).is_some_and(|job| job.job().is_local());
                let recorded = self.session.record(job, report(&step["result"])).map_err(refused)?;
                // What clashes with jobs that a local job made only goes to the log.
                let clash = recorded.made.clashes.first().filter(|_| !is_local);
                clash.map_or(Ok(Value::Null), |clash| Err(clash_error(clash)))
            }
            "set_resource_list" => {
                let records = records(&step["records"]);
                self.session.set_records(text(&step["resource_id"]), records);
                Ok(Value::Null)
            }
            "add_unit" => self.add_unit(step),
            "remove_unit" => {
                if let Some(id) = step["job"].as_str().filter(|id| self.session.job(id).is_none()) {
                    return Err(key_error(id));
                }
                let unit = self.unit_of(step);
                if step["context"] == true && self.session.unit(unit.id().unwrap_or_default(), None).is_none() {
                    return Err(error("ValueError"));
                }
                self.session.remove_unit(&unit).map_err(refused)?;
                Ok(Value::Null)
            }
            "trim_job_list" => self.trim(step),
            "apply_overrides" => {
                let overrides: Vec<(String, String)> = from(&step["overrides"]);
                self.session.apply_overrides(text(&step["job"]), &overrides).map_err(refused)?;
                Ok(Value::Null)
            }
            "set_attempts" => {
                self.session.set_attempts(text(&step["job"]), from(&step["value"])).map_err(refused)?;
                Ok(Value::Null)
            }
            "save_manifest" => {
                self.session.save_manifest(from(&step["answers"]));
                Ok(Value::Null)
            }
            "cannot_start_outcome" => self.cannot_start(text(&step["job"])),
            "get_unit" | "add_provider" | "compute_shared" | "invalidate_shared" => self.in_context(step),
            "get_ctrl_for_job" => {
                let scores: Vec<(String, Option<i64>)> = from(&step["scores"]);
                let chosen = controller::choose(scores).map_err(|none| match none {
                    NoController::None => error("IndexError"),
                    NoController::Unfit => error("LookupError"),
                })?;
                Ok(json!({"chosen": chosen}))
            }
            "real_scores" => Ok(self.scores(step)),
            "solve" => self.solve(step),
            "get_outcome_stats" => Ok(json!({"stats": counts(self.session.outcome_stats())})),
            "get_test_outcome_stats" => Ok(json!({"stats": counts(self.session.test_outcome_stats())})),
            "get_certification_status_map" => Ok(self.certification(step)),
            "get_estimated_duration" => {
                let overhead = step["manual_overhead"].as_f64().unwrap_or(crate::domain::session::MANUAL_OVERHEAD);
                Ok(json!(self.session.estimated_duration(overhead)))
            }
            "category_views" => Ok(json!(self.session.category_views())),
            "select" | "select_plan" | "set_test_plans" | "start_bootstrap" | "finish_bootstrap"
            | "plan_bootstrap_ids" | "plan_nested" | "plan_overrides" | "plan_category_map" => self.plans(step),
            "set_metadata" => self.set_metadata(&step["set"]),
            "get_metadata" => Ok(metadata(self.session.metadata())),
            "suspend" => Ok(self.suspend()),
            "peek" => {
                let image =
                    Image::read(self.image.as_ref().expect("suspended").to_string().as_bytes()).expect("an image");
                Ok(metadata(&image.session.metadata))
            }
            "resume" => self.resume(step),
            other => panic!("unknown operation {other}"),
        }
    }

    fn new_session(&mut self, step: &Value) -> Answer {
        let places: Vec<usize> = match &step["units"] {
            Value::Null => (0..self.units.len()).collect(),
            places => from(places),
        };
        let units = places.iter().map(|place| self.units[*place].clone());
        let via = step["via"].as_str().unwrap_or("state");
        self.session = match via {
            "empty_context" => Session::default(),
            _ => Session::new(units.collect()).map_err(|clash| clash_error(&clash))?,
        };
        self.begun_with = if via == "empty_context" { vec![] } else { places };
        if via != "state" {
            self.session.enter_context();
        }
        if let Value::Array(_) = &step["flags"] {
            let mut metadata = self.session.metadata().clone();
            metadata.flags = from(&step["flags"]);
            self.session.set_metadata(metadata);
        }
        if let Value::Object(_) = &self.given["manifest"] {
            self.session.save_manifest(from(&self.given["manifest"]));
        }
        Ok(json!({"job_list": self.job_list()}))
    }

    fn job_list(&self) -> Vec<&str> {
        self.session.jobs().map(|job| job.id()).collect()
    }

    fn selection(&self, problems: &Value) -> Value {
        json!({
            "problems": problems,
            "desired": texts(self.session.desired()),
            "run_list": texts(self.session.run_list()),
        })
    }

    fn observe(&self, step: &Value) -> Value {
        let narrow: Option<Vec<String>> = from(&step["jobs"]);
        let wanted = |job: &JobView<'_>| narrow.as_ref().is_none_or(|narrow| narrow.iter().any(|id| id == job.id()));
        let of_jobs = |tell: &dyn Fn(&JobView<'_>) -> Value| {
            let jobs = self.session.jobs().filter(wanted).map(|job| (job.id().to_owned(), tell(&job)));
            Value::Object(jobs.collect())
        };
        let mut seen = Map::new();
        for what in step["what"].as_array().expect("what to observe") {
            let what = text(what);
            let told = match what {
                "job_list" => json!(self.job_list()),
                "unit_list" => {
                    let units = self.session.units().map(|unit| json!([unit.kind().as_str(), unit.id()]));
                    Value::Array(units.collect())
                }
                "desired" => texts(self.session.desired()),
                "mandatory" => texts(self.session.mandatory()),
                "run_list" => texts(self.session.run_list()),
                "run_set" => {
                    let mut ids: Vec<&str> = self.session.run_list().collect();
                    ids.sort_unstable();
                    json!(ids)
                }
                "todo" => json!(self.session.todo().map(|job| job.id()).collect::<Vec<_>>()),
                "inhibitors" => of_jobs(&|job| inhibitors(&job.inhibitors())),
                "can_start" => of_jobs(&|job| json!(job.can_start())),
                "outcomes" => of_jobs(&|job| json!(job.outcome())),
                "effective" => of_jobs(&|job| json!(job.effective())),
                "via" => of_jobs(&|job| json!(job.via())),
                "attempts" => of_jobs(&|job| json!(job.attempts())),
                "fields" => {
                    let names: Vec<String> = from(&step["names"]);
                    of_jobs(&|job| names.iter().map(|name| (name.clone(), field(job.job(), name))).collect())
                }
                "history" => {
                    let mut told = of_jobs(&|job| job.history().map(|report| json!(report.outcome)).collect());
                    let all = told.as_object_mut().expect("a map");
                    all.retain(|_, history| history.as_array().is_some_and(|history| !history.is_empty()));
                    told
                }
                "resources" => json!(self.session.resources()),
                other => panic!("unknown observation {other}"),
            };
            seen.insert(what.to_owned(), told);
        }
        Value::Object(seen)
    }

    fn job_ids(&self, jobs: &Value) -> Vec<String> {
        let id = |job: &Value| match job {
            Value::String(id) => id.clone(),
            stranger => unit(&self.given, &stranger["unit"]).id().expect("an id").to_owned(),
        };
        jobs.as_array().expect("jobs").iter().map(id).collect()
    }

    fn unit_of(&self, step: &Value) -> Unit {
        if let Some(place) = step["given"].as_u64() {
            return self.units[usize::try_from(place).expect("a place")].clone();
        }
        match step["job"].as_str() {
            Some(id) => self.session.job(id).expect("a job").job().unit.clone(),
            None => unit(&self.given, &step["unit"]),
        }
    }

    fn add_unit(&mut self, step: &Value) -> Answer {
        let unit = self.unit_of(step);
        let context = step["context"] == true;
        let added = if context { self.session.add_context_unit(unit) } else { self.session.add_unit(unit) };
        let added = added.map_err(refused)?;
        if let Some(clash) = added.clashes.first() {
            return Err(clash_error(clash));
        }
        if context {
            return Ok(Value::Null);
        }
        // The given unit that the session was made with is the very object that it gives back.
        let same =
            step["given"].as_u64().is_some_and(|place| self.begun_with.iter().any(|known| *known as u64 == place));
        let kept = added.jobs.is_empty() && added.others == 0 && !same;
        Ok(json!({"returned": if kept { "existing object" } else { "same object" }}))
    }

    fn trim(&mut self, step: &Value) -> Answer {
        let qualifier = self.qualifier(&step["qualifier"]);
        let removed = self.session.trim(&qualifier).map_err(|not| match not {
            NotTrimmed::Refused(Refused::OnRunList(jobs)) => json!({"type": "ValueError", "jobs": jobs}),
            other => panic!("{other}"),
        })?;
        Ok(json!({"job_list": self.job_list(), "removed": removed}))
    }

    fn qualifier(&self, written: &Value) -> Qualifier {
        let pattern = || Pattern::new(text(&written["pattern"])).expect("a pattern");
        let test = match text(&written["kind"]) {
            "id" => Test::Id(text(&written["id"]).to_owned()),
            "pattern" => Test::Pattern(pattern()),
            "field_pattern" => Test::Field { field: text(&written["field"]).to_owned(), pattern: pattern() },
            "any_of" => {
                let list = written["list"].as_array().expect("qualifiers").iter();
                Test::AnyOf(list.map(|written| self.qualifier(written)).collect())
            }
            "plan" => {
                let plan = self.session.plan(text(&written["plan"])).expect("a plan");
                Test::AnyOf(plan.include().expect("a plan that can be read"))
            }
            other => panic!("unknown qualifier {other}"),
        };
        Qualifier { test, inclusive: written["inclusive"].as_bool().unwrap_or(true) }
    }

    fn cannot_start(&self, job: &str) -> Answer {
        let can_start = self.session.job(job).is_some_and(|job| job.can_start());
        let given_up = self.session.cannot_start_outcome(job).map_err(refused)?;
        let (outcome, reason) = given_up.map(|GivenUp { outcome, skip_reason }| (outcome, skip_reason)).unzip();
        let reason = reason.filter(|reason| !reason.is_empty());
        Ok(json!({"can_start": can_start, "outcome": outcome, "skip_reason": reason}))
    }

    fn in_context(&mut self, step: &Value) -> Answer {
        match text(&step["op"]) {
            "get_unit" => {
                let kind = step["kind"].as_str().map(Kind::of);
                let unit = self.session.unit(text(&step["id"]), kind.as_ref());
                let unit = unit.ok_or_else(|| key_error(text(&step["id"])))?;
                Ok(json!({"id": unit.id(), "kind": unit.kind().as_str()}))
            }
            "add_provider" => {
                let provider = text(&step["provider"]);
                let own = self.units.iter().filter(|unit| unit.provider() == Some(provider));
                let own: Vec<Unit> = own.cloned().collect();
                let namespace = own.first().and_then(Unit::namespace).unwrap_or(provider).to_owned();
                let units = if step["add_units"] == false { vec![] } else { own };
                self.session.add_provider(provider, &namespace, units).map_err(refused)?;
                Ok(json!({"job_list": self.job_list()}))
            }
            "compute_shared" => {
                let calls = &mut self.calls;
                let returned = self.session.compute_shared(text(&step["cache_key"]), || {
                    *calls += 1;
                    if step["raise"] == true {
                        return Err(error("ValueError"));
                    }
                    let or = |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
                    let (args, kwargs) = (or(&step["args"], json!([])), or(&step["kwargs"], json!({})));
                    Ok(json!({"value": step["value"], "args": args, "kwargs": kwargs}))
                })?;
                Ok(json!({"returned": returned, "calls_so_far": self.calls}))
            }
            _ => {
                self.session.invalidate_shared(text(&step["cache_key"]));
                Ok(Value::Null)
            }
        }
    }

    fn scores(&self, step: &Value) -> Value {
        let job = Job::read(&unit(&self.given, &step["unit"])).expect("a job");
        let env = |name: &str| step["env"].get(name).is_some();
        let machine = Machine {
            is_root: step["uid"] == 0,
            user_can_sudo: step["user_can_sudo"] == true,
            in_snap: env("SNAP"),
            over_ssh: env("SSH_CONNECTION"),
            ..Machine::default()
        };
        let asked = [Controller::User, Controller::Pkexec, Controller::Sudo];
        asked.iter().map(|one| (one.as_str().to_owned(), json!(one.score(&job, &machine)))).collect()
    }

    fn solve(&self, step: &Value) -> Answer {
        let units: Vec<Unit> = match &step["job_list"] {
            Value::Null => self.units.clone(),
            places => from::<Vec<usize>>(places).into_iter().map(|place| self.units[place].clone()).collect(),
        };
        let visit = if step["visit"].is_null() { None } else { Some(self.job_ids(&step["visit"])) };
        match order_of(&units, visit.as_deref()) {
            Ok(order) => Ok(json!({"order": order})),
            Err(NoOrder::Clash(clash)) => Err(clash_error(&clash)),
            Err(NoOrder::Problem(found)) => Err(problem(&found)),
        }
    }

    fn certification(&self, step: &Value) -> Value {
        let outcomes: Option<Vec<Option<Outcome>>> = from(&step["outcome_filter"]);
        let statuses: Option<Vec<String>> = from(&step["certification_status_filter"]);
        let outcomes = outcomes.unwrap_or_else(|| vec![Some(Outcome::Fail)]);
        let statuses = statuses.unwrap_or_else(|| vec!["blocker".to_owned()]);
        let jobs = self.session.certification_map(&outcomes, &statuses).map(|job| job.id());
        json!({"jobs": jobs.collect::<Vec<_>>()})
    }

    fn plans(&mut self, step: &Value) -> Answer {
        let plan = |world: &Self| world.session.plan(text(&step["plan"])).map_err(plan_error);
        let plan_problem = |problem: crate::domain::unit::PlanError| plan_error(problem.into());
        match text(&step["op"]) {
            "select" => {
                let written = step["qualifiers"].as_array().expect("qualifiers");
                let qualifiers: Vec<Qualifier> = written.iter().map(|written| self.qualifier(written)).collect();
                Ok(json!({"selected": self.session.qualify(&qualifiers).expect("patterns")}))
            }
            "select_plan" => {
                let part = match text(&step["part"]) {
                    "include" => Part::Include,
                    "mandatory" => Part::Mandatory,
                    "bootstrap" => Part::Bootstrap,
                    "setup" => Part::Setup,
                    other => panic!("unknown part {other}"),
                };
                let selected = self.session.choose(&[text(&step["plan"]).to_owned()], part).map_err(plan_error)?;
                Ok(json!({"selected": selected}))
            }
            "set_test_plans" => {
                self.session.set_plans(&from::<Vec<String>>(&step["plans"])).map_err(plan_error)?;
                let mut told = self.selection(&Value::Null);
                let told = told.as_object_mut().expect("a map");
                told.remove("problems");
                told.insert("mandatory".to_owned(), texts(self.session.mandatory()));
                Ok(Value::Object(told.clone()))
            }
            "start_bootstrap" => {
                let found = self.session.start_bootstrap(&from::<Vec<String>>(&step["plans"])).map_err(plan_error)?;
                Ok(self.selection(&problems(&found)))
            }
            "finish_bootstrap" => {
                let found = self.session.finish_bootstrap(&from::<Vec<String>>(&step["plans"])).map_err(plan_error)?;
                Ok(self.selection(&problems(&found)))
            }
            "plan_bootstrap_ids" => Ok(json!({"ids": plan(self)?.bootstrap_ids()})),
            "plan_nested" => Ok(json!({"ids": plan(self)?.nested()})),
            "plan_overrides" => {
                let overrides = plan(self)?.overrides().map_err(plan_problem)?;
                let overrides: Vec<Value> = overrides.iter().map(|one| json!([one.text(), one.values()])).collect();
                Ok(json!({"overrides": overrides}))
            }
            _ => {
                let plan = plan(self)?;
                let jobs: Vec<&Job> = self.session.jobs().map(|job| job.job()).collect();
                Ok(json!({"map": plan.category_map(jobs).map_err(plan_problem)?}))
            }
        }
    }

    fn set_metadata(&mut self, set: &Value) -> Answer {
        let mut metadata = self.session.metadata().clone();
        for (name, value) in set.as_object().expect("members") {
            let mismatch = |_| error("TypeError");
            match name.as_str() {
                "title" => metadata.title = value.clone(),
                "flags" => metadata.flags = from(value),
                "running_job_name" => metadata.running_job_name = from(value),
                "app_id" => metadata.app_id = serde_json::from_value(value.clone()).map_err(mismatch)?,
                "app_blob_b64" => metadata.app_blob = from(value),
                // A text is no blob: only its base64 is, and here it is known not to be that.
                "app_blob_raw" => return Err(error("TypeError")),
                other => panic!("unknown member {other}"),
            }
        }
        self.session.set_metadata(metadata);
        Ok(Value::Null)
    }

    fn suspend(&mut self) -> Value {
        let image = self.session.image();
        let stored = &image.session;
        let results = stored.results.iter().map(|(job, reports)| {
            let report = |report: &Report| {
                json!({
                    "comments": report.comments, "execution_duration": report.execution_duration,
                    "io_log": report.io_log, "outcome": report.outcome, "return_code": report.return_code,
                })
            };
            (job.clone(), reports.iter().map(report).collect::<Value>())
        });
        let digest = json!({
            "jobs": stored.jobs.keys().collect::<Vec<_>>(),
            "results": Value::Object(results.collect()),
            "desired_job_list": stored.desired_job_list,
            "mandatory_job_list": stored.mandatory_job_list,
            "flags": stored.metadata.flags,
            "running_job_name": stored.metadata.running_job_name,
        });
        self.image = Some(json!(image));
        digest
    }

    fn resume(&mut self, step: &Value) -> Answer {
        let units = match &step["units"] {
            Value::Null => self.units.clone(),
            units => units.as_array().expect("units").iter().map(|written| unit(&self.given, written)).collect(),
        };
        let mut image = self.image.clone().expect("suspended");
        for change in step["mutate"].as_array().into_iter().flatten() {
            damage(&mut image, change);
        }
        let mut bytes = image.to_string().into_bytes();
        if step["raw_b64"].is_string() {
            bytes = crate::domain::golden::bytes(&step["raw_b64"]);
        } else if let Some(raw) = step["raw_text"].as_str() {
            bytes = raw.as_bytes().to_vec();
        }
        let flags: Option<Vec<String>> = from(&step["flags"]);
        let ignore = flags.is_some_and(|flags| flags.iter().any(|flag| flag == "ignore-job-checksums"));
        let resumed = Image::read(&bytes).and_then(|image| Session::resume(&image, units, ignore));
        self.session = resumed.map_err(|unresumable| match unresumable {
            Unresumable::Corrupted(_) => error("CorruptedSessionError"),
            Unresumable::IncompatibleSession(_) => error("IncompatibleSessionError"),
            Unresumable::IncompatibleJobs(_) => error("IncompatibleJobError"),
            Unresumable::Clash(clash) => clash_error(&clash),
        })?;
        self.begun_with = vec![];
        let mut told = self.selection(&Value::Null);
        let members = told.as_object_mut().expect("a map");
        members.remove("problems");
        members.insert("job_list".to_owned(), json!(self.job_list()));
        Ok(without(told, &step["ignore"]))
    }
}
