//! Settings: what an operator may choose, where each choice came from, and which choices contradict each other.
//!
//! Four layers, the later over the earlier: the defaults, a TOML file, the environment, the flags. Each layer is turned
//! into claims (a key of `keys::KEYS`, a value, an origin), the claims are overlaid, and the result is read once into
//! [`Settings`], which refuses unknown keys. So one list of keys serves the file, the environment, `--set`,
//! `config show`, the example file and `docs/settings.md`, and tests hold them together.
//!
//! Nothing here reads the process's environment or its user but [`Surroundings::from_process`]. A `.env` file is read
//! only when `--env-file` names it. Secrets never appear in messages, in `Debug`, in `config show`.

mod check;
mod check_runners;
mod check_services;
mod claims;
mod compat;
mod database_url;
#[cfg(test)]
mod documents;
mod flags;
mod http_plan;
mod keys;
mod load;
mod queue;
mod runners;
mod services;
mod settings;
mod show;
mod surroundings;
mod text;

pub use check::Warning;
pub use claims::Origin;
pub use database_url::DatabaseKind;
pub use flags::{Assignment, Flags};
pub use http_plan::{HttpCall, HttpPlan};
pub use load::{Loaded, Problem, Problems, load};
pub use queue::{Pool, Queue};
pub use runners::{HttpAnswer, HttpCallback, HttpRequest, HttpResults, HttpRunner, Runners, Secrets, SubprocessRunner};
pub use services::{Agents, Kcidb, Local, Objects, OnLost, Recipe, Runs, SignaturePolicy, TestRecipe, TuxSuite};
pub use settings::{
    Access, Artifacts, Callbacks, Catalogue, Database, Intake, Log, LogFormat, Logs, Outbound, Scope, Server, Settings,
    Token, Writer,
};
pub use show::{show_json, show_toml};
pub use surroundings::Surroundings;
