//! Templates of requests: Jinja over what is known of a job, within bounds, and safe wherever they are put.
//!
//! What a template puts in is written as the place wants it: percent-encoded in a URL, as JSON in a JSON body, as it is in a
//! header and in any other text. `|safe` takes that away, `|tojson` and `|urlencode` do it where it would not be done. A
//! URL's scheme and host stand in the template itself, so that no caller's words choose where a request goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, UndefinedBehavior};
use url::Url;

use crate::domain::run::RunRequest;

#[cfg(test)]
mod tests;

/// The longest template, and the longest text that one may come to, in bytes.
const MAX_TEMPLATE: usize = 64 << 10;
const MAX_TEXT: usize = 4 << 20;

/// What filling in may take: about as many steps, or 64 times as many bytes.
const FUEL: u64 = 1_000_000;

/// How deep blocks and macros may be within one another, and values that are written as JSON.
const MAX_DEPTH: usize = 64;

/// The names that every template may use, besides `uid` and `secrets`.
const NAMES: [&str; 5] = ["run", "request", "token", "callback_url", "first_asked_at"];

/// The only template of its environment.
const ONLY: &str = "it";

/// Where the text of a template goes, which decides how values are put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A URL: values are percent-encoded.
    Url,
    /// A JSON body: values are written as JSON, texts with their quotes.
    Json,
    /// A header, or another body: values are put in as they are.
    Text,
}

/// Which names a template may use besides those that all may.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The secrets there are, by name.
    pub secrets: &'a BTreeSet<String>,
    /// Whether the runner's uid of the job is known by then.
    pub uid: bool,
}

/// A template that was read and whose names are known.
#[derive(Clone, Debug)]
pub struct Template {
    environment: Environment<'static>,
    /// The scheme, host and port that a URL must have.
    origin: Option<url::Origin>,
}

/// What is wrong with a template, or with what it came to; secrets are not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// What is known of a job when a request about it is made.
#[derive(Clone, Debug)]
pub struct Context(BTreeMap<String, Value>);

/// What a [`Context`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// `run`: the run's id.
    pub run: &'a str,
    /// `request`: what is asked, with its `kind`, as in the API.
    pub request: &'a RunRequest,
    /// `token`: the same at every repetition of this run's submission, and of no other run's.
    pub token: &'a str,
    /// `callback_url`: where the runner reports to.
    pub callback_url: &'a str,
    /// `first_asked_at`: when the runner was first asked, as in RFC 3339.
    pub first_asked_at: &'a str,
    /// `uid`: the runner's id of the job, once it is known.
    pub uid: Option<&'a str>,
}

impl Context {
    /// The context of a job.
    ///
    /// # Errors
    /// If the request cannot be written as JSON.
    pub fn new(about: &About<'_>) -> Result<Self, TemplateError> {
        let request = serde_json::to_value(about.request).map_err(|error| TemplateError(error.to_string()))?;
        let mut names = BTreeMap::from([
            ("run".to_owned(), Value::from(about.run)),
            ("request".to_owned(), value_of(&request)),
            ("token".to_owned(), Value::from(about.token)),
            ("callback_url".to_owned(), Value::from(about.callback_url)),
            ("first_asked_at".to_owned(), Value::from(about.first_asked_at)),
        ]);
        names.extend(about.uid.map(|uid| ("uid".to_owned(), Value::from(uid))));
        Ok(Self(names))
    }

    /// The same with secrets: `secrets.NAME`.
    #[must_use]
    pub fn with_secrets<'a>(mut self, secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let secrets: BTreeMap<String, Value> =
            secrets.into_iter().map(|(name, secret)| (name.to_owned(), Value::from(secret))).collect();
        self.0.insert("secrets".to_owned(), Value::from(secrets));
        self
    }
}

impl Template {
    /// Reads a template and looks through the names that it uses.
    ///
    /// # Errors
    /// A mistake in it, a name that it may not use, a URL whose host is not written out; each says what would do.
    pub fn compile(text: &str, form: Form, known: Known<'_>) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError(format!("it has {} bytes: want at most {MAX_TEMPLATE}", text.len())));
        }
        let origin = (form == Form::Url).then(|| literal_origin(text)).transpose()?;
        let mut environment = environment(form);
        environment.add_template_owned(ONLY, text.to_owned()).map_err(|error| told(&error))?;
        let template = environment.get_template(ONLY).map_err(|error| told(&error))?;
        let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        used.sort();
        let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
        for name in used {
            let (first, rest) = name.split_once('.').map_or((name.as_str(), None), |(first, rest)| (first, Some(rest)));
            match first {
                "secrets" => {
                    let secret = rest.and_then(|rest| rest.split('.').next());
                    if let Some(secret) = secret.filter(|secret| !known.secrets.contains(*secret)) {
                        return Err(TemplateError(format!(
                            "it uses the secret `{secret}`, which `secrets` does not name"
                        )));
                    }
                }
                "uid" if known.uid => {}
                "uid" => return Err(TemplateError("it uses `uid`, which is not known yet by then".to_owned())),
                _ if NAMES.contains(&first) || globals.contains(first) => {}
                _ => {
                    let names = NAMES.join(", ");
                    return Err(TemplateError(format!("there is no `{first}`: there are {names}, secrets and uid")));
                }
            }
        }
        Ok(Self { environment, origin })
    }

    /// Fills it in.
    ///
    /// # Errors
    /// What could not be filled in, with its line; a text that is too long.
    pub fn text(&self, context: &Context) -> Result<String, TemplateError> {
        let template = self.environment.get_template(ONLY).map_err(|error| told(&error))?;
        let text = template.render(Value::from(context.0.clone())).map_err(|error| told(&error))?;
        if text.len() > MAX_TEXT {
            return Err(TemplateError(format!("it comes to more than {MAX_TEXT} bytes")));
        }
        Ok(text)
    }

    /// Fills in a template of a URL.
    ///
    /// # Errors
    /// As [`Template::text`]; what is no URL, has another host than the template, or steps out of its path with `..`.
    pub fn url(&self, context: &Context) -> Result<Url, TemplateError> {
        let text = self.text(context)?;
        let text = text.trim();
        let url = Url::parse(text).map_err(|error| TemplateError(format!("it comes to no URL: {error}")))?;
        if self.origin.as_ref().is_some_and(|origin| *origin != url.origin()) {
            return Err(TemplateError("it comes to a URL of another host".to_owned()));
        }
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let is_dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        if path.split(['/', '\\']).any(is_dots) {
            return Err(TemplateError("it comes to a URL with a `.` or `..` in its path".to_owned()));
        }
        Ok(url)
    }

    /// Fills in a template of a JSON body.
    ///
    /// # Errors
    /// As [`Template::text`]; what is not JSON, with the place in the text.
    pub fn json(&self, context: &Context) -> Result<String, TemplateError> {
        let text = self.text(context)?;
        serde_json::from_str::<serde::de::IgnoredAny>(&text)
            .map_err(|error| TemplateError(format!("it comes to what is not JSON: {error}")))?;
        Ok(text)
    }
}

/// The scheme, host and port that stand before anything that is filled in.
fn literal_origin(text: &str) -> Result<url::Origin, TemplateError> {
    let wanted = || TemplateError("want `https://HOST/…` or `http://HOST/…` with the host written out".to_owned());
    let text = text.trim_start();
    let literal = text.split('{').next().unwrap_or_default();
    let (_, rest) = literal.split_once("://").ok_or_else(wanted)?;
    let is_whole = rest.contains(['/', '?', '#']) || literal.len() == text.len();
    let url = Url::parse(literal.trim_end()).map_err(|_| wanted())?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TemplateError("leave out what stands before the @: send it as a header".to_owned()));
    }
    if is_whole && is_web { Ok(url.origin()) } else { Err(wanted()) }
}

fn environment(form: Form) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // It would print what the template was given, secrets and all.
    environment.remove_global("debug");
    // What outlives a round of a loop could be put within itself until nothing can write it.
    environment.remove_global("namespace");
    environment.add_filter("tojson", |value: Value| json_of(&value).map(Value::from_safe_string));
    environment
        .add_filter("urlencode", |value: Value| Ok::<_, Error>(Value::from_safe_string(encoded(&plain(&value)?))));
    // What is captured (`{% set %}`, macros) has been written once already, and counts as safe.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("place".into()));
    environment.set_formatter(move |out, _, value| put(out, form, value));
    environment
}

fn put(out: &mut Output<'_>, form: Form, value: &Value) -> Result<(), Error> {
    let text = match form {
        _ if value.is_safe() => plain(value)?,
        Form::Url => encoded(&plain(value)?),
        Form::Json => json_of(value)?,
        Form::Text => plain(value)?,
    };
    out.write_str(&text).map_err(|_| Error::new(ErrorKind::WriteFailure, "the text could not be written"))
}

/// A value as text: nothing of none, and lists and maps as JSON.
fn plain(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(String::new()),
        ValueKind::Bool | ValueKind::Number | ValueKind::String => Ok(value.to_string()),
        _ => json_of(value),
    }
}

/// Everything but letters, digits and `-._~` becomes `%XX` (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn json_of(value: &Value) -> Result<String, Error> {
    Ok(json_value(value, MAX_DEPTH)?.to_string())
}

fn json_value(value: &Value, depth: usize) -> Result<serde_json::Value, Error> {
    use serde_json::Value as Json;
    let wrong = |what: &str| Error::new(ErrorKind::InvalidOperation, what.to_owned());
    let below = || depth.checked_sub(1).ok_or_else(|| wrong("values are too deep within one another for JSON"));
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number => match (value.as_i64(), u64::try_from(value.clone()), f64::try_from(value.clone())) {
            (Some(whole), ..) => Json::from(whole),
            (None, Ok(whole), _) => Json::from(whole),
            (None, _, Ok(number)) => Json::from(number),
            _ => return Err(wrong("a number is too large for JSON")),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            let depth = below()?;
            Json::Array(value.try_iter()?.map(|item| json_value(&item, depth)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let depth = below()?;
            let entry = |key: Value| Ok((plain(&key)?, json_value(&value.get_item(&key)?, depth)?));
            Json::Object(value.try_iter()?.map(entry).collect::<Result<_, Error>>()?)
        }
        kind => return Err(wrong(&format!("a {kind} cannot be written as JSON"))),
    })
}

fn value_of(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::String(text) => Value::from(text),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Value::from(whole),
            (None, Some(whole), _) => Value::from(whole),
            (None, None, float) => Value::from(float.unwrap_or_default()),
        },
        Json::Array(items) => Value::from(items.iter().map(value_of).collect::<Vec<_>>()),
        Json::Object(fields) => {
            Value::from(fields.iter().map(|(key, value)| (key.clone(), value_of(value))).collect::<BTreeMap<_, _>>())
        }
    }
}

/// The error in one line, with the line in the template.
fn told(error: &Error) -> TemplateError {
    let kind = error.kind();
    let words = error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}"));
    let words: String = words.chars().take(300).collect();
    TemplateError(match error.line() {
        Some(line) => format!("line {line}: {words}"),
        None => words,
    })
}
