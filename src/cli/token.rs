//! `testyard token`: a new bearer token.

use sha2::{Digest as _, Sha256};

use crate::config::Scope;
use crate::domain::words::Word as _;
use crate::entropy;

/// What the token is to be.
#[derive(Debug, clap::Args)]
pub(super) struct TokenArguments {
    /// Who will hold it; stands in the logs
    #[arg(long)]
    name: String,
    /// What it allows: read, submit, operate or admin; each includes those before it
    #[arg(long, default_value = "submit")]
    scope: Scope,
}

/// Makes a token: the text to print. Only its hash goes into the settings.
pub(super) fn run(new: &TokenArguments) -> String {
    let token = entropy::secret("tok");
    let hash = hex::encode(Sha256::digest(&token));
    let (name, scope) = (&new.name, new.scope.as_str());
    format!(
        "The token, shown only now:\n\n    {token}\n\nIn testyard.toml:\n\n    [[access.tokens]]\n    name = {name:?}\n    \
         sha256 = \"{hash}\"\n    scope = \"{scope}\"\n\nor in the environment:\n\n    TESTYARD_TOKENS={name}:{scope}:{hash}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_lets_the_token_in() {
        let text = run(&TokenArguments { name: "ci".into(), scope: Scope::Operate });
        let token = text.lines().find_map(|line| line.trim().strip_prefix("tok_")).unwrap();
        let hash = hex::encode(Sha256::digest(format!("tok_{token}")));
        assert!(text.contains(&format!("TESTYARD_TOKENS=ci:operate:{hash}")));
        assert!(text.contains(&format!("sha256 = \"{hash}\"")));
    }
}
