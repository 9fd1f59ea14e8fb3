//! The objects of a report, typed: what can be built here can be written.
//!
//! A field that is absent is left out, since nothing in a report may be null. Strings come through [`text`],
//! [`id`](crate::domain::kcidb::id) and [`path`](crate::domain::kcidb::path); times and numbers are made legal here.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::domain::kcidb::id::Origin;
use crate::domain::kcidb::text;
use crate::domain::status::Status;
use crate::domain::words::words;

words!(
    /// The kinds of objects in a report, parents first.
    ObjectKind, "KCIDB object kind", {
        /// A state of a source tree.
        Checkout = "checkout",
        /// A build of a checkout.
        Build = "build",
        /// A test of a build.
        Test = "test",
        /// A known fault.
        Issue = "issue",
        /// An occurrence of an issue.
        Incident = "incident",
    }
);

impl ObjectKind {
    /// The report's list of such objects: `checkouts`.
    #[must_use]
    pub fn list_name(self) -> &'static str {
        match self {
            Self::Checkout => "checkouts",
            Self::Build => "builds",
            Self::Test => "tests",
            Self::Issue => "issues",
            Self::Incident => "incidents",
        }
    }
}

/// A 5.3 report of these objects, in the order given; a list without objects is left out.
///
/// The shape: `{"version": {"major": 5, "minor": 3}, "builds": […], "tests": […]}`. The objects are taken as they are.
pub fn report(objects: impl IntoIterator<Item = (ObjectKind, Value)>) -> Value {
    let mut lists = Map::new();
    for (kind, object) in objects {
        let list = lists.entry(kind.list_name()).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(object);
        }
    }
    lists.insert("version".to_owned(), json!({"major": 5, "minor": 3}));
    Value::Object(lists)
}

/// A state of a source tree. Dashboards show tests only below a checkout with `git_commit_hash` and `patchset_hash`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checkout {
    /// `origin:…`
    pub id: String,
    /// Who reports it.
    pub origin: Origin,
    /// The tree's short name: `mainline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree_name: Option<String>,
    /// Where it is cloned from; begins with `https://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_repository_url: Option<String>,
    /// 40 lower-case hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit_hash: Option<String>,
    /// `git describe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit_name: Option<String>,
    /// The commit's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit_message: Option<String>,
    /// The branch, tag or other ref.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_repository_branch: Option<String>,
    /// SHA-256 over the patches; empty: the tree is unpatched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patchset_hash: Option<String>,
    /// Anything a person should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub start_time: Option<DateTime<Utc>>,
    /// Whether it could be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
    /// What KCIDB has no field for.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub misc: Map<String, Value>,
}

impl Checkout {
    /// The checkout of which nothing more is known.
    #[must_use]
    pub fn new(id: String, origin: Origin) -> Self {
        Self {
            id,
            origin,
            tree_name: None,
            git_repository_url: None,
            git_commit_hash: None,
            git_commit_name: None,
            git_commit_message: None,
            git_repository_branch: None,
            patchset_hash: None,
            comment: None,
            start_time: None,
            valid: None,
            misc: Map::new(),
        }
    }
}

/// A build of a checkout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Build {
    /// `origin:…`
    pub id: String,
    /// Who reports it.
    pub origin: Origin,
    /// The [`Checkout`] that was built.
    pub checkout_id: String,
    /// Anything a person should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub start_time: Option<DateTime<Utc>>,
    /// How long it took, in seconds. Left out if it is not finite.
    #[serde(skip_serializing_if = "no_number")]
    pub duration: Option<f64>,
    /// The architecture built for: see [`text::architecture`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// What reproduces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The compiler with its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// What it was made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub input_files: Vec<Resource>,
    /// What it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_files: Vec<Resource>,
    /// The configuration's name: `defconfig`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_name: Option<String>,
    /// Where the configuration lies; a URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_url: Option<String>,
    /// Where the log lies; a URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_url: Option<String>,
    /// The end of the log: see [`text::excerpt`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_excerpt: Option<String>,
    /// What came of it; absent while it is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What KCIDB has no field for.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub misc: Map<String, Value>,
}

impl Build {
    /// The build of which nothing more is known.
    #[must_use]
    pub fn new(id: String, origin: Origin, checkout_id: String) -> Self {
        Self {
            id,
            origin,
            checkout_id,
            comment: None,
            start_time: None,
            duration: None,
            architecture: None,
            command: None,
            compiler: None,
            input_files: Vec::new(),
            output_files: Vec::new(),
            config_name: None,
            config_url: None,
            log_url: None,
            log_excerpt: None,
            status: None,
            misc: Map::new(),
        }
    }
}

/// A test of a build.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Test {
    /// `origin:…`
    pub id: String,
    /// Who reports it.
    pub origin: Origin,
    /// The [`Build`] that was tested; any origin's.
    pub build_id: String,
    /// What it ran on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What was tested: `ltp.syscalls.dup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Anything a person should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Where the log lies; a URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_url: Option<String>,
    /// The end of the log: see [`text::excerpt`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_excerpt: Option<String>,
    /// What came of it; absent while it is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What it measured. Left out if it is not finite.
    #[serde(skip_serializing_if = "no_measurement")]
    pub number: Option<Number>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time")]
    pub start_time: Option<DateTime<Utc>>,
    /// How long it took, in seconds. Left out if it is not finite.
    #[serde(skip_serializing_if = "no_number")]
    pub duration: Option<f64>,
    /// What it was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub input_files: Vec<Resource>,
    /// What it left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_files: Vec<Resource>,
    /// What KCIDB has no field for.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub misc: Map<String, Value>,
}

impl Test {
    /// The test of which nothing more is known.
    #[must_use]
    pub fn new(id: String, origin: Origin, build_id: String) -> Self {
        Self {
            id,
            origin,
            build_id,
            environment: None,
            path: None,
            comment: None,
            log_url: None,
            log_excerpt: None,
            status: None,
            number: None,
            start_time: None,
            duration: None,
            input_files: Vec::new(),
            output_files: Vec::new(),
            misc: Map::new(),
        }
    }
}

/// What a test ran on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Environment {
    /// Devicetree `compatible` lines; no blanks in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compatible: Vec<String>,
    /// Anything a person should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What KCIDB has no field for. KernelCI reads the machine from `platform` here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub misc: Map<String, Value>,
}

/// A value that a test measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Number {
    /// The value.
    pub value: f64,
    /// Its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A file that lies somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    name: String,
    url: String,
}

impl Resource {
    /// The file `name` at `url`. Slashes in the name become `_`. `None` if the URL is no URI or the name is empty:
    /// there is then nothing that a report could say of it.
    #[must_use]
    pub fn new(name: &str, url: &str) -> Option<Self> {
        let name = text::legal(name).replace('/', "_");
        let url = text::uri(url)?;
        (!name.is_empty()).then_some(Self { name, url })
    }
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn time<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&text::rfc3339(*time)),
        None => serializer.serialize_none(),
    }
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn no_number(number: &Option<f64>) -> bool {
    number.is_none_or(|number| !number.is_finite())
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn no_measurement(number: &Option<Number>) -> bool {
    number.as_ref().is_none_or(|number| !number.value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::golden;
    use crate::domain::kcidb::schema;

    fn check(kind: ObjectKind, object: &impl Serialize) -> Result<Value, Vec<schema::Violation>> {
        let object = serde_json::to_value(object).unwrap();
        schema::validate_object(kind, &object)?;
        schema::validate(&report([(kind, object.clone())]))?;
        Ok(object)
    }

    fn origin() -> Origin {
        "riscv".parse().unwrap()
    }

    /// The bridge's times: those without a zone are UTC.
    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().or_else(|_| format!("{text}Z").parse()).unwrap()
    }

    #[test]
    fn golden_test_submissions_with_the_zone_that_they_lack() {
        for row in golden::cases("wire/bridge_conversions.json", "test_submission") {
            let bridges = &row["json"];
            let field = |key: &str| bridges[key].as_str().unwrap().to_owned();
            let mut test = Test::new(field("id"), origin(), field("build_id"));
            test.status = Some(field("status").parse().unwrap());
            test.path = Some(field("path"));
            test.start_time = Some(instant(row["started_at"].as_str().unwrap()));
            test.misc = bridges["misc"].as_object().unwrap().clone();
            let ours = check(ObjectKind::Test, &test).unwrap();

            let has_zone = field("start_time").ends_with("+00:00");
            assert_eq!(schema::validate_object(ObjectKind::Test, bridges).is_ok(), has_zone, "{row}");
            let mut right = bridges.clone();
            if !has_zone {
                right["start_time"] = format!("{}+00:00", field("start_time")).into();
            }
            assert_eq!(ours, right);
        }
    }

    #[test]
    fn golden_build_submissions_as_builds_of_a_checkout() {
        for row in golden::cases("wire/bridge_conversions.json", "build_submission") {
            let bridges = &row["json"];
            let field = |key: &str| bridges[key].as_str().unwrap().to_owned();
            let mut build = Build::new(field("id"), origin(), "riscv:c".to_owned());
            build.architecture = Some(field("architecture"));
            build.compiler = Some(field("compiler"));
            build.start_time = Some(instant(&field("start_time")));
            let ours = check(ObjectKind::Build, &build).unwrap();

            let violations = schema::validate_object(ObjectKind::Build, bridges).unwrap_err();
            let keywords: std::collections::BTreeSet<_> =
                violations.iter().map(|found| found.keyword.as_str()).collect();
            assert_eq!(keywords, ["additionalProperties", "format", "required"].into());
            let mut right = bridges.clone();
            right.as_object_mut().unwrap().remove("valid");
            right["checkout_id"] = "riscv:c".into();
            right["start_time"] = format!("{}+00:00", field("start_time")).into();
            assert_eq!(ours, right);
        }
    }

    #[test]
    fn golden_result_words_are_legal_only_from_the_list() {
        for row in golden::cases("wire/bridge_conversions.json", "result_words") {
            let word = row["bridge_status"].as_str().unwrap();
            assert_eq!(word.parse::<Status>().is_ok(), row["legal"].as_bool().unwrap(), "{row}");
            let right = row["correct"].as_str().unwrap().split(' ').next().unwrap();
            let mut test = Test::new("riscv:t".to_owned(), origin(), "riscv:b".to_owned());
            test.status = Some(right.parse().unwrap());
            check(ObjectKind::Test, &test).unwrap();
        }
    }

    #[test]
    fn a_report_lists_objects_by_kind_and_nothing_else() {
        let objects = [(ObjectKind::Test, json!(1)), (ObjectKind::Build, json!(2)), (ObjectKind::Test, json!(3))];
        let want = json!({"version": {"major": 5, "minor": 3}, "builds": [2], "tests": [1, 3]});
        assert_eq!(report(objects), want);
        assert_eq!(schema::validate(&report([])), Ok(()));
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        let mut test = Test::new("riscv:t".to_owned(), origin(), "riscv:b".to_owned());
        let bare = check(ObjectKind::Test, &test).unwrap();
        test.duration = Some(f64::NAN);
        test.number = Some(Number { value: f64::INFINITY, unit: None });
        assert_eq!(check(ObjectKind::Test, &test).unwrap(), bare);
    }
}
