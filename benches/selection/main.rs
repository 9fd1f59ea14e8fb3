//! How fast specs are selected from: a million of them with two million edges.
//!
//! ```text
//! cargo bench --bench selection -- [--specs 1000000] [--edges 2000000] [--rounds 5] [--json]
//! ```
//!
//! Each step is timed beside the least that anybody would have to do for it, in the same run, written plainly in this file.
//! Nothing is read from a database or a network. `docs/performance.md` says how to read the table.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use comfy_table::{CellAlignment, Table as Shown, presets};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use testyard::domain::glob::Glob;
use testyard::domain::graph::Graph;
use testyard::domain::selection::facts::Facts;
use testyard::domain::selection::rule::Rule;
use testyard::domain::selection::selector::{Selector, select};
use testyard::domain::selection::table::{Builder, Table};
use testyard::domain::spec::{Dependency, Spec, Timeouts};

/// Measures how fast specs are selected from.
#[derive(Debug, Parser)]
struct Args {
    /// How many specs there are.
    #[arg(long, default_value_t = 1_000_000)]
    specs: u32,
    /// How many edges they have, about.
    #[arg(long, default_value_t = 2_000_000)]
    edges: u32,
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

/// A step beside the least that it could be.
#[derive(Debug, Serialize)]
struct Row {
    step: &'static str,
    ms: f64,
    least: &'static str,
    least_ms: f64,
    ratio: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.specs >= 1_000, "want at least 1000 specs");
    let (rows, bytes) = measure(&args)?;
    if args.json {
        println!("{}", json!({"steps": rows, "bytes_per_spec": bytes}));
        return Ok(());
    }
    let mut shown = Shown::new();
    shown.load_style(presets::ASCII_MARKDOWN);
    shown.set_header(["step", "ms", "the least", "ms", "ratio"]);
    for row in &rows {
        shown.add_row([
            row.step.to_owned(),
            format!("{:.1}", row.ms),
            row.least.to_owned(),
            format!("{:.1}", row.least_ms),
            format!("{:.3}", row.ratio),
        ]);
    }
    for column in [1, 3, 4] {
        if let Some(column) = shown.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{shown}\n{bytes:.0} bytes a spec");
    Ok(())
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = (self.0 >> 32) as u32;
        ((u64::from(high) * u64::from(limit)) >> 32) as u32
    }
}

const WORDS: [&str; 8] = ["fast", "long", "gpu", "mpi", "nightly", "unit", "solver", "io"];

/// A spec with an id of 64 digits, two keywords, three parameters and what it depends on, all before it.
fn spec(number: u32, edges_each: u32, numbers: &mut Numbers) -> Spec {
    let pick = |numbers: &mut Numbers| WORDS[numbers.below(8) as usize].to_owned();
    let directory = number % 5_000;
    let on = |numbers: &mut Numbers| Dependency { id: id(numbers.below(number)), when: "success".to_owned() };
    let mut spec = Spec {
        id: id(number),
        file_root: "/srv/suite".to_owned(),
        file_path: format!("area{}/part{directory}/test_{}.pyt", directory % 50, number / 4),
        keywords: vec![pick(numbers), pick(numbers)],
        owners: Some(vec![format!("owner{}", numbers.below(100))]),
        timeout: f64::from(numbers.below(900)),
        dependencies: (0..if number == 0 { 0 } else { edges_each }).map(|_| on(numbers)).collect(),
        ..Spec::default()
    };
    spec.parameters.insert("np".to_owned(), json!(1 << numbers.below(6)));
    spec.parameters.insert("case".to_owned(), json!(number % 4));
    spec.parameters.insert("model".to_owned(), json!(format!("m{}", numbers.below(30))));
    spec.fill(&Timeouts::default());
    spec
}

/// How many specs are changed.
const CHANGED: u32 = 100;

/// The changed spec of this number: nine of ten are spread over those that there are, the others are new.
fn changed(nth: u32, specs: u32, edges_each: u32, numbers: &mut Numbers) -> Spec {
    let number = if nth.is_multiple_of(10) { specs + nth } else { nth * (specs / CHANGED) };
    let mut spec = spec(number, edges_each, numbers);
    spec.keywords.push(format!("changed{nth}"));
    spec
}

/// The digits of an id: spread, and every number has its own.
fn id(number: u32) -> String {
    hex::encode(Sha256::digest(number.to_le_bytes()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median time of some rounds.
fn timed<T>(rounds: usize, mut step: impl FnMut() -> T) -> Duration {
    let round = |_| {
        let started = Instant::now();
        black_box(step());
        started.elapsed()
    };
    median((0..rounds.max(1)).map(round).collect())
}

fn row(step: &'static str, took: Duration, least: &'static str, least_took: Duration) -> Row {
    let (ms, least_ms) = (took.as_secs_f64() * 1_000.0, least_took.as_secs_f64() * 1_000.0);
    Row { step, ms, least, least_ms, ratio: ms / least_ms }
}

fn rules(rules: serde_json::Value) -> Result<Vec<Rule>> {
    serde_json::from_value(rules).context("a rule")
}

fn measure(args: &Args) -> Result<(Vec<Row>, f64)> {
    let mut numbers = Numbers(42);
    let mut builder = Builder::default();
    let mut building = Duration::ZERO;
    let mut paths: Vec<String> = Vec::new();
    let mut keywords: Vec<String> = Vec::new();
    let mut edges: Vec<(u32, u32)> = Vec::new();
    // As the service lists them: by their ids.
    let mut listed: Vec<(String, u32)> = (0..args.specs).map(|number| (id(number), number)).collect();
    listed.sort_unstable();
    let places: HashMap<&str, u32> = listed.iter().zip(0..).map(|((id, _), place)| (id.as_str(), place)).collect();
    let edges_each = args.edges / args.specs;
    for ((_, number), place) in listed.iter().zip(0..) {
        let spec = spec(*number, edges_each, &mut numbers);
        paths.push(spec.view());
        keywords.push(spec.keywords.join(" "));
        edges.extend(spec.dependencies.iter().filter_map(|on| places.get(on.id.as_str())).map(|on| (place, *on)));
        let started = Instant::now();
        builder.push(&spec, None);
        building += started.elapsed();
    }
    drop(places);
    drop(listed);
    let started = Instant::now();
    let table = builder.finish();
    building += started.elapsed();
    let rounds = args.rounds;
    let mut rows = Vec::new();

    let plain_graph = timed(rounds, || adjacency(args.specs, &edges));
    rows.push(row("table made anew", building, "lists of dependents", plain_graph));
    let changed: Vec<Spec> = (0..CHANGED).map(|nth| changed(nth, args.specs, edges_each, &mut numbers)).collect();
    let taken_in = timed(rounds, || table.with(&Table::new(&changed)).len());
    rows.push(row("table after 100 changed specs", taken_in, "table made anew", building));
    rows.push(row(
        "make the graph",
        timed(rounds, || Graph::new(args.specs, edges.iter().copied())),
        "lists of dependents",
        plain_graph,
    ));
    let order = timed(rounds, || table.graph().static_order().map(|order| order.len()));
    let dependents = adjacency(args.specs, &edges);
    rows.push(row(
        "order",
        order,
        "a plain topological sort",
        timed(rounds, || sorted(args.specs, &edges, &dependents)),
    ));

    let keyword = rules(json!([{"type": "keyword", "expressions": ["not gpu and (fast or nightly)"]}]))?;
    let plain_keyword = timed(rounds, || {
        keywords.iter().filter(|it| !it.contains("gpu") && (it.contains("fast") || it.contains("nightly"))).count()
    });
    rows.push(row("keyword rule", asked(rounds, &table, &keyword), "look into each text", plain_keyword));
    let parameter = rules(json!([{"type": "parameter", "expression": "np<8 and model!=m7 or case=3"}]))?;
    rows.push(row("parameter rule", asked(rounds, &table, &parameter), "look into each text", plain_keyword));
    let view = rules(json!([{"type": "view", "globs": ["area1*/*/test_*[13579].pyt"]}]))?;
    let least_glob =
        timed(rounds, || paths.iter().filter(|path| path.starts_with("area1") && path.ends_with("pyt")).count());
    rows.push(row("glob rule", asked(rounds, &table, &view), "compare both ends of each path", least_glob));
    let globs: Vec<Glob> =
        (0..100).map(|number| Glob::new(&format!("area{number}/part*{number}/test_*.pyt"))).collect();
    let hundred = timed(rounds, || paths.iter().filter(|path| globs.iter().any(|glob| glob.matches(path))).count());
    rows.push(row("a hundred globs over every path", hundred, "compare both ends of each path", least_glob));

    let none = Facts::NONE;
    let spread = timed(rounds, || {
        let mut selector = Selector::new(&table);
        for spec in (0..table.len()).step_by(1_000) {
            selector.mask(spec, testyard::domain::selection::reason::Reason::NotAffected);
        }
        selector.propagate().map(|()| selector.finish().excluded().len())
    });
    rows.push(row("spread masks", spread, "a plain search", timed(rounds, || reached(&dependents))));
    let sorted_ids: Vec<&str> = table.by_id().iter().map(|spec| table.id(*spec)).collect();
    let hash = timed(rounds, || {
        let mut hasher = Sha256::new();
        for id in &sorted_ids {
            hasher.update(id.as_bytes());
        }
        hasher.finalize()
    });
    rows.push(row("name of the set", timed(rounds, || table.spec_set_id()), "SHA-256 of the ids", hash));

    let mut all = keyword;
    all.extend(parameter);
    all.extend(view);
    let whole = timed(rounds, || {
        let selection = select(&table, &all, &none).ok()?;
        Some((selection.excluded().len(), selection.report().len(), table.spec_set_id()))
    });
    let sum = rows.iter().filter(|row| {
        matches!(row.step, "keyword rule" | "parameter rule" | "glob rule" | "spread masks" | "name of the set")
    });
    let least = Duration::from_secs_f64(sum.map(|row| row.least_ms / 1_000.0).sum());
    rows.push(row("three rules, spreading and naming", whole, "the sum of the least", least));
    #[expect(clippy::cast_precision_loss, reason = "bytes of a table are far below 2^52")]
    let bytes = table.bytes() as f64 / f64::from(args.specs);
    Ok((rows, bytes))
}

fn asked(rounds: usize, table: &Table, rules: &[Rule]) -> Duration {
    timed(rounds, || {
        let mut selector = Selector::new(table);
        selector.apply(rules, &Facts::NONE).map(|()| selector.finish().excluded().len())
    })
}

/// For each node its dependents, as a list of lists.
fn adjacency(count: u32, edges: &[(u32, u32)]) -> Vec<Vec<u32>> {
    let mut dependents = vec![Vec::new(); count as usize];
    for (from, to) in edges {
        dependents[*to as usize].push(*from);
    }
    dependents
}

fn sorted(count: u32, edges: &[(u32, u32)], dependents: &[Vec<u32>]) -> Vec<u32> {
    let mut waiting = vec![0_u32; count as usize];
    for (from, _) in edges {
        waiting[*from as usize] += 1;
    }
    let mut order: Vec<u32> = (0..count).filter(|node| waiting[*node as usize] == 0).collect();
    let mut done = 0;
    while done < order.len() {
        for dependent in &dependents[order[done] as usize] {
            waiting[*dependent as usize] -= 1;
            if waiting[*dependent as usize] == 0 {
                order.push(*dependent);
            }
        }
        done += 1;
    }
    order
}

/// How many are reached from every thousandth.
fn reached(dependents: &[Vec<u32>]) -> usize {
    let mut is_reached = vec![false; dependents.len()];
    let mut open: VecDeque<u32> = VecDeque::new();
    for (number, reached) in (0_u32..).zip(&mut is_reached).step_by(1_000) {
        *reached = true;
        open.push_back(number);
    }
    let mut count = 0;
    while let Some(node) = open.pop_front() {
        count += 1;
        for dependent in &dependents[node as usize] {
            if !std::mem::replace(&mut is_reached[*dependent as usize], true) {
                open.push_back(*dependent);
            }
        }
    }
    count
}
