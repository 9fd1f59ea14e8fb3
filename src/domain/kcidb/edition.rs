//! The versions of KCIDB's schema, and which of them a report asks for.
//!
//! The schema of 5.3 is data (`v5.3.json`); each older one is a JSON merge patch (RFC 7396) upon the next newer
//! (`older.json`), so that the file reads as the history of the format, backwards.

use serde_json::Value;

/// The schema of version 5.3, as kcidb-io has it.
pub(super) const NEWEST: &str = include_str!("v5.3.json");
/// The older versions, newest first: what to patch into the one before.
const OLDER: &str = include_str!("older.json");

/// Major and minor.
pub(super) type Version = (u64, u64);

/// The schema of one version: JSON Schema, draft 7, with patterns in Python's notation.
pub(super) struct Edition {
    /// The version.
    pub(super) version: Version,
    /// Its schema.
    pub(super) schema: Value,
}

/// The version that a report declares, read as kcidb-io reads it. The text form is version 1's: `"1"` means 1.1.
pub(super) fn declared_version(report: &Value) -> Option<Version> {
    match report.get("version")? {
        Value::String(text) => {
            let text = text.strip_suffix('\n').unwrap_or(text);
            let (major, minor) = text.split_once('.').unwrap_or((text, "1"));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let version = (major.parse().ok()?, minor.parse().ok()?);
            (digits(major) && digits(minor) && version == (1, 1)).then_some(version)
        }
        Value::Object(version) => {
            let minor = version.get("minor").map_or(Some(0), integer)?;
            Some((integer(version.get("major")?)?, minor))
        }
        _ => None,
    }
}

/// A Python `int` that is not negative: `true` is 1, and 5.0 is none.
fn integer(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_bool().map(u64::from))
}

/// Every version's schema, 5.3 first. Empty only if the embedded data were broken, which a test forbids.
pub(super) fn editions() -> Vec<Edition> {
    #[derive(serde::Deserialize)]
    struct Older {
        version: Version,
        patch: Value,
    }
    let Ok(mut schema) = serde_json::from_str::<Value>(NEWEST) else { return Vec::new() };
    let older: Vec<Older> = serde_json::from_str(OLDER).unwrap_or_default();
    let mut editions = vec![Edition { version: (5, 3), schema: schema.clone() }];
    for Older { version, patch } in older {
        merge(&mut schema, patch);
        editions.push(Edition { version, schema: schema.clone() });
    }
    editions
}

/// A JSON merge patch (RFC 7396), for patches whose new members hold no null.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, patch) in patch {
                if patch.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), patch);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::golden;
    use crate::domain::kcidb::schema::validate;

    #[test]
    fn golden_reports_are_judged_by_the_version_they_declare() {
        let editions = editions();
        for file in ["wire/kcidb_valid.json", "wire/kcidb_invalid.json"] {
            for row in golden::cases(file, "reports") {
                let declared = declared_version(&row["data"]);
                let known = editions.iter().map(|edition| edition.version).find(|known| Some(*known) == declared);
                let (major, minor) = known.unwrap_or((5, 3));
                assert_eq!(format!("{major}.{minor}"), row["schema_used"].as_str().unwrap(), "{}", row["name"]);
            }
        }
    }

    #[test]
    fn the_edges_of_the_declared_version() {
        let ok = |version: Value| validate(&json!({ "version": version })).is_ok();
        for good in [json!({"major": 5.0, "minor": 3.0}), json!({"major": 4}), json!({"major": 3}), json!({"major": 2})]
        {
            assert!(ok(good.clone()), "{good}");
        }
        assert!(ok(json!("1")) && ok(json!("1\n")) && ok(json!({"major": 1, "minor": 1})));
        for bad in [json!("1.0"), json!("5.3"), json!("+1"), json!({"major": 1}), json!({"major": 4, "minor": 6})] {
            assert!(!ok(bad.clone()), "{bad}");
        }
        for bad in [json!({"major": 5, "minor": true}), json!({"major": 5, "minor": null}), json!([]), json!(5)] {
            assert!(!ok(bad.clone()), "{bad}");
        }
        for report in [json!([]), json!(null), json!("x"), json!({})] {
            assert!(validate(&report).is_err(), "{report}");
        }
    }

    #[test]
    fn older_reports_keep_their_own_rules() {
        let build = |version: u64, url: &str| {
            json!({"version": {"major": version},
                "checkouts": [{"id": "riscv:c", "origin": "riscv", "git_repository_url": url, "comment": "a\0b"}]})
        };
        assert_eq!(validate(&build(4, "git://x/\u{b}")).unwrap_err().len(), 1);
        assert!(validate(&build(4, "git://x/")).is_ok());
        assert_eq!(validate(&build(5, "git://x/")).unwrap_err().len(), 2);
        let revision = |id: &str| {
            let build = json!({"id": "a:\u{2028}", "origin": "a", "revision_id": id});
            json!({"version": {"major": 3, "minor": 0}, "builds": [build]})
        };
        assert!(validate(&revision("f40ddce88593482919761f74910f42f4b84c004b")).is_ok());
        assert!(validate(&revision("riscv:c")).is_err());
    }
}
