//! How fast a large catalogue answers: 50,000 tests in 2,000 directories, imported from a QMTest database.
//!
//! ```text
//! cargo bench --bench catalogue -- [--database sqlite|postgres|both] [--tests 50000] [--directories 2000] [--rounds 5] [--json]
//! ```
//!
//! Each step is timed beside the least that anybody would have to do for it, in the same run: reading the files and
//! inserting the rows for an import, one bare SELECT of the names for a question. PostgreSQL comes from
//! `tests/postgres --durable`. `docs/performance.md` says how to read the table.

#[path = "../load/postgres.rs"]
mod postgres;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use tempfile::TempDir;
use testyard::app::catalogue::import::{self, Import};
use testyard::app::catalogue::{By, Catalogue, index};
use testyard::app::shelf::Shelf;
use testyard::clock::SystemClock;
use testyard::config::Settings;
use testyard::domain::catalogue::index::MissingSuites;
use testyard::domain::catalogue::item::ItemKind;
use testyard::server;
use testyard::store::Db;
use testyard::store::catalogue_item::{self, Filter};
use testyard::store::page::Stretch;

/// Which databases are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Databases {
    Sqlite,
    Postgres,
    Both,
}

/// Measures how fast a large catalogue answers.
#[derive(Debug, Parser)]
struct Args {
    /// Which databases to measure.
    #[arg(long, value_enum, default_value = "both")]
    database: Databases,
    /// How many tests there are.
    #[arg(long, default_value_t = 50_000)]
    tests: usize,
    /// How many directories they are in.
    #[arg(long, default_value_t = 2_000)]
    directories: usize,
    /// How often each question is asked; the median is shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A step beside the least that it could be.
#[derive(Debug, Serialize)]
struct Row {
    database: &'static str,
    step: &'static str,
    ms: f64,
    bare: &'static str,
    bare_ms: f64,
    ratio: f64,
}

impl Row {
    fn new(
        database: &'static str,
        step: &'static str,
        took: Duration,
        bare: &'static str,
        bare_took: Duration,
    ) -> Self {
        let (ms, bare_ms) = (took.as_secs_f64() * 1_000.0, bare_took.as_secs_f64() * 1_000.0);
        Self { database, step, ms, bare, bare_ms, ratio: ms / bare_ms.max(0.001) }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(&args))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows);
    }
    Ok(())
}

fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["database", "step", "ms", "the least", "ms", "ratio"]);
    for row in rows {
        table.add_row([
            row.database.to_owned(),
            row.step.to_owned(),
            format!("{:.1}", row.ms),
            row.bare.to_owned(),
            format!("{:.1}", row.bare_ms),
            format!("{:.2}", row.ratio),
        ]);
    }
    for column in [2, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}

async fn measure(args: &Args) -> Result<Vec<Row>> {
    let folder = TempDir::new()?;
    let tree = folder.path().join("database");
    make_tree(&tree, args.tests, args.directories)?;
    let mut rows = Vec::new();
    if args.database != Databases::Postgres {
        let url = format!("sqlite:{}", folder.path().join("catalogue.sqlite").display());
        rows.extend(on("sqlite", &url, &folder.path().join("a"), &tree, args).await?);
    }
    if args.database != Databases::Sqlite {
        let server = tokio::task::spawn_blocking(postgres::Postgres::start).await??;
        server.execute("CREATE DATABASE catalogue".to_owned()).await?;
        rows.extend(on("postgres", &server.url("catalogue"), &folder.path().join("b"), &tree, args).await?);
        eprintln!("PostgreSQL was kept by process {}", server.id());
        tokio::task::spawn_blocking(move || drop(server)).await?;
    }
    Ok(rows)
}

/// Writes a QMTest database: tests spread evenly over directories two deep, an explicit suite for every hundred of them.
fn make_tree(root: &Path, tests: usize, directories: usize) -> Result<()> {
    let configuration = root.join("QMTest");
    std::fs::create_dir_all(&configuration)?;
    let text = "<?xml version=\"1.0\"?><extension class=\"xml_database.XMLDatabase\" kind=\"database\"/>";
    std::fs::write(configuration.join("configuration"), text)?;
    let across = directories.isqrt().max(1);
    let folder = |number: usize| root.join(format!("d{}.qms/e{number}.qms", number % across));
    for number in 0..directories {
        std::fs::create_dir_all(folder(number))?;
    }
    for number in 0..tests {
        let text = format!(
            "<?xml version=\"1.0\"?><extension class=\"command.ShellCommandTest\" kind=\"test\">\
             <argument name=\"command\"><text>run --number {number}</text></argument>\
             <argument name=\"exit_code\"><integer>0</integer></argument>\
             <argument name=\"resources\"><set><text>lab.board</text></set></argument></extension>"
        );
        std::fs::write(folder(number % directories).join(format!("t{number}.qmt")), text)?;
    }
    for number in 0..directories / 100 {
        let text = format!(
            "<?xml version=\"1.0\"?><extension class=\"explicit_suite.ExplicitSuite\" kind=\"suite\">\
             <argument name=\"suite_ids\"><set><text>d{}.e{number}</text></set></argument></extension>",
            number % across
        );
        std::fs::write(root.join(format!("s{number}.qms")), text)?;
    }
    Ok(())
}

/// Reads every file of a folder; returns how many bytes there are.
fn read_all(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            read_all(&entry.path())?
        } else {
            u64::try_from(std::fs::read(entry.path())?.len())?
        };
    }
    Ok(bytes)
}

async fn open(url: &str, state: &Path) -> Result<Catalogue> {
    let mut settings = Settings::default();
    settings.database.url = url.to_owned().into();
    state.clone_into(&mut settings.server.state_dir);
    let db = server::open_database(&settings).await?;
    server::catalogue(&settings, db, Arc::new(SystemClock))
}

async fn on(name: &'static str, url: &str, state: &Path, tree: &Path, args: &Args) -> Result<Vec<Row>> {
    let catalogue = open(url, state).await?;
    let started = Instant::now();
    read_all(tree)?;
    let reading = started.elapsed();
    let started = Instant::now();
    let how = Import { dry_run: false, prune: false, bare: false };
    let report = import::folder(&catalogue, &By::default(), tree, how).await?;
    let importing = started.elapsed();
    ensure!(report.revision == 1, "the import made no revision");
    let inserting = insert_again(&catalogue.db).await?;
    let mut rows = vec![Row::new(name, "import", importing, "read the files, insert the rows", reading + inserting)];
    let names = median(args.rounds, async || every_name(&catalogue.db).await).await?;
    // A fresh process has no index yet.
    let cold = median(args.rounds, async || {
        let fresh = Catalogue { shelf: Shelf::default(), ..catalogue.clone() };
        expand(&fresh, &[String::new()], args.tests).await
    })
    .await?;
    rows.push(Row::new(name, "expand the root, first time", cold, "select the names", names));
    expand(&catalogue, &[String::new()], args.tests).await?;
    let warm = median(args.rounds, async || expand(&catalogue, &[String::new()], args.tests).await).await?;
    rows.push(Row::new(name, "expand the root, again", warm, "select the names", names));
    let (_, whole) = index::at(&catalogue, None).await?;
    let ids = whole.expand(&[""], MissingSuites::Refuse).context("the root expands")?;
    let every: Vec<String> = ids.test_ids.iter().map(|id| (*id).to_owned()).collect();
    let each = median(args.rounds, async || expand(&catalogue, &every, args.tests).await).await?;
    rows.push(Row::new(name, "expand every id", each, "select the names", names));
    let one = median(args.rounds, async || list(&catalogue.db, "d0.e0", false).await).await?;
    let bare = median(args.rounds, async || some_names(&catalogue.db, "d0.e0").await).await?;
    rows.push(Row::new(name, "list a directory", one, "select its names", bare));
    let all = median(args.rounds, async || list(&catalogue.db, "", true).await).await?;
    rows.push(Row::new(name, "list all tests, page by page", all, "select the names", names));
    catalogue.db.close().await;
    Ok(rows)
}

/// The median time of a few rounds.
async fn median(rounds: usize, step: impl AsyncFn() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds.max(1) {
        let started = Instant::now();
        step().await?;
        times.push(started.elapsed());
    }
    times.sort();
    times.get(times.len() / 2).copied().context("there is a round")
}

async fn expand(catalogue: &Catalogue, ids: &[String], tests: usize) -> Result<()> {
    let expanded = index::expand(catalogue, ids, None, MissingSuites::Refuse).await?;
    ensure!(expanded.test_ids.len() == tests, "{} tests of {tests}", expanded.test_ids.len());
    Ok(())
}

/// Lists a directory, page by page as the service does.
async fn list(db: &Db, directory: &str, recursive: bool) -> Result<()> {
    let filter = Filter {
        kinds: vec![ItemKind::Test],
        directory: directory.parse()?,
        recursive,
        class: None,
        keywords: Vec::new(),
        owner: None,
        revision: None,
    };
    let mut page = Stretch { limit: 1_000, after: None };
    loop {
        let mut reader = db.read().await?;
        let (found, more) = catalogue_item::list(&mut reader.conn(), &filter, &page).await?;
        ensure!(!found.is_empty(), "`{directory}` is empty");
        page.after = found.last().map(|version| (version.name.clone(), version.kind));
        if !more {
            return Ok(());
        }
    }
}

async fn every_name(db: &Db) -> Result<()> {
    let mut reader = db.read().await?;
    let query = "SELECT name FROM catalogue_item WHERE kind = 'test' AND until_revision IS NULL ORDER BY name";
    let names: Vec<(String,)> = reader.conn().query(query).fetch_all().await?;
    ensure!(!names.is_empty(), "no tests");
    Ok(())
}

async fn some_names(db: &Db, directory: &str) -> Result<()> {
    let mut reader = db.read().await?;
    let query = "SELECT name FROM catalogue_item WHERE kind = 'test' AND until_revision IS NULL AND directory = $1
                 ORDER BY name";
    let names: Vec<(String,)> = reader.conn().query(query).bind(directory).fetch_all().await?;
    ensure!(!names.is_empty(), "no tests");
    Ok(())
}

/// How long it takes to insert the rows of the import once more, by one statement of the database's own, into a table that
/// is dropped again.
async fn insert_again(db: &Db) -> Result<Duration> {
    let started = Instant::now();
    let mut tx = db.begin().await?;
    tx.conn().query("CREATE TABLE catalogue_again AS SELECT * FROM catalogue_item").execute().await?;
    tx.conn().query("CREATE INDEX catalogue_again_name ON catalogue_again (kind, name)").execute().await?;
    tx.commit().await?;
    let took = started.elapsed();
    let mut tx = db.begin().await?;
    tx.conn().query("DROP TABLE catalogue_again").execute().await?;
    tx.commit().await?;
    Ok(took)
}
