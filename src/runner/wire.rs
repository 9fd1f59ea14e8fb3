//! What adapters that speak HTTP share: what a lost answer means, and the reason that a refusal gives.

use serde_json::Value;

use crate::net::client::NetError;
use crate::runner::RunnerError;

/// What a call does, which decides what a lost answer to it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it reads.
    None,
    /// Something that a repetition does not do again.
    Repeatable,
    /// Something that a repetition does once more.
    Once,
}

/// What it means that no answer came from a runner of this name.
pub(super) fn lost(who: &str, error: &NetError, effect: Effect) -> RunnerError {
    let message = format!("{who}: {error}");
    match error {
        NetError::Refused(_) => RunnerError::Refused(message),
        NetError::Connect(_) => RunnerError::Unavailable { message, retry_after: None },
        NetError::Timeout(_) | NetError::Broken(_) if effect == Effect::None => {
            RunnerError::Unavailable { message, retry_after: None }
        }
        NetError::TooLarge(_) if effect == Effect::None => RunnerError::Refused(message),
        NetError::TooLarge(_) | NetError::Timeout(_) | NetError::Broken(_) => RunnerError::Unclear(message),
    }
}

/// Why a runner says no: what stands in its answer under one of these names, else the beginning of what it says.
pub(super) fn reason(body: &[u8], names: &[&str]) -> String {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let told = document
        .as_ref()
        .and_then(|document| names.iter().find_map(|key| document.get(key)?.as_str().filter(|text| !text.is_empty())));
    match told {
        Some(told) => shortened(told),
        None if body.is_empty() => "it gives no reason".to_owned(),
        None => shortened(&String::from_utf8_lossy(body)),
    }
}

/// The beginning of a text.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(500).collect()
}
