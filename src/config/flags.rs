//! The flags that every command takes. They are the last layer, over file and environment.

use std::path::PathBuf;

use secrecy::SecretString;

/// Flags that choose settings.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// The settings file. Without it: `TESTYARD_CONFIG`, ./testyard.toml, /etc/testyard/testyard.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A file of NAME=value lines, read under the environment. No .env file is read without this
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// The address to listen on; port 0 picks a free one
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// sqlite:PATH or postgres://…
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<SecretString>,
    /// The address that runners and callers reach this service by
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// Ask for no tokens, whatever address is listened on
    #[arg(long, global = true)]
    pub open: bool,
    /// text or json
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Any setting, such as `runs.deadline_s=3600`; may be given again
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<Assignment>,
}

/// `key=value`. `Debug` hides the value; whether the key is known is found out when settings are loaded.
#[derive(Clone)]
pub struct Assignment(SecretString);

impl Assignment {
    pub(super) fn text(&self) -> &SecretString {
        &self.0
    }
}

impl From<String> for Assignment {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assignment(..)")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn flags_parse_and_hide_what_may_be_secret() {
        let program = Program::try_parse_from([
            "testyard",
            "--listen=0.0.0.0:1",
            "--database-url=postgres://u:s3cret@h/d",
            "--set",
            "kcidb.token=s3cret",
            "--set=runs.deadline_s=5",
            "--open",
        ])
        .expect("good flags");
        assert_eq!(program.flags.listen.as_deref(), Some("0.0.0.0:1"));
        assert_eq!(program.flags.set.len(), 2);
        assert!(program.flags.open);
        assert!(!format!("{program:?}").contains("s3cret"));
    }
}
