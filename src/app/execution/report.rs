//! Reports of what no run brought: what was skipped, what is missing, what a person said.

use crate::app::report::{Facts, of_tests};
use crate::app::{App, Result, progress};
use crate::domain::observation::TestOutcome;
use crate::domain::result::ResultSource;
use crate::domain::status::Status;
use crate::store::execution::Execution;
use crate::store::{self, Conn};

/// How many results are reported with one transaction.
const AT_ONCE: i64 = 200;

/// Reports what has come to an execution and is in no report; whether there may be more. Where nothing was built there is
/// nobody to report to.
pub(super) async fn report(app: &App, conn: &mut Conn<'_>, execution: &Execution) -> Result<bool> {
    let rows = store::expected::unreported(conn, execution.session_id, AT_ONCE).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let now = app.now();
    let jobs: Vec<String> = rows.iter().map(|row| row.job_id.clone()).collect();
    if let Some(build_ref) = &execution.build_ref {
        let facts = Facts {
            uid: execution.session_id.to_string(),
            source: ResultSource::Submit,
            run_id: None,
            build_ref: build_ref.clone(),
            collection: execution.plan.collection.clone(),
            device: execution.plan.device.clone().unwrap_or_default(),
            runtime: "testyard".to_owned(),
            started_at: None,
            duration_s: None,
            log_url: None,
            log_excerpt: None,
        };
        let outcome = |row: &store::expected::Expected| TestOutcome {
            reason: row.reason.clone(),
            ..TestOutcome::bare(row.status.unwrap_or(Status::Miss))
        };
        let tests: Vec<(String, TestOutcome)> = rows.iter().map(|row| (row.job_id.clone(), outcome(row))).collect();
        progress::keep(conn, &of_tests(app, &facts, &tests, now), now).await?;
    }
    store::expected::reported(conn, execution.session_id, &jobs, now).await?;
    Ok(i64::try_from(jobs.len()).unwrap_or_default() >= AT_ONCE)
}
