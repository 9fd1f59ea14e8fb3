//! Tests of `config show`: it is TOML, it says where things came from, and no secret is in it.

use proptest::prelude::*;

use super::*;
use crate::config::flags::Flags;
use crate::config::keys::Kind;
use crate::config::load::load;
use crate::config::surroundings::Surroundings;

fn loaded(environment: &[(&str, &str)]) -> Loaded {
    load(&Flags::default(), &Surroundings::with(environment)).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn what_is_shown_is_toml_and_names_every_setting() {
    let text = show_toml(&loaded(&[("KCIDB_TOKEN", "x"), ("TESTYARD__KCIDB__TREES", r#"{"https://g/\n\"x":"next"}"#)]));
    let table: toml::Table = text.parse().expect("TOML");
    for key in KEYS {
        let set = table.get(key.section).and_then(|section| section.get(key.name)).is_some();
        assert!(set || text.contains(&format!("# {} is not set", key.name)), "{}", key.path());
    }
    assert!(text.contains("token = \"<set>\"  # environment KCIDB_TOKEN"), "{text}");
    assert!(text.contains("\nmax_tries = 12\n"), "a default has no comment: {text}");
}

#[test]
fn the_json_form_has_the_same_settings_and_their_origins() {
    let document: Value =
        serde_json::from_str(&show_json(&loaded(&[("TESTYARD_LISTEN", "127.0.0.1:9")]))).expect("JSON");
    assert_eq!(document.pointer("/settings/server/listen"), Some(&json!("127.0.0.1:9")));
    assert_eq!(document.get("origins"), Some(&json!({ "server.listen": "environment TESTYARD_LISTEN" })));
    assert_eq!(document.pointer("/settings/kcidb/token"), Some(&Value::Null));
}

proptest! {
    #[test]
    fn no_secret_is_ever_shown(secret in "[a-z0-9]{12,40}", in_query: bool) {
        let secret = format!("zq{secret}");
        let hash = "ab".repeat(32);
        let database = if in_query {
            format!("postgres://u@h/d?password={secret}&options=-cx%3D{secret}")
        } else {
            format!("postgres://u:{secret}@h/d")
        };
        let mut environment = vec![
            ("DATABASE_URL".to_owned(), database),
            ("KCIDB_SUBMIT_URL".to_owned(), format!("https://{secret}@h/")),
            ("TESTYARD_TOKENS".to_owned(), format!("ci:read:{hash},x:admin:{secret}")),
            ("TESTYARD_PUBLIC_URL".to_owned(), format!("https://u:{secret}@h/")),
            ("TUXAPI_URL".to_owned(), format!("https://{secret}@h/")),
        ];
        for key in KEYS.iter().filter(|key| key.kind == Kind::Secret) {
            environment.extend(key.names().into_iter().map(|name| (name, secret.clone())));
        }
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let loaded = loaded(&environment);
        let (warnings, problems) = loaded.findings();
        let said: String = warnings.iter().map(ToString::to_string).chain(problems.iter().map(ToString::to_string)).collect();
        // A URL's `Debug` is its own; it holds no secret once it passed the check, which refuses one with a user.
        let debug = format!("{:?}{:?}{:?}{:?}", loaded.settings.database, loaded.settings.kcidb, loaded.settings.access, loaded.settings.intake);
        for text in [show_toml(&loaded), show_json(&loaded), said, debug] {
            prop_assert!(!text.contains(&secret), "{text}");
            prop_assert!(!text.contains(&hash), "{text}");
        }
    }
}
