//! What sessions of 100 to 50,000 jobs cost: selecting, a result, a whole run, and what the database adds.
//!
//! ```text
//! cargo bench --bench sessions -- [--database sqlite|postgres|both] [--jobs 100,1000,10000,50000] [--rounds 5] [--json]
//! ```
//!
//! Processor time, of this process alone, is measured; a result through the database is one transaction and one flush.
//! Beside each figure stands the same for the smallest session of the run: what does not grow has the ratio 1.
//! PostgreSQL comes from `tests/postgres --durable`. `docs/performance.md` says how to read the table.

#[path = "../load/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tempfile::TempDir;
use testyard::app::session::change::By;
use testyard::app::session::make::{New, create};
use testyard::app::session::result::{Reports, record};
use testyard::app::session::{Sessions, look};
use testyard::clock::SystemClock;
use testyard::domain::session::{LogEntry, Outcome, Report, Session, Stream};
use testyard::domain::unit::{FieldValue, Unit};
use testyard::store::Db;

/// Which databases are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Databases {
    Sqlite,
    Postgres,
    Both,
}

/// Measures what sessions cost.
#[derive(Debug, Parser)]
struct Args {
    /// Which databases to measure.
    #[arg(long, value_enum, default_value = "both")]
    database: Databases,
    /// How many jobs the sessions have.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000,50000")]
    jobs: Vec<usize>,
    /// How often each step is made; the median is shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a step costs at each size.
#[derive(Debug, Serialize)]
struct Row {
    step: String,
    /// Microseconds of processor time, by the number of jobs.
    cpu_us: Vec<f64>,
    /// The last beside the first.
    growth: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.jobs.iter().all(|jobs| *jobs >= 100), "want at least 100 jobs");
    let mut steps = Steps::default();
    for jobs in &args.jobs {
        in_memory(&mut steps, *jobs, args.rounds)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(durable(&mut steps, &args))?;
    let rows = steps.rows();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let mut header = vec!["µs of processor time".to_owned()];
    header.extend(args.jobs.iter().map(|jobs| format!("{jobs} jobs")));
    header.push("last / first".to_owned());
    table.set_header(header);
    for row in &rows {
        let mut cells = vec![row.step.clone()];
        cells.extend(row.cpu_us.iter().map(|us| format!("{us:.0}")));
        cells.push(format!("{:.1}", row.growth));
        table.add_row(cells);
    }
    for column in 1..=args.jobs.len() + 1 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
    Ok(())
}

/// The steps in the order in which they were first made.
#[derive(Debug, Default)]
struct Steps {
    names: Vec<String>,
    cpu_us: BTreeMap<String, Vec<f64>>,
}

impl Steps {
    fn add(&mut self, step: &str, took: Duration) {
        if !self.cpu_us.contains_key(step) {
            self.names.push(step.to_owned());
        }
        self.cpu_us.entry(step.to_owned()).or_default().push(took.as_secs_f64() * 1e6);
    }

    fn rows(&self) -> Vec<Row> {
        let row = |step: &String| {
            let cpu_us = self.cpu_us.get(step).cloned().unwrap_or_default();
            let (first, last) = (cpu_us.first().copied().unwrap_or(1.0), cpu_us.last().copied().unwrap_or(1.0));
            Row { step: step.clone(), growth: last / first.max(0.001), cpu_us }
        };
        self.names.iter().map(row).collect()
    }
}

/// The processor time that this process has used.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn since(before: Duration) -> Duration {
    used().saturating_sub(before)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn unit(fields: &[(&str, String)]) -> Unit {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), FieldValue::Text(value.clone()))).collect();
    Unit::new(Some("bench"), None, fields)
}

/// Jobs in chains of ten, each of which requires one of ten resources; every hundredth job is a resource of its own.
fn units(jobs: usize) -> Vec<Unit> {
    let text = |text: &str| text.to_owned();
    (0..jobs)
        .map(|number| {
            let id = format!("job{number}");
            if number < 10 {
                return unit(&[("id", format!("hw{number}")), ("plugin", text("resource")), ("command", text("true"))]);
            }
            let mut fields = vec![
                ("id", id),
                ("plugin", text("shell")),
                ("command", text("true")),
                ("estimated_duration", text("1.5")),
                ("requires", format!("hw{}.kind == 'real'", number % 10)),
            ];
            if !number.is_multiple_of(10) {
                fields.push(("depends", format!("job{}", number - 1)));
            }
            unit(&fields)
        })
        .collect()
}

fn id(number: usize) -> String {
    if number < 10 { format!("bench::hw{number}") } else { format!("bench::job{number}") }
}

fn report(number: usize) -> Report {
    let mut report = Report { execution_duration: Some(1.0), ..Report::of(Outcome::Pass) };
    if number < 10 {
        let line = |text: &str| LogEntry { delay: 0.0, stream: Stream::Stdout, data: text.as_bytes().to_vec() };
        report.io_log = vec![line("kind: real\n"), line("n: 1\n")];
    }
    report
}

fn in_memory(steps: &mut Steps, jobs: usize, rounds: usize) -> Result<()> {
    let ids: Vec<String> = (0..jobs).map(id).collect();
    let (mut making, mut selecting, mut one, mut all, mut restoring) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..rounds.max(1) {
        let units = units(jobs);
        let before = used();
        let mut session = Session::new(units)?;
        making.push(since(before));
        let before = used();
        let problems = session.select(&ids, true);
        selecting.push(since(before));
        ensure!(problems.is_empty(), "the jobs go together");
        session.take_changes();
        let before = used();
        for (number, job) in ids.iter().enumerate() {
            session.record(job, report(number))?;
            black_box(session.take_changes());
        }
        let took = since(before);
        ensure!(session.todo().next().is_none(), "all have run");
        all.push(took);
        // The last jobs again: fifty results that differ from those before.
        let before = used();
        for number in jobs - 50..jobs {
            session.record(&id(number), Report::of(Outcome::Fail))?;
            black_box(session.take_changes());
        }
        one.push((since(before)) / 50);
        let rows = session.rows();
        let before = used();
        black_box(Session::restore(rows)?);
        restoring.push(since(before));
    }
    steps.add("in memory: make the session", median(making));
    steps.add("in memory: desire all jobs", median(selecting));
    steps.add("in memory: one result, with its rows", median(one));
    steps.add("in memory: a run of all jobs", median(all));
    steps.add("in memory: restore from rows", median(restoring));
    Ok(())
}

async fn durable(steps: &mut Steps, args: &Args) -> Result<()> {
    let folder = TempDir::new()?;
    if args.database != Databases::Postgres {
        let url = format!("sqlite:{}", folder.path().join("sessions.sqlite").display());
        on(steps, "SQLite", &url, args).await?;
    }
    if args.database != Databases::Sqlite {
        let server = tokio::task::spawn_blocking(postgres::Postgres::start).await??;
        server.execute("CREATE DATABASE sessions".to_owned()).await?;
        on(steps, "PostgreSQL", &server.url("sessions"), args).await?;
        eprintln!("PostgreSQL was kept by process {}", server.id());
        tokio::task::spawn_blocking(move || drop(server)).await?;
    }
    Ok(())
}

async fn on(steps: &mut Steps, name: &str, url: &str, args: &Args) -> Result<()> {
    let db = Db::connect(url, 8).await?;
    let clock = Arc::new(SystemClock);
    for jobs in &args.jobs {
        let sessions = Sessions::new(db.clone(), clock.clone());
        let before = used();
        let new = New { units: units(*jobs), desired: (0..*jobs).map(id).collect(), ..New::default() };
        let made = create(&sessions, new, None).await?.value;
        steps.add(&format!("{name}: make the session and desire all"), since(before));
        let resources: Vec<(String, Report)> = (0..10).map(|number| (id(number), report(number))).collect();
        record(&sessions, made.id, Reports::Many(resources), false, By::default()).await?;
        let mut results = Vec::new();
        let last = (*jobs).min(10 + 20 * args.rounds.max(1));
        for number in 10..last {
            let before = used();
            record(&sessions, made.id, Reports::One(id(number), report(number)), false, By::default()).await?;
            results.push(since(before));
        }
        steps.add(&format!("{name}: one result, durable"), median(results));
        // Another process: it reads the session once, and then what changed.
        let other = Sessions::new(db.clone(), clock.clone());
        let before = used();
        look::verdict(&other, made.id).await?;
        steps.add(&format!("{name}: read the session in another process"), since(before));
        let mut turns = Vec::new();
        for turn in 0..20 {
            let outcome = if turn % 2 == 0 { Outcome::Fail } else { Outcome::Crash };
            let at = if turn % 2 == 0 { &other } else { &sessions };
            let before = used();
            record(at, made.id, Reports::One(id(10), Report::of(outcome)), false, By::default()).await?;
            turns.push(since(before));
        }
        steps.add(&format!("{name}: one result, two processes taking turns"), median(turns));
    }
    db.close().await;
    steps.cpu_us.get(&format!("{name}: one result, durable")).context("nothing was measured")?;
    Ok(())
}
