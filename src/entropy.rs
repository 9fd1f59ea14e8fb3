//! The one place that draws random numbers (ids draw theirs in [`crate::ids`]).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt as _;
use rand::distr::Alphanumeric;

/// A number from 0 (included) to 1 (excluded): the jitter of a backoff.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that may draw random numbers")]
pub fn unit() -> f64 {
    rand::rng().random()
}

/// An unguessable word: `prefix`, `_` and 256 random bits in the URL-safe base64 alphabet.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that may draw random numbers")]
pub fn secret(prefix: &str) -> String {
    let bytes: [u8; 32] = rand::rng().random();
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// `length` random ASCII letters and digits, as kcidb-restd names its submissions.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that may draw random numbers")]
pub fn alphanumeric(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}
