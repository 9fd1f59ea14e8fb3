use serde_json::json;

use super::*;
use crate::domain::spec::Timeouts;
use crate::domain::spec::document::Draft;

fn read(mut document: Json) -> Spec {
    document["file_path"] = json!("d/mesh.pyt");
    Draft::read(document, &Timeouts::default()).expect("a spec").spec
}

fn argv(document: Json) -> Result<Vec<String>, String> {
    of(&read(document)).map(|definition| definition.command.argv)
}

#[test]
fn words_take_parameters_and_shells_do_not() {
    let parameters = json!({"np": 4, "name": "a; rm"});
    let words =
        json!({"parameters": parameters, "attributes": {"command": ["mesh", "--np={np}", "{name}", "{{}}", "{cpus}"]}});
    assert_eq!(argv(words).unwrap(), ["mesh", "--np=4", "a; rm", "{}", "1"]);
    let shell = json!({"parameters": parameters, "attributes": {"command": "x ${A} {np}"}});
    assert_eq!(argv(shell).unwrap(), ["bash", "-c", "x ${A} {np}"]);
}

#[test]
fn a_command_of_its_own_goes_before_the_attribute() {
    let own = json!({
        "attributes": {"command": ["other"]}, "timeout": 2.5,
        "command": {"argv": ["mesh"], "stdin": "in", "environment": {"A": "1"}, "exit_code": 3},
        "environment": {"A": "2"}, "artifacts": [{"pattern": "*.vtk"}, {"pattern": "core", "when": "never"}],
    });
    let definition = of(&read(own)).unwrap();
    assert_eq!(definition.command.argv, ["mesh"]);
    assert_eq!((definition.command.stdin.as_deref(), definition.command.timeout_s), (Some("in"), Some(3)));
    assert_eq!((definition.expects.exit_code, definition.command.environment["A"].as_str()), (3, "2"));
    assert_eq!(definition.artifacts, ["*.vtk"]);
    assert_eq!(definition.command.environment["TESTYARD_SPEC_FILE"], "d/mesh.pyt");
    assert_eq!(definition.command.environment["TESTYARD_SPEC_NAME"], "mesh");
}

#[test]
fn what_says_nothing_has_no_command() {
    assert!(argv(json!({})).unwrap_err().contains("nothing says what `d/mesh.pyt` runs"));
    for wrong in [json!([1]), json!(""), json!({"a": 1}), json!([])] {
        assert!(argv(json!({"attributes": {"command": wrong}})).is_err(), "{wrong}");
    }
    let unknown = argv(json!({"attributes": {"command": ["{nothing}"]}})).unwrap_err();
    assert!(unknown.contains("`nothing` has no value"), "{unknown}");
    let strange = argv(json!({"command": {"argv": ["x"], "speed": 1}})).unwrap_err();
    assert!(strange.contains("unknown field `speed`"), "{strange}");
}

#[test]
fn an_end_that_is_expected_passes() {
    let with = |xstatus: i32| of(&read(json!({"xstatus": xstatus, "attributes": {"command": ["a", "b"]}}))).unwrap();
    assert_eq!(with(64).expects.exit_code, 64);
    let fails = with(-1);
    assert_eq!(fails.expects.exit_code, 0);
    assert_eq!(fails.command.argv, ["bash", "-c", "! \"$@\"", "bash", "a", "b"]);
}

/// The commands that are made for shells do what they say, as a shell has it.
#[test]
fn surroundings_are_what_a_shell_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    let rcfile = folder.path().join("it's rc");
    std::fs::write(&rcfile, "export RC=sourced\nmodule() { export LOADED=\"$2\"; }\n").unwrap();
    let spec = read(json!({
        "preload": "env Z=9", "rcfiles": [rcfile], "modules": ["gcc 9"],
        "attributes": {"command": "echo \"$RC|$LOADED|$A|${B-none}|$P|$Q|$R|$Z\""},
        "environment": {"B": "gone", "P": "/usr", "Q": "/usr"},
        "environment_modifications": [
            {"name": "A", "action": "set", "value": "it's $HOME"},
            {"name": "B", "action": "unset"},
            {"name": "P", "action": "prepend-path", "value": "/a"},
            {"name": "Q", "action": "append-path", "value": "/b", "sep": ";"},
            {"name": "R", "action": "append-path", "value": "/c"},
        ],
    }));
    let definition = of(&spec).unwrap();
    let (program, arguments) = definition.command.argv.split_first().unwrap();
    let output =
        std::process::Command::new(program).args(arguments).envs(&definition.command.environment).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "sourced|gcc 9|it's $HOME|none|/a:/usr|/usr;/b|/c|9\n", "{:?}", output.stderr);
    let odd =
        json!({"attributes": {"command": ["a"]}, "environment_modifications": [{"name": "a;b", "action": "set"}]});
    assert!(argv(odd).unwrap_err().contains("no shell has a variable `a;b`"));
}
