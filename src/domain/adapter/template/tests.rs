use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::run::TestsRequest;

fn secrets() -> BTreeSet<String> {
    BTreeSet::from(["lab".to_owned()])
}

fn compile(text: &str, form: Form) -> Result<Template, TemplateError> {
    Template::compile(text, form, Known { secrets: &secrets(), uid: true })
}

fn context(uid: &str, test: &str) -> Context {
    let request = RunRequest::Tests(TestsRequest {
        kernel_image_url: "https://files.example.org/Image?a=1&b=\"2\"".to_owned(),
        modules_url: None,
        device: "board-1".to_owned(),
        collection: "ltp".to_owned(),
        tests: vec![test.to_owned(), "b".to_owned()],
    });
    let about = About {
        run: "run_1",
        request: &request,
        token: "t-1",
        callback_url: "https://yard.example.org/cb/cap_x",
        first_asked_at: "2026-01-02T03:04:05Z",
        uid: Some(uid),
    };
    Context::new(&about).unwrap().with_secrets([("lab", "s3cret")])
}

#[test]
fn values_are_written_as_their_place_wants_them() {
    let here = context("7/../\"x\" é", "a\"\n");
    let url = compile("https://lab.example.org/jobs/{{ uid }}?t={{ token }}", Form::Url).unwrap().url(&here).unwrap();
    assert_eq!(url.as_str(), "https://lab.example.org/jobs/7%2F..%2F%22x%22%20%C3%A9?t=t-1");
    let body = r#"{"id": {{ uid }}, "tests": {{ request.tests }}, "modules": {{ request.modules_url }}, "n": {{ 1 + 1 }},
        "all": {{ request }}, "text": "{{ run|safe }}"}"#;
    let body = compile(body, Form::Json).unwrap().json(&here).unwrap();
    let read: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&read["id"], &read["tests"], &read["modules"], &read["n"], &read["all"]["kind"], &read["text"]),
        (&json!("7/../\"x\" é"), &json!(["a\"\n", "b"]), &json!(null), &json!(2), &json!("tests"), &json!("run_1"))
    );
    let header = compile("Token {{ secrets.lab }}", Form::Text).unwrap().text(&here).unwrap();
    assert_eq!(header, "Token s3cret");
    let form = compile("job={{ request.device|urlencode }}&u={{ uid|urlencode }}", Form::Text).unwrap();
    assert_eq!(form.text(&here).unwrap(), "job=board-1&u=7%2F..%2F%22x%22%20%C3%A9");
}

#[test]
fn a_text_within_json_is_made_once() {
    let body = "{% set job %}device: {{ request.device }}\ntests: {{ request.tests }}\n{% endset %}{\"definition\": {{ job|tojson }}}";
    let read: serde_json::Value =
        serde_json::from_str(&compile(body, Form::Json).unwrap().json(&context("1", "a")).unwrap()).unwrap();
    assert_eq!(read["definition"], "device: \"board-1\"\ntests: [\"a\",\"b\"]\n");
}

#[test]
fn mistakes_are_told_when_it_is_read() {
    let table = [
        (Form::Text, "{{ run", "line 1: syntax error"),
        (Form::Text, "a\n{{ secrets.other }}", "the secret `other`"),
        (Form::Text, "{{ colour }}", "there is no `colour`"),
        (Form::Text, "{{ debug() }}", "there is no `debug`"),
        (Form::Url, "{{ callback_url }}", "with the host written out"),
        (Form::Url, "https://{{ request.device }}/", "with the host written out"),
        (Form::Url, "https://lab.example.org{{ uid }}", "with the host written out"),
        (Form::Url, "ftp://lab.example.org/", "with the host written out"),
        (Form::Url, "https://me:x@lab.example.org/{{ uid }}", "before the @"),
        (Form::Url, "/jobs", "with the host written out"),
    ];
    for (form, text, words) in table {
        let error = compile(text, form).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let early = Template::compile("{{ uid }}", Form::Text, Known { secrets: &secrets(), uid: false }).unwrap_err();
    assert!(early.to_string().contains("not known yet"), "{early}");
    assert!(compile(&" ".repeat(MAX_TEMPLATE + 1), Form::Text).is_err());
}

#[test]
fn what_cannot_be_filled_in_is_told_without_secrets() {
    let table = [
        ("\n{{ request.colour }}", "line 2: undefined value"),
        ("{{ request.tests[9] }}", "undefined value"),
        ("{{ secrets.lab + 1 }}", "invalid operation"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}", "fuel"),
    ];
    for (text, words) in table {
        let error = compile(text, Form::Text).unwrap().text(&context("1", "a")).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{text}: {error}");
    }
    let half = compile("{\"a\": {{ uid }}", Form::Json).unwrap().json(&context("1", "a")).unwrap_err().to_string();
    assert!(half.contains("not JSON"), "{half}");
}

#[test]
fn a_url_stays_at_its_host_and_in_its_path() {
    let path = compile("https://lab.example.org/jobs/{{ uid }}/cancel", Form::Url).unwrap();
    for uid in [".", ".."] {
        assert!(path.url(&context(uid, "a")).unwrap_err().to_string().contains("`..`"), "{uid}");
    }
    let raw = compile("https://lab.example.org/{{ uid|safe }}", Form::Url).unwrap();
    for uid in ["../x", "a/%2E%2e/b", "a\\..\\b"] {
        assert!(raw.url(&context(uid, "a")).is_err(), "{uid}");
    }
    assert_eq!(raw.url(&context("a/b?c=..", "a")).unwrap().path(), "/a/b");
}

proptest! {
    #[test]
    fn whatever_a_caller_says_stays_a_value(uid: String, test: String) {
        let here = context(&uid, &test);
        let url = compile("https://lab.example.org/jobs/{{ uid }}/x?y={{ request.tests[0] }}", Form::Url).unwrap();
        if let Ok(url) = url.url(&here) {
            prop_assert_eq!(url.host_str(), Some("lab.example.org"));
            prop_assert_eq!(url.path_segments().unwrap().count(), 3);
            prop_assert_eq!(url.query_pairs().count(), 1);
        }
        let body = compile(r#"{"uid": {{ uid }}, "test": {{ request.tests[0] }}}"#, Form::Json).unwrap().json(&here).unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), json!({"uid": uid, "test": test}));
    }
}
