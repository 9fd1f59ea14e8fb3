use serde_json::json;

use super::*;
use crate::domain::spec::{AssetAction, ModificationAction};

fn imported() -> ImportedSpec {
    ImportedSpec {
        id: "a".repeat(64),
        family: "mesh".into(),
        file_root: "/suite".into(),
        file_path: "solver/mesh.pyt".into(),
        timeout_s: -1.0,
        ..ImportedSpec::default()
    }
}

fn joined(imported: ImportedSpec) -> Joined {
    join(imported, Vec::new(), &Timeouts::default()).unwrap()
}

#[test]
fn what_canary_works_out_is_worked_out() {
    let Joined { spec, left_out } = joined(ImportedSpec { keywords: vec!["fast".into()], ..imported() });
    assert_eq!(left_out, Vec::<String>::new());
    assert_eq!(
        (spec.timeout, spec.stdout.as_str(), spec.view()),
        (120.0, DEFAULT_STDOUT, "solver/mesh/mesh.pyt".into())
    );
    assert_eq!(json!(spec.meta_parameters), json!({"cpus": 1, "gpus": 0, "runtime": 120.0}));
}

#[test]
fn wants_go_with_dependencies_by_their_places() {
    let ids = ["c".repeat(8), "b".repeat(8), "d".repeat(8)];
    let wanted = vec!["pass".to_owned(), "*".to_owned()];
    let spec = join(ImportedSpec { wanted, ..imported() }, ids.to_vec(), &Timeouts::default()).unwrap().spec;
    let told: Vec<_> = spec.dependencies.iter().map(|it| (it.id.as_str(), it.when.as_str())).collect();
    assert_eq!(told, [("cccccccc", "pass"), ("bbbbbbbb", "*"), ("dddddddd", "success")]);
}

#[test]
fn what_has_no_place_here_is_left_out_and_told() {
    let artifact = |when: &str| ImportedArtifact { pattern: "*.log".into(), when: when.into() };
    let asset = |action: &str| ImportedAsset { src: "a".into(), dst: None, action: action.into() };
    let change = |action: &str, value: Json| json!({"name": "X", "action": action, "value": value, "sep": null});
    let Joined { spec, left_out } = joined(ImportedSpec {
        assets: vec![asset("copy"), asset("move")],
        artifacts: vec![artifact("failure"), artifact("on_success"), artifact("at_night")],
        baseline: vec![json!({"type": "exe", "exe": "x", "args": null}), json!({"type": "hope"})],
        environment: serde_json::from_value(json!({"A": "1", "B": 2, "C": ["3"]})).unwrap(),
        environment_modifications: vec![
            change("unset", json!("left over")),
            change("set", json!(1)),
            change("set", json!([])),
            json!("X=1"),
        ],
        attributes: serde_json::from_value(json!({"execpath": null, "other": null})).unwrap(),
        left_out: vec!["the field `colour`: no spec has it here".into()],
        ..imported()
    });
    assert_eq!(spec.assets.iter().map(|it| it.action).collect::<Vec<_>>(), [AssetAction::Copy]);
    let whens: Vec<_> = spec.artifacts.iter().map(|it| it.when).collect();
    assert_eq!(whens, [ArtifactWhen::OnFailure, ArtifactWhen::OnSuccess]);
    assert_eq!(spec.baseline, [Baseline::Exe { exe: "x".into(), args: Vec::new() }]);
    assert_eq!(json!(spec.environment), json!({"A": "1", "B": "2"}));
    let changes: Vec<_> = spec.environment_modifications.iter().map(|it| (it.action, it.value.as_str())).collect();
    assert_eq!(changes, [(ModificationAction::Unset, ""), (ModificationAction::Set, "1")]);
    assert_eq!(json!(spec.attributes), json!({"other": null}));
    let begins = [
        "the field `colour`: ",
        "the asset 1: `move` is not a",
        "the baseline 1: unknown variant `hope`",
        "the artifact 2: `at_night` is not a",
        "the variable `C`: want a text",
        "the change of the environment 2: want a text",
        "the change of the environment 3: invalid type: string",
    ];
    assert_eq!(left_out.len(), begins.len(), "{left_out:#?}");
    for (told, begin) in left_out.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
}

#[test]
fn what_says_which_spec_it_is_must_be_right() {
    let cases = [
        (ImportedSpec { id: "chosen".into(), ..imported() }, Vec::new(), "/id: "),
        (ImportedSpec { file_path: "../a.pyt".into(), ..imported() }, Vec::new(), "/file_path: "),
        (ImportedSpec { xstatus: 1 << 40, ..imported() }, Vec::new(), "/xstatus: want a whole number of 32 bits"),
        (ImportedSpec { mask: Some(String::new()), ..imported() }, Vec::new(), "/mask: "),
        (ImportedSpec { wanted: vec!["pass".into()], ..imported() }, Vec::new(), "/dependencies: the spec says what"),
        (imported(), vec!["d1".to_owned()], "/dependencies/0/id: "),
    ];
    for (imported, dependencies, begin) in cases {
        let faults = join(imported, dependencies, &Timeouts::default()).unwrap_err();
        assert!(faults[0].to_string().starts_with(begin), "{begin}: {faults:?}");
    }
}
