//! Answers and errors as the cases write them.

use serde_json::{Value, json};

use crate::domain::session::{Clash, Event, EventRow, Inhibitor, Metadata, PlanRefused, Problem, Refused, Source};
use crate::domain::unit::PlanError;

pub(super) fn error(class: &str) -> Value {
    json!({"type": class})
}

pub(super) fn key_error(key: &str) -> Value {
    json!({"type": "KeyError", "key": key})
}

pub(super) fn clash_error(clash: &Clash) -> Value {
    json!({"type": "DependencyDuplicateError", "affected_job": clash.id, "affecting_job": clash.id})
}

pub(super) fn refused(refused: Refused) -> Value {
    match refused {
        Refused::Clash(clash) => clash_error(&clash),
        Refused::UnknownJob(job) => key_error(&job),
        Refused::UnknownField(_) => error("AttributeError"),
        Refused::OnRunList(jobs) => json!({"type": "ValueError", "jobs": jobs}),
        Refused::UnknownUnit(_) | Refused::UnitThere(_) | Refused::ProviderThere(_) => error("ValueError"),
        Refused::UnknownPlan(plan) => key_error(&plan),
        Refused::Running(_) => panic!("{refused}"),
    }
}

pub(super) fn plan_error(not: PlanRefused) -> Value {
    match not {
        PlanRefused::Refused(not) => refused(not),
        PlanRefused::Plan(PlanError::Pattern { .. }) => error("RegexError"),
        PlanRefused::Plan(_) => error("ValueError"),
        PlanRefused::Pattern(_) => panic!("{not}"),
    }
}

pub(super) fn problems(problems: &[Problem]) -> Value {
    problems.iter().map(problem).collect()
}

pub(super) fn problem(problem: &Problem) -> Value {
    match problem {
        Problem::Unknown { job } => json!({"type": "DependencyUnknownError", "affected_job": job}),
        Problem::Missing { job, missing, need } => json!({
            "type": "DependencyMissingError", "affected_job": job, "missing_job_id": missing, "dep_type": need.as_str(),
        }),
        Problem::Cycle { job, cycle } => json!({
            "type": "DependencyCycleError", "affected_job": job, "affecting_job": job, "cycle": cycle,
        }),
        Problem::Unreadable { job, .. } => json!({"type": "Unreadable", "affected_job": job}),
    }
}

pub(super) fn inhibitors(inhibitors: &[Inhibitor]) -> Value {
    json!(inhibitors)
}

pub(super) fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    texts.collect()
}

pub(super) fn metadata(metadata: &Metadata) -> Value {
    json!({
        "title": metadata.title, "running_job_name": metadata.running_job_name, "app_id": metadata.app_id,
        "flags": metadata.flags, "app_blob_b64": metadata.app_blob,
    })
}

pub(super) fn event(row: &EventRow) -> Value {
    let prefix = if row.source == Source::Context { "context." } else { "" };
    let told = |name: &str, about: &[Option<&str>]| {
        let name = json!(format!("{prefix}{name}"));
        std::iter::once(name).chain(about.iter().map(|about| json!(about))).collect::<Value>()
    };
    match &row.event {
        Event::StateMapChanged => told("on_job_state_map_changed", &[]),
        Event::JobAdded { job } => told("on_job_added", &[Some(job)]),
        Event::JobRemoved { job } => told("on_job_removed", &[Some(job)]),
        Event::UnitAdded { unit, .. } => told("on_unit_added", &[unit.as_deref()]),
        Event::UnitRemoved { unit, .. } => told("on_unit_removed", &[unit.as_deref()]),
        Event::ResultChanged { job, outcome } => {
            let outcome = outcome.as_ref().map(ToString::to_string);
            told("on_job_result_changed", &[Some(job), outcome.as_deref()])
        }
        Event::ProviderAdded { namespace } => told("on_provider_added", &[Some(namespace)]),
        other => panic!("no signal: {other:?}"),
    }
}
