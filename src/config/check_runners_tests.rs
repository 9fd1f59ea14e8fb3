//! Runners that are made of settings: each mistake stops the start, and says where it is and what would do.

use toml::{Table, Value};

use super::*;
use crate::config::Warning;
use crate::config::load::Problem;
use crate::config::runners::Runners;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

const HTTP: &str = r#"
[[http]]
name = "lab"
idempotent = true
submit = { url = "https://lab.example.org/jobs", body = '{"t": {{ token }}}' }
poll = { url = "https://lab.example.org/jobs/{{ uid }}" }
answer = { uid = "/id", phase = "/state" }
"#;

const PROGRAM: &str = r#"
[[subprocess]]
name = "bench"
argv = ["/opt/lab"]
"#;

/// The table with one value put at a path of names and places.
fn changed(text: &str, path: &str, value: &str) -> Runners {
    let mut tree = Value::Table(text.parse::<Table>().unwrap());
    let value: Table = format!("value = {value}").parse().unwrap();
    let mut place = &mut tree;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        place = match (place, name.parse::<usize>()) {
            (Value::Array(items), Ok(at)) => &mut items[at],
            (Value::Table(table), _) => table.entry(name).or_insert_with(|| Value::Table(Table::new())),
            _ => panic!("{path}"),
        };
    }
    if !path.is_empty() {
        *place = value["value"].clone();
    }
    let mut runners: Runners = tree.try_into().unwrap_or_else(|error| panic!("{path} {value}: {error}"));
    let read = |name: &str| match name {
        "HOOK" => Ok(Some(SECRET.into())),
        "TOKEN" => Ok(Some("token".into())),
        "PUBLIC" => Ok(Some("whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into())),
        _ => Ok(None),
    };
    runners.read_secrets(read).unwrap();
    runners
}

fn findings(runners: Runners) -> (Vec<Problem>, Vec<Warning>) {
    let mut settings = Settings { runners, ..Settings::default() };
    settings.server.public_url = Some("https://yard.example.org/".parse().unwrap());
    let mut found = Findings::default();
    super::runners(&settings, &mut found);
    (found.problems, found.warnings)
}

#[test]
fn good_settings_are_good() {
    for text in [HTTP.to_owned(), PROGRAM.to_owned(), format!("{HTTP}{PROGRAM}")] {
        assert_eq!(findings(changed(&text, "", "0")), (vec![], vec![]), "{text}");
    }
}

#[test]
fn mistakes_of_http_runners_stop_the_start() {
    let table = [
        ("name", r#""Lab 1""#, "`Lab 1` is no name for a runner"),
        ("name", r#""local""#, "there is a runner `local` already"),
        ("kinds", "[]", "takes no kinds"),
        ("timeout_s", "0", "timeout_s of `lab` is 0"),
        ("timeout_s", "60", "longer than twice the timeout_s"),
        ("max_answer_bytes", "0", "max_answer_bytes of `lab` is 0"),
        ("secrets", r#"{ "a-b" = "TOKEN" }"#, "letters, digits and _"),
        ("headers", r#"{ Host = "x" }"#, "headers: `Host` is no header that can be set"),
        ("headers", r#"{ X-Run = "{{ rum }}" }"#, "headers.X-Run: there is no `rum`"),
        ("submit.url", r#""{{ callback_url }}""#, "submit.url: want `https://HOST/"),
        ("submit.url", r#""https://h/{{ uid }}""#, "submit.url: it uses `uid`, which is not known yet"),
        ("submit.body", r#""{{ secrets.token }}""#, "submit.body: it uses the secret `token`"),
        ("submit.method", r#""GRAB""#, "submit.method: `GRAB` is none"),
        ("submit.answer", r#"{ uid = "id" }"#, "submit.answer.uid: `id` is no JSON pointer"),
        ("find", r#"{ url = "https://h/", answer = {} }"#, "find: want `answer.uid`"),
        ("poll.answer", r#"{ uid = "/id" }"#, "poll: want `answer.phase`"),
        ("callback.answer", r#"{ phase = "/p" }"#, "callback: want `answer.uid`"),
        ("callback.secrets", r#"["hook"]"#, "callback.secrets: there is no secret `hook`"),
        ("answer.results", r#"{ at = "x" }"#, "answer.results.at: `x` is no JSON pointer"),
        ("answer.build", r#"{ colour = "/c" }"#, "there is no fact `colour`"),
    ];
    for (path, value, words) in table {
        let (problems, _) = findings(changed(HTTP, &format!("http.0.{path}"), value));
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.contains(words)), "{path}: {told:?}");
        assert_eq!(told.len(), 1, "each mistake is told once: {told:?}");
    }
}

#[test]
fn secrets_that_sign_must_be_keys() {
    let secrets = r#"{ hook = "HOOK", token = "TOKEN", public = "PUBLIC" }"#;
    let with = |place: &str, name: &str| {
        let text = HTTP.replace("idempotent = true", &format!("idempotent = true\nsecrets = {secrets}"));
        findings(changed(&text, &format!("http.0.{place}"), &format!("[\"{name}\"]"))).0
    };
    for (place, name, words) in [
        ("sign_with", "hook", None),
        ("callback.secrets", "hook", None),
        ("callback.secrets", "public", None),
        ("sign_with", "token", Some("the secret `token` is no key: want `whsec_`")),
        ("callback.secrets", "token", Some("the secret `token` is no key")),
        ("sign_with", "public", Some("a public key signs nothing")),
    ] {
        let told: Vec<String> = with(place, name).iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), usize::from(words.is_some()), "{place} {name}: {told:?}");
        assert!(words.is_none_or(|words| told[0].contains(words) && told[0].contains(place)), "{told:?}");
        assert!(!told.concat().contains("AAECAw"), "a secret is not shown");
    }
}

#[test]
fn mistakes_of_programs_stop_the_start() {
    let table = [
        ("argv", "[]", "has no program"),
        ("argv", r#"["x", "a\u0000b"]"#, "NUL"),
        ("environment", r#"{ "A=B" = "1" }"#, "a name is empty or holds ="),
        ("max_jobs", "0", "max_jobs of `bench` is 0"),
        ("max_answer_bytes", "0", "max_answer_bytes of `bench` is 0"),
        ("timeout_s", "60", "longer than twice the timeout_s"),
    ];
    for (path, value, words) in table {
        let (problems, _) = findings(changed(PROGRAM, &format!("subprocess.0.{path}"), value));
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(words), "{path}: {told:?}");
    }
    let text = format!("{PROGRAM}environment = {{ T = \"1\" }}\nsecrets = {{ T = \"TOKEN\" }}\n");
    let (problems, _) = findings(changed(&text, "", "0"));
    assert!(problems.len() == 1 && problems[0].0.contains("leave one out"), "{problems:?}");
}

#[test]
fn two_runners_have_two_names() {
    let (problems, _) = findings(changed(&format!("{HTTP}{PROGRAM}"), "subprocess.0.name", r#""lab""#));
    assert!(problems.len() == 1 && problems[0].0.contains("the name `lab` stands twice"), "{problems:?}");
}

#[test]
fn what_is_perhaps_not_meant_is_told() {
    let open = HTTP.replace("https://", "http://").replace("idempotent = true", r#"secrets = { t = "TOKEN" }"#);
    let (problems, warnings) = findings(changed(&open, "", "0"));
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty() && told.len() == 2, "{problems:?} {told:?}");
    assert!(told[0].contains("no `find` and is not `idempotent`") && told[1].contains("in the clear"), "{told:?}");
    let (_, warnings) = findings(changed(PROGRAM, "subprocess.0.work_dir", r#""here""#));
    assert!(warnings.len() == 1 && warnings[0].0.contains("relative path"), "{warnings:?}");
    // Where the lab gives no ids, the job is looked for under ours.
    let nameless = changed(&HTTP.replace("idempotent = true\n", ""), "http.0.submit.answer", "{}");
    assert_eq!(findings(nameless), (vec![], vec![]));
}
