//! Who may call what.
//!
//! On loopback, where nobody else can call, no token is asked for until there are tokens; the start refuses to listen
//! anywhere else without tokens or a word that openness is meant. A scope includes those before it. The doors of
//! runners' callbacks are not guarded here: a signature or a capability guards them.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::config::{Scope, Settings};
use crate::http::log::Caller;
use crate::http::problem::{Code, Problem, Result};

/// Whether no token is asked for.
#[must_use]
pub fn is_open(settings: &Settings) -> bool {
    settings.access.open || settings.access.tokens.is_empty()
}

/// Whether the bearer of this `Authorization` may do what needs this scope: the name of the token's holder, or nothing
/// where no token is asked for.
///
/// # Errors
/// 401 for a missing or unknown token, 403 for one whose scope is too small.
pub fn check(settings: &Settings, authorization: Option<&str>, needed: Scope) -> Result<Option<String>> {
    if is_open(settings) {
        return Ok(None);
    }
    let token = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Problem::new(Code::Unauthenticated, "send `Authorization: Bearer TOKEN`"))?;
    // Hashes of secrets are compared, not secrets: how long that takes tells nothing.
    let digest = hex::encode(Sha256::digest(token));
    let known = settings.access.tokens.iter().find(|known| known.sha256.eq_ignore_ascii_case(&digest));
    let Some(known) = known else {
        return Err(Problem::new(Code::Unauthenticated, "this token is not known here"));
    };
    if !known.scope.includes(needed) {
        let words = format!("the token `{}` has the scope `{}`, and this needs `{needed}`", known.name, known.scope);
        return Err(Problem::new(Code::Forbidden, words));
    }
    Ok(Some(known.name.clone()))
}

/// Whether the holder of a token may ask for this priority. Where no token is asked for there is no ceiling.
///
/// # Errors
/// 403 that names the highest that they may ask for.
pub fn check_priority(settings: &Settings, holder: Option<&str>, priority: i64) -> Result<()> {
    let token = settings.access.tokens.iter().find(|token| holder == Some(token.name.as_str()));
    let Some(token) = token.filter(|token| priority > token.max_priority) else { return Ok(()) };
    let words = format!(
        "the token `{}` may ask for a priority of at most {}, and this is {priority}",
        token.name, token.max_priority
    );
    Err(Problem::new(Code::Forbidden, words))
}

/// Lets a request through whose bearer has the scope.
pub async fn guard(State((app, needed)): State<(App, Scope)>, mut request: Request, next: Next) -> Response {
    let authorization = crate::http::body::text(request.headers(), header::AUTHORIZATION.as_str());
    match check(&app.settings, authorization, needed) {
        Ok(None) => next.run(request).await,
        Ok(Some(holder)) => {
            let caller = Caller(holder);
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(caller);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Token;

    fn with_token(scope: Scope) -> Settings {
        let mut settings = Settings::default();
        // The SHA-256 of "abc", from FIPS 180.
        let sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD".to_owned();
        settings.access.tokens.push(Token { name: "ci".into(), sha256, scope, max_priority: 100 });
        settings
    }

    #[test]
    fn tokens_open_what_their_scope_includes() {
        let settings = with_token(Scope::Submit);
        assert_eq!(check(&settings, Some("Bearer abc"), Scope::Read).unwrap(), Some("ci".into()));
        assert_eq!(check(&settings, Some("bearer  abc"), Scope::Submit).unwrap(), Some("ci".into()));
        assert_eq!(check(&settings, Some("Bearer abc"), Scope::Operate).unwrap_err().into_response().status(), 403);
        for wrong in [None, Some("abc"), Some("Basic abc"), Some("Bearer abd"), Some("Bearer "), Some("Bearer")] {
            let refused = check(&settings, wrong, Scope::Read).unwrap_err().into_response();
            assert_eq!(refused.status(), 401, "{wrong:?}");
            assert!(refused.headers().contains_key(header::WWW_AUTHENTICATE));
        }
    }

    #[test]
    fn a_token_has_a_highest_priority_and_openness_has_none() {
        let settings = with_token(Scope::Operate);
        assert!(check_priority(&settings, Some("ci"), 100).is_ok());
        assert!(check_priority(&settings, None, 1_000).is_ok());
        let refused = check_priority(&settings, Some("ci"), 101).unwrap_err().into_response();
        assert_eq!(refused.status(), 403);
    }

    #[test]
    fn without_tokens_or_when_openness_is_meant_nobody_is_asked() {
        assert_eq!(check(&Settings::default(), None, Scope::Admin).unwrap(), None);
        let mut settings = with_token(Scope::Read);
        settings.access.open = true;
        assert_eq!(check(&settings, None, Scope::Admin).unwrap(), None);
    }
}
