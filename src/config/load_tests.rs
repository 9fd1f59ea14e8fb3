//! Tests of the layers: who wins, who is refused, and in which words.

use std::io::Write as _;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use tempfile::NamedTempFile;

use super::*;
use crate::config::{Assignment, LogFormat, Scope, SignaturePolicy};

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("room for it");
    file
}

fn with_file(file: &NamedTempFile) -> Flags {
    Flags { config: Some(file.path().to_owned()), ..Flags::default() }
}

fn from_environment(environment: &[(&str, &str)]) -> Result<Loaded, Problems> {
    load(&Flags::default(), &Surroundings::with(environment))
}

fn loaded(environment: &[(&str, &str)]) -> Settings {
    from_environment(environment).unwrap_or_else(|problems| panic!("{problems}")).settings
}

fn refused(environment: &[(&str, &str)]) -> String {
    from_environment(environment).expect_err("these settings cannot be used").to_string()
}

fn from_file(text: &str) -> Result<Loaded, Problems> {
    load(&with_file(&file(text)), &Surroundings::default())
}

fn leaf(settings: &Settings, path: &str) -> serde_json::Value {
    let tree = serde_json::to_value(settings).expect("settings are JSON");
    tree.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default()
}

#[test]
fn nothing_given_gives_the_defaults() {
    let loaded = load(&Flags::default(), &Surroundings::with(&[("HOME", "/home/u")])).expect("defaults");
    assert!(loaded.origins.is_empty() && loaded.warnings.is_empty() && loaded.file.is_none());
    assert_eq!(loaded.settings.server.state_dir, Path::new("/home/u/.local/state/testyard"));
    assert_eq!(loaded.settings.database.url.expose_secret(), "sqlite:/home/u/.local/state/testyard/testyard.sqlite");
    let loaded = load(&Flags::default(), &Surroundings::default()).expect("defaults");
    assert_eq!(
        serde_json::to_value(&loaded.settings).expect("JSON"),
        serde_json::to_value(Settings::default()).expect("JSON")
    );
    assert_eq!(loaded.settings.check(), Ok(Vec::new()));
}

#[test]
fn the_database_moves_with_the_state_directory_unless_it_is_named() {
    let settings = loaded(&[("TESTYARD_STATE_DIR", "/srv/ty")]);
    assert_eq!(settings.database.url.expose_secret(), "sqlite:/srv/ty/testyard.sqlite");
    let settings = loaded(&[("TESTYARD_STATE_DIR", "/srv/ty"), ("DATABASE_URL", "sqlite:/x.db")]);
    assert_eq!(settings.database.url.expose_secret(), "sqlite:/x.db");
}

#[test]
fn each_layer_goes_over_the_one_before() {
    let toml =
        file("[server]\nlisten = \"127.0.0.1:1\"\n[log]\nformat = \"json\"\n[runs]\nmax_tries = 3\nlease_s = 90\n");
    let environment = Surroundings::with(&[("TESTYARD_LISTEN", "127.0.0.1:2"), ("TESTYARD__RUNS__LEASE_S", "91")]);
    let flags = Flags { listen: Some("127.0.0.1:3".to_owned()), ..with_file(&toml) };
    let loaded = load(&flags, &environment).expect("good layers");
    let Loaded { settings, origins, .. } = loaded;
    assert_eq!(settings.server.listen.port(), 3);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!((settings.runs.max_tries, settings.runs.lease_s), (3, 91));
    let origin = |key: &str| origins.get(key).map(ToString::to_string);
    assert_eq!(origin("server.listen").as_deref(), Some("flag --listen"));
    assert_eq!(origin("runs.lease_s").as_deref(), Some("environment TESTYARD__RUNS__LEASE_S"));
    assert_eq!(origin("runs.max_tries"), Some(format!("file {}", toml.path().display())));
    assert_eq!(origin("runs.deadline_s"), None);
}

#[test]
fn the_settings_file_is_found() {
    let one = file("[runs]\nmax_tries = 1\n");
    let two = file("[runs]\nmax_tries = 2\n");
    let three = file("[runs]\nmax_tries = 3\n");
    let mut surroundings = Surroundings::with(&[]);
    surroundings.default_files = vec![PathBuf::from("/nonexistent/testyard.toml"), three.path().to_owned()];
    let tries =
        |flags: &Flags, surroundings: &Surroundings| load(flags, surroundings).map(|it| it.settings.runs.max_tries);
    assert_eq!(tries(&Flags::default(), &surroundings), Ok(3));
    surroundings.environment.0.insert("TESTYARD_CONFIG".to_owned(), two.path().display().to_string());
    assert_eq!(tries(&Flags::default(), &surroundings), Ok(2));
    assert_eq!(tries(&with_file(&one), &surroundings), Ok(1));
    let missing = Surroundings::with(&[("TESTYARD_CONFIG", "/nonexistent/x.toml")]);
    let error = tries(&Flags::default(), &missing).expect_err("no such file").to_string();
    assert!(error.contains("/nonexistent/x.toml cannot be read"), "{error}");
}

#[test]
fn an_environment_file_lies_under_the_environment_and_is_read_only_when_named() {
    let dotenv = file("TESTYARD_LISTEN=127.0.0.1:5\nKCIDB_TOKEN='a b'\n");
    let flags = Flags { env_file: Some(dotenv.path().to_owned()), ..Flags::default() };
    let loaded = load(&flags, &Surroundings::with(&[("TESTYARD_LISTEN", "127.0.0.1:6")])).expect("good");
    assert_eq!(loaded.settings.server.listen.port(), 6);
    assert_eq!(loaded.settings.kcidb.token.expect("a token").expose_secret(), "a b");
    let flags = Flags { env_file: Some(PathBuf::from("/nonexistent/.env")), ..Flags::default() };
    let error = load(&flags, &Surroundings::default()).expect_err("no such file").to_string();
    assert!(error.contains("/nonexistent/.env cannot be read"), "{error}");
}

#[test]
fn every_name_in_the_environment_sets_its_setting() {
    use keys::Kind::{Boolean, Integer, List, Secret, SubmitUrl, Text};

    for key in KEYS {
        let default = leaf(&Settings::default(), &key.path());
        for name in key.names() {
            let (text, seen) = match (key.path().as_str(), key.kind) {
                ("server.listen", _) => ("[::1]:9", "\"[::1]:9\""),
                ("database.url", _) => ("postgresql://u:p@h/d", "\"postgres://u:***@h/d\""),
                ("access.tokens", _) => {
                    ("a:read:b", r#"[{"max_priority":100,"name":"a","scope":"read","sha256":"<set>"}]"#)
                }
                ("queue.max_running" | "queue.weights", _) => (r#"{"x":3}"#, r#"{"x":3}"#),
                ("queue.pools", _) => {
                    (r#"[{"runner":"x","name":"gpu","slots":4}]"#, r#"[{"name":"gpu","runner":"x","slots":4}]"#)
                }
                ("log.format", _) => ("json", "\"json\""),
                ("tuxsuite.signature", _) => ("off", "\"off\""),
                ("local.recipes", _) => (
                    r#"[{"name":"x","trees":["/t"],"build":[["make"]]}]"#,
                    r#"[{"build":[["make"]],"compiler":[],"max_output_bytes":1048576,"name":"x","test":[],"timeout_s":3600,"trees":["/t"]}]"#,
                ),
                ("runners.http", _) => (
                    r#"[{"name":"lab","kinds":["tests"],"submit":{"url":"https://h/a"},"poll":{"url":"https://h/b"}}]"#,
                    concat!(
                        r#"[{"answer":{"build":{}},"callback":{"secrets":[]},"headers":{},"idempotent":false,"#,
                        r#""kinds":["tests"],"max_answer_bytes":8388608,"name":"lab","phases":{},"#,
                        r#""poll":{"headers":{},"url":"https://h/b"},"secrets":{},"sign_with":[],"statuses":{},"#,
                        r#""submit":{"headers":{},"url":"https://h/a"},"timeout_s":30}]"#
                    ),
                ),
                ("runners.subprocess", _) => (
                    r#"[{"name":"bench","kinds":["tests"],"argv":["x"]}]"#,
                    concat!(
                        r#"[{"argv":["x"],"environment":{},"idempotent":false,"kinds":["tests"],"#,
                        r#""max_answer_bytes":8388608,"max_jobs":4,"name":"bench","secrets":{},"timeout_s":30}]"#
                    ),
                ),
                ("kcidb.trees", _) => (r#"{"https://g/x":"next"}"#, r#"{"https://g/x":"next"}"#),
                (path, Text) if path.ends_with("_url") => ("https://h/x", "\"https://h/x\""),
                (_, SubmitUrl) => ("https://h/x", "\"https://h/x\""),
                (_, Secret) => ("s", "\"<set>\""),
                (_, Text) => ("some-text", "\"some-text\""),
                (_, Integer) => ("7", "7"),
                (_, Boolean) => {
                    if default == serde_json::Value::Bool(true) {
                        ("off", "false")
                    } else {
                        ("on", "true")
                    }
                }
                (_, List) => ("a.example,b.example", r#"["a.example","b.example"]"#),
                (path, kind) => panic!("no example of {path} ({kind:?})"),
            };
            let settings = loaded(&[(&name, text)]);
            assert_eq!(leaf(&settings, &key.path()).to_string(), seen, "{name}");
            assert_ne!(leaf(&settings, &key.path()), default, "{name}");
            let path = file(&format!("{text}\n"));
            let file_name = format!("{name}_FILE");
            let by_file = from_environment(&[(&file_name, &path.path().display().to_string())]);
            if key.is_secret() {
                assert_eq!(leaf(&by_file.expect(&file_name).settings, &key.path()).to_string(), seen, "{file_name}");
                let both = refused(&[(&name, text), (&file_name, &path.path().display().to_string())]);
                assert!(both.contains("both set"), "{both}");
            } else {
                assert!(by_file.map_or(true, |it| it.origins.is_empty()), "{file_name} is no name");
            }
        }
    }
}

#[test]
fn the_bridges_environment_works_as_it_is() {
    let environment = [
        ("PROJECT_NAME", "RISC-V bridge"),
        ("BACKEND_CORS_ORIGINS", r#"["http://localhost:3000"]"#),
        ("MODE", "production"),
        ("DB_URL", "postgresql+psycopg2://bridge:p%40ss@db:5432/bridge"),
        ("DB_CERT_PATH", ""),
        ("LOGS_FILE", "/logs/log"),
        ("DEBUG", "True"),
        ("API_VERSION", "v1"),
        ("API_V1_STR", "/api/v1"),
        ("KCIDB_SUBMIT_URL", "https://staging.db.kernelci.org/submit"),
        ("KCIDB_TOKEN", "t1"),
        ("TUXSUITE_TOKEN", "t2"),
        ("TUXSUITE_GROUP", "g"),
        ("TUXSUITE_PROJECT", "p"),
        ("TUXAPI_URL", "http://127.0.0.1:9"),
    ];
    let loaded = from_environment(&environment).expect("the bridge's settings");
    let told: Vec<&str> = loaded.warnings.iter().filter_map(|warning| warning.0.split(' ').next()).collect();
    assert_eq!(told, ["PROJECT_NAME", "MODE", "LOGS_FILE", "API_VERSION", "API_V1_STR"]);
    let Settings { server, database, kcidb, tuxsuite, .. } = loaded.settings;
    assert_eq!(server.cors_origins, ["http://localhost:3000"]);
    assert_eq!(database.url.expose_secret(), "postgres://bridge:p%40ss@db:5432/bridge");
    assert_eq!(database.ca_cert, None);
    assert!(kcidb.dry_run && tuxsuite.is_enabled());
    assert_eq!(kcidb.submit_url.expect("an address").as_str(), "https://staging.db.kernelci.org/submit");
    assert_eq!(tuxsuite.api_url.as_str(), "http://127.0.0.1:9/");
    for (name, value) in [("API_V1_STR", "/v2"), ("API_VERSION", "v2"), ("DEBUG", "release")] {
        assert!(refused(&[(name, value)]).contains(name));
    }
}

#[test]
fn the_certificate_of_the_bridge_becomes_the_root_of_trust() {
    let settings = loaded(&[("DB_URL", "postgresql+psycopg2://u@h/d"), ("DB_CERT_PATH", "/ca.pem")]);
    let url = settings.database.connect_url();
    assert_eq!(url.expose_secret(), "postgres://u@h/d?sslrootcert=%2Fca.pem&sslmode=verify-full");
}

#[test]
fn the_two_database_names_read_three_slashes_each_in_its_way() {
    assert_eq!(loaded(&[("DB_URL", "sqlite:///x.db")]).database.url.expose_secret(), "sqlite:x.db");
    assert_eq!(loaded(&[("DATABASE_URL", "sqlite:///x.db")]).database.url.expose_secret(), "sqlite:/x.db");
}

#[test]
fn names_of_one_layer_must_agree() {
    let same = [("DATABASE_URL", "postgres://h/d"), ("DB_URL", "postgresql+asyncpg://h/d")];
    assert_eq!(loaded(&same).database.url.expose_secret(), "postgres://h/d");
    for environment in [
        &[("DATABASE_URL", "postgres://u:s3cret@h/d"), ("DB_URL", "postgres://u:s3cret@h/e")][..],
        &[("TESTYARD_LOG_FORMAT", "json"), ("LOG_FORMAT", "text")],
        &[("TESTYARD_LISTEN", "127.0.0.1:1"), ("TESTYARD__SERVER__LISTEN", "127.0.0.1:2")],
        &[("KCIDB_SUBMIT_URL", "https://s3cret@h/"), ("KCIDB_TOKEN", "other-s3cret")],
    ] {
        let error = refused(environment);
        assert!(error.contains("given twice, differently") && !error.contains("s3cret"), "{error}");
    }
    let token = loaded(&[("KCIDB_SUBMIT_URL", "https://one@h/"), ("KCIDB_TOKEN", "one")]).kcidb.token;
    assert_eq!(token.expect("a token").expose_secret(), "one");
}

#[test]
fn files_of_secrets_are_cut_at_their_ends_and_must_hold_something() {
    let secret = file("  s3cret\n\n");
    let settings = loaded(&[("TUXSUITE_TOKEN_FILE", &secret.path().display().to_string())]);
    assert_eq!(settings.tuxsuite.token.expect("a token").expose_secret(), "s3cret");
    let empty = file("\n");
    assert!(refused(&[("JWT_SECRET_FILE", &empty.path().display().to_string())]).contains("is empty"));
    assert!(refused(&[("DB_URL_FILE", "/nonexistent/url")]).contains("/nonexistent/url cannot be read"));
    let url = file("sqlite:///x.db\n");
    let settings = loaded(&[("DB_URL_FILE", &url.path().display().to_string())]);
    assert_eq!(settings.database.url.expose_secret(), "sqlite:x.db");
}

#[test]
fn tokens_come_from_the_environment_and_from_the_file() {
    let hash = "ab".repeat(32);
    let settings = loaded(&[("TESTYARD_TOKENS", &format!("ci:submit:{hash}, ops:admin:{hash}"))]);
    let tokens: Vec<_> = settings.access.tokens.iter().map(|token| (token.name.as_str(), token.scope)).collect();
    assert_eq!(tokens, [("ci", Scope::Submit), ("ops", Scope::Admin)]);
    let text = format!("[[access.tokens]]\nname = \"ci\"\nscope = \"read\"\nsha256 = \"{hash}\"\n");
    assert_eq!(from_file(&text).expect("good").settings.access.tokens[0].sha256, hash);
    for wrong in ["ci:s3cret:00", "s3cret"] {
        let error = refused(&[("TESTYARD_TOKENS", wrong)]);
        assert!(error.contains("name:scope:sha256") && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn every_mistake_in_a_file_is_reported_with_its_place() {
    let text = "[server]\nlisten = \"nowhere\"\nlisen = 1\n[runs]\nmax_tries = \"3\"\nlease_s = -1\n[nothing]\nx = 1\n[log]\n\
                format = \"xml\"\n[kcidb]\ntoken = 12345\n[tuxsuite]\napi_url = \"x\"\n";
    let error = from_file(text).expect_err("mistakes").to_string();
    for words in [
        "server.listen (file ",
        "server.lisen (file ",
        "[server] has listen, public_url",
        "runs.max_tries (file ",
        "want a whole number without quotes",
        "runs.lease_s (file ",
        "[nothing] (file ",
        "there is no such section; there are server, database, access",
        "`xml` is not a log format: want one of text, json",
        "kcidb.token (file ",
        "tuxsuite.api_url (file ",
    ] {
        assert!(error.contains(words), "no {words:?} in:\n{error}");
    }
    assert_eq!(error.lines().count(), 8, "{error}");
    assert!(!error.contains("12345"), "{error}");
}

#[test]
fn a_file_that_is_no_toml_is_refused_by_line_without_its_text() {
    let error = from_file("[kcidb]\ntoken = \"s3cret\n").expect_err("no TOML").to_string();
    assert!(error.contains("line 2: ") && !error.contains("s3cret"), "{error}");
    let error = from_file("server = 1\n").expect_err("no section").to_string();
    assert!(error.contains("want a section, as in [server]"), "{error}");
}

#[test]
fn unknown_names_are_not_silent() {
    assert!(refused(&[("TESTYARD__SERVER__LISEN", "x")]).contains("TESTYARD__SERVER__LISEN: there is no such setting"));
    let loaded =
        from_environment(&[("TESTYARD_LISEN", "x"), ("TESTYARD_TOKENS_FILE", ""), ("HOME", "/h")]).expect("good");
    assert_eq!(loaded.warnings, [Warning("TESTYARD_LISEN has no effect: there is no such setting".to_owned())]);
    let unreadable = Surroundings { unreadable: vec!["KCIDB_TOKEN".to_owned()], ..Surroundings::default() };
    assert!(load(&Flags::default(), &unreadable).expect_err("not UTF-8").to_string().contains("want UTF-8"));
}

#[test]
fn any_setting_can_be_a_flag() {
    let set = |texts: &[&str]| {
        let set = texts.iter().map(|text| Assignment::from((*text).to_owned())).collect();
        load(&Flags { set, ..Flags::default() }, &Surroundings::default())
    };
    let settings = set(&["tuxsuite.signature=required", "kcidb.dry_run=yes", "outbound.allow=10.0.0.0/8,x.example:1"])
        .expect("good")
        .settings;
    assert_eq!(settings.tuxsuite.signature, SignaturePolicy::Required);
    assert!(settings.kcidb.dry_run);
    assert_eq!(settings.outbound.allow.len(), 2);
    for (text, words) in [
        ("kcidb.token", "--set wants section.key=value"),
        ("x=1", "want section.key=value"),
        ("kcidb.tokn=s3cret", "[kcidb] has submit_url, token"),
        ("runs.max_tries=many", "want a whole number, not `many`"),
        (r#"local.recipes=[{"name":"x","build":[["make"]]}]"#, "missing field `trees`"),
    ] {
        let error = set(&[text]).expect_err(text).to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
    }
    let error = set(&["runs.max_tries=1", "runs.max_tries=2"]).expect_err("two values").to_string();
    assert!(error.contains("given twice"), "{error}");
}

proptest! {
    /// Whatever stands in the environment or in a file: an answer, never a panic.
    #[test]
    fn loading_never_panics(text in ".{0,40}", key in 0..KEYS.len(), name in 0usize..3) {
        let names = KEYS[key].names();
        let _ = from_environment(&[(&names[name % names.len()], &text)]).map(|loaded| loaded.settings.check());
        let _ = from_file(&text);
        let _ = from_file(&format!("[{}]\n{} = {text}\n", KEYS[key].section, KEYS[key].name));
    }
}
