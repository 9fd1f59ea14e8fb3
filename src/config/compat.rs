//! How values are written in the environment: the bridge's ways (pydantic's and SQLAlchemy's), kcidb's, and ours.
//!
//! The bridge read its settings with pydantic: a boolean is one of twelve words, a list is JSON. What it read and what has
//! no meaning here is accepted and reported, so that its `.env` can be used as it is.

use toml::Value;
use url::Url;

/// Names that the bridge read and that have no effect here, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("PROJECT_NAME", "the API document has a title of its own"),
    ("MODE", "there is one mode"),
    ("LOGS_FILE", "no log file is written; redirect the output"),
    ("API_VERSION", "the API is v1"),
    ("API_V1_STR", "the API is under /api/v1"),
];

/// The values that [`WITHOUT_EFFECT`] names may have, where only one is true here.
const ONLY: &[(&str, &str)] = &[("API_VERSION", "v1"), ("API_V1_STR", "/api/v1")];

/// What a list of tokens looks like.
pub(super) const WANTED_TOKENS: &str = "a list of tokens: in the environment name:scope:sha256,…; in the file \
    [{ name = \"ci\", scope = \"submit\", sha256 = \"…\" }]; the scope is read, submit, operate or admin, and \
    `printf %s \"$TOKEN\" | sha256sum` prints the hash";

/// What is to be told of the bridge's names that have no effect: a note, or a sentence that stops the start.
pub(super) fn without_effect<'a>(
    value: impl Fn(&str) -> Option<&'a str>,
) -> Vec<(&'static str, Result<String, String>)> {
    let told = |&(name, why): &(&'static str, &str)| {
        let given = value(name)?;
        let only = ONLY.iter().find(|(known, _)| *known == name).map(|(_, only)| *only);
        Some((
            name,
            match only {
                Some(only) if given.trim_end_matches('/') != only => Err(format!(
                    "{name} can only be {only}: {why}. Leave it out, and put a proxy in front for another path"
                )),
                _ => Ok(format!("{name} has no effect: {why}")),
            },
        ))
    };
    WITHOUT_EFFECT.iter().filter_map(told).collect()
}

/// Whether the bridge read `name` and nothing here does.
#[cfg(test)]
pub(super) fn is_without_effect(name: &str) -> bool {
    WITHOUT_EFFECT.iter().any(|(known, _)| *known == name)
}

/// A boolean in pydantic's words.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("want true or false".to_owned()),
    }
}

/// A list: JSON, or separated by commas.
pub(super) fn list(text: &str) -> Result<Value, String> {
    if text.starts_with('[') {
        let list: Vec<String> = serde_json::from_str(text)
            .map_err(|_| "want a list separated by commas, or a JSON list of texts".to_owned())?;
        return Ok(Value::Array(list.into_iter().map(Value::String).collect()));
    }
    Ok(Value::Array(parts(text).map(|part| Value::String(part.to_owned())).collect()))
}

/// Tokens as `name:scope:sha256,…` or as JSON.
pub(super) fn tokens(text: &str) -> Result<Value, String> {
    if text.starts_with('[') {
        return json(text);
    }
    let token = |(place, part): (usize, &str)| {
        let mut fields = part.split(':').map(|field| Value::String(field.trim().to_owned()));
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(name), Some(scope), Some(sha256), None) => {
                let fields = [("name", name), ("scope", scope), ("sha256", sha256)];
                Ok(Value::Table(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
            }
            _ => Err(format!("entry {} is not name:scope:sha256", place + 1)),
        }
    };
    parts(text).enumerate().map(token).collect::<Result<_, _>>().map(Value::Array)
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// Any table or list, as JSON.
pub(super) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|value| Value::try_from(value).ok())
        .ok_or_else(|| "want JSON without null".to_owned())
}

/// The sink's address and the token in it. kcidb's clients write `https://TOKEN@host/` and add `submit`; the bridge
/// writes the whole address. So an address without a path gets `/submit`, any other path stays.
pub(super) fn submit_url(text: &str) -> Result<(String, Option<String>), String> {
    let wrong =
        || "want the address that reports are posted to, as https://host/submit or https://TOKEN@host/".to_owned();
    let mut url = Url::parse(text.trim()).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.password().is_some() {
        return Err(wrong());
    }
    let token = match url.username() {
        "" => None,
        token => Some(percent_decoded(token)),
    };
    if matches!(url.path(), "" | "/") {
        url.set_path("/submit");
    }
    url.set_username("").map_err(|()| wrong())?;
    Ok((url.into(), token))
}

fn percent_decoded(text: &str) -> String {
    // A form decoder reads `+` as a space and `&` as an end; in a user's name they are themselves.
    let text = text.replace('+', "%2B").replace('&', "%26");
    url::form_urlencoded::parse(text.as_bytes()).next().map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_pydantics() {
        for (text, value) in [("true", true), ("1", true), ("YES", true), ("On", true), ("t", true), ("y", true)] {
            assert_eq!(boolean(text), Ok(value), "{text}");
        }
        for text in ["false", "0", "NO", "Off", "f", "n"] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
        for text in ["", "2", "maybe", "*", "true false"] {
            assert!(boolean(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_are_json_or_separated_by_commas() {
        for text in [r#"["http://a","http://b:1"]"#, "http://a,http://b:1", " http://a , ,http://b:1, "] {
            let want = Value::Array(vec![Value::from("http://a"), Value::from("http://b:1")]);
            assert_eq!(list(text), Ok(want), "{text}");
        }
        assert_eq!(list("[]"), Ok(Value::Array(Vec::new())));
        assert!(list("[1]").is_err());
        assert!(list("[\"a\"").is_err());
    }

    #[test]
    fn tokens_are_three_fields_each_and_errors_repeat_none_of_them() {
        let value = tokens("ci:submit:00, ops:admin:11").expect("two tokens");
        assert_eq!(value.as_array().map(Vec::len), Some(2));
        for text in ["s3cret", "a:read:00,s3cret:read", "a:b:c:s3cret"] {
            let error = tokens(text).expect_err(text);
            assert!(error.contains("entry") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_sinks_address_may_carry_its_token() {
        for (text, url, token) in [
            ("https://db.example.org/submit", "https://db.example.org/submit", None),
            ("https://tok%2Fen+x@db.example.org/", "https://db.example.org/submit", Some("tok/en+x")),
            ("https://token@db.example.org:8443", "https://db.example.org:8443/submit", Some("token")),
            ("http://token@db.example.org/other/submit", "http://db.example.org/other/submit", Some("token")),
        ] {
            assert_eq!(submit_url(text), Ok((url.to_owned(), token.map(str::to_owned))), "{text}");
        }
        for text in ["s3cret", "ftp://s3cret@h/", "https://user:s3cret@h/", "https://", "mailto:s3cret@h"] {
            assert!(!submit_url(text).expect_err(text).contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn the_bridges_other_names_are_reported() {
        let environment = [("PROJECT_NAME", "app"), ("API_V1_STR", "/api/v1"), ("API_VERSION", "v2")];
        let told = without_effect(|name| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| *value));
        let told: Vec<_> = told.iter().map(|(name, told)| (*name, told.is_ok())).collect();
        assert_eq!(told, [("PROJECT_NAME", true), ("API_VERSION", false), ("API_V1_STR", true)]);
    }
}
