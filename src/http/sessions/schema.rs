//! How parts of sessions look, for the OpenAPI document, where the domain's own types are shown as they are.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A unit as it is sent: its fields.
#[derive(Debug)]
pub struct UnitFields;

/// A piece of what a job wrote.
#[derive(Debug)]
pub struct LogEntryDocument;

/// A result of a job, with the job that it is of.
#[derive(Debug)]
pub struct BatchResultDocument;

/// Something wrong with what is desired.
#[derive(Debug)]
pub struct ProblemDocument;

fn schema(document: Value) -> RefOr<Schema> {
    serde_json::from_value(document).unwrap_or_else(|_| RefOr::T(Schema::default()))
}

impl PartialSchema for UnitFields {
    fn schema() -> RefOr<Schema> {
        schema(json!({
            "type": "object",
            "description": "The fields of a unit as they are written: texts, or lists and maps as YAML has them. Numbers and truths are read as texts, as Python writes them; a field that is null is absent. `unit` says what it is; without it, it is a job.",
            "additionalProperties": {},
            "examples": [
                {"id": "link", "plugin": "shell", "command": "ip link | grep -q 'state UP'", "summary": "The link is up"},
                {"id": "ping", "plugin": "shell", "command": "ping -c 1 example.org", "depends": "link", "requires": "nic.kind == 'wired'"}
            ]
        }))
    }
}

impl ToSchema for UnitFields {
    fn name() -> std::borrow::Cow<'static, str> {
        "UnitFields".into()
    }
}

impl PartialSchema for LogEntryDocument {
    fn schema() -> RefOr<Schema> {
        schema(json!({
            "type": "array",
            "description": "How long after the piece before it came, in seconds; `stdout` or `stderr`; the bytes in base64. Of a resource job each entry of the standard output is one line of records.",
            "items": {},
            "minItems": 3,
            "maxItems": 3,
            "examples": [[0.25, "stdout", "a2luZDogd2lyZWQK"]]
        }))
    }
}

impl ToSchema for LogEntryDocument {
    fn name() -> std::borrow::Cow<'static, str> {
        "JobLogEntry".into()
    }
}

impl PartialSchema for BatchResultDocument {
    fn schema() -> RefOr<Schema> {
        schema(json!({"allOf": [
            {"$ref": "#/components/schemas/NewJobResult"},
            {
                "type": "object",
                "required": ["job"],
                "properties": {"job": {
                    "type": "string",
                    "description": "The full id of the job. It may be one that a result before it makes.",
                    "examples": ["net::ping"]
                }}
            }
        ]}))
    }
}

impl ToSchema for BatchResultDocument {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewJobResultOfBatch".into()
    }
}

impl PartialSchema for ProblemDocument {
    fn schema() -> RefOr<Schema> {
        schema(json!({
            "type": "object",
            "required": ["problem", "job"],
            "properties": {
                "problem": {"type": "string", "enum": ["unknown", "missing", "cycle", "unreadable"]},
                "job": {"type": "string", "description": "The job that is left out. One that only salvages a job that is not there stays, and waits."},
                "missing": {"type": "string", "description": "What it needs and is not there, or was left out"},
                "need": {"type": "string", "enum": ["resource", "depends", "after", "salvages"]},
                "cycle": {"type": "array", "items": {"type": "string"}, "description": "Jobs, each of which needs the next; the last is the first"},
                "field": {"type": "string", "description": "The field that cannot be read"},
                "detail": {"type": "string", "description": "What is wrong with it"}
            }
        }))
    }
}

impl ToSchema for ProblemDocument {
    fn name() -> std::borrow::Cow<'static, str> {
        "SessionProblemData".into()
    }
}

/// What came of a job.
#[derive(Debug, ToSchema)]
#[schema(as = JobOutcome, rename_all = "kebab-case")]
pub enum OutcomeDocument {
    /// It did what it should.
    Pass,
    /// It did not.
    Fail,
    /// Somebody left it out, or a job that it depends on was left out.
    Skip,
    /// It cannot run on this machine.
    NotSupported,
    /// It is not written yet.
    NotImplemented,
    /// Somebody has yet to say.
    Undecided,
    /// It died, or the machine did.
    Crash,
    /// A job that it depends on did not pass.
    SkippedDependency,
    /// The records of resources are not as it needs them.
    SkippedResource,
    /// The machine's manifest is not as it needs it.
    SkippedManifest,
}

/// A kind of reasons for which a job cannot start.
#[derive(Debug, ToSchema)]
#[schema(as = JobCause, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CauseDocument {
    /// It is not on the run list.
    Undesired,
    /// A job that it depends on or follows has not run.
    PendingDep,
    /// A job that it depends on did not pass.
    FailedDep,
    /// An expression cannot be told yet: a resource that it reads has no records.
    PendingResource,
    /// An expression does not hold.
    FailedResource,
    /// A job that it salvages did not fail, or has not run, or is not there.
    NotFailedDep,
    /// The machine's manifest is not as it needs it.
    RequiredManifest,
}

/// A reason for which a job cannot start.
#[derive(Debug, ToSchema)]
#[schema(as = JobInhibitor)]
pub struct InhibitorDocument {
    /// What kind of reason it is.
    #[schema(inline = false)]
    pub cause: CauseDocument,
    /// The job that it waits for; of `REQUIRED_MANIFEST` the job itself.
    #[schema(example = "net::link")]
    pub related_job: Option<String>,
    /// The expression that cannot be told or does not hold.
    #[schema(example = "nic.kind == 'wired'")]
    pub related_expression: Option<String>,
    /// The manifest entries that are not as it needs them; absent where there are none.
    pub related_manifests: Option<Vec<String>>,
}

/// What of a job can be overridden, as it is in force.
#[derive(Debug, ToSchema)]
#[schema(as = JobEffective)]
pub struct EffectiveDocument {
    /// The full id of its category.
    #[schema(example = "com.canonical.plainbox::uncategorised")]
    pub category_id: String,
    /// Whether its failure blocks a certificate.
    #[schema(example = "blocker")]
    pub certification_status: String,
    /// Whether it may be tried again by itself.
    #[schema(example = "unspecified")]
    pub auto_retry: String,
}

/// Why a job was skipped.
#[derive(Debug, ToSchema)]
#[schema(as = JobSkipReason)]
pub struct SkipReasonDocument {
    /// The jobs that it depends on and that did not pass.
    pub related_dependencies: Vec<String>,
    /// The expressions that do not hold.
    pub related_resources: Vec<String>,
    /// The manifest entries that are not as they should be.
    pub related_manifests: Vec<String>,
}

/// A result of a job, as it was recorded. What is not known of it is absent.
#[derive(Debug, ToSchema)]
#[schema(as = JobResult)]
pub struct ResultDocument {
    /// What came of it.
    pub outcome: Option<OutcomeDocument>,
    /// What somebody says of it.
    #[schema(example = "no link")]
    pub comments: Option<String>,
    /// What its command returned.
    #[schema(example = 1)]
    pub return_code: Option<i64>,
    /// How long it took, in seconds.
    #[schema(example = 1.5)]
    pub execution_duration: Option<f64>,
    /// What it wrote, in order.
    pub io_log: Option<Vec<LogEntryDocument>>,
    /// The name of a log that is kept elsewhere.
    pub log: Option<String>,
    /// Why it was skipped.
    pub skip_reason: Option<SkipReasonDocument>,
}

/// A job that was given up, and what was recorded for it.
#[derive(Debug, ToSchema)]
#[schema(as = SkippedJob)]
pub struct SkippedDocument {
    /// The job.
    #[schema(example = "net::ping")]
    pub job: String,
    /// What was recorded.
    pub outcome: OutcomeDocument,
    /// Why.
    pub skip_reason: SkipReasonDocument,
}

/// What is recorded for a job if it is given up.
#[derive(Debug, ToSchema)]
#[schema(as = GivenUpJob)]
pub struct GivenUpDocument {
    /// The outcome.
    pub outcome: OutcomeDocument,
    /// The reasons.
    pub skip_reason: SkipReasonDocument,
}

/// A job that others wait for in the end.
#[derive(Debug, ToSchema)]
#[schema(as = JobBehind)]
pub struct BehindDocument {
    /// The job.
    #[schema(example = "net::link")]
    pub job: String,
    /// Whether it can start; then it only has to be run.
    pub can_start: bool,
    /// What holds it up otherwise.
    pub inhibitors: Vec<InhibitorDocument>,
}

/// Two different jobs under one id; the newcomer is left out.
#[derive(Debug, ToSchema)]
#[schema(as = JobClash)]
pub struct ClashDocument {
    /// The id.
    #[schema(example = "net::ping")]
    pub id: String,
    /// The checksum of the job that is there.
    pub known: String,
    /// The checksum of the one that is refused.
    pub newcomer: String,
}

/// Whether what was tested may be released, and why. The lists hold ids of jobs of the run list, in its order.
#[derive(Debug, ToSchema)]
#[schema(as = SessionVerdict)]
pub struct VerdictDocument {
    /// `pass`: all jobs came to an end, and no blocker failed; `fail`: a blocker failed; `incomplete`: jobs have yet to be
    /// run or decided.
    #[schema(example = "incomplete")]
    pub verdict: String,
    /// The blockers that failed or crashed.
    pub blockers_failed: Vec<String>,
    /// The other jobs that failed or crashed.
    pub non_blockers_failed: Vec<String>,
    /// The blockers that were skipped or are not supported. They do not fail: whoever releases may mind.
    pub blockers_skipped: Vec<String>,
    /// The jobs that have no outcome, or one that somebody has yet to decide; behind them, those that were asked for and
    /// left out of the run list.
    pub not_run: Vec<String>,
    /// Of those that were left out, why.
    pub left_out: Vec<LeftOutDocument>,
}

/// A job that was asked for, or that one which was asked for needs, and that is not on the run list.
#[derive(Debug, ToSchema)]
#[schema(as = LeftOutJob)]
pub struct LeftOutDocument {
    /// Its id. There need not be such a job.
    #[schema(example = "net::pong")]
    pub job: String,
    /// Why it was left out.
    #[schema(example = "there is no job `net::pong`, or it was left out already")]
    pub reason: String,
}

/// What came of the categories of jobs that have an outcome.
#[derive(Debug, ToSchema)]
#[schema(as = CategoryViews)]
pub struct CategoriesDocument {
    /// The names of the categories, by id.
    pub category_map: BTreeMap<String, String>,
    /// What came of each: a fail beats a pass, a pass beats anything else. Resource and attachment jobs stand aside.
    pub category_outcome_map: BTreeMap<String, OutcomeDocument>,
    /// What came of the resource jobs.
    pub resource_global_outcome: OutcomeDocument,
    /// What came of the attachment jobs.
    pub attachment_global_outcome: OutcomeDocument,
}
