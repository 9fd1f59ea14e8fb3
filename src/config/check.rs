//! Contradictions: settings that are each well-formed and make no sense together. Each is a sentence that says what to
//! change; each stops the start, so that the operator learns of it then and not when a result is lost.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::database_url::{self, DatabaseKind};
use super::keys::KEYS;
use super::load::Problem;
use super::settings::{Access, Database, Intake, Server, Settings, Writer};
use crate::domain::address::AllowRule;
use crate::domain::queue::{MAX_PRIORITY, MIN_PRIORITY};

/// A sentence about settings that can be used as they are, but perhaps are not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub String);

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(Problem(text.into()));
    }

    pub(super) fn problem_if(&mut self, wrong: bool, text: impl Into<String>) {
        if wrong {
            self.problem(text);
        }
    }

    pub(super) fn warn_if(&mut self, odd: bool, text: impl Into<String>) {
        if odd {
            self.warnings.push(Warning(text.into()));
        }
    }

    /// Nothing, or at most ten years: longer times overflow somewhere and mean nothing.
    fn bounds(&mut self, settings: &Settings) {
        const TEN_YEARS: u64 = 10 * 365 * 24 * 3600;
        const MAY_BE_ZERO: [&str; 6] = [
            "server.shutdown_timeout_s",
            "runs.cancel_grace_s",
            "queue.max_per_session",
            "callbacks.unknown_retention_s",
            "callbacks.max_unknown",
            "catalogue.inline_bytes",
        ];
        let Ok(tree) = serde_json::to_value(settings) else { return };
        for key in KEYS {
            let Some(value) = tree.get(key.section).and_then(|it| it.get(key.name)).and_then(serde_json::Value::as_u64)
            else {
                continue;
            };
            let path = key.path();
            if value == 0 && !MAY_BE_ZERO.contains(&path.as_str()) {
                self.problem(format!("{path} is 0: give at least 1"));
            }
            self.problem_if(
                key.name.ends_with("_s") && value > TEN_YEARS,
                format!("{path} is longer than ten years: give at most {TEN_YEARS} seconds"),
            );
        }
    }
}

impl Settings {
    /// Looks for contradictions.
    ///
    /// # Errors
    ///
    /// Every contradiction, each as a sentence that says what to change.
    pub fn check(&self) -> Result<Vec<Warning>, Vec<Problem>> {
        let Findings { problems, warnings } = self.findings();
        if problems.is_empty() { Ok(warnings) } else { Err(problems) }
    }

    pub(super) fn findings(&self) -> Findings {
        let mut found = Findings::default();
        found.bounds(self);
        server(&self.server, &mut found);
        database(&self.database, &mut found);
        access(&self.access, &self.server, &mut found);
        found.warn_if(
            self.outbound.allow.iter().any(|rule| matches!(rule, AllowRule::Net(it) if it.prefix_len() == 0)),
            "outbound.allow holds a network of all addresses: callers can make this service fetch from anywhere it reaches",
        );
        found.problem_if(
            EnvFilter::builder().parse(&self.log.filter).is_err(),
            "log.filter is no filter: write it as RUST_LOG, for example info or info,testyard::work=debug",
        );
        super::check_services::services(self, &mut found);
        super::queue::check(&self.queue, &mut found);
        intake(&self.intake, &mut found);
        writer(&self.writer, &mut found);
        super::check_services::objects(self, &mut found);
        found.problem_if(
            self.catalogue.transfer_timeout_s > 43_200,
            "catalogue.transfer_timeout_s is longer than 12 hours: give at most 43200 seconds",
        );
        found
    }
}

fn server(server: &Server, found: &mut Findings) {
    if let Some(url) = &server.public_url {
        found.problem_if(
            !matches!(url.scheme(), "http" | "https"),
            "server.public_url must begin with http:// or https://",
        );
        found.problem_if(
            url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some(),
            "server.public_url is put before the paths of callbacks: leave out ?, # and user@",
        );
        found.warn_if(
            url.scheme() == "http" && !is_loopback(url),
            "server.public_url is http: the capabilities in callback URLs travel in the clear",
        );
    }
    let wildcard = server.cors_origins.iter().any(|origin| origin == "*");
    found.problem_if(
        wildcard && server.cors_origins.len() > 1,
        "server.cors_origins holds `*` among others: give `*` alone, or leave it out",
    );
    found.warn_if(
        wildcard,
        "server.cors_origins is `*`: every web page may call this service from its reader's browser",
    );
    for origin in server.cors_origins.iter().filter(|origin| *origin != "*") {
        found.problem_if(
            !is_origin(origin),
            format!("server.cors_origins: `{origin}` is no origin: write scheme://host or scheme://host:port, no path"),
        );
    }
}

/// A trailing slash is let through: pydantic wrote origins so.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        url.origin().is_tuple()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

fn database(database: &Database, found: &mut Findings) {
    let url = database.url.expose_secret();
    match (database.kind(), &database.ca_cert) {
        (Err(error), _) => found.problem(format!("database.url: {error}")),
        (Ok(DatabaseKind::Sqlite), ca_cert) => {
            found.warn_if(ca_cert.is_some(), "database.ca_cert has no effect: the database is SQLite");
            found.warn_if(
                !url.trim_start_matches("sqlite:").trim_start_matches("//").starts_with('/'),
                "database.url is a relative path: the database is another one when the service starts in another directory",
            );
        }
        (Ok(DatabaseKind::Postgres), Some(ca_cert)) => {
            found.problem_if(
                database_url::parameter(url, "sslmode").is_some_and(|mode| mode == "disable"),
                "database.ca_cert is set and database.url says sslmode=disable: leave one of them out",
            );
            found.problem_if(
                database_url::parameter(url, "sslrootcert").is_some_and(|given| given != ca_cert.to_string_lossy()),
                "database.ca_cert and the sslrootcert of database.url differ: leave one of them out",
            );
        }
        (Ok(DatabaseKind::Postgres), None) => {}
    }
}

fn access(access: &Access, server: &Server, found: &mut Findings) {
    let loopback = server.listen.ip().to_canonical().is_loopback();
    found.problem_if(
        !loopback && !access.open && access.tokens.is_empty(),
        format!(
            "server.listen is {}, which others can reach, and no tokens are configured: add access.tokens, or say \
             access.open = true (--open) if everybody may do everything, or listen on 127.0.0.1",
            server.listen
        ),
    );
    found.problem_if(
        access.open && !access.tokens.is_empty(),
        "access.open lets everybody in and access.tokens asks for tokens: leave one of them out",
    );
    let (mut names, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    for (place, token) in access.tokens.iter().enumerate() {
        let place = place + 1;
        let name = &token.name;
        let hash = token.sha256.to_ascii_lowercase();
        found.problem_if(name.trim().is_empty(), format!("access.tokens: entry {place} has no name: give it one"));
        found.problem_if(
            hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
            format!(
                "access.tokens: the sha256 of entry {place} is not 64 hexadecimal digits: \
                 printf %s \"$TOKEN\" | sha256sum prints it"
            ),
        );
        found.problem_if(
            hash == SHA256_OF_NOTHING,
            format!("access.tokens: the sha256 of entry {place} is that of an empty token: was $TOKEN set?"),
        );
        found.problem_if(
            !(MIN_PRIORITY..=MAX_PRIORITY).contains(&token.max_priority),
            format!(
                "access.tokens: the max_priority of entry {place} is {}: give a number from {MIN_PRIORITY} to {MAX_PRIORITY}",
                token.max_priority
            ),
        );
        found.problem_if(!names.insert(name), format!("access.tokens: the name `{name}` stands twice: rename one"));
        found.problem_if(
            !hashes.insert(hash),
            format!("access.tokens: entry {place} has the sha256 of an earlier one: leave one of them out"),
        );
    }
}

const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn intake(intake: &Intake, found: &mut Findings) {
    found.problem_if(
        intake.second_jwt_secret.is_some() && intake.jwt_secret.is_none(),
        "intake.second_jwt_secret is set without intake.jwt_secret: give the only secret as intake.jwt_secret",
    );
    let is_short =
        |secret: &Option<SecretString>| secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < 32);
    found.warn_if(
        is_short(&intake.jwt_secret) || is_short(&intake.second_jwt_secret),
        "intake: a JWT secret is shorter than 32 bytes, which HS256 wants (RFC 7518, 3.2)",
    );
}

fn writer(writer: &Writer, found: &mut Findings) {
    found.warn_if(writer.batch > writer.queue, "writer.batch is larger than writer.queue: no batch will ever be full");
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
