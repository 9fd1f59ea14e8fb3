//! The bare writer: the same rows, from as many producers, through a bounded channel and group commits into the same
//! multi-row statements; no HTTP, no JSON to read, no checks, no background.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use testyard::clock::{Clock as _, SystemClock};
use testyard::config::Settings;
use testyard::domain::run::RunState;
use testyard::domain::status::Status;
use testyard::store::step::End;
use testyard::store::{self, Conn, Db, Dialect};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::drive::Load;
use crate::measure::{Latencies, Summary, Usage};
use crate::scenario::Rows;
use crate::store::Place;

type Entry = (Rows, oneshot::Sender<()>);

/// Measures the bare writer under this load.
pub(crate) async fn measure(place: &Place, load: &Load) -> Result<Summary> {
    let settings = Settings::default();
    let db = Db::connect(place.url(), settings.database.max_connections).await?;
    let (sender, receiver) = mpsc::channel::<Entry>(settings.writer.queue);
    let receiver = Arc::new(Mutex::new(receiver));
    let writers = if db.dialect() == Dialect::Sqlite { 1 } else { settings.writer.writers };
    let writing: Vec<_> =
        (0..writers).map(|_| tokio::spawn(write(db.clone(), Arc::clone(&receiver), settings.writer.batch))).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let (begun, used) = (Instant::now(), Usage::of(std::process::id())?);
    let producing: Vec<_> = (0..load.connections)
        .map(|_| tokio::spawn(produce(load.clone(), begun, Arc::clone(&next), sender.clone())))
        .collect();
    drop(sender);
    let mut latencies = Latencies::default();
    for producer in producing {
        latencies.merge(producer.await??);
    }
    let (elapsed, used) = (begun.elapsed(), Usage::of(std::process::id())?.since(&used));
    for writer in writing {
        writer.await??;
    }
    db.close().await;
    Ok(latencies.summary(elapsed, &used))
}

async fn produce(load: Load, begun: Instant, next: Arc<AtomicUsize>, sender: mpsc::Sender<Entry>) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    while begun.elapsed() < load.length {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some(rows) = load.scenario.rows(n, &load.jobs, &load.storage, SystemClock.now()) else { break };
        let asked = Instant::now();
        let (answer, answered) = oneshot::channel();
        sender.send((rows, answer)).await?;
        answered.await?;
        latencies.record(asked.elapsed());
    }
    Ok(latencies)
}

async fn write(db: Db, receiver: Arc<Mutex<mpsc::Receiver<Entry>>>, batch: usize) -> Result<()> {
    let mut entries = Vec::with_capacity(batch);
    while receiver.lock().await.recv_many(&mut entries, batch).await > 0 {
        let mut all = Rows::default();
        let mut answers = Vec::with_capacity(entries.len());
        for (rows, answer) in entries.drain(..) {
            all.builds.extend(rows.builds);
            all.runs.extend(rows.runs);
            all.callbacks.extend(rows.callbacks);
            all.ended.extend(rows.ended);
            all.results.extend(rows.results);
            all.deliveries.extend(rows.deliveries);
            all.submissions.extend(rows.submissions);
            answers.push(answer);
        }
        let mut tx = db.begin().await?;
        insert(&mut tx.conn(), &all).await?;
        tx.commit().await?;
        for answer in answers {
            let _ = answer.send(());
        }
    }
    Ok(())
}

async fn insert(conn: &mut Conn<'_>, rows: &Rows) -> store::Result<()> {
    store::build::insert(conn, &rows.builds).await?;
    store::run::plan(conn, &rows.runs).await?;
    store::callback::receive(conn, &rows.callbacks).await?;
    for run in &rows.ended {
        let end = End {
            state: RunState::Finished,
            status: Status::Pass,
            reason: None,
            observation: None,
            now: SystemClock.now(),
            stop_due_at: None,
        };
        store::step::end(conn, *run, &end).await?;
    }
    store::result::insert(conn, &rows.results).await?;
    store::delivery::enqueue(conn, &rows.deliveries).await?;
    store::submission::insert(conn, &rows.submissions).await?;
    Ok(())
}
