//! The list of settings: the key of each leaf of [`super::Settings`], the shape of its value, and its names in the
//! environment beside the general one.
//!
//! Every leaf can be set as `TESTYARD__SECTION__KEY`. The short names are ours (`TESTYARD_LISTEN`), those that every
//! service knows (`DATABASE_URL`, `RUST_LOG`), those of the bridge (`DB_URL`, `DEBUG`, …) and of kcidb-restd (`JWT_SECRET`).

/// The shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Text that is never shown.
    Secret,
    /// The URL of a database: shown without its password.
    DatabaseUrl,
    /// The address of the sink, which may carry its token as `https://TOKEN@host/`.
    SubmitUrl,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// A list of texts.
    List,
    /// A list of [`super::Token`].
    Tokens,
    /// A table, or a list of tables.
    Tables,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    /// The name of its table in the file.
    pub(super) section: &'static str,
    /// Its name in that table.
    pub(super) name: &'static str,
    /// The shape of its value.
    pub(super) kind: Kind,
    /// Its short names in the environment.
    pub(super) environment: &'static [&'static str],
}

impl Key {
    const fn new(section: &'static str, name: &'static str, kind: Kind, environment: &'static [&'static str]) -> Self {
        Self { section, name, kind, environment }
    }

    /// `section.name`.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// `TESTYARD__SECTION__NAME`.
    pub(super) fn general_name(&self) -> String {
        format!("TESTYARD__{}__{}", self.section, self.name).to_ascii_uppercase()
    }

    /// Every name in the environment.
    pub(super) fn names(&self) -> Vec<String> {
        self.environment.iter().map(|name| (*name).to_owned()).chain([self.general_name()]).collect()
    }

    /// Whether the value may be read from a file that `NAME_FILE` names, and must not stand in messages.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::DatabaseUrl | Kind::SubmitUrl | Kind::Tokens)
    }
}

/// The key of `section.name`.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// Every setting, in the order in which people see them.
pub(super) static KEYS: &[Key] = &[
    Key::new("server", "listen", Kind::Text, &["TESTYARD_LISTEN"]),
    Key::new("server", "public_url", Kind::Text, &["TESTYARD_PUBLIC_URL"]),
    Key::new("server", "cors_origins", Kind::List, &["BACKEND_CORS_ORIGINS"]),
    Key::new("server", "max_body_bytes", Kind::Integer, &[]),
    Key::new("server", "request_timeout_s", Kind::Integer, &[]),
    Key::new("server", "max_event_streams", Kind::Integer, &[]),
    Key::new("server", "shutdown_timeout_s", Kind::Integer, &[]),
    Key::new("server", "state_dir", Kind::Text, &["TESTYARD_STATE_DIR"]),
    Key::new("database", "url", Kind::DatabaseUrl, &["DATABASE_URL", "DB_URL"]),
    Key::new("database", "max_connections", Kind::Integer, &[]),
    Key::new("database", "ca_cert", Kind::Text, &["DB_CERT_PATH"]),
    Key::new("access", "open", Kind::Boolean, &["TESTYARD_OPEN"]),
    Key::new("access", "tokens", Kind::Tokens, &["TESTYARD_TOKENS"]),
    Key::new("outbound", "allow", Kind::List, &["TESTYARD_OUTBOUND_ALLOW"]),
    Key::new("log", "format", Kind::Text, &["TESTYARD_LOG_FORMAT", "LOG_FORMAT"]),
    Key::new("log", "filter", Kind::Text, &["RUST_LOG"]),
    Key::new("kcidb", "submit_url", Kind::SubmitUrl, &["KCIDB_SUBMIT_URL"]),
    Key::new("kcidb", "token", Kind::Secret, &["KCIDB_TOKEN"]),
    Key::new("kcidb", "origin", Kind::Text, &[]),
    Key::new("kcidb", "dry_run", Kind::Boolean, &["DEBUG"]),
    Key::new("kcidb", "report_cases", Kind::Boolean, &[]),
    Key::new("kcidb", "batch_objects", Kind::Integer, &[]),
    Key::new("kcidb", "batch_bytes", Kind::Integer, &[]),
    Key::new("kcidb", "timeout_s", Kind::Integer, &[]),
    Key::new("kcidb", "follow_receipts", Kind::Boolean, &[]),
    Key::new("kcidb", "receipt_poll_s", Kind::Integer, &[]),
    Key::new("kcidb", "receipt_timeout_s", Kind::Integer, &[]),
    Key::new("kcidb", "retry_base_s", Kind::Integer, &[]),
    Key::new("kcidb", "retry_max_s", Kind::Integer, &[]),
    Key::new("kcidb", "trees", Kind::Tables, &[]),
    Key::new("tuxsuite", "enabled", Kind::Boolean, &[]),
    Key::new("tuxsuite", "token", Kind::Secret, &["TUXSUITE_TOKEN"]),
    Key::new("tuxsuite", "group", Kind::Text, &["TUXSUITE_GROUP"]),
    Key::new("tuxsuite", "project", Kind::Text, &["TUXSUITE_PROJECT"]),
    Key::new("tuxsuite", "api_url", Kind::Text, &["TUXAPI_URL"]),
    Key::new("tuxsuite", "device", Kind::Text, &[]),
    Key::new("tuxsuite", "target_arch", Kind::Text, &[]),
    Key::new("tuxsuite", "signature", Kind::Text, &[]),
    Key::new("tuxsuite", "public_key", Kind::Text, &[]),
    Key::new("tuxsuite", "download_hosts", Kind::List, &[]),
    Key::new("tuxsuite", "timeout_s", Kind::Integer, &[]),
    Key::new("tuxsuite", "max_results_bytes", Kind::Integer, &[]),
    Key::new("tuxsuite", "max_log_bytes", Kind::Integer, &[]),
    Key::new("local", "recipes", Kind::Tables, &[]),
    Key::new("local", "work_dir", Kind::Text, &[]),
    Key::new("local", "max_jobs", Kind::Integer, &[]),
    Key::new("runners", "http", Kind::Tables, &[]),
    Key::new("runners", "subprocess", Kind::Tables, &[]),
    Key::new("agents", "heartbeat_s", Kind::Integer, &[]),
    Key::new("agents", "lease_s", Kind::Integer, &[]),
    Key::new("agents", "poll_max_s", Kind::Integer, &[]),
    Key::new("agents", "on_lost", Kind::Text, &[]),
    Key::new("agents", "max_attempts", Kind::Integer, &[]),
    Key::new("agents", "registration_s", Kind::Integer, &[]),
    Key::new("runs", "max_tries", Kind::Integer, &[]),
    Key::new("runs", "retry_base_s", Kind::Integer, &[]),
    Key::new("runs", "retry_max_s", Kind::Integer, &[]),
    Key::new("runs", "poll_interval_s", Kind::Integer, &[]),
    Key::new("runs", "poll_max_interval_s", Kind::Integer, &[]),
    Key::new("runs", "deadline_s", Kind::Integer, &[]),
    Key::new("runs", "cancel_grace_s", Kind::Integer, &[]),
    Key::new("runs", "collect_max_tries", Kind::Integer, &[]),
    Key::new("runs", "breaker_failures", Kind::Integer, &[]),
    Key::new("runs", "breaker_pause_s", Kind::Integer, &[]),
    Key::new("runs", "lease_s", Kind::Integer, &[]),
    Key::new("queue", "half_life_s", Kind::Integer, &[]),
    Key::new("queue", "ageing_s", Kind::Integer, &[]),
    Key::new("queue", "max_per_session", Kind::Integer, &[]),
    Key::new("queue", "max_running", Kind::Tables, &[]),
    Key::new("queue", "weights", Kind::Tables, &[]),
    Key::new("queue", "pools", Kind::Tables, &[]),
    Key::new("callbacks", "unknown_retention_s", Kind::Integer, &[]),
    Key::new("callbacks", "max_unknown", Kind::Integer, &[]),
    Key::new("intake", "enabled", Kind::Boolean, &[]),
    Key::new("intake", "jwt_secret", Kind::Secret, &["JWT_SECRET"]),
    Key::new("intake", "second_jwt_secret", Kind::Secret, &["UNIFIED_SECRET"]),
    Key::new("intake", "max_body_bytes", Kind::Integer, &[]),
    Key::new("writer", "queue", Kind::Integer, &[]),
    Key::new("writer", "batch", Kind::Integer, &[]),
    Key::new("writer", "writers", Kind::Integer, &[]),
    Key::new("catalogue", "max_items", Kind::Integer, &[]),
    Key::new("catalogue", "max_attachment_bytes", Kind::Integer, &[]),
    Key::new("catalogue", "inline_bytes", Kind::Integer, &[]),
    Key::new("catalogue", "max_import_bytes", Kind::Integer, &[]),
    Key::new("catalogue", "transfer_timeout_s", Kind::Integer, &[]),
    Key::new("catalogue", "orphan_retention_s", Kind::Integer, &[]),
    Key::new("objects", "bucket", Kind::Text, &["TESTYARD_OBJECTS_BUCKET"]),
    Key::new("objects", "endpoint_url", Kind::Text, &["AWS_ENDPOINT_URL"]),
    Key::new("objects", "region", Kind::Text, &["AWS_REGION"]),
    Key::new("objects", "access_key_id", Kind::Text, &["AWS_ACCESS_KEY_ID"]),
    Key::new("objects", "secret_access_key", Kind::Secret, &["AWS_SECRET_ACCESS_KEY"]),
    Key::new("logs", "max_bytes", Kind::Integer, &[]),
    Key::new("logs", "max_lines", Kind::Integer, &[]),
    Key::new("artifacts", "max_bytes", Kind::Integer, &[]),
    Key::new("artifacts", "max_run_bytes", Kind::Integer, &[]),
    Key::new("artifacts", "max_files", Kind::Integer, &[]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Settings;

    #[test]
    fn the_list_names_every_leaf_of_the_settings_and_no_more() {
        let serde_json::Value::Object(sections) = serde_json::to_value(Settings::default()).expect("settings are JSON")
        else {
            panic!("settings are an object")
        };
        let leaves: BTreeSet<String> = sections
            .iter()
            .flat_map(|(section, keys)| {
                keys.as_object().expect("a section is an object").keys().map(move |key| format!("{section}.{key}"))
            })
            .collect();
        let listed: BTreeSet<String> = KEYS.iter().map(Key::path).collect();
        assert_eq!(listed.len(), KEYS.len(), "a key stands twice");
        assert_eq!(leaves, listed);
    }

    #[test]
    fn no_name_in_the_environment_means_two_settings() {
        let names: Vec<String> = KEYS.iter().flat_map(Key::names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
