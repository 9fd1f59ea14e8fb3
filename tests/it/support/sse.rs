//! Server-sent events, as a client reads them.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::http_client;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for a stream.
pub(crate) const SSE: (&str, &str) = ("accept", "text/event-stream");

/// A stream of server-sent events.
pub(crate) struct Stream {
    response: reqwest::Response,
    read: Vec<u8>,
}

/// An event as it came.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: Option<i64>,
    pub(crate) event: String,
    pub(crate) data: Value,
    pub(crate) retry: Option<u64>,
    pub(crate) is_comment: bool,
}

impl Stream {
    pub(crate) async fn open(url: &str, headers: &[(&str, &str)]) -> Self {
        let response = Self::ask(url, headers).await;
        assert_eq!(response.status(), 200, "{url}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, read: Vec::new() }
    }

    pub(crate) async fn ask(url: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = http_client().get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        timeout(PATIENCE, request.send()).await.expect("an answer in time").expect("an answer")
    }

    /// The next that comes, comments included; `None` at the end.
    pub(crate) async fn any(&mut self) -> Option<Told> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                return Some(Told::read(std::str::from_utf8(&block).expect("text").trim_end()));
            }
            let chunk =
                timeout(PATIENCE, self.response.chunk()).await.expect("something in time").expect("no failure")?;
            self.read.extend_from_slice(&chunk);
        }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            let told = self.any().await?;
            if !told.is_comment {
                return Some(told);
            }
        }
    }
}

impl Told {
    fn read(block: &str) -> Self {
        let mut told = Self::default();
        for line in block.lines() {
            match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
                Some(("", _)) => told.is_comment = true,
                Some(("id", value)) => told.id = Some(value.parse().unwrap()),
                Some(("event", value)) => value.clone_into(&mut told.event),
                Some(("data", value)) => told.data = serde_json::from_str(value).unwrap(),
                Some(("retry", value)) => told.retry = Some(value.parse().unwrap()),
                other => panic!("{other:?}"),
            }
        }
        told.is_comment &= told.data.is_null();
        told
    }
}
