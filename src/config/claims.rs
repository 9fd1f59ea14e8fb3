//! Claims: one layer's word on one setting, read from text and brought to the shape that the setting wants.

use std::fmt;
use std::path::PathBuf;

use toml::Value;

use super::compat;
use super::database_url::{self, Spelling};
use super::keys::{self, Key, Kind};

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody chose.
    Default,
    /// The settings file.
    File(PathBuf),
    /// A name in the environment, or in the file that `--env-file` names.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One layer's word on one setting.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) key: &'static Key,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What one text gave: claims (the sink's address may carry its token, so there may be two) and notes for the operator.
pub(super) type Read = Result<(Vec<Claim>, Vec<String>), String>;

/// Reads the text that a name in the environment or a flag gave for `key`.
///
/// # Errors
///
/// A sentence that says what would be accepted. It does not repeat a secret.
pub(super) fn from_text(key: &'static Key, text: &str, origin: Origin) -> Read {
    let text = text.trim();
    let value = match key.kind {
        Kind::Text | Kind::Secret | Kind::DatabaseUrl | Kind::SubmitUrl => Value::String(text.to_owned()),
        Kind::Integer => {
            text.parse().map(Value::Integer).map_err(|_| format!("want a whole number, not `{}`", short(text)))?
        }
        Kind::Boolean => Value::Boolean(compat::boolean(text)?),
        Kind::List => compat::list(text)?,
        Kind::Tokens => compat::tokens(text)?,
        Kind::Tables => compat::json(text)?,
    };
    from_value(key, value, origin)
}

/// Takes a value that already has a type: from the file, or from [`from_text`].
///
/// # Errors
///
/// As [`from_text`].
pub(super) fn from_value(key: &'static Key, value: Value, origin: Origin) -> Read {
    let fits = match key.kind {
        Kind::Text | Kind::Secret | Kind::DatabaseUrl | Kind::SubmitUrl => value.is_str(),
        Kind::Integer => value.is_integer(),
        Kind::Boolean => value.is_bool(),
        Kind::List => value.as_array().is_some_and(|items| items.iter().all(Value::is_str)),
        Kind::Tokens => value.is_array(),
        Kind::Tables => value.is_array() || value.is_table(),
    };
    if !fits {
        return Err(format!("want {}", wanted(key.kind)));
    }
    let text = value.as_str().unwrap_or_default();
    match key.kind {
        Kind::DatabaseUrl => {
            let (url, notes) = database_url::normalise(text, spelling(&origin))?;
            Ok((vec![Claim { key, value: Value::String(url), origin }], notes))
        }
        Kind::SubmitUrl => {
            let (url, token) = compat::submit_url(text)?;
            let mut claims = vec![Claim { key, value: Value::String(url), origin: origin.clone() }];
            if let (Some(token), Some(key)) = (token, keys::find("kcidb", "token")) {
                claims.push(Claim { key, value: Value::String(token), origin });
            }
            Ok((claims, Vec::new()))
        }
        _ => Ok((vec![Claim { key, value, origin }], Vec::new())),
    }
}

fn spelling(origin: &Origin) -> Spelling {
    match origin {
        Origin::Environment(name) if name == "DB_URL" || name == "DB_URL_FILE" => Spelling::SqlAlchemy,
        _ => Spelling::Own,
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Secret | Kind::DatabaseUrl | Kind::SubmitUrl => "text in quotes",
        Kind::Integer => "a whole number without quotes",
        Kind::Boolean => "true or false, without quotes",
        Kind::List => "a list of texts, as in [\"one\", \"two\"]",
        Kind::Tokens => compat::WANTED_TOKENS,
        Kind::Tables => "a table, or a list of tables",
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
