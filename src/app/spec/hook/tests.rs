//! Wishes: what is one, and what can be done of it.

use serde_json::{Value, json};

use super::{Failed, Granted, Hook, Moment, Wish};
use crate::domain::selection::reason::Reason;
use crate::domain::selection::table::Table;
use crate::domain::spec::{Spec, Timeouts};
use crate::net::client::Client;

fn read(answer: &str, moment: Moment) -> Result<Wish, String> {
    Wish::read(answer.as_bytes(), moment).map_err(|Failed(why)| why)
}

fn hook(of: Value) -> Hook {
    serde_json::from_value(of).unwrap()
}

fn table() -> Table {
    let specs: Vec<Spec> = ["aaaaaaaa", "bbbbbbbb"]
        .into_iter()
        .map(|id| {
            let mut spec = Spec { id: id.to_owned(), file_path: format!("{id}.pyt"), ..Spec::default() };
            spec.fill(&Timeouts::default());
            spec
        })
        .collect();
    Table::new(&specs)
}

#[test]
fn nothing_is_no_wish_and_what_is_none_is_told() {
    for nothing in ["", " \n", "{}"] {
        assert_eq!(read(nothing, Moment::Start), Ok(Wish::default()), "{nothing:?}");
    }
    let rule = r#"{"rules": [{"type": "keyword", "expressions": ["fast"]}]}"#;
    assert_eq!(read(rule, Moment::Start).unwrap().rules.len(), 1);
    for (answer, moment, words) in [
        ("[]", Moment::Start, "want an object"),
        ("null", Moment::Modify, "want an object"),
        ("ok", Moment::Modify, "want an object"),
        ("{", Moment::Modify, "no wish"),
        (r#"{"masks": []}"#, Moment::Modify, "unknown field"),
        (r#"{"mask": ["a"]}"#, Moment::Modify, "no wish"),
        (r#"{"mask": [{"id": "a"}]}"#, Moment::Modify, "reason"),
        (r#"{"rules": [{"type": "luck"}]}"#, Moment::Start, "luck"),
        (r#"{"rules": [{"type": "keyword", "expressions": ["a", "a and"]}]}"#, Moment::Start, "/rules/0/expressions/1"),
        (rule, Moment::Modify, "`start` only"),
        (r#"{"unmask": ["a"]}"#, Moment::Start, "`modify` only"),
    ] {
        let why = read(answer, moment).unwrap_err();
        assert!(why.contains(words), "{answer}: {why}");
    }
}

#[test]
fn a_wish_is_done_whole_or_not_at_all() {
    let hook = hook(json!({"url": "https://lab.example.org:8443/x", "on": ["modify"]}));
    let table = table();
    let of = |wish: Value| {
        let wish = Wish::read(wish.to_string().as_bytes(), Moment::Modify).unwrap();
        wish.of(&hook, &table).map_err(|Failed(why)| why)
    };
    let granted = of(json!({"mask": [{"id": "aaaaaaaa", "reason": " no power\u{0} "}], "unmask": ["bbbbbbbb"]}));
    let reason = Reason::Hook { host: "lab.example.org:8443".to_owned(), text: "no power\u{fffd}".to_owned() };
    let place = |id: &str| table.place(id).unwrap();
    let wanted =
        Granted { mask: vec![(place("aaaaaaaa"), reason)], unmask: vec![place("bbbbbbbb")], ..Granted::default() };
    assert_eq!(granted, Ok(wanted));
    let known = json!({"id": "aaaaaaaa", "reason": "x"});
    for (wish, words) in [
        (json!({"mask": [known, {"id": "aaaa", "reason": "x"}]}), "/mask/1 of its answer: there is no spec `aaaa`"),
        (json!({"mask": [{"id": "aaaaaaaa", "reason": " "}]}), "/mask/0/reason"),
        (json!({"unmask": ["cccccccc"]}), "/unmask/0"),
        (json!({"mask": [known], "unmask": ["aaaaaaaa"]}), "in `mask` too"),
    ] {
        let why = of(wish.clone()).unwrap_err();
        assert!(why.contains(words), "{wish}: {why}");
    }
}

#[test]
fn a_hook_is_somewhere_public_or_allowed_and_asked_at_some_moment() {
    let client = Client::new(vec!["127.0.0.1".parse().unwrap()]).unwrap();
    let faults = |of: Value| hook(of).faults(&client).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    for url in ["https://example.org/x?y=z", "http://127.0.0.1:1/"] {
        assert_eq!(faults(json!({"url": url, "on": ["start", "report"]})), [] as [&str; 0], "{url}");
    }
    let long = format!("https://example.org/{}", "x".repeat(2_000));
    for url in ["http://10.0.0.1/", "http://[::1]/", "ftp://example.org/", "data:x", "https://me@example.org/", &long] {
        assert_eq!(faults(json!({"url": url, "on": ["start"]})), ["/url"], "{url}");
    }
    for on in [json!([]), json!(["start", "start"])] {
        assert_eq!(faults(json!({"url": "https://example.org/", "on": on})), ["/on"], "{on}");
    }
    for wrong in [
        json!({"url": "x", "on": ["start"]}),
        json!({"url": "https://example.org/", "on": ["end"]}),
        json!({"url": "https://example.org/"}),
        json!({"url": "https://example.org/", "on": ["start"], "secret": 1}),
    ] {
        assert!(serde_json::from_value::<Hook>(wrong.clone()).is_err(), "{wrong}");
    }
    let whole = json!({"url": "https://example.org/", "on": ["modify"], "optional": true});
    assert_eq!(serde_json::to_value(hook(whole.clone())).unwrap(), whole);
}
