//! Results that were run elsewhere and are submitted for keeping and delivery.

use crate::app::report::{self, Facts};
use crate::app::{App, Result, Write};
use crate::domain::observation::TestOutcome;
use crate::domain::result::ResultSource;
use crate::domain::status::Status;

/// Results of one job that ran elsewhere.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The job's id at whoever ran it.
    pub uid: String,
    /// KCIDB's id of the build that was tested.
    pub build_ref: String,
    /// The machine that it ran on.
    pub device: String,
    /// What ran it.
    pub runtime: String,
    /// Its tests.
    pub tests: Vec<SubmittedTest>,
}

/// The result of one such test.
#[derive(Clone, Debug)]
pub struct SubmittedTest {
    /// Its name.
    pub name: String,
    /// The collection that it belongs to.
    pub collection: String,
    /// What came of it.
    pub status: Status,
    /// Its log.
    pub log: Option<String>,
}

/// Keeps these results and enqueues their deliveries; returns once both are durable. The first result of a test of a
/// job stays: submitting the same again changes nothing.
///
/// # Errors
/// As [`crate::app::Writer::write`].
pub async fn submit(app: &App, submitted: Submitted) -> Result<()> {
    let now = app.now();
    let (mut results, mut deliveries) = (Vec::new(), Vec::new());
    for test in submitted.tests {
        let facts = Facts {
            uid: submitted.uid.clone(),
            source: ResultSource::Submit,
            run_id: None,
            build_ref: submitted.build_ref.clone(),
            collection: test.collection,
            device: submitted.device.clone(),
            runtime: submitted.runtime.clone(),
            started_at: None,
            duration_s: None,
            log_url: None,
            log_excerpt: None,
        };
        let outcome = TestOutcome { log_excerpt: test.log, ..TestOutcome::bare(test.status) };
        let report = report::of_tests(app, &facts, &[(test.name, outcome)], now);
        results.extend(report.results);
        deliveries.extend(report.deliveries);
    }
    if !results.is_empty() {
        app.writer.write(Write::Results(results, deliveries)).await?;
        app.bells.deliver.ring();
    }
    Ok(())
}
