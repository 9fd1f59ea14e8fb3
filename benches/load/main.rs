//! How fast the service takes work in, beside a bare writer that only inserts the same rows.
//!
//! ```text
//! cargo bench --bench load -- [--database sqlite|postgres|both] [--connections 1,8,32,256] [--seconds 5] \
//!     [--scenario all] [--rounds 1] [--quick] [--json]
//! ```
//!
//! The service is the release binary in a process of its own, on loopback, with a database of its own for each
//! measurement; PostgreSQL comes from `tests/postgres --durable`, TuxSuite is a fake in this process. Absolute numbers
//! are this machine's; the ratio is of two measurements made one after the other. `docs/performance.md` says how to read
//! them.

#![expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^52, and rates are rounded anyway")]

mod bare;
mod drive;
mod measure;
mod postgres;
mod scenario;
mod service;
mod store;
mod table;
mod tuxsuite;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};

use crate::drive::Load;
use crate::scenario::Scenario;
use crate::store::Store;
use crate::table::Row;

/// Which databases are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Databases {
    Sqlite,
    Postgres,
    Both,
}

/// Measures how fast the service takes work in.
#[derive(Debug, Parser)]
struct Args {
    /// Which databases to measure.
    #[arg(long, value_enum, default_value = "both")]
    database: Databases,
    /// How many connections post at once, each one request at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32,256")]
    connections: Vec<usize>,
    /// How long each measurement lasts.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// What is posted; all if left out.
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// How often each pair is measured; the one with the median ratio is shown.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// A short look whether everything works: 8 connections, a fraction of a second each.
    #[arg(long)]
    quick: bool,
    /// Print one JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// A setting for the service, `section.key=value`; may be repeated.
    #[arg(long)]
    set: Vec<String>,
    /// Given by `cargo bench`; without it (`cargo test --benches`) nothing is measured.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let mut args = Args::parse();
    if !args.bench {
        println!("nothing is measured: run `cargo bench --bench load`");
        return Ok(());
    }
    if args.quick {
        (args.connections, args.seconds, args.rounds) = (vec![8], 0.3, 1);
    }
    if args.scenario.is_empty() {
        args.scenario = Scenario::value_variants().to_vec();
    }
    args.rounds = args.rounds.max(1);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure_all(&args))
}

async fn measure_all(args: &Args) -> Result<()> {
    let length = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    let suite = tuxsuite::FakeTuxSuite::start().await?;
    let mut rows = Vec::new();
    for store in stores(args.database).await? {
        // As many callbacks as anybody could post in that time, of runs that wait for them.
        let jobs = if args.scenario.iter().any(|scenario| scenario.needs_jobs()) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of seconds")]
            let count = ((args.seconds + 1.0) * 6_000.0) as usize;
            store.prepare(count).await.context("preparing runs that wait for their callbacks")?
        } else {
            Arc::from([])
        };
        for &scenario in &args.scenario {
            for &connections in &scenario.connections(&args.connections) {
                let load = Load { scenario, connections, length, jobs: Arc::clone(&jobs), storage: suite.base() };
                let mut rounds = Vec::new();
                for _ in 0..args.rounds {
                    rounds.push(pair(&store, &load, &suite, args).await?);
                }
                rounds.sort_by(|a: &Row, b: &Row| a.ratio().total_cmp(&b.ratio()));
                let row = rounds.swap_remove(rounds.len() / 2);
                if args.json {
                    println!("{}", serde_json::to_string(&row)?);
                } else {
                    eprintln!("{}", row.line());
                }
                rows.push(row);
            }
        }
    }
    if !args.json {
        println!("{}", table::table(&rows));
    }
    let wrong = rows.iter().map(|row| row.measured.failed + row.measured.without_retry_after).sum::<usize>();
    ensure!(wrong == 0, "{wrong} answers were neither a success nor a 503 that says when to come again");
    Ok(())
}

async fn stores(which: Databases) -> Result<Vec<Store>> {
    let mut stores = Vec::new();
    if which != Databases::Postgres {
        stores.push(Store::sqlite()?);
    }
    if which != Databases::Sqlite {
        stores.push(Store::postgres().await?);
    }
    Ok(stores)
}

/// Measures the service and then, unless nothing is written, the bare writer.
async fn pair(store: &Store, load: &Load, suite: &tuxsuite::FakeTuxSuite, args: &Args) -> Result<Row> {
    let what = || format!("{} on {} at {} connections", load.scenario.name(), store.name(), load.connections);
    let place = store.fresh(load.scenario.needs_jobs()).await.with_context(what)?;
    let service = service::Service::start(&place, suite, load.scenario, &args.set).await.with_context(what)?;
    let measured = drive::drive(&service, &place, load).await.with_context(what)?;
    service.stop().await?;
    place.remove().await?;
    let bare = if load.scenario.writes() {
        let place = store.fresh(load.scenario.needs_jobs()).await.with_context(what)?;
        let bare = bare::measure(&place, load).await.with_context(|| format!("the bare writer: {}", what()))?;
        place.remove().await?;
        Some(bare)
    } else {
        None
    };
    Ok(Row { database: store.name(), scenario: load.scenario, connections: load.connections, measured, bare })
}
