//! Loading: the four layers, overlaid.
//!
//! A layer is a list of claims. Two claims of one layer on one setting must agree (`DATABASE_URL` and `DB_URL`; a name and
//! its `_FILE`), else it is left to chance which one was meant. Each claim is read on its own first, so that every mistake
//! is reported, with the place that it came from, and not only the first one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use toml::{Table, Value};

use super::check::Warning;
use super::claims::{self, Claim, Origin, Read};
use super::compat;
use super::database_url;
use super::flags::Flags;
use super::keys::{self, KEYS, Key};
use super::settings::Settings;
use super::surroundings::{Surroundings, parse_env_file};

/// A sentence about settings that stops the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why settings cannot be used: at least one problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// Settings, and how they came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Where each setting that somebody chose came from, by its key: `kcidb.token`.
    pub origins: BTreeMap<String, Origin>,
    /// What was given and has no effect.
    pub warnings: Vec<Warning>,
    /// The settings file that was read.
    pub file: Option<PathBuf>,
}

/// Overlays the layers. Whether the settings contradict each other is for [`Settings::check`].
///
/// # Errors
///
/// Every problem there is: unknown keys, values of the wrong shape, files that cannot be read, claims that disagree.
pub fn load(flags: &Flags, surroundings: &Surroundings) -> Result<Loaded, Problems> {
    let mut loader = Loader::default();
    let surroundings = loader.with_env_file(flags, surroundings);
    let (file, file_claims) = loader.file(flags, &surroundings);
    let environment_claims = loader.environment(&surroundings);
    let flag_claims = loader.flags(flags);

    let mut origins = BTreeMap::new();
    let mut table = Table::new();
    for claims in [file_claims, environment_claims, flag_claims] {
        for claim in loader.agreed(claims) {
            loader.probe(&claim);
            put(&mut table, claim.key, claim.value);
            origins.insert(claim.key.path(), claim.origin);
        }
    }
    put_defaults(&mut table, &origins, &surroundings);
    if !loader.problems.is_empty() {
        return Err(Problems(loader.problems));
    }
    // Each value was read on its own, so what is left to fail here is a mistake of ours; it may hold a secret.
    let mut settings = Settings::deserialize_from(table)
        .map_err(|_| Problems(vec![Problem("the settings do not fit together as a whole".to_owned())]))?;
    settings
        .runners
        .read_secrets(|name| surroundings.secret(name))
        .map_err(|problems| Problems(problems.into_iter().map(Problem).collect()))?;
    Ok(Loaded { settings, origins, warnings: loader.warnings, file })
}

impl Loaded {
    /// Warnings of loading and of [`Settings::check`], and every contradiction.
    #[must_use]
    pub fn findings(&self) -> (Vec<Warning>, Vec<Problem>) {
        let found = self.settings.findings();
        (self.warnings.iter().cloned().chain(found.warnings).collect(), found.problems)
    }

    /// The settings and their warnings, if nothing stops the start.
    ///
    /// # Errors
    ///
    /// Every contradiction.
    pub fn checked(self) -> Result<(Settings, Vec<Warning>), Problems> {
        let (warnings, problems) = self.findings();
        if problems.is_empty() { Ok((self.settings, warnings)) } else { Err(Problems(problems)) }
    }
}

impl Settings {
    fn deserialize_from(table: Table) -> Result<Self, toml::de::Error> {
        table.try_into()
    }
}

fn put(table: &mut Table, key: &Key, value: Value) {
    let section = table.entry(key.section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(key.name.to_owned(), value);
    }
}

/// The two defaults that depend on the surroundings and on each other.
fn put_defaults(table: &mut Table, origins: &BTreeMap<String, Origin>, surroundings: &Surroundings) {
    let chosen =
        table.get("server").and_then(|server| server.get("state_dir")).and_then(Value::as_str).map(PathBuf::from);
    let state_dir = chosen.unwrap_or_else(|| surroundings.state_dir());
    if let Some(key) = keys::find("server", "state_dir") {
        put(table, key, Value::String(state_dir.to_string_lossy().into_owned()));
    }
    if let Some(key) = keys::find("database", "url").filter(|key| !origins.contains_key(&key.path())) {
        put(table, key, Value::String(database_url::default_for(&state_dir)));
    }
}

#[derive(Default)]
struct Loader {
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Loader {
    fn problem(&mut self, text: String) {
        self.problems.push(Problem(text));
    }

    /// Keeps what was read; a failure is reported with the key and the origin.
    fn keep(&mut self, claims: &mut Vec<Claim>, key: &Key, origin: &Origin, read: Read) {
        match read {
            Ok((read, notes)) => {
                claims.extend(read);
                self.warnings
                    .extend(notes.into_iter().map(|note| Warning(format!("{} ({origin}): {note}", key.path()))));
            }
            Err(error) => self.problem(format!("{} ({origin}): {error}", key.path())),
        }
    }

    fn with_env_file(&mut self, flags: &Flags, surroundings: &Surroundings) -> Surroundings {
        let mut surroundings = surroundings.clone();
        let Some(path) = &flags.env_file else { return surroundings };
        match std::fs::read_to_string(path).map_err(|error| error.to_string()).and_then(|text| parse_env_file(&text)) {
            Ok(values) => {
                for (name, value) in values {
                    if surroundings.value(&name).is_none() {
                        surroundings.environment.0.insert(name, value);
                    }
                }
            }
            Err(error) => self.problem(format!("the environment file {} cannot be read: {error}", path.display())),
        }
        surroundings
    }

    fn file(&mut self, flags: &Flags, surroundings: &Surroundings) -> (Option<PathBuf>, Vec<Claim>) {
        let named = flags.config.clone().or_else(|| surroundings.value("TESTYARD_CONFIG").map(PathBuf::from));
        let Some(path) = named.or_else(|| surroundings.default_files.iter().find(|path| path.exists()).cloned()) else {
            return (None, Vec::new());
        };
        let mut claims = Vec::new();
        match read_table(&path) {
            Ok(table) => self.file_claims(&path, table, &mut claims),
            Err(error) => self.problem(format!("the settings file {} cannot be read: {error}", path.display())),
        }
        (Some(path), claims)
    }

    fn file_claims(&mut self, path: &Path, table: Table, claims: &mut Vec<Claim>) {
        let origin = Origin::File(path.to_owned());
        for (section, keys) in table {
            if !KEYS.iter().any(|key| key.section == section) {
                self.problem(format!("[{section}] ({origin}): there is no such section; there are {}", sections()));
                continue;
            }
            let Value::Table(keys) = keys else {
                self.problem(format!("{section} ({origin}): want a section, as in [{section}]"));
                continue;
            };
            for (name, value) in keys {
                match keys::find(&section, &name) {
                    Some(key) => {
                        let read = claims::from_value(key, value, origin.clone());
                        self.keep(claims, key, &origin, read);
                    }
                    None => self.problem(format!("{section}.{name} ({origin}): {}", unknown_in(&section))),
                }
            }
        }
    }

    fn environment(&mut self, surroundings: &Surroundings) -> Vec<Claim> {
        let mut claims = Vec::new();
        for key in KEYS {
            for name in key.names() {
                self.name(key, &name, surroundings, &mut claims);
            }
        }
        for (_, told) in compat::without_effect(|name| surroundings.value(name)) {
            match told {
                Ok(note) => self.warnings.push(Warning(note)),
                Err(problem) => self.problem(problem),
            }
        }
        self.unknown_names(surroundings);
        claims
    }

    fn name(&mut self, key: &'static Key, name: &str, surroundings: &Surroundings, claims: &mut Vec<Claim>) {
        if surroundings.unreadable.iter().any(|unreadable| unreadable == name) {
            self.problem(format!("{} (environment {name}): want UTF-8", key.path()));
        }
        if let Some(text) = surroundings.value(name) {
            let origin = Origin::Environment(name.to_owned());
            let read = claims::from_text(key, text, origin.clone());
            self.keep(claims, key, &origin, read);
        }
        let file_name = format!("{name}_FILE");
        let Some(path) = key.is_secret().then(|| surroundings.value(&file_name)).flatten() else { return };
        if surroundings.value(name).is_some() {
            self.problem(format!("{name} and {file_name} are both set: leave one of them out"));
            return;
        }
        let origin = Origin::Environment(file_name);
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {
                self.problem(format!("{} ({origin}): the file {path} is empty", key.path()));
            }
            Ok(text) => {
                let read = claims::from_text(key, &text, origin.clone());
                self.keep(claims, key, &origin, read);
            }
            Err(error) => self.problem(format!("{} ({origin}): the file {path} cannot be read: {error}", key.path())),
        }
    }

    /// A misspelled name must not be silent. In our own two-underscore form it can be nothing else; other names that
    /// begin like ours may belong to something else.
    fn unknown_names(&mut self, surroundings: &Surroundings) {
        for name in surroundings.environment.0.keys().chain(&surroundings.unreadable) {
            if !name.starts_with("TESTYARD_") || is_known_name(name) {
                continue;
            }
            if name.starts_with("TESTYARD__") {
                self.problem(format!(
                    "{name}: there is no such setting; write TESTYARD__SECTION__KEY with the names in the list of \
                     `testyard config show`"
                ));
            } else {
                self.warnings.push(Warning(format!("{name} has no effect: there is no such setting")));
            }
        }
    }

    fn flags(&mut self, flags: &Flags) -> Vec<Claim> {
        let mut claims = Vec::new();
        let given = [
            ("server", "listen", "--listen", flags.listen.as_deref()),
            ("database", "url", "--database-url", flags.database_url.as_ref().map(ExposeSecret::expose_secret)),
            ("server", "public_url", "--public-url", flags.public_url.as_deref()),
            ("access", "open", "--open", flags.open.then_some("true")),
            ("log", "format", "--log-format", flags.log_format.as_deref()),
        ];
        for (section, name, flag, text) in given {
            if let (Some(key), Some(text)) = (keys::find(section, name), text) {
                let origin = Origin::Flag(flag);
                let read = claims::from_text(key, text, origin.clone());
                self.keep(&mut claims, key, &origin, read);
            }
        }
        for assignment in &flags.set {
            let Some((path, text)) = assignment.text().expose_secret().split_once('=') else {
                self.problem("--set wants section.key=value".to_owned());
                continue;
            };
            let path = path.trim();
            let Some((section, name)) = path.split_once('.') else {
                self.problem(format!("--set {path}: want section.key=value"));
                continue;
            };
            let Some(key) = keys::find(section, name) else {
                self.problem(format!("--set {path}: {}", unknown_in(section)));
                continue;
            };
            let origin = Origin::Flag("--set");
            let read = claims::from_text(key, text, origin.clone());
            self.keep(&mut claims, key, &origin, read);
        }
        claims
    }

    /// One claim a setting; reports those that disagree.
    fn agreed(&mut self, claims: Vec<Claim>) -> Vec<Claim> {
        let mut agreed: Vec<Claim> = Vec::new();
        for claim in claims {
            match agreed.iter().find(|earlier| earlier.key.path() == claim.key.path()) {
                None => agreed.push(claim),
                Some(earlier) if earlier.value == claim.value => {}
                Some(earlier) => self.problem(format!(
                    "{} is given twice, differently, by {} and by {}: leave one of them out",
                    claim.key.path(),
                    earlier.origin,
                    claim.origin
                )),
            }
        }
        agreed
    }

    /// Reads the one value as the settings will.
    fn probe(&mut self, claim: &Claim) {
        let mut table = Table::new();
        put(&mut table, claim.key, claim.value.clone());
        if let Err(error) = Settings::deserialize_from(table) {
            let told = match claim.key.kind {
                keys::Kind::Tokens => format!("want {}", compat::WANTED_TOKENS),
                _ if claim.key.is_secret() => "this value does not fit".to_owned(),
                _ => error.message().to_owned(),
            };
            self.problem(format!("{} ({}): {told}", claim.key.path(), claim.origin));
        }
    }
}

fn is_known_name(name: &str) -> bool {
    let known = |name: &str| KEYS.iter().find(|key| key.names().iter().any(|known| known == name));
    name == "TESTYARD_CONFIG"
        || known(name).is_some()
        || name.strip_suffix("_FILE").and_then(known).is_some_and(Key::is_secret)
}

/// Reads a TOML file. The parser's own message would show the line, which may hold a secret.
fn read_table(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("line {}: {}", before.matches('\n').count() + 1, error.message())
    })
}

fn sections() -> String {
    let mut sections: Vec<&str> = KEYS.iter().map(|key| key.section).collect();
    sections.dedup();
    sections.join(", ")
}

fn unknown_in(section: &str) -> String {
    let names: Vec<&str> = KEYS.iter().filter(|key| key.section == section).map(|key| key.name).collect();
    if names.is_empty() {
        format!("there is no such setting; the sections are {}", sections())
    } else {
        format!("there is no such setting; [{section}] has {}", names.join(", "))
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
