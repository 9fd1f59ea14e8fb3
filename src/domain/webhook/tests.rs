//! The vectors that the reference library made, and what they do not cover.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::golden;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const OTHER: &str = "whsec_ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3";

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn headers(value: &Value) -> Headers<'_> {
    let header = |name: &str| value.get(name).and_then(Value::as_str);
    Headers { id: header(ID), timestamp: header(TIMESTAMP), signature: header(SIGNATURE) }
}

#[test]
fn golden_messages_are_accepted_and_rejected_as_the_library_does() {
    let (mut accepted, mut rejected) = (0, 0);
    for case in golden::cases("wire/standard_webhooks.json", "cases") {
        let now = at(case["now"].as_i64().unwrap());
        let body = case["body"].as_str().unwrap().as_bytes();
        let told = verify(&[key(case["secret"].as_str().unwrap())], headers(&case["headers"]), body, now);
        let accept = case["accept"].as_bool().unwrap();
        assert_eq!(told.is_ok(), accept, "{}: {told:?}", case["name"]);
        if accept { accepted += 1 } else { rejected += 1 }
    }
    assert!(accepted >= 7 && rejected >= 12, "{accepted} {rejected}");
}

#[test]
fn golden_signatures_are_what_we_would_have_signed() {
    let cases = golden::cases("wire/standard_webhooks.json", "cases");
    for name in ["good", "empty body"] {
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        let given = headers(&case["headers"]);
        let time = at(given.timestamp.unwrap().parse().unwrap());
        let body = case["body"].as_str().unwrap().as_bytes();
        let signed = sign(&[key(case["secret"].as_str().unwrap())], given.id.unwrap(), time, body);
        assert_eq!(signed.as_deref(), given.signature, "{name}");
    }
}

#[test]
fn any_of_several_secrets_will_do_and_each_signs() {
    let both = [key(OTHER), key(SECRET)];
    let signature = sign(&both, "msg_1", at(0), b"{}").unwrap();
    assert_eq!(signature.split(' ').count(), 2);
    let given = Headers { id: Some("msg_1"), timestamp: Some("0"), signature: Some(&signature) };
    for keys in [&both[..], &both[..1], &both[1..]] {
        assert_eq!(verify(keys, given, b"{}", at(0)), Ok(()));
    }
    assert_eq!(verify(&[], given, b"{}", at(0)), Err(Rejected::Mismatch));
    assert_eq!(sign(&[], "msg_1", at(0), b"{}"), None);
}

#[test]
fn a_public_key_checks_and_never_signs() {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public = key(&format!("whpk_{}", STANDARD.encode(pair.public_key())));
    let signature = format!("v1,AAAA v1a,{}", STANDARD.encode(pair.sign(b"msg_1.5.{}")));
    let given = Headers { id: Some("msg_1"), timestamp: Some("5"), signature: Some(&signature) };
    assert_eq!(verify(std::slice::from_ref(&public), given, b"{}", at(5)), Ok(()));
    assert_eq!(verify(std::slice::from_ref(&public), given, b"[]", at(5)), Err(Rejected::Mismatch));
    // A shared secret is never tried on a signature of another kind.
    assert_eq!(verify(&[key(SECRET)], given, b"{}", at(5)), Err(Rejected::Mismatch));
    assert!(!public.can_sign() && key(SECRET).can_sign());
    assert_eq!(sign(&[public], "msg_1", at(5), b"{}"), None);
}

#[test]
fn what_is_wrong_is_told() {
    let signature = sign(&[key(SECRET)], "m", at(1000), b"").unwrap();
    let good = Headers { id: Some("m"), timestamp: Some("1000"), signature: Some(&signature) };
    let table = [
        (good, 1000, Ok(())),
        (good, 1300, Ok(())),
        (good, 700, Ok(())),
        (good, 1301, Err("the header `webhook-timestamp` is 301 s old: at most 300 s are taken")),
        (good, 699, Err("the header `webhook-timestamp` is 301 s in the future: at most 300 s are taken")),
        (Headers { id: Some(""), ..good }, 1000, Err("the header `webhook-id` is missing")),
        (Headers { timestamp: None, ..good }, 1000, Err("the header `webhook-timestamp` is missing")),
        (Headers { signature: None, ..good }, 1000, Err("the header `webhook-signature` is missing")),
        (
            Headers { timestamp: Some("+1000"), ..good },
            1000,
            Err("the header `webhook-timestamp` is not whole seconds since 1970"),
        ),
        (
            Headers { timestamp: Some("-9223372036854775808"), ..good },
            1000,
            Err("the header `webhook-timestamp` is not whole seconds since 1970"),
        ),
        (
            Headers { signature: Some("v1,%%%"), ..good },
            1000,
            Err("no signature of a known version in the header `webhook-signature` fits the message and the secret"),
        ),
    ];
    for (given, now, want) in table {
        let told = verify(&[key(SECRET)], given, b"", at(now)).map_err(|error| error.to_string());
        assert_eq!(told, want.map_err(str::to_owned), "{given:?} {now}");
    }
}

#[test]
fn only_keys_are_keys() {
    let table = [
        ("", InvalidKey::Prefix),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", InvalidKey::Prefix),
        ("whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", InvalidKey::Prefix),
        ("whsec_", InvalidKey::Length(0)),
        ("whsec_AAEC", InvalidKey::Length(3)),
        ("whsec_not base64", InvalidKey::NotBase64),
        ("whpk_AAEC", InvalidKey::Public),
    ];
    for (text, want) in table {
        assert_eq!(Key::parse(text).unwrap_err(), want, "{text}");
    }
    let long = format!("whsec_{}", STANDARD.encode([0; 65]));
    assert_eq!(Key::parse(&long).unwrap_err(), InvalidKey::Length(65));
    assert_eq!(format!("{:?}", key(SECRET)), "Key(shared)");
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted_and_nothing_else_of_it(
        id in "[!-~]{1,40}", time in -4_000_000_000_i64..4_000_000_000, body: Vec<u8>, flip: prop::sample::Index,
    ) {
        let keys = [key(SECRET)];
        let signature = sign(&keys, &id, at(time), &body).unwrap();
        let timestamp = time.to_string();
        let given = Headers { id: Some(&id), timestamp: Some(&timestamp), signature: Some(&signature) };
        prop_assert_eq!(verify(&keys, given, &body, at(time)), Ok(()));
        let mut other = body.clone();
        other.push(0);
        let place = flip.index(other.len());
        other[place] ^= 1;
        prop_assert_eq!(verify(&keys, given, &other, at(time)), Err(Rejected::Mismatch));
    }

    #[test]
    fn any_header_is_judged(id: String, timestamp: String, signature: String) {
        let given = Headers { id: Some(&id), timestamp: Some(&timestamp), signature: Some(&signature) };
        prop_assert!(verify(&[key(SECRET)], given, b"", at(0)).is_err());
    }
}
