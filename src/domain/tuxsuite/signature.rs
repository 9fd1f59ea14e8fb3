//! The signature of TuxSuite's callbacks: `x-tux-payload-signature`.
//!
//! It is base64 of a DER-encoded ECDSA signature with SHA-256 over the body, made with the group's key, which
//! `GET …/keys` gives in OpenSSH's one-line form. Which bytes are signed changed over time: the body as it came, or,
//! where the body is a JSON string, what that string holds. A signature has a second valid form (`n - s` in the place of
//! `s`): it proves who speaks, and never that a message is new.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P521_SHA256_ASN1, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The public key of a TuxSuite group.
#[derive(Clone)]
pub struct PublicKey(ParsedPublicKey);

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable public key: {0}; want one line, `ecdsa-sha2-nistp256 AAAA…`, as TuxSuite's keys show it")]
pub struct InvalidKey(&'static str);

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is no padded base64, in either alphabet.
    #[error("the signature is not base64 with its padding")]
    NotBase64,
    /// The header is no DER-encoded signature of this body by this key.
    #[error("the signature is not this key's over this body")]
    Mismatch,
}

/// The curves that OpenSSH writes: type, curve, length of an uncompressed point, algorithm. TuxSuite's documentation
/// hashes with SHA-256 whatever the curve.
const CURVES: [(&str, &str, usize, &EcdsaVerificationAlgorithm); 3] = [
    ("ecdsa-sha2-nistp256", "nistp256", 65, &ECDSA_P256_SHA256_ASN1),
    ("ecdsa-sha2-nistp384", "nistp384", 97, &ECDSA_P384_SHA256_ASN1),
    ("ecdsa-sha2-nistp521", "nistp521", 133, &ECDSA_P521_SHA256_ASN1),
];

impl PublicKey {
    /// Reads OpenSSH's one-line form: the type, the key in base64, and a comment that is not looked at.
    ///
    /// # Errors
    ///
    /// Another kind of key than ECDSA, a point that is not on its curve, what is damaged.
    pub fn from_openssh(line: &str) -> Result<Self, InvalidKey> {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().ok_or(InvalidKey("it is empty"))?;
        let (_, curve, point_length, algorithm) =
            CURVES.iter().find(|known| known.0 == kind).ok_or(InvalidKey("its type is not ECDSA"))?;
        let blob = words
            .next()
            .and_then(|base64| STANDARD.decode(base64).ok())
            .ok_or(InvalidKey("its second word is not base64"))?;
        let damaged = InvalidKey("its fields are damaged");
        let (inner_kind, rest) = field(&blob).ok_or(damaged.clone())?;
        let (inner_curve, rest) = field(rest).ok_or(damaged.clone())?;
        let (point, rest) = field(rest).ok_or(damaged.clone())?;
        let whole = inner_kind == kind.as_bytes() && inner_curve == curve.as_bytes() && rest.is_empty();
        if !whole || point.len() != *point_length {
            return Err(damaged);
        }
        ParsedPublicKey::new(*algorithm, point).map(Self).map_err(|_| InvalidKey("its point is not on its curve"))
    }

    /// Whether `header` signs `body` as it came or, where `body` is a JSON string, what that string holds.
    ///
    /// # Errors
    ///
    /// Says which of the two it is not: base64, or a signature of this body.
    pub fn verify(&self, header: &str, body: &[u8]) -> Result<(), SignatureError> {
        // Both alphabets in one, as Python's `urlsafe_b64decode` reads them.
        let standard = header.trim().replace('-', "+").replace('_', "/");
        let signature = STANDARD.decode(standard).map_err(|_| SignatureError::NotBase64)?;
        if self.0.verify_sig(body, &signature).is_ok() {
            return Ok(());
        }
        match serde_json::from_slice::<String>(body) {
            Ok(inner) if self.0.verify_sig(inner.as_bytes(), &signature).is_ok() => Ok(()),
            _ => Err(SignatureError::Mismatch),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

/// The first field of an SSH wire blob (RFC 4251 `string`: four bytes of length, then the bytes) and what follows it.
fn field(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::domain::golden;

    fn good() -> (PublicKey, String, Vec<u8>) {
        let case =
            golden::cases("wire/tuxsuite_signatures.json", "cases").into_iter().find(|case| case["verify"] == true);
        let case = case.expect("a good signature");
        let key = PublicKey::from_openssh(case["public_key"].as_str().unwrap()).unwrap();
        (key, case["header"].as_str().unwrap().to_owned(), golden::bytes(&case["body_base64"]))
    }

    #[test]
    fn golden_signatures_are_judged_as_documented() {
        for case in golden::cases("wire/tuxsuite_signatures.json", "cases") {
            let name = &case["name"];
            let body = golden::bytes(&case["body_base64"]);
            let judged = PublicKey::from_openssh(case["public_key"].as_str().expect("a key"))
                .ok()
                .is_some_and(|key| key.verify(case["header"].as_str().expect("a header"), &body).is_ok());
            // `null` and words stand for an error in the documented code: no signature either.
            assert_eq!(judged, case["verify"] == Value::Bool(true), "{name}");
        }
    }

    #[test]
    fn a_body_that_is_a_string_may_be_signed_by_what_it_holds() {
        let (key, header, body) = good();
        let wrapped = serde_json::to_vec(std::str::from_utf8(&body).unwrap()).unwrap();
        assert_eq!(key.verify(&header, &wrapped), Ok(()));
        let twice = serde_json::to_vec(std::str::from_utf8(&wrapped).unwrap()).unwrap();
        assert_eq!(key.verify(&header, &twice), Err(SignatureError::Mismatch));
    }

    #[test]
    fn padding_is_wanted() {
        let (key, header, body) = good();
        assert!(header.ends_with('='));
        assert_eq!(key.verify(header.trim_end_matches('='), &body), Err(SignatureError::NotBase64));
        assert_eq!(key.verify("", &body), Err(SignatureError::Mismatch));
    }

    #[test]
    fn keys_of_other_kinds_and_damaged_keys_are_refused() {
        let case = &golden::cases("wire/tuxsuite_signatures.json", "cases")[0];
        let line = case["public_key"].as_str().unwrap();
        let base64 = line.split(' ').nth(1).unwrap();
        assert!(PublicKey::from_openssh(&format!("{line} bot@acme.example\n")).is_ok());
        for bad in [
            String::new(),
            "ecdsa-sha2-nistp256".to_owned(),
            "ecdsa-sha2-nistp256 AAAA".to_owned(),
            format!("ssh-ed25519 {base64}"),
            format!("ecdsa-sha2-nistp384 {base64}"),
            format!("ecdsa-sha2-nistp256 {}", &base64[..base64.len() - 4]),
            // The last bytes are the point's: another y is not on the curve.
            format!("ecdsa-sha2-nistp256 {}AAA=", &base64[..base64.len() - 4]),
        ] {
            assert!(PublicKey::from_openssh(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_and_no_key_makes_it_panic(header in any::<String>(), line in any::<String>(), blob in any::<Vec<u8>>()) {
            let (key, _, body) = good();
            prop_assert!(key.verify(&header, &body).is_err());
            prop_assert!(PublicKey::from_openssh(&line).is_err());
            let made_up = format!("ecdsa-sha2-nistp256 {}", STANDARD.encode(blob));
            prop_assert!(PublicKey::from_openssh(&made_up).is_err());
        }
    }
}
