//! What the tests stand on: databases, and upstreams that are real servers on loopback.

pub(crate) mod app;
pub(crate) mod catalogue;
pub(crate) mod db;
pub(crate) mod fake_s3;
pub(crate) mod fake_server;
pub(crate) mod fake_sink;
pub(crate) mod fake_tuxsuite;
pub(crate) mod fake_yard;
pub(crate) mod golden;
pub(crate) mod outbox;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod runs;
pub(crate) mod sse;

/// A client for tests that speak to a server over the wire.
#[expect(clippy::disallowed_methods, reason = "a test stands outside the service and obeys none of its outbound rules")]
pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::new()
}

/// `on_both! { async fn name(db: TestDb) { … } … }` makes of each the tests `name::sqlite` and `name::postgres`, each with
/// a fresh and empty database.
macro_rules! on_both {
    ($( $(#[$meta:meta])* async fn $name:ident($db:ident: TestDb) $body:block )+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn check($db: TestDb) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                check(TestDb::new(testyard::store::db::Dialect::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                check(TestDb::new(testyard::store::db::Dialect::Postgres).await).await;
            }
        }
    )+};
}
pub(crate) use on_both;
