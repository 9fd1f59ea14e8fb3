//! How the demo shows what it was told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use crate::cli::demo::stage::Stage;

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn items(listing: &Value) -> &[Value] {
    listing["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How far a build, a run or a listing of deliveries is, in one line.
pub(super) fn progress(shown: &Value) -> String {
    if shown["items"].is_array() {
        return match items(shown).len() {
            0 => "every object has arrived".to_owned(),
            left => format!("{left} objects on their way"),
        };
    }
    let run = if shown["run"].is_object() { &shown["run"] } else { shown };
    let (state, status, waiting) = (word(run, "state"), word(run, "status"), word(run, "waiting"));
    match (status, waiting) {
        ("", "") => state.to_owned(),
        ("", waiting) => format!("{state}: {waiting}"),
        (status, _) => format!("{state}: {status}"),
    }
}

/// The results as a table, in the order of their paths.
pub(super) fn results(listing: &Value) -> String {
    let mut rows: Vec<&Value> = items(listing).iter().collect();
    rows.sort_by_key(|row| word(row, "path"));
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(130).set_header(["status", "path", "time", "why"]);
    for row in rows {
        let time = row["duration_s"].as_f64().map(|seconds| format!("{:.0} ms", seconds * 1000.0)).unwrap_or_default();
        table.add_row([word(row, "status"), word(row, "path"), &time, word(row, "reason")]);
    }
    format!("{table}\nOne test fails, one is skipped and one crashes: all three on purpose.\n")
}

/// The receipts that the sink gave.
pub(super) fn receipts(deliveries: &Value) -> BTreeSet<String> {
    items(deliveries)
        .iter()
        .map(|delivery| word(delivery, "receipt").to_owned())
        .filter(|one| !one.is_empty())
        .collect()
}

/// What has not been delivered, each with its reason.
pub(super) fn undelivered(deliveries: &Value) -> Vec<String> {
    items(deliveries)
        .iter()
        .filter(|delivery| delivery["state"] != "delivered")
        .map(|delivery| {
            format!("{} ({}): {}", word(delivery, "object_id"), delivery["state"], word(delivery, "reason"))
        })
        .collect()
}

/// A report as the sink has it, under its receipt. Of many tests the first are shown.
pub(super) fn submission(receipt: &str, received: &Value) -> String {
    const SHOWN: usize = 2;
    let mut report = received["report"].clone();
    let mut left_out = 0;
    if let Some(tests) = report.get_mut("tests").and_then(Value::as_array_mut) {
        left_out = tests.len().saturating_sub(SHOWN);
        tests.truncate(SHOWN);
    }
    let mut text = format!(
        "\nReceipt {receipt}: {}, {} objects. The KCIDB report as the sink has it:\n\n",
        word(received, "state"),
        received["objects"]
    );
    let _ = writeln!(text, "{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    if left_out > 0 {
        let _ = writeln!(text, "… and {left_out} more tests.");
    }
    text
}

/// Where to go from here.
pub(super) fn what_next(stage: &Stage, run: &str) -> String {
    let (service, sink) = (stage.service.as_str().trim_end_matches('/'), stage.sink.as_str().trim_end_matches('/'));
    format!(
        "\nWhile it serves (--keep):\n  {service}/docs                         the API, to browse\n  \
         {service}/api/v1/results?run={run}\n  {service}/api/v1/deliveries            what was delivered, and what not and why\n  \
         {service}/api/v1/callbacks             what the runner told\n  {sink}/docs                            the sink\n\n"
    )
}
