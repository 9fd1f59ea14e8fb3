//! The promise of the module, as properties: whatever runners and people say, what we make of it is legal.

use chrono::DateTime;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::Map;

use crate::domain::kcidb::id::{self, Origin};
use crate::domain::kcidb::object::{Build, Checkout, Environment, Number, ObjectKind, Resource, Test, report};
use crate::domain::kcidb::{path, schema, text};
use crate::domain::status::Status;
use crate::domain::words::Word as _;

fn check(kind: ObjectKind, object: &impl Serialize) -> Result<(), Vec<schema::Violation>> {
    let object = serde_json::to_value(object).unwrap();
    schema::validate_object(kind, &object)?;
    schema::validate(&report([(kind, object)]))
}

fn origin() -> Origin {
    "riscv".parse().unwrap()
}

fn finite_or_not() -> impl Strategy<Value = Option<f64>> {
    proptest::option::of(proptest::num::f64::ANY)
}

fn resources() -> impl Strategy<Value = Vec<Resource>> {
    let name = any::<String>();
    let url = prop_oneof![any::<String>(), "https://[a-z./]{0,8}"];
    prop::collection::vec((name, url), 0..3)
        .prop_map(|files| files.iter().filter_map(|(name, url)| Resource::new(name, url)).collect())
}

prop_compose! {
    fn any_build()(
        words in prop::array::uniform5(".{0,20}|[\0\n:/.-]{0,4}"),
        url in prop_oneof![any::<String>(), "https://[a-z./ ]{0,8}"],
        seconds in any::<i64>(),
        duration in finite_or_not(),
        files in resources(),
    ) -> Build {
        let [uid, one, two, three, four] = &words;
        let mut build = Build::new(id::build_id(&origin(), uid), origin(), String::new());
        build.checkout_id = id::checkout_id(&origin(), one, two, None, uid);
        build.comment = Some(text::legal(one));
        build.start_time = DateTime::from_timestamp(seconds % 8_000_000_000_000, 0);
        build.duration = duration;
        build.architecture = Some(text::architecture(two));
        build.compiler = Some(text::legal(three));
        build.command = Some(text::legal(four));
        build.output_files = files;
        build.log_url = text::uri(&url);
        build.config_url = text::https_git_url(&url);
        build.log_excerpt = Some(text::excerpt(&four.repeat(3_000)));
        build.misc.insert(uid.clone(), one.clone().into());
        build
    }
}

prop_compose! {
    fn any_test()(
        words in prop::array::uniform5(".{0,20}|[\0\n:/.-]{0,4}"),
        url in prop_oneof![any::<String>(), "https://[a-z./ ]{0,8}"],
        value in any::<f64>(),
        duration in finite_or_not(),
        files in resources(),
        status in prop::sample::select(Status::ALL),
    ) -> Test {
        let [uid, collection, name, case, four] = &words;
        let case_id = id::case_id(&origin(), uid, collection, name, case);
        let mut test = Test::new(case_id, origin(), id::build_id(&origin(), uid));
        test.path = Some(path::case_path(&path::test_path(collection, name), case));
        test.comment = Some(text::legal(four));
        test.status = Some(status);
        test.number = Some(Number { value, unit: Some(text::legal(four)) });
        test.duration = duration;
        test.input_files = files;
        test.log_url = text::uri(&url);
        test.log_excerpt = Some(text::excerpt(&four.repeat(3_000)));
        let misc = Map::from_iter([("platform".to_owned(), name.clone().into())]);
        test.environment = Some(Environment { comment: Some(text::legal(name)), misc, compatible: Vec::new() });
        test
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_build_is_legal(build in any_build()) {
        prop_assert!(check(ObjectKind::Build, &build).is_ok(), "{:?}", check(ObjectKind::Build, &build));
    }

    #[test]
    fn every_test_is_legal(test in any_test()) {
        prop_assert!(check(ObjectKind::Test, &test).is_ok(), "{:?}", check(ObjectKind::Test, &test));
    }

    #[test]
    fn every_checkout_is_legal(tree in ".{0,20}|https://[a-z./ ]{0,9}", branch in any::<String>(), uid in any::<String>()) {
        let id = id::checkout_id(&origin(), &tree, &branch, None, &uid);
        let mut checkout = Checkout::new(id, origin());
        checkout.tree_name = text::tree_name(&tree);
        checkout.git_repository_url = text::https_git_url(&tree);
        checkout.git_commit_name = Some(text::legal(&uid));
        checkout.git_repository_branch = Some(text::legal(&branch));
        checkout.patchset_hash = Some(String::new());
        prop_assert!(check(ObjectKind::Checkout, &checkout).is_ok());
    }
}
