//! What the commands print for people: what changed or was refused, then the counts.

use std::fmt::Write as _;

use serde_json::Value;

/// A member's text; empty where there is none.
fn text<'a>(of: &'a Value, member: &str) -> &'a str {
    of[member].as_str().unwrap_or_default()
}

fn list<'a>(of: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    of[member].as_array().into_iter().flatten()
}

/// `12 created, 3 removed`, without what there is none of.
pub(super) fn counted(counts: &Value) -> String {
    let counts = counts.as_object().into_iter().flatten();
    let words: Vec<String> =
        counts.filter(|(_, count)| **count != 0).map(|(word, count)| format!("{count} {word}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// What `catalog diff` and `catalog apply` did, item by item, and the revision.
pub(super) fn applied(answer: &Value) -> String {
    let mut shown = String::new();
    for item in list(answer, "items") {
        let sign = match text(item, "did") {
            "created" => '+',
            "replaced" => '~',
            "removed" => '-',
            _ => continue,
        };
        let _ = writeln!(shown, "{sign} {} {}", text(item, "kind"), text(item, "label"));
    }
    let would = if answer["dry_run"] == true { " would be" } else { "" };
    let _ = writeln!(shown, "revision {}{would}: {}", answer["revision"], counted(&answer["counts"]));
    shown
}

/// What an import refused or found odd, file by file, and how much it took.
pub(super) fn imported(answer: &Value) -> String {
    let mut shown = String::new();
    for entry in list(answer, "entries").filter(|entry| !entry["reason"].is_null()) {
        let _ = writeln!(shown, "{}: {}: {}", text(entry, "fate"), text(entry, "path"), text(entry, "reason"));
    }
    let would = if answer["dry_run"] == true { " would be" } else { "" };
    let _ = writeln!(
        shown,
        "revision {}{would}: taken {}; {} refused, {} ignored",
        answer["revision"],
        counted(&answer["taken"]),
        answer["refused"],
        answer["ignored"]
    );
    shown
}

/// What an export wrote.
pub(super) fn exported(answer: &Value) -> String {
    format!("revision {}: {} files written\n", answer["revision"], answer["files"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_signed_and_counted() {
        let answer = json!({
            "revision": 7, "dry_run": true, "counts": {"created": 1, "removed": 1, "replaced": 0, "unchanged": 2},
            "items": [
                {"kind": "test", "label": "a", "did": "created"}, {"kind": "suite", "label": "b", "did": "unchanged"},
                {"kind": "test", "label": "c", "did": "removed"},
            ],
        });
        assert_eq!(applied(&answer), "+ test a\n- test c\nrevision 7 would be: 1 created, 1 removed, 2 unchanged\n");
    }

    #[test]
    fn an_import_tells_what_it_did_not_take() {
        let answer = json!({
            "revision": 1, "dry_run": false, "taken": {"test": 2}, "refused": 1, "ignored": 0,
            "entries": [
                {"path": "a.qmt", "fate": "taken", "reason": null},
                {"path": "b.qmt", "fate": "refused", "reason": "line 1: no XML"},
            ],
        });
        assert_eq!(
            imported(&answer),
            "refused: b.qmt: line 1: no XML\nrevision 1: taken 2 test; 1 refused, 0 ignored\n"
        );
    }
}
