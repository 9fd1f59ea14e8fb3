//! Testyard: a test-orchestration service over HTTP.
//!
//! CI systems post builds and tests; runners run them and call back; results are kept with their history and delivered
//! to KCIDB until each one is known to have arrived. `docs/architecture.md` tells the story; this is the map. Imports go
//! down only, and a test holds them to it:
//!
//! | floor | rooms |
//! |---|---|
//! | command line | [`cli`] |
//! | wiring | [`server`] |
//! | edge | [`http`]: translates, authorises, pages; decides nothing |
//! | background | [`work`]: idempotent tasks over due rows |
//! | use cases | [`app`]: one function each, which owns its transaction |
//! | outside | [`agent`]: does a service's work in a lab; [`runner`], [`sink`], [`net`]: adapters over one guarded HTTP client; [`objects`]: the object store |
//! | storage | [`store`]: SQL for two databases |
//! | semantics | [`domain`]: pure |
//!
//! [`config`], [`clock`], [`entropy`], [`ids`], [`lifecycle`] and [`telemetry`] stand beside the floors.

pub mod agent;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod ids;
pub mod lifecycle;
pub mod net;
pub mod objects;
pub mod runner;
pub mod server;
pub mod sink;
pub mod store;
pub mod telemetry;
pub mod work;
