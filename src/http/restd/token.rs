//! The tokens of kcidb-restd: JSON Web Tokens signed with HS256 that name an origin.
//!
//! The rules and the words were read off the running kcidb-restd: the token is the second word of `Authorization`,
//! whatever the first; `origin` and `exp` are required; a minute of leeway is given; a token that is made out to an
//! audience is refused; `nbf` and other claims are ignored. Two secrets may be in use, while one replaces the other.

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::Value;

/// How long after its end a token is still taken, in seconds.
const LEEWAY_S: u64 = 60;

/// What a token says of its bearer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The origin whose submissions it carries; empty where no token is asked for.
    pub origin: String,
}

/// The message for an `Authorization` header that is not visible ASCII, and so no text.
pub const UNREADABLE: &str = "Missing or invalid JWT";

/// Checks the token in an `Authorization` header.
///
/// `secrets` are tried in order; that the first is empty, or that there is none, means that no token is asked for. An
/// empty one after the first is skipped: it would let anyone sign.
///
/// # Errors
/// The message to answer 401 with. Where no secret fits, it is the first one's.
pub fn check(authorization: Option<&str>, secrets: &[&str], now: DateTime<Utc>) -> Result<Claims, String> {
    let Some((first, others)) = secrets.split_first().filter(|(first, _)| !first.is_empty()) else {
        return Ok(Claims::default());
    };
    let header = authorization.ok_or("JWT is required")?;
    let token = header.split(' ').nth(1).ok_or("Missing or invalid JWT (Bearer)")?;
    verify(token, first, now).or_else(|error| {
        others
            .iter()
            .filter(|secret| !secret.is_empty())
            .find_map(|secret| verify(token, secret, now).ok())
            .ok_or_else(|| error.to_string())
    })
}

#[derive(Deserialize)]
struct Payload {
    origin: String,
    exp: Option<Value>,
    aud: Option<Value>,
}

fn verify(token: &str, secret: &str, now: DateTime<Utc>) -> Result<Claims, Error> {
    let mut validation = Validation::new(Algorithm::HS256);
    // The library would read the machine's clock; and it would speak of the audience before it speaks of the time.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let payload: Payload = decode(token, &DecodingKey::from_secret(secret.as_bytes()), &validation)?.claims;
    let exp = payload.exp.as_ref().and_then(seconds);
    let exp = exp.ok_or_else(|| Error::from(ErrorKind::MissingRequiredClaim("exp".to_owned())))?;
    let now = u64::try_from(now.timestamp()).unwrap_or_default();
    if exp.saturating_add(LEEWAY_S) < now {
        return Err(ErrorKind::ExpiredSignature.into());
    }
    if payload.aud.as_ref().is_some_and(names_an_audience) {
        return Err(ErrorKind::InvalidAudience.into());
    }
    Ok(Claims { origin: payload.origin })
}

/// A NumericDate, which may have a fraction, in whole seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and what is negative is none"
)]
fn seconds(exp: &Value) -> Option<u64> {
    exp.as_u64().or_else(|| exp.as_f64().filter(|exp| *exp >= 0.0).map(|exp| exp.round() as u64))
}

/// An `aud` that is neither a text nor a list of texts names nobody and is ignored.
fn names_an_audience(aud: &Value) -> bool {
    match aud {
        Value::String(_) => true,
        Value::Array(names) => names.iter().all(Value::is_string),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn bearer(claims: &Value, secret: &str) -> String {
        let token = encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        format!("Bearer {token}")
    }

    fn with_claims(claims: &Value) -> Result<Claims, String> {
        check(Some(&bearer(claims, "one")), &["one"], now())
    }

    #[test]
    fn a_token_lasts_a_minute_longer_than_it_says() {
        let riscv = Ok(Claims { origin: "riscv".to_owned() });
        let expired = Err("ExpiredSignature".to_owned());
        for (exp, outcome) in [
            (json!(1_799_999_940), &riscv),
            (json!(1_799_999_939), &expired),
            (json!(1_799_999_939.5), &riscv),
            (json!(1_799_999_939.4), &expired),
            (json!(1e19), &riscv),
            (json!(0), &expired),
        ] {
            assert_eq!(&with_claims(&json!({"origin": "riscv", "exp": exp})), outcome, "{exp}");
        }
        for exp in [json!("1900000000"), json!(-1), Value::Null, json!([])] {
            let refused = with_claims(&json!({"origin": "riscv", "exp": exp}));
            assert_eq!(refused, Err("Missing required claim: exp".to_owned()), "{exp}");
        }
    }

    #[test]
    fn an_audience_is_refused_once_the_time_is_right() {
        let claims = |exp: u64, aud: &Value| json!({"origin": "riscv", "exp": exp, "aud": aud});
        for aud in [json!("x"), json!(["x", "y"]), json!([])] {
            assert_eq!(with_claims(&claims(1_900_000_000, &aud)), Err("InvalidAudience".to_owned()), "{aud}");
            assert_eq!(with_claims(&claims(1, &aud)), Err("ExpiredSignature".to_owned()), "{aud}");
        }
        for aud in [Value::Null, json!(5), json!(["x", 5])] {
            assert!(with_claims(&claims(1_900_000_000, &aud)).is_ok(), "{aud}");
        }
    }

    #[test]
    fn either_secret_fits_and_the_first_one_speaks() {
        let claims = json!({"origin": "riscv", "exp": 1_900_000_000});
        let old = json!({"origin": "riscv", "exp": 1});
        for secret in ["one", "two"] {
            assert!(check(Some(&bearer(&claims, secret)), &["one", "two"], now()).is_ok(), "{secret}");
        }
        let refused = check(Some(&bearer(&old, "two")), &["one", "two"], now());
        assert_eq!(refused, Err("InvalidSignature".to_owned()));
    }

    #[test]
    fn no_secret_asks_for_no_token_and_an_empty_second_one_opens_nothing() {
        assert_eq!(check(None, &[], now()), Ok(Claims::default()));
        assert_eq!(check(None, &[""], now()), Ok(Claims::default()));
        let claims = json!({"origin": "riscv", "exp": 1_900_000_000});
        let forged = check(Some(&bearer(&claims, "")), &["one", ""], now());
        assert_eq!(forged, Err("InvalidSignature".to_owned()));
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        use base64::Engine as _;
        let part = |json: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string());
        let head = part(json!({"alg": "none", "typ": "JWT"}));
        let claims = part(json!({"origin": "riscv", "exp": 1_900_000_000}));
        assert!(check(Some(&format!("Bearer {head}.{claims}.")), &["one"], now()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic_or_passes(header in "\\PC{0,40}") {
            proptest::prop_assert!(check(Some(&header), &["one"], now()).is_err());
        }
    }
}
