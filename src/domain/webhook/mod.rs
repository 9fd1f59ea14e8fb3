//! Standard Webhooks, version 1 (<https://www.standardwebhooks.com>): who sent a request, and that it is new.
//!
//! The signed text is `id.timestamp.body`. A signature is `v1,` and base64 of HMAC-SHA256, or `v1a,` and base64 of
//! Ed25519; the header holds a list of them, separated by blanks, for secrets that are being replaced. One that fits is
//! enough, and versions that we do not know are passed over. The id is the same in all repetitions of a message; the
//! timestamp is that of the attempt, and one that is more than [`TOLERANCE_S`] away from now is not taken.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

#[cfg(test)]
mod tests;

/// How many seconds a timestamp may be early or late; so many are still in time.
pub const TOLERANCE_S: i64 = 300;

/// The most signatures of a header that are looked at.
const MAX_SIGNATURES: usize = 32;

/// The headers of a message, where they came; each may stand under its standard name or the one before it: `webhook-id`
/// or `svix-id`, and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`: whole seconds since 1970.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`.
    pub signature: Option<&'a str>,
}

/// The name of the header with the id.
pub const ID: &str = "webhook-id";
/// The name of the header with the time.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The name of the header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";
/// The names of the same three headers as Svix sends them.
pub const SVIX: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

/// What signatures are checked with: a shared secret or a public key. Its text is never shown.
#[derive(Clone)]
pub struct Key(Kind);

#[derive(Clone)]
enum Kind {
    Shared(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It has no prefix that we know.
    #[error("want `whsec_` and 24 to 64 bytes in base64, or `whpk_` and a public Ed25519 key in base64")]
    Prefix,
    /// What comes after the prefix is not base64 with its padding.
    #[error("what follows its prefix is not base64 with its padding")]
    NotBase64,
    /// The secret is too short or too long.
    #[error("it has {0} bytes: want 24 to 64 after `whsec_`")]
    Length(usize),
    /// It is no point of the curve.
    #[error("what follows `whpk_` is no public Ed25519 key: want 32 bytes")]
    Public,
}

/// Why a message is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// A header is missing.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// The timestamp is not a whole number.
    #[error("the header `{TIMESTAMP}` is not whole seconds since 1970")]
    Timestamp,
    /// The timestamp is too far away from now.
    #[error("the header `{TIMESTAMP}` is {} s {}: at most {TOLERANCE_S} s are taken", .0.unsigned_abs(), if *.0 < 0 { "old" } else { "in the future" })]
    Time(i64),
    /// No signature fits.
    #[error("no signature of a known version in the header `{SIGNATURE}` fits the message and the secret")]
    Mismatch,
}

impl Key {
    /// Reads a secret (`whsec_…`) or a public key (`whpk_…`).
    ///
    /// # Errors
    /// Says what would be one, and repeats nothing of the text.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let decode = |base64: &str| STANDARD.decode(base64).map_err(|_| InvalidKey::NotBase64);
        if let Some(secret) = text.strip_prefix("whsec_") {
            let bytes = decode(secret)?;
            if !(24..=64).contains(&bytes.len()) {
                return Err(InvalidKey::Length(bytes.len()));
            }
            return Ok(Self(Kind::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))));
        }
        let public = decode(text.strip_prefix("whpk_").ok_or(InvalidKey::Prefix)?)?;
        ParsedPublicKey::new(&ED25519, &public).map(|key| Self(Kind::Public(key))).map_err(|_| InvalidKey::Public)
    }

    /// Whether messages can be signed with it: with a shared secret, not with a public key.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        matches!(self.0, Kind::Shared(_))
    }

    /// Whether this is a signature of this version, made with this key. Secrets are compared in constant time.
    fn fits(&self, version: &str, signature: &[u8], signed: &[u8]) -> bool {
        match (&self.0, version) {
            (Kind::Shared(key), "v1") => hmac::verify(key, signed, signature).is_ok(),
            (Kind::Public(key), "v1a") => key.verify_sig(signed, signature).is_ok(),
            _ => false,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Shared(_) => "Key(shared)",
            Kind::Public(_) => "Key(public)",
        })
    }
}

/// Whether one of the keys signed this message, and not too long ago.
///
/// # Errors
/// Says what is missing or does not fit, in words for whoever sent it.
pub fn verify(keys: &[Key], headers: Headers<'_>, body: &[u8], now: DateTime<Utc>) -> Result<(), Rejected> {
    let id = there(headers.id, ID)?;
    let timestamp = there(headers.timestamp, TIMESTAMP)?;
    let signatures = there(headers.signature, SIGNATURE)?;
    let ahead = seconds(timestamp).and_then(|at| at.checked_sub(now.timestamp())).ok_or(Rejected::Timestamp)?;
    if ahead.unsigned_abs() > TOLERANCE_S.unsigned_abs() {
        return Err(Rejected::Time(ahead));
    }
    let signed = signed_text(id, timestamp, body);
    let fits = signatures.split_ascii_whitespace().take(MAX_SIGNATURES).any(|entry| {
        let Some((version, signature)) = entry.split_once(',') else { return false };
        STANDARD.decode(signature).is_ok_and(|signature| keys.iter().any(|key| key.fits(version, &signature, &signed)))
    });
    if fits { Ok(()) } else { Err(Rejected::Mismatch) }
}

/// The value of `webhook-signature` for a message: one entry for each shared secret, in their order; nothing where there is
/// none.
#[must_use]
pub fn sign(keys: &[Key], id: &str, at: DateTime<Utc>, body: &[u8]) -> Option<String> {
    let signed = signed_text(id, &at.timestamp().to_string(), body);
    let entries: Vec<String> = keys
        .iter()
        .filter_map(|key| match &key.0 {
            Kind::Shared(key) => Some(format!("v1,{}", STANDARD.encode(hmac::sign(key, &signed)))),
            Kind::Public(_) => None,
        })
        .collect();
    (!entries.is_empty()).then(|| entries.join(" "))
}

/// A header's value; an empty one is none.
fn there<'a>(header: Option<&'a str>, name: &'static str) -> Result<&'a str, Rejected> {
    header.filter(|value| !value.is_empty()).ok_or(Rejected::Missing(name))
}

fn signed_text(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

/// Digits, perhaps after a minus; `+5` is none, though Rust would read it.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
