//! TuxSuite's callbacks: whether their signature holds, and what they tell.
//!
//! The group's public key may be set by the operator, be asked from TuxSuite, or not be had at all: community accounts
//! may not see it. Where nobody can sign, the capability in the URL that we hand out is the guard.

use std::sync::{PoisonError, RwLock};

use crate::config::SignaturePolicy;
use crate::domain::observation::Observation;
use crate::domain::tuxsuite::callback::read_callback;
use crate::domain::tuxsuite::repair;
use crate::domain::tuxsuite::signature::PublicKey;
use crate::runner::Arrival;

/// Takes callbacks by a policy.
#[derive(Debug)]
pub(super) struct Door {
    policy: SignaturePolicy,
    fixed: bool,
    key: RwLock<Option<PublicKey>>,
}

impl Door {
    pub(super) fn new(policy: SignaturePolicy, key: Option<PublicKey>) -> Self {
        Self { policy, fixed: key.is_some(), key: RwLock::new(key) }
    }

    /// Whether the key must be asked for.
    pub(super) fn wants_key(&self) -> bool {
        !self.fixed && self.policy != SignaturePolicy::Off
    }

    /// Takes over the key that TuxSuite told; nothing is forgotten for want of one.
    pub(super) fn learn(&self, key: Option<PublicKey>) {
        if let Some(key) = key {
            *self.key.write().unwrap_or_else(PoisonError::into_inner) = Some(key);
        }
    }

    /// Whether the signature was verified; an error if the policy refuses the callback for it.
    pub(super) fn authenticate(&self, arrival: &Arrival<'_>) -> Result<bool, String> {
        if self.policy == SignaturePolicy::Off {
            return Ok(false);
        }
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        // A header without a value is what a client sends that has nothing to sign with.
        let signature = arrival.signatures.tuxsuite.filter(|signature| !signature.is_empty());
        let demanded = match self.policy {
            SignaturePolicy::Required => true,
            SignaturePolicy::Auto => key.is_some() && !arrival.by_capability,
            SignaturePolicy::Optional | SignaturePolicy::Off => false,
        };
        match (&*key, signature) {
            (Some(key), Some(signature)) => key
                .verify(signature, arrival.body)
                .map(|()| true)
                .map_err(|error| format!("the header x-tux-payload-signature does not fit the body: {error}")),
            (_, None) if demanded => {
                Err("callbacks must be signed: the header x-tux-payload-signature is missing".into())
            }
            (None, Some(_)) if demanded => {
                Err("callbacks must be signed, and TuxSuite has not told its public key yet: send it again later"
                    .into())
            }
            _ => Ok(false),
        }
    }
}

/// Reads a callback's body, repaired where TuxSuite is known to break it.
pub(super) fn read(body: &[u8]) -> Result<Observation, String> {
    let (value, _) = repair::parse(body).map_err(|error| error.to_string())?;
    let callback = read_callback(&value).map_err(|error| error.to_string())?;
    callback.observation.ok_or_else(|| format!("a callback of the kind {:?} tells of no run", callback.kind))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::runner::Signatures;

    fn arrival(signature: Option<&'static str>, by_capability: bool) -> Arrival<'static> {
        let signatures = Signatures { tuxsuite: signature, ..Signatures::default() };
        Arrival { body: b"{}", signatures, by_capability, now: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn without_a_key_only_a_demand_refuses() {
        for (policy, refuses) in [
            (SignaturePolicy::Auto, false),
            (SignaturePolicy::Required, true),
            (SignaturePolicy::Optional, false),
            (SignaturePolicy::Off, false),
        ] {
            let door = Door::new(policy, None);
            for signature in [None, Some(""), Some("c2ln")] {
                for by_capability in [true, false] {
                    let told = door.authenticate(&arrival(signature, by_capability));
                    assert_eq!(told.is_err(), refuses, "{policy} {signature:?} {by_capability}");
                    assert_ne!(told, Ok(true), "nothing was verified");
                }
            }
        }
    }

    #[test]
    fn with_a_key_a_wrong_signature_is_always_refused_and_a_missing_one_by_policy() {
        // The generator point of P-256: a valid key that signed nothing.
        let line = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT+NC4v4af5uO5+tKfA+eFivOM1drMV7Oy7ZAaDe/UfU=";
        for (policy, bare, capability) in [
            (SignaturePolicy::Auto, false, true),
            (SignaturePolicy::Required, false, false),
            (SignaturePolicy::Optional, true, true),
            (SignaturePolicy::Off, true, true),
        ] {
            let door = Door::new(policy, None);
            assert_eq!(door.wants_key(), policy != SignaturePolicy::Off);
            door.learn(Some(PublicKey::from_openssh(line).unwrap()));
            door.learn(None);
            assert_eq!(door.authenticate(&arrival(None, false)).is_ok(), bare, "{policy}");
            assert_eq!(door.authenticate(&arrival(None, true)).is_ok(), capability, "{policy}");
            let wrong = door.authenticate(&arrival(Some("c2ln"), true));
            assert_eq!(wrong.is_ok(), policy == SignaturePolicy::Off, "{policy}");
        }
    }
}
