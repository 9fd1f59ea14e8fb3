use serde_json::{Value as Json, json};

use super::*;
use crate::domain::catalogue::builtin;
use crate::domain::catalogue::class::Class;
use crate::domain::catalogue::document;
use crate::domain::catalogue::field::{Field, FieldKind, TextOptions};
use crate::domain::catalogue::item::{Item, ItemKind};

fn classes() -> Classes {
    let mut classes = builtin::classes();
    let boot = json!({
        "name": "boot.Boot", "of": "test", "fields": [],
        "execution": {"command": {"argv": ["boot", "--memory", "{memory}"], "environment": {"A": "b"}, "exit_code": 3,
                                  "timeout_s": 9}},
    });
    let mut class: Class = serde_json::from_value(boot).unwrap();
    class.fields = Some(vec![Field::new("memory", FieldKind::Text(TextOptions::default()))]);
    classes.insert(class);
    classes
}

fn of(document: &Json) -> Result<Definition, String> {
    let classes = classes();
    match document::read(ItemKind::Test, document, &classes) {
        Ok(Item::Test(test)) => of_test(&test, &classes, &[("a.b".to_owned(), "1".to_owned())].into(), 0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn procedures_that_run_a_program_are_commands() {
    let exec = of(&json!({"class": "command.ExecTest", "arguments": {
        "program": "ls", "arguments": ["-l", "a b"], "exit_code": 2, "stdin": "in", "stdout": "o\r\nut\n", "timeout": 7,
        "environment": ["X=1=2", "QMV_a__b=own"]}}))
    .unwrap();
    assert_eq!(exec.command.argv, ["ls", "-l", "a b"]);
    assert_eq!((exec.command.stdin.as_deref(), exec.command.timeout_s), (Some("in"), Some(7)));
    let expects = Expected { exit_code: 2, stdout: Some("o\nut\n".into()), stderr: Some(String::new()) };
    assert_eq!(exec.expects, expects);
    assert_eq!(exec.command.environment["X"], "1=2");
    assert_eq!(exec.command.environment["QMV_a__b"], "own", "what the test says goes before what resources tell");

    let shell = of(&json!({"class": "command.ShellCommandTest", "arguments": {"command": "ls | wc"}})).unwrap();
    assert_eq!(shell.command.argv, ["/bin/sh", "-c", "ls | wc"]);
    assert_eq!((shell.command.stdin, shell.command.timeout_s), (None, None));
    assert_eq!(shell.command.environment, [("QMV_a__b".to_owned(), "1".to_owned())].into());

    let script = json!({"class": "command.ShellScriptTest", "arguments": {"script": "echo $1\n", "arguments": ["x"]}});
    assert_eq!(of(&script).unwrap().command.argv, ["/bin/sh", "-c", "echo $1\n", "script", "x"]);
}

#[test]
fn registered_commands_are_rendered() {
    let boot = of(&json!({"class": "boot.Boot", "arguments": {"memory": "512"}})).unwrap();
    assert_eq!(boot.command.argv, ["boot", "--memory", "512"]);
    assert_eq!((boot.command.environment["A"].as_str(), boot.command.timeout_s), ("b", Some(9)));
    assert_eq!(boot.expects, Expected { exit_code: 3, ..Expected::default() }, "no output is compared");
}

#[test]
fn what_no_agent_can_run_says_why() {
    for (document, words) in [
        (json!({"class": "python.ExecTest"}), "its class `python.ExecTest` needs a runner of the kind `qmtest`"),
        (json!({"class": "file.FileContentsTest"}), "no agent has the procedure `file.FileContentsTest`"),
        (json!({"class": "command.ExecTest"}), "it names no program"),
        (
            json!({"class": "command.ShellCommandTest", "arguments": {"command": "x", "environment": ["X"]}}),
            "its argument `environment`: want `NAME=value`, not `X`",
        ),
    ] {
        let told = of(&document).unwrap_err();
        assert!(told.contains(words), "{told}");
    }
    let unknown = Extension {
        class: "no.Such".to_owned(),
        arguments: BTreeMap::new(),
        about: crate::domain::catalogue::item::About::default(),
    };
    assert_eq!(of_test(&unknown, &classes(), &Context::new(), 0).unwrap_err(), "there is no class `no.Such`");
}

#[test]
fn a_directory_is_made_and_deleted() {
    let steps = |arguments: Json| {
        let document = json!({"class": "temporary.TempDirectoryResource", "arguments": arguments});
        match document::read(ItemKind::Resource, &document, &classes()) {
            Ok(Item::Resource(resource)) => of_resource(&resource, &classes(), &Context::new(), "/tmp/x", 0),
            other => panic!("{other:?}"),
        }
    };
    let usual = steps(json!({}));
    assert_eq!(usual.set_up.unwrap().command.argv, ["mkdir", "-m", "700", "--", "/tmp/x"]);
    assert_eq!(usual.clean_up.unwrap().command.argv, ["rm", "-rf", "--", "/tmp/x"]);
    assert_eq!(usual.properties, [("temp_dir_path".to_owned(), "/tmp/x".to_owned())].into());
    let careful = steps(json!({"delete_recursively": 0, "dir_path_property": "d"}));
    assert_eq!(careful.clean_up.unwrap().command.argv, ["rmdir", "--", "/tmp/x"]);
    assert_eq!(careful.properties, [("d".to_owned(), "/tmp/x".to_owned())].into());
}
