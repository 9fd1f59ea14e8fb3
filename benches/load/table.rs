//! What is printed.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::measure::{Measured, Summary};
use crate::scenario::Scenario;

/// One measurement and its counterpart.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) database: &'static str,
    pub(crate) scenario: Scenario,
    pub(crate) connections: usize,
    #[serde(flatten)]
    pub(crate) measured: Measured,
    pub(crate) bare: Option<Summary>,
}

impl Row {
    /// How fast the service is: of a whole job, what it finished; else what it accepted.
    fn per_s(&self) -> f64 {
        match self.scenario {
            Scenario::Settle => self.measured.settled_per_s.unwrap_or_default(),
            _ => self.measured.summary.per_s,
        }
    }

    /// The service's speed as a share of the bare writer's.
    pub(crate) fn ratio(&self) -> f64 {
        self.bare.as_ref().map_or(0.0, |bare| self.per_s() / bare.per_s)
    }

    /// The row in one line, for who watches.
    pub(crate) fn line(&self) -> String {
        self.cells().join("  ")
    }

    fn cells(&self) -> Vec<String> {
        let (measured, summary) = (&self.measured, &self.measured.summary);
        let some =
            |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
        let bare = self.bare.as_ref();
        vec![
            self.database.to_owned(),
            self.scenario.name().to_owned(),
            self.connections.to_string(),
            format!("{:.0}", summary.per_s),
            format!("{:.1}", summary.p50_ms),
            format!("{:.1}", summary.p99_ms),
            format!("{:.0}", summary.max_ms),
            format!("{}/{}", measured.busy, measured.failed),
            format!("{:.0}", summary.cpu_us),
            some(measured.database_cpu_us, 0),
            format!("{:.0}/{:.0}", measured.resident_mib, measured.peak_mib),
            format!("{:.1}", measured.livez_p99_ms),
            some(measured.settled_per_s, 0),
            some(bare.map(|bare| bare.per_s), 0),
            some(bare.map(|bare| bare.p50_ms), 1),
            some(bare.map(|bare| bare.p99_ms), 1),
            some(bare.map(|bare| bare.cpu_us), 0),
            some(bare.map(|_| self.ratio()), 2),
        ]
    }
}

/// All rows as a table.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "database",
        "scenario",
        "conns",
        "req/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "503/err",
        "CPU us",
        "DB CPU us",
        "RSS/peak MiB",
        "livez p99 ms",
        "settled/s",
        "bare/s",
        "bare p50",
        "bare p99",
        "bare CPU us",
        "ratio",
    ]);
    for row in rows {
        table.add_row(row.cells());
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
