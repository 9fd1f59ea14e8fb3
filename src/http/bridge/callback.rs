//! The bodies of TuxSuite's callbacks, as far as the door must know them: which kind of job is spoken of, and which one.
//!
//! Everything else may be absent, null or new. Jobs that failed lack much of what good ones have, and a callback that
//! is refused for that is a result lost. The door takes a callback by what TuxSuite's own reader makes of the raw body;
//! these say what is wrong, in FastAPI's words, with one that the reader does not take.

use serde::Serialize;
use serde_json::json;
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type, schema::SchemaType};
use utoipa::{PartialSchema, ToSchema};

use super::body::Body;
use super::fields::{self, Fields, Refused};

/// TuxSuite's report of a test job, the boot test among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TuxSuiteTestRequest {
    /// What kind of job it is.
    #[schema(inline)]
    pub kind: TestKind,
    /// The job as TuxSuite sees it.
    pub status: TuxSuiteTestStatus,
}

/// The kind of job that the doors for tests take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestKind {
    /// A test job.
    Test,
}

/// A test job of TuxSuite's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TuxSuiteTestStatus {
    /// TuxSuite's id of the job.
    pub uid: String,
}

impl Body for TuxSuiteTestRequest {
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        let kind = fields.literal("kind", &[("test", TestKind::Test)]);
        let status = fields.object("status", uid).map(|uid| TuxSuiteTestStatus { uid });
        let callback = Self { kind: kind?, status: status? };
        fields.without_nul()?;
        Ok(callback)
    }
}

impl PartialSchema for TuxSuiteTestStatus {
    fn schema() -> RefOr<Schema> {
        status_schema("A test job of TuxSuite's. All that TuxSuite sends is taken; only the uid is required.")
            .property("tests", ObjectBuilder::new().schema_type(Type::Array).description(Some("The tests' names.")))
            .property("download_url", text("The folder of its artifacts."))
            .property("device", text("The machine or virtual machine it ran on."))
            .property("result", text("What came of the whole job."))
            .into()
    }
}

impl ToSchema for TuxSuiteTestStatus {}

/// TuxSuite's report of a build job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TuxSuiteBuildRequest {
    /// What kind of job it is.
    #[schema(inline)]
    pub kind: BuildKind,
    /// The job as TuxSuite sees it.
    pub status: TuxSuiteBuildStatus,
}

/// The kinds of job that the door for builds takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BuildKind {
    /// A kernel build, in the older word.
    Kbuild,
    /// A kernel build.
    Build,
    /// An OpenEmbedded build.
    Oebuild,
}

/// A build job of TuxSuite's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TuxSuiteBuildStatus {
    /// TuxSuite's id of the job.
    pub uid: String,
}

impl Body for TuxSuiteBuildRequest {
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        let kinds = [("kbuild", BuildKind::Kbuild), ("build", BuildKind::Build), ("oebuild", BuildKind::Oebuild)];
        let kind = fields.literal("kind", &kinds);
        let status = fields.object("status", uid).map(|uid| TuxSuiteBuildStatus { uid });
        let callback = Self { kind: kind?, status: status? };
        fields.without_nul()?;
        Ok(callback)
    }
}

impl PartialSchema for TuxSuiteBuildStatus {
    fn schema() -> RefOr<Schema> {
        status_schema("A build job of TuxSuite's. All that TuxSuite sends is taken; only the uid is required.")
            .property("build_status", text("What came of it: `pass`, `fail`, `error`, …"))
            .property("download_url", text("The folder of its artifacts."))
            .property("kernel_image_name", text("The kernel image's name in that folder."))
            .property("target_arch", text("The architecture built for."))
            .property("toolchain", text("The toolchain's name."))
            .property(
                "modules",
                ObjectBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::String, Type::Boolean, Type::Null]))
                    .description(Some("The modules' name in that folder, or false if there are none.")),
            )
            .property("kernel_version", text("The kernel's version."))
            .into()
    }
}

impl ToSchema for TuxSuiteBuildStatus {}

fn uid(status: &mut Fields<'_>) -> Result<String, Refused> {
    status.string("uid", fields::NAME)
}

fn status_schema(description: &str) -> ObjectBuilder {
    let uid = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("TuxSuite's id of the job."))
        .max_length(Some(fields::NAME))
        .examples([json!("2wXyZ0aBcDeFgHiJkLmNoPqRsTu")]);
    ObjectBuilder::new().description(Some(description)).property("uid", uid).required("uid")
}

fn text(description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some(description))
        .build()
}

#[cfg(test)]
mod tests {
    use super::super::body::read_value;
    use super::*;

    #[test]
    fn a_callback_needs_its_kind_and_its_uid_and_nothing_else() {
        let bare = json!({"kind": "oebuild", "status": {"uid": "x", "modules": null, "new": [1]}});
        let callback: TuxSuiteBuildRequest = read_value(&bare).unwrap();
        assert_eq!((callback.kind, callback.status.uid.as_str()), (BuildKind::Oebuild, "x"));
        for (body, places) in [
            (json!({"kind": "plan", "status": {"uid": null}}), json!([["body", "kind"], ["body", "status", "uid"]])),
            (json!({"kind": "test", "status": "x"}), json!([["body", "status"]])),
            (json!({}), json!([["body", "kind"], ["body", "status"]])),
        ] {
            let problems = read_value::<TuxSuiteTestRequest>(&body).unwrap_err();
            let found: Vec<_> = problems.into_iter().map(|problem| problem.loc).collect();
            assert_eq!(json!(found), places, "{body}");
        }
    }

    #[test]
    fn a_callback_is_stored_whole_and_so_holds_no_nul() {
        let body = json!({"kind": "test", "status": {"uid": "x", "results": {"ltp": "pa\0ss"}}});
        let problems = read_value::<TuxSuiteTestRequest>(&body).unwrap_err();
        let found: Vec<_> = problems.into_iter().map(|problem| problem.loc).collect();
        assert_eq!(json!(found), json!([["body", "status", "results", "ltp"]]));
    }
}
