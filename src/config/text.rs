//! How secrets and URLs are read from settings and written to people: a secret is read as text and written as `<set>`,
//! a URL is written without what stands before its `@`. No error here repeats what was given.

use secrecy::SecretString;
use serde::{Deserialize as _, Deserializer, Serializer};
use url::Url;

/// What stands in the place of a secret.
pub(super) const SET: &str = "<set>";

/// For `#[serde(with)]` on a secret that may be absent. An empty text is no secret.
pub(super) mod secret {
    use super::{Deserializer, SET, SecretString, Serializer};
    use serde::Deserialize as _;

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(_) => serializer.serialize_some(SET),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
        let secret = Option::<String>::deserialize(deserializer)?;
        Ok(secret.filter(|secret| !secret.is_empty()).map(SecretString::from))
    }
}

/// For `#[serde(with)]` on a URL.
pub(super) mod url_text {
    use super::{Deserializer, Serializer, Url, masked_url, read_url};
    use serde::Deserialize as _;

    pub(crate) fn serialize<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&masked_url(url))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        read_url(&String::deserialize(deserializer)?)
    }
}

/// For `#[serde(with)]` on a URL that may be absent. An empty text is no URL.
pub(super) mod optional_url {
    use super::{Deserializer, Serializer, Url, masked_url, read_url};
    use serde::Deserialize as _;

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(url: &Option<Url>, serializer: S) -> Result<S::Ok, S::Error> {
        match url {
            Some(url) => serializer.serialize_some(&masked_url(url)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.filter(|text| !text.is_empty()).map(|text| read_url(&text)).transpose()
    }
}

/// Reads the URL of a database as it is: its sense is `database_url`'s business.
pub(super) fn deserialize_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    Ok(SecretString::from(String::deserialize(deserializer)?))
}

/// The URL with `***` in the place of the user's name and password.
pub(super) fn masked_url(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return SET.to_owned();
    }
    if !url.username().is_empty() && url.set_username("***").is_err() {
        return SET.to_owned();
    }
    url.to_string()
}

fn read_url<E: serde::de::Error>(text: &str) -> Result<Url, E> {
    let url = Url::parse(text).map_err(|error| E::custom(format_args!("this is not a URL ({error})")))?;
    if url.has_host() { Ok(url) } else { Err(E::custom("this URL names no host: write it as https://host/path")) }
}
