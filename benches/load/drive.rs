//! The load: connections that post one request after the other, and a look at `/livez` in between.
//!
//! The client is as small as HTTP/1.1 over one kept connection allows, for it shares the machine with the service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::measure::{Latencies, Measured, Usage};
use crate::scenario::{Job, Scenario};
use crate::service::Service;
use crate::store::Place;

/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon a caller that was refused comes again: far sooner than `Retry-After` asks for.
const IMPATIENCE: Duration = Duration::from_millis(50);

/// How often `/livez` is asked for under load.
const LOOK: Duration = Duration::from_millis(20);

/// How long the background may take, beyond the load, to finish what the load brought.
const DRAIN: Duration = Duration::from_secs(30);

/// What is posted by how many, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) scenario: Scenario,
    pub(crate) connections: usize,
    pub(crate) length: Duration,
    pub(crate) jobs: Arc<[Job]>,
    /// Where the fake storage is.
    pub(crate) storage: String,
}

/// Puts the service under load.
pub(crate) async fn drive(service: &Service, place: &Place, load: &Load) -> Result<Measured> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(Connection::open(service.address()).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let (begun, used, database) = (Instant::now(), Usage::of(service.id())?, place.usage()?);
    let posting: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::spawn(post(connection, load.clone(), begun, Arc::clone(&next))))
        .collect();
    let looking = tokio::spawn(look(service.address(), begun, load.length));
    let mut latencies = Latencies::default();
    for poster in posting {
        latencies.merge(poster.await??);
    }
    let elapsed = begun.elapsed();
    let livez = looking.await??;
    // The work behind the requests may still go on; of whole jobs it counts.
    let settled = settled(place, load, latencies.accepted(), begun).await?;
    let used_by_service = Usage::of(service.id())?.since(&used);
    let used_by_database = place.usage()?.zip(database).map(|(now, before)| now.since(&before));
    Ok(Measured {
        summary: latencies.summary(elapsed, &used_by_service),
        database_cpu_us: used_by_database.map(|used| used.cpu_us / latencies.accepted().max(1) as f64),
        resident_mib: Usage::of(service.id())?.resident_mib,
        peak_mib: Usage::of(service.id())?.peak_mib,
        busy: latencies.busy,
        without_retry_after: latencies.without_retry_after,
        failed: latencies.failed,
        livez_p99_ms: livez.percentile(0.99),
        settled_per_s: settled,
    })
}

/// How many a second the background finished: under load, or, of a whole job, until the last one is done.
async fn settled(place: &Place, load: &Load, accepted: usize, begun: Instant) -> Result<Option<f64>> {
    let Some((table, state)) = load.scenario.background() else { return Ok(None) };
    loop {
        let done = place.count(table, state).await?;
        let elapsed = begun.elapsed();
        let over = done >= accepted || load.scenario != Scenario::Settle || elapsed > load.length + DRAIN;
        if over {
            return Ok(Some(done as f64 / elapsed.as_secs_f64()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn post(mut connection: Connection, load: Load, begun: Instant, next: Arc<AtomicUsize>) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    while begun.elapsed() < load.length {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some((method, path, body)) = load.scenario.request(n, &load.jobs, &load.storage) else { break };
        let message = request(method, &path, &body);
        let asked = Instant::now();
        let answer = connection.ask(&message).await?;
        match answer.status {
            200..300 => latencies.record(asked.elapsed()),
            503 => {
                latencies.busy += 1;
                latencies.without_retry_after += usize::from(!answer.retry_after);
                latencies.record_refused(asked.elapsed());
                tokio::time::sleep(IMPATIENCE).await;
            }
            status => {
                latencies.failed += 1;
                if latencies.failed == 1 {
                    eprintln!("{method} {path}: {status} {}", answer.body);
                }
            }
        }
    }
    Ok(latencies)
}

async fn look(address: SocketAddr, begun: Instant, length: Duration) -> Result<Latencies> {
    let mut connection = Connection::open(address).await?;
    let message = request("GET", "/livez", "");
    let mut latencies = Latencies::default();
    let mut ticks = tokio::time::interval(LOOK);
    while begun.elapsed() < length {
        ticks.tick().await;
        let asked = Instant::now();
        let answer = connection.ask(&message).await?;
        if answer.status != 200 {
            bail!("/livez answers {}", answer.status);
        }
        latencies.record(asked.elapsed());
    }
    Ok(latencies)
}

/// A request as it goes over the wire.
fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// An answer, as far as a load cares.
struct Answer {
    status: u16,
    retry_after: bool,
    body: String,
}

/// One kept connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("the service takes no connection")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    async fn ask(&mut self, message: &[u8]) -> Result<Answer> {
        tokio::time::timeout(PATIENCE, async {
            self.stream.write_all(message).await?;
            self.answer().await
        })
        .await
        .context("no answer in time")?
    }

    async fn answer(&mut self) -> Result<Answer> {
        self.buffer.clear();
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(self.buffer.get(..head).unwrap_or_default())?.to_ascii_lowercase();
        let status = text.get(9..12).context("no status line")?.parse()?;
        let length: usize = match text.lines().find_map(|line| line.strip_prefix("content-length:")) {
            Some(length) => length.trim().parse()?,
            None => 0,
        };
        let retry_after = text.contains("\r\nretry-after:");
        while self.buffer.len() < head + 4 + length {
            self.more().await?;
        }
        let body = String::from_utf8_lossy(self.buffer.get(head + 4..).unwrap_or_default()).into_owned();
        Ok(Answer { status, retry_after, body })
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the service closed a connection");
        }
        Ok(())
    }
}
