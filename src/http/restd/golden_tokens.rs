//! Tokens for the replays of kcidb-restd's answers. The recorded tokens are blanked out, so each case gets a token with the
//! property or the fault that its name and its answer tell of.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

/// The secrets that the tokens are signed with: the first one, and the one that cases about a second secret mean.
pub(super) const SECRETS: [&str; 2] = ["the primary secret of these tests", "the second secret of these tests"];

/// The seconds in a name such as `expired 30s ago`, `expired 1h ago`.
fn age_s(name: &str) -> Option<i64> {
    let word = name.split("expired ").nth(1)?.split(' ').next()?;
    let (number, unit) = word.split_at(word.find(|character: char| !character.is_ascii_digit())?);
    let unit = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(number.parse::<i64>().ok()? * unit)
}

/// A token for the recorded case of this name that was answered with this message, signed with [`SECRETS`], at the time
/// `now` (in Unix seconds).
pub(super) fn token_for(name: &str, message: &str, now: i64) -> String {
    let mut claims = json!({"origin": "riscv", "exp": now + 1_000});
    let mut algorithm = Algorithm::HS256;
    let mut secret = if name.contains("unified secret") { SECRETS[1] } else { SECRETS[0] };
    if let Some(age) = age_s(name) {
        claims["exp"] = json!(now - age);
    }
    if name.contains("nbf") {
        claims["nbf"] = json!(now + 10_000);
    }
    if name.contains("extra claims") {
        claims["more"] = json!({"of": ["this"]});
    }
    match message {
        "ExpiredSignature" if age_s(name).is_none() => claims["exp"] = json!(now - 3_600),
        "InvalidSignature" => secret = "a secret of somebody else",
        "InvalidAlgorithm" => algorithm = if name.contains("384") { Algorithm::HS384 } else { Algorithm::HS512 },
        "InvalidAudience" => claims["aud"] = json!("someone"),
        "Missing required claim: exp" if name.contains("string") => claims["exp"] = json!("1900000000"),
        "Missing required claim: exp" => claims = json!({"origin": "riscv"}),
        _ if message.contains("missing field `origin`") => claims = json!({"exp": now + 1_000}),
        _ if message.contains("integer `5`") => claims["origin"] = json!(5),
        _ => {}
    }
    let token = encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
    match message {
        "InvalidToken" => token.replace('.', ""),
        _ if message.contains("unknown variant `none`") => {
            let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
            let payload = token.split('.').nth(1).unwrap();
            format!("{head}.{payload}.")
        }
        _ => token,
    }
}

/// A message without the column in a token's claims: how the recorded claims were spelt is not known.
pub(super) fn without_column(text: &str) -> &str {
    if text.contains("JSON error") { text.split(" at line").next().unwrap() } else { text }
}
