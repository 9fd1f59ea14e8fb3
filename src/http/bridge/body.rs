//! The bodies of the bridge's door: what they hold, their defaults and their rules.
//!
//! They are the bridge's own, field by field, so that its callers move without a change. Where the bridge failed on a
//! body that it should have taken or refused, we take or refuse it: `fragments: null` is no fragments, a tree that no
//! git can fetch is refused, two results that would get the same id are refused, and of a callback nothing is required
//! but what it is about.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use super::fields::{self, Detail, Fields, Refused};
use super::json;
use crate::domain::status::Status;
use crate::domain::words::Word as _;

/// A body that can be read off a JSON object.
pub trait Body: Sized {
    /// Reads the fields in the order of their declaration, which is the order of the problems.
    ///
    /// # Errors
    /// Something does not read; the problems are noted in `fields`.
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused>;
}

/// Reads a request's body.
///
/// # Errors
/// Every problem with it, in FastAPI's words; never an empty list.
pub fn read<T: Body>(content_type: Option<&str>, body: &[u8]) -> Result<T, Vec<Detail>> {
    json::parse(content_type, body).map_err(|problem| vec![problem]).and_then(|value| read_value(&value))
}

/// Reads a body that is parsed already, as a callback's is after its signature was checked.
///
/// # Errors
/// As for [`read`].
pub fn read_value<T: Body>(value: &Value) -> Result<T, Vec<Detail>> {
    let mut problems = Vec::new();
    Fields::of(value, vec!["body".into()], &mut problems)
        .and_then(|mut fields| T::fields(&mut fields))
        .map_err(|Refused| problems)
}

/// A runner that the bridge knew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BridgeRunner {
    /// TuxSuite.
    #[default]
    TuxSuite,
}

impl BridgeRunner {
    /// The runner's name in requests and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TuxSuite => "tuxsuite",
        }
    }

    fn field(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        fields.literal_or_first("runner", (Self::TuxSuite.as_str(), Self::TuxSuite), &[])
    }
}

/// A kernel to build. At least one of `kconfig` and `fragments` must be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(json!({
    "toolchain": "gcc-12", "tree": "https://git.example/linux.git", "branch": "master",
    "kconfig": "defconfig", "fragments": ["CONFIG_KASAN=y"]
})))]
pub struct BuildData {
    /// The runner that builds it.
    #[schema(inline, required = false, default = "tuxsuite")]
    pub runner: BridgeRunner,
    /// The toolchain's name at the runner.
    #[schema(max_length = 500)]
    pub toolchain: String,
    /// The git repository: an `http://`, `https://` or `git://` URL.
    #[schema(max_length = 2048)]
    pub tree: String,
    /// The branch, tag or other ref.
    #[schema(max_length = 500)]
    pub branch: String,
    /// The configuration's name or URL.
    #[schema(max_length = 4096)]
    pub kconfig: Option<String>,
    /// What is merged into the configuration. `null` is as good as none.
    #[schema(nullable, required = false, default = json!([]), max_items = 1000)]
    pub fragments: Vec<String>,
}

impl Body for BuildData {
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        let runner = BridgeRunner::field(fields);
        let toolchain = fields.string("toolchain", fields::NAME);
        let tree = fields.string("tree", fields::URL).and_then(|tree| {
            let why = "the tree must be an http://, https:// or git:// URL of a git repository";
            if is_git_url(&tree) { Ok(tree) } else { Err(fields.broken_rule(vec!["tree".into()], why)) }
        });
        let branch = fields.string("branch", fields::NAME);
        let kconfig = fields.optional_string("kconfig", fields::TEXT);
        let fragments = fields.optional_strings("fragments", fields::TEXT);
        let build = Self {
            runner: runner?,
            toolchain: toolchain?,
            tree: tree?,
            branch: branch?,
            kconfig: kconfig?,
            fragments: fragments?,
        };
        if build.kconfig.is_none() && build.fragments.is_empty() {
            // The bridge's words, its slip included: callers may compare them.
            return Err(fields.broken_rule(Vec::new(), "At least one configuration source muste be given!"));
        }
        Ok(build)
    }
}

/// Whether a runner can fetch from it. `Url` alone would forgive too much: missing slashes, blanks, line breaks.
fn is_git_url(text: &str) -> bool {
    let known = |scheme: &str| ["http", "https", "git"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    text.split_once("://").is_some_and(|(scheme, _)| known(scheme))
        && !text.contains(|character: char| character.is_whitespace() || character.is_control())
        && Url::parse(text).is_ok_and(|url| url.has_host())
}

/// Tests to run on a kernel that was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(json!({
    "build_id": "maestro:681b69099ae9711e9ed49766", "kernel_image_url": "https://files.example/Image",
    "modules_url": "https://files.example/modules.tar.xz", "tests": ["ltp-nptl", "ltp-fsx"], "collection": "ltp"
})))]
pub struct TestSuite {
    /// The runner that runs them.
    #[schema(inline, required = false, default = "tuxsuite")]
    pub runner: BridgeRunner,
    /// KCIDB's id of the build.
    #[schema(max_length = 500)]
    pub build_id: String,
    /// Where the kernel image lies.
    #[schema(max_length = 2048)]
    pub kernel_image_url: String,
    /// Where its modules lie. An empty text is as good as none.
    #[schema(max_length = 2048)]
    pub modules_url: Option<String>,
    /// The tests' names. One that is named again counts once.
    #[schema(max_items = 1000)]
    pub tests: Vec<String>,
    /// The collection that the tests belong to.
    #[schema(max_length = 500)]
    pub collection: String,
}

impl Body for TestSuite {
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        let runner = BridgeRunner::field(fields);
        let build_id = fields.string("build_id", fields::NAME);
        let kernel_image_url = fields.string("kernel_image_url", fields::URL);
        let modules_url = modules_url(fields);
        let tests = fields.strings("tests", fields::NAME);
        let collection = fields.string("collection", fields::NAME);
        let mut suite = Self {
            runner: runner?,
            build_id: build_id?,
            kernel_image_url: kernel_image_url?,
            modules_url: modules_url?,
            tests: tests?,
            collection: collection?,
        };
        let mut named = HashSet::new();
        suite.tests.retain(|test| named.insert(test.clone()));
        Ok(suite)
    }
}

/// A kernel to boot, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(json!({
    "build_id": "maestro:681b69099ae9711e9ed49766", "kernel_image_url": "https://files.example/Image"
})))]
pub struct BootTestSuite {
    /// The runner that boots it.
    #[schema(inline, required = false, default = "tuxsuite")]
    pub runner: BridgeRunner,
    /// KCIDB's id of the build.
    #[schema(max_length = 500)]
    pub build_id: String,
    /// Where the kernel image lies.
    #[schema(max_length = 2048)]
    pub kernel_image_url: String,
    /// Where its modules lie. An empty text is as good as none.
    #[schema(max_length = 2048)]
    pub modules_url: Option<String>,
}

impl Body for BootTestSuite {
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        let runner = BridgeRunner::field(fields);
        let build_id = fields.string("build_id", fields::NAME);
        let kernel_image_url = fields.string("kernel_image_url", fields::URL);
        let modules_url = modules_url(fields);
        Ok(Self {
            runner: runner?,
            build_id: build_id?,
            kernel_image_url: kernel_image_url?,
            modules_url: modules_url?,
        })
    }
}

/// Callers that have no modules send `""`.
fn modules_url(fields: &mut Fields<'_>) -> Result<Option<String>, Refused> {
    Ok(fields.optional_string("modules_url", fields::URL)?.filter(|url| !url.is_empty()))
}

/// Results of tests that a lab ran by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(json!({
    "test_uid": "run-1", "build_id": "maestro:681b69099ae9711e9ed49766", "device": "qemu-riscv64",
    "runtime": "lab-1", "tests": [{"test_name": "ltp-smoke", "test_collection": "ltp", "result": "PASS"}]
})))]
pub struct RunnerTestsResults {
    /// The lab's own id of the run. The tests' ids at KCIDB are made of it.
    #[schema(max_length = 500)]
    pub test_uid: String,
    /// KCIDB's id of the build.
    #[schema(max_length = 500)]
    pub build_id: String,
    /// The machine or virtual machine that they ran on.
    #[schema(max_length = 500)]
    pub device: String,
    /// The lab's name.
    #[schema(max_length = 500)]
    pub runtime: String,
    /// What came of each test. No two may get the same id, which is made of collection and name joined by `-`.
    #[schema(max_items = 1000)]
    pub tests: Vec<TestResult>,
}

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TestResult {
    /// The test's name.
    #[schema(max_length = 500)]
    pub test_name: String,
    /// The collection that it belongs to.
    #[schema(max_length = 500)]
    pub test_collection: String,
    /// KCIDB's word, in capitals.
    #[schema(schema_with = status_schema)]
    pub result: Status,
    /// What it wrote.
    #[schema(max_length = 1_048_576)]
    pub logs: Option<String>,
}

fn status_schema() -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .description(Some("KCIDB's word, in capitals."))
        .enum_values(Some(Status::ALL.iter().map(|status| status.as_str())))
        .build()
}

impl Body for RunnerTestsResults {
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        let test_uid = fields.string("test_uid", fields::NAME);
        let build_id = fields.string("build_id", fields::NAME);
        let device = fields.string("device", fields::NAME);
        let runtime = fields.string("runtime", fields::NAME);
        let tests = fields.objects("tests", TestResult::fields);
        let results =
            Self { test_uid: test_uid?, build_id: build_id?, device: device?, runtime: runtime?, tests: tests? };
        results.refuse_shared_ids(fields)?;
        Ok(results)
    }
}

impl RunnerTestsResults {
    /// The bridge hashes `{test_uid}-{collection}-{test}` into the id of a test, so `a-b` of `c` and `b` of `c-a` share
    /// theirs, and KCIDB would take the two for one. The formula is kept; what it cannot tell apart is refused.
    fn refuse_shared_ids(&self, fields: &mut Fields<'_>) -> Result<(), Refused> {
        let mut first_of = HashMap::new();
        let mut refused = Ok(());
        for (index, test) in self.tests.iter().enumerate() {
            let first =
                *first_of.entry(format!("{}-{}", test.test_collection, test.test_name)).or_insert((index, test));
            if first.0 != index {
                let why = shared_id(first, test);
                refused = Err(fields.broken_rule(vec!["tests".into(), fields::Loc::Index(index)], &why));
            }
        }
        refused
    }
}

fn shared_id((index, first): (usize, &TestResult), second: &TestResult) -> String {
    let name = |test: &TestResult| format!("test `{}` of collection `{}`", test.test_name, test.test_collection);
    if first.test_name == second.test_name && first.test_collection == second.test_collection {
        return format!("{} has its result at index {index} already; send one result a test", name(second));
    }
    format!("{} would get the same id as {}, at index {index}; rename one of them", name(second), name(first))
}

impl TestResult {
    fn fields(fields: &mut Fields<'_>) -> Result<Self, Refused> {
        let words: Vec<_> = Status::ALL.iter().map(|status| (status.as_str(), *status)).collect();
        let test_name = fields.string("test_name", fields::NAME);
        let test_collection = fields.string("test_collection", fields::NAME);
        let result = fields.literal("result", &words);
        let logs = fields.optional_string("logs", fields::LOG);
        Ok(Self { test_name: test_name?, test_collection: test_collection?, result: result?, logs: logs? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(change: &Value) -> Value {
        let mut body = json!({"toolchain": "gcc-12", "tree": "https://git.example/linux.git", "branch": "master"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    }

    fn places<T: Body>(body: &Value) -> Vec<(&'static str, Value)> {
        let problems = read_value::<T>(body).err().into_iter().flatten();
        problems.map(|problem| (problem.r#type, serde_json::to_value(problem.loc).unwrap())).collect()
    }

    #[test]
    fn a_build_without_fragments_has_none() {
        let build: BuildData = read_value(&with(&json!({"kconfig": "defconfig", "fragments": null}))).unwrap();
        assert_eq!((build.fragments, build.runner.as_str()), (Vec::new(), "tuxsuite"));
        let none = places::<BuildData>(&with(&json!({"fragments": null})));
        assert_eq!(none, [("value_error", json!(["body"]))]);
    }

    #[test]
    fn a_tree_is_a_url_that_git_can_fetch() {
        for tree in ["http://a.example/b", "https://a.example/b.git", "git://a.example/b", "HTTPS://a.example/b"] {
            assert!(read_value::<BuildData>(&with(&json!({"tree": tree, "kconfig": ""}))).is_ok(), "{tree}");
        }
        for tree in [
            "",
            "git@github.com:a/b.git",
            "ssh://git@a.example/b",
            "file:///etc",
            "https:a.example/b",
            "https://",
            "git:///b",
            "https://a.example/b c",
            "https://a.example/b\n",
            "/srv/linux.git",
            "--upload-pack=x",
        ] {
            let refused = places::<BuildData>(&with(&json!({"tree": tree, "kconfig": ""})));
            assert_eq!(refused, [("value_error", json!(["body", "tree"]))], "{tree}");
        }
    }

    #[test]
    fn a_test_named_again_counts_once_and_empty_modules_are_none() {
        let body = json!({
            "build_id": "maestro:1", "kernel_image_url": "https://files.example/Image", "modules_url": "",
            "tests": ["b", "a", "b", "a"], "collection": "ltp"
        });
        let suite: TestSuite = read_value(&body).unwrap();
        assert_eq!((suite.tests, suite.modules_url), (vec!["b".to_owned(), "a".to_owned()], None));
        assert_eq!(read_value::<BootTestSuite>(&body).unwrap().modules_url, None);
    }

    #[test]
    fn results_that_would_share_an_id_are_refused() {
        let submit = |tests: &[(&str, &str)]| {
            let tests: Vec<Value> = tests
                .iter()
                .map(|(collection, name)| json!({"test_name": name, "test_collection": collection, "result": "PASS"}))
                .collect();
            let body = json!({"test_uid": "u", "build_id": "b:1", "device": "d", "runtime": "r", "tests": tests});
            read_value::<RunnerTestsResults>(&body)
        };
        assert!(submit(&[("a", "b-c"), ("a", "b"), ("a-b", "b")]).is_ok());
        for (tests, words) in [
            ([("a-b", "c"), ("x", "y"), ("a", "b-c")], ["`b-c` of collection `a`", "`c` of collection `a-b`"]),
            ([("a", "b"), ("x", "y"), ("a", "b")], ["`b` of collection `a`", "at index 0"]),
        ] {
            let problems = submit(&tests).unwrap_err();
            let [problem] = &problems[..] else { panic!("{problems:?}") };
            assert_eq!(serde_json::to_value(&problem.loc).unwrap(), json!(["body", "tests", 2]));
            assert!(words.iter().all(|word| problem.msg.contains(word)), "{}", problem.msg);
        }
    }

    #[test]
    fn the_problems_of_many_items_are_all_told() {
        let tests = json!([{"test_name": "a"}, 5, {"test_name": "a", "test_collection": "b", "result": "pass"}]);
        let body = json!({"test_uid": "u", "build_id": 1, "device": "d", "runtime": "r", "tests": tests});
        let expected = [
            ("string_type", json!(["body", "build_id"])),
            ("missing", json!(["body", "tests", 0, "test_collection"])),
            ("missing", json!(["body", "tests", 0, "result"])),
            ("model_attributes_type", json!(["body", "tests", 1])),
            ("literal_error", json!(["body", "tests", 2, "result"])),
        ];
        assert_eq!(places::<RunnerTestsResults>(&body), expected);
    }

    proptest::proptest! {
        #[test]
        fn shared_ids_are_found_exactly_where_the_formula_gives_one(
            tests in proptest::collection::vec(("[ab-]{0,3}", "[ab-]{0,3}"), 0..8)
        ) {
            let ids: HashSet<String> = tests.iter().map(|(collection, name)| format!("u-{collection}-{name}")).collect();
            let items: Vec<Value> = tests
                .iter()
                .map(|(collection, name)| json!({"test_name": name, "test_collection": collection, "result": "DONE"}))
                .collect();
            let body = json!({"test_uid": "u", "build_id": "b:1", "device": "d", "runtime": "r", "tests": items});
            let found = places::<RunnerTestsResults>(&body).len();
            proptest::prop_assert_eq!(found, tests.len() - ids.len());
        }
    }
}
