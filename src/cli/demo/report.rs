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
    if let Some(results) = shown["results"].as_array() {
        let count = |missing: bool| -> i64 {
            results
                .iter()
                .filter(|row| row["status"].is_null() == missing)
                .filter_map(|row| row["count"].as_i64())
                .sum()
        };
        return format!("{}: {} results have come, {} are missing", word(shown, "state"), count(false), count(true));
    }
    let run = if shown["run"].is_object() { &shown["run"] } else { shown };
    let (state, status, waiting) = (word(run, "state"), word(run, "status"), word(run, "waiting"));
    match (status, waiting) {
        ("", "") => state.to_owned(),
        ("", waiting) => format!("{state}: {waiting}"),
        (status, _) => format!("{state}: {status}"),
    }
}

/// What was expected of the session and what has come, as a table.
pub(super) fn expected(listing: &Value) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(130).set_header(["status", "job", "attempts", "why"]);
    for row in items(listing) {
        table.add_row([word(row, "status"), word(row, "job"), &row["attempts"].to_string(), word(row, "reason")]);
    }
    format!(
        "{table}\nOne test fails on purpose, and what depends on it cannot run. The job of the agent that was killed was run again \
         by the other.\n"
    )
}

/// What was left out of the selection, and why.
pub(super) fn masked(listing: &Value) -> String {
    let mut text = String::new();
    for row in items(listing) {
        let _ = writeln!(text, "Left out: {}, for {}", word(row, "view"), word(row, "sentence"));
    }
    text
}

/// The jobs that are not accounted for.
pub(super) fn missing(listing: &Value) -> Vec<String> {
    items(listing).iter().filter(|row| row["status"].is_null()).map(|row| word(row, "job").to_owned()).collect()
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

/// A report as the sink has it, under its receipt. Only that of the build is shown as it is, and of many tests the first.
pub(super) fn submission(receipt: &str, received: &Value) -> String {
    const SHOWN: usize = 2;
    if received["report"]["checkouts"].is_null() {
        return format!("Receipt {receipt}: {}, {} objects.\n", word(received, "state"), received["objects"]);
    }
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
pub(super) fn what_next(stage: &Stage, session: &str) -> String {
    let (service, sink) = (stage.service.as_str().trim_end_matches('/'), stage.sink.as_str().trim_end_matches('/'));
    format!(
        "\nWhile it serves (--keep):\n  {service}/docs                         the API, to browse\n  \
         {service}{session}/expected   what was to be run, and what has come\n  {service}/api/v1/runs                  each attempt\n  {service}/api/v1/deliveries            what was delivered, and what not and why\n  \
         {sink}/docs                            the sink\n\n"
    )
}
