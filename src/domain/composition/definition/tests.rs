use serde_json::json;

use super::*;

fn job(fields: Value) -> Job {
    let Value::Object(fields) = fields else { panic!("no fields: {fields}") };
    let fields = fields.into_iter();
    let fields = fields.filter_map(|(name, value)| Some((name, FieldValue::from_json(value)?))).collect();
    Job::read(&Unit::new(Some("ns"), None, fields)).unwrap()
}

#[test]
fn jobs_of_plainbox_are_read_by_their_shell() {
    let definition = of_job(&job(json!({
        "id": "a", "plugin": "resource", "command": "lsnic\n", "user": "root", "shell": "sh", "testyard-timeout": "1m",
        "testyard-artifacts": "*.log", "environ": "X", "estimated_duration": "3",
    })))
    .unwrap();
    assert_eq!(definition.job, "ns::a");
    assert_eq!(definition.command.argv, ["sh", "-c", "lsnic\n"]);
    assert_eq!((definition.command.user.as_deref(), definition.command.timeout_s), (Some("root"), Some(60)));
    assert_eq!((definition.expects, definition.artifacts), (Expected::default(), vec!["*.log".to_owned()]));
    assert_eq!(definition.command.environment["LANG"], "C.UTF-8");
    let local = job(json!({"id": "a", "flags": "simple preserve-locale", "command": "x"}));
    assert_eq!(
        of_job(&local).unwrap().command,
        Command { argv: ["bash", "-c", "x"].map(str::to_owned).into(), ..Command::default() }
    );
}

#[test]
fn what_people_do_and_what_says_nothing_has_none() {
    for (fields, cause) in [
        (json!({"plugin": "manual"}), NoDefinitionCause::Person),
        (json!({"plugin": "user-verify", "command": "x"}), NoDefinitionCause::Person),
        (json!({"plugin": "shell"}), NoDefinitionCause::NoCommand),
        (json!({"command": "x"}), NoDefinitionCause::NoCommand),
        (json!({"plugin": "telepathy", "command": "x"}), NoDefinitionCause::NoCommand),
        (json!({"plugin": "shell", "command": "x", "testyard-no-definition": "no"}), NoDefinitionCause::NoCommand),
        (json!({"plugin": "shell", "command": "x\u{0}"}), NoDefinitionCause::Unreadable),
        (json!({"plugin": "shell", "command": "x", "testyard-timeout": "never"}), NoDefinitionCause::Unreadable),
    ] {
        let mut fields = fields;
        fields["id"] = json!("a");
        assert_eq!(of_job(&job(fields.clone())).unwrap_err().cause, cause, "{fields}");
    }
}

#[test]
fn a_definition_that_is_stated_goes_before_the_command() {
    let own = json!({"command": {"argv": ["a", "b c"], "timeout_s": 5}, "expects": {"exit_code": 2, "stdout": "x"}});
    let stated = job(json!({"id": "a", "plugin": "shell", "command": "other", "testyard-definition": own}));
    let definition = of_job(&stated).unwrap();
    assert_eq!(definition.command.argv, ["a", "b c"]);
    assert_eq!((definition.command.timeout_s, definition.expects.exit_code), (Some(5), 2));
    // As it is written, so it is read.
    let again = json!({"id": "a", "plugin": "shell", "testyard-definition": match as_field(&definition) {
        FieldValue::Map(map) => Value::Object(map),
        other => panic!("{other:?}"),
    }});
    assert_eq!(of_job(&job(again)).unwrap(), definition);
}

#[test]
fn a_definition_that_is_none_is_told() {
    let limits = |limits: Value| {
        let mut command = json!({"argv": ["a"]});
        command.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        json!({"command": command})
    };
    for (wrong, words) in [
        (json!("x"), "want a map"),
        (json!({}), "missing field `command`"),
        (json!({"command": {"argv": []}}), "want at least the program"),
        (json!({"command": {"argv": ["a"]}, "job": "b"}), "want no `job`"),
        (json!({"command": {"argv": ["a"], "speed": 1}}), "unknown field `speed`"),
        (limits(json!({"timeout_s": 0})), "want limits of 1 to"),
        (limits(json!({"output_timeout_s": 9_999_999})), "want limits of 1 to"),
        (limits(json!({"environment": {"A=B": "x"}})), "`A=B` is no variable"),
        (limits(json!({"stdin": "a\u{0}"})), "NUL"),
        (limits(json!({"stdin": "x".repeat(MAX_COMMAND_BYTES)})), "larger than"),
        (json!({"command": {"argv": ["a"]}, "artifacts": ["/etc"]}), "leaves the job's folder"),
        (json!({"command": {"argv": ["a"]}, "expects": {"stdout": "\u{0}"}}), "no NUL"),
    ] {
        let told = of_job(&job(json!({"id": "a", "plugin": "shell", "testyard-definition": wrong}))).unwrap_err();
        assert_eq!(told.cause, NoDefinitionCause::Unreadable);
        assert!(told.reason.starts_with("`testyard-definition`: ") && told.reason.contains(words), "{}", told.reason);
    }
}

#[test]
fn words_for_shells_are_read_as_one() {
    assert_eq!(as_shell(&["ls", "-l", "a b", "it's", ""].map(str::to_owned)), r"ls -l 'a b' 'it'\''s' ''");
}
