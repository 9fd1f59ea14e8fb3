//! TuxSuite's storage, as far as finished jobs need it: the same results and log for each.

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::scenario;

/// The fake. It serves until the program ends.
pub(crate) struct FakeTuxSuite(String);

impl FakeTuxSuite {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let results = axum::body::Bytes::from(scenario::results_file());
        let router = Router::new()
            .route("/storage/{job}/results.json", get(move || async move { results }))
            .route("/storage/{job}/logs.txt", get(|| async { "booting\nall tests done\n" }))
            .fallback(|| async { StatusCode::NOT_FOUND });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self(base))
    }

    /// Its address.
    pub(crate) fn base(&self) -> String {
        self.0.clone()
    }
}
