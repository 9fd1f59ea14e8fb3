//! Leases of agents: what an agent may claim, what it may report, and what came of what it reported.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::agent::{Labels, MAX_LABELS};
use crate::domain::conclusion::BOOT;
use crate::domain::definition::{Expected, How, JobEnd};
use crate::domain::fault::Fault;
use crate::domain::observation::TestOutcome;
use crate::domain::run::RunRequest;
use crate::domain::words::words;

#[cfg(test)]
mod tests;

/// The name of all agents among the runners.
pub const RUNNER: &str = "agents";

/// The most bytes of an agent's name.
pub const MAX_NAME_BYTES: usize = 100;

/// The most bytes of the version of an agent's program.
pub const MAX_VERSION_BYTES: usize = 100;

/// The most characters of words that an agent or an operator gives as a reason.
pub const MAX_REASON: usize = 2_000;

/// Names that stand for something else in the paths of the API.
const RESERVED: [&str; 2] = ["claim", "tokens"];

words!(
    /// Whether an agent may have work.
    Standing, "standing", {
        /// It may.
        Active = "active",
        /// It finishes what it has and is given no more.
        Drained = "drained",
        /// It is known no more.
        Removed = "removed",
    }
);

words!(
    /// What became of a lease.
    LeaseState, "lease state", {
        /// The run is in the agent's hands.
        Held = "held",
        /// The agent has reported.
        Ended = "ended",
        /// The agent was not heard of for too long, or was removed.
        Lost = "lost",
        /// The agent gave the run back without having begun it.
        Released = "released",
    }
);

words!(
    /// How an agent stands.
    AgentState, "agent state", {
        /// It asks for work, or has just done so.
        Idle = "idle",
        /// It has work.
        Busy = "busy",
        /// It is given no work, and has none.
        Drained = "drained",
        /// It was not heard of since it lost its lease.
        Lost = "lost",
        /// It was not heard of for longer than it waits for work.
        Offline = "offline",
    }
);

impl AgentState {
    /// How an agent stands whose newest lease is in this state; `is_heard` is whether it was heard of lately.
    #[must_use]
    pub fn of(standing: Standing, lease: Option<LeaseState>, is_heard: bool) -> Self {
        match (standing, lease) {
            (_, Some(LeaseState::Held)) => Self::Busy,
            (Standing::Drained | Standing::Removed, _) => Self::Drained,
            (Standing::Active, Some(LeaseState::Lost)) if !is_heard => Self::Lost,
            (Standing::Active, _) if is_heard => Self::Idle,
            (Standing::Active, _) => Self::Offline,
        }
    }
}

/// Whether a name is one that an agent may have: letters, digits, `-`, `_` and `.`.
///
/// # Errors
/// Words that say what would do.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_legal) {
        return Err(format!("want 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` and `.`"));
    }
    if RESERVED.contains(&name) {
        return Err(format!("`{name}` is a word of the API: want another name"));
    }
    if name.bytes().all(|byte| byte == b'.') {
        return Err("want a letter or a digit in it".to_owned());
    }
    Ok(())
}

/// What runs that wait lack in an agent: `label=value`, and how many of them lack it first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfits(BTreeMap<String, u64>);

impl Misfits {
    /// Whether an agent of these labels may have a run that requires these; if not, that is noted.
    pub fn fits(&mut self, labels: &Labels, required: Option<&Labels>) -> bool {
        let Some((name, value)) = required.and_then(|required| labels.missing(required)) else { return true };
        // Bounded whatever is required: more than this tell nobody anything.
        if self.0.len() < MAX_LABELS {
            *self.0.entry(format!("{name}={value}")).or_default() += 1;
        }
        false
    }

    /// What waits and does not fit, in words; `None` if nothing does.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let mut misfits: Vec<(&String, &u64)> = self.0.iter().collect();
        misfits.sort_by_key(|(label, count)| (std::cmp::Reverse(**count), *label));
        let listed: Vec<String> = misfits.iter().take(5).map(|(label, count)| format!("{label} ({count})")).collect();
        let waiting: u64 = self.0.values().sum();
        (waiting > 0).then(|| format!("runs wait that require labels which this agent lacks: {}", listed.join(", ")))
    }
}

/// The names of what a run has an agent do, in the order of the request; none of a build, which agents are not given.
#[must_use]
pub fn names(request: &RunRequest) -> Vec<&str> {
    match request {
        RunRequest::Build(_) => Vec::new(),
        RunRequest::Boot(_) => vec![BOOT],
        RunRequest::Tests(request) => request.tests.iter().map(String::as_str).collect(),
        RunRequest::Jobs(request) => request.jobs.iter().map(|definition| definition.job.as_str()).collect(),
    }
}

/// What is wrong with results that an agent reports of a run: jobs that the run has not, and those that stand twice.
#[must_use]
pub fn faults(request: &RunRequest, results: &[JobEnd]) -> Vec<Fault> {
    let names: BTreeSet<&str> = names(request).into_iter().collect();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for (place, end) in results.iter().enumerate() {
        let job: String = end.job.chars().take(200).collect();
        if !names.contains(end.job.as_str()) {
            faults
                .push(Fault::new(format!("/results/{place}/job"), format!("the lease does not hold the job `{job}`")));
        } else if !seen.insert(end.job.as_str()) {
            faults.push(Fault::new(format!("/results/{place}/job"), format!("the job `{job}` stands twice")));
        }
        if end.duration_s.is_some_and(|seconds| !seconds.is_finite() || seconds < 0.0) {
            let words = "want a number of seconds that is not negative";
            faults.push(Fault::new(format!("/results/{place}/duration_s"), words));
        }
    }
    faults
}

/// What a job of a run must come to. Of a test, which has no definition, it is that its program exits with 0.
fn expected<'a>(request: &'a RunRequest, job: &str, default: &'a Expected) -> &'a Expected {
    match request {
        RunRequest::Jobs(request) => {
            request.jobs.iter().find(|definition| definition.job == job).map_or(default, |found| &found.expects)
        }
        RunRequest::Build(_) | RunRequest::Tests(_) | RunRequest::Boot(_) => default,
    }
}

/// The jobs among the reported ones that are judged by what they wrote, each with what it must come to.
pub fn judged_by_output<'a>(
    request: &'a RunRequest,
    results: &'a [JobEnd],
) -> impl Iterator<Item = (&'a str, &'a Expected)> {
    let of_session = match request {
        RunRequest::Jobs(request) => request.jobs.as_slice(),
        RunRequest::Build(_) | RunRequest::Tests(_) | RunRequest::Boot(_) => &[],
    };
    let ended = move |job: &str| results.iter().any(|end| end.job == job && matches!(end.how, How::Exited { .. }));
    of_session
        .iter()
        .filter(move |definition| definition.expects.looks_at_output() && ended(&definition.job))
        .map(|definition| (definition.job.as_str(), &definition.expects))
}

/// What came of each job that is reported, by its name. `outputs` are the standard output and the standard error of those
/// that [`judged_by_output`] names.
#[must_use]
pub fn outcomes(
    request: &RunRequest,
    results: &[JobEnd],
    outputs: &BTreeMap<&str, (String, String)>,
) -> BTreeMap<String, TestOutcome> {
    let default = Expected::default();
    let outcome = |end: &JobEnd| {
        let (stdout, stderr) =
            outputs.get(end.job.as_str()).map_or(("", ""), |(out, err)| (out.as_str(), err.as_str()));
        expected(request, &end.job, &default).outcome(end, stdout, stderr)
    };
    results.iter().map(|end| (end.job.clone(), outcome(end))).collect()
}

/// The variables that each job of a run has in its environment, beside its own: what is known of the build that it is for.
#[must_use]
pub fn environment(request: &RunRequest) -> BTreeMap<String, String> {
    let (build, image, modules, architecture) = match request {
        RunRequest::Build(_) => return BTreeMap::new(),
        RunRequest::Tests(request) | RunRequest::Boot(request) => {
            (None, Some(&request.kernel_image_url), request.modules_url.as_ref(), None)
        }
        RunRequest::Jobs(request) => match &request.build {
            None => return BTreeMap::new(),
            Some(build) => (
                Some(&build.id),
                build.kernel_image_url.as_ref(),
                build.modules_url.as_ref(),
                build.architecture.as_ref(),
            ),
        },
    };
    [
        ("TESTYARD_BUILD", build),
        ("TESTYARD_KERNEL_IMAGE_URL", image),
        ("TESTYARD_MODULES_URL", modules),
        ("TESTYARD_ARCHITECTURE", architecture),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?.clone())))
    .collect()
}
