//! The examples of `docs/runners.md` are the settings that the fakes are spoken to by.

use std::collections::BTreeMap;

use testyard::config::{Flags, Runners, Settings, Surroundings, load};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runners.md"));

/// The secret that the documented lab signs with.
pub(super) const HOOK: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
/// The token that it asks for.
pub(super) const TOKEN: &str = "lab-token";

/// The example that begins with this line.
fn example(begin: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("```toml\n{begin}\n")).expect("the document has the example");
    rest.split_once("```").expect("the example ends").0
}

/// The runners of an example, after this was done to its text.
fn load_example(begin: &str, change: impl Fn(&str) -> String) -> Runners {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{begin}\n{}", change(example(begin)))).unwrap();
    let flags = Flags { config: Some(file.path().to_owned()), ..Flags::default() };
    let surroundings = Surroundings::with(&[("LAB_TOKEN", TOKEN), ("LAB_HOOK", HOOK)]);
    let loaded = load(&flags, &surroundings).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.findings().1, [], "the example stops the start");
    loaded.settings.runners
}

/// The documented HTTP runner, at this address.
pub(super) fn http(url: &str) -> Runners {
    load_example("[[runners.http]]", |text| text.replace("https://lab.example.org", url))
}

/// The documented program, as this one in this folder.
pub(super) fn subprocess(program: &str, environment: BTreeMap<String, String>) -> Runners {
    let mut runners = load_example("[[runners.subprocess]]", |text| text.replace("/opt/bench/lab.sh", program));
    runners.subprocess[0].environment = environment;
    runners
}

#[test]
fn the_documented_examples_need_no_change() {
    assert_eq!(load_example("[[runners.http]]", str::to_owned).http[0].name, "lab");
    let runner = &load_example("[[runners.subprocess]]", str::to_owned).subprocess[0];
    assert_eq!((runner.name.as_str(), runner.max_jobs), ("bench", 4));
}

#[test]
fn an_example_without_its_secrets_says_what_to_set() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("[[runners.http]]\n{}", example("[[runners.http]]"))).unwrap();
    let flags = Flags { config: Some(file.path().to_owned()), ..Flags::default() };
    let problems = load(&flags, &Surroundings::with(&[("LAB_TOKEN", TOKEN)])).unwrap_err().to_string();
    assert_eq!(
        problems,
        "runners.http: `lab`: the secret `hook` is read from the environment, and neither LAB_HOOK nor LAB_HOOK_FILE is \
         set there"
    );
    let settings = Settings { runners: load_example("[[runners.http]]", str::to_owned), ..Settings::default() };
    let shown = serde_json::to_string(&settings).unwrap() + &format!("{settings:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains(HOOK), "secrets are not shown");
}
