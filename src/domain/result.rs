//! Results: what came of tests and of the cases inside them.

use crate::domain::words::words;

words!(
    /// How a result came to be known.
    ResultSource, "result source", {
        /// A run of ours brought it.
        Run = "run",
        /// It was run elsewhere and submitted as bridge results.
        Submit = "submit",
        /// It came in a KCIDB submission.
        Intake = "intake",
    }
);

words!(
    /// How far a KCIDB submission made here is; the words of kcidb-restd's `/status`.
    SubmissionState, "submission state", {
        /// Taken, not looked at yet.
        Ready = "ready",
        /// Its objects are stored.
        Processed = "processed",
        /// It is not a valid report: none of its objects is stored.
        Failed = "failed",
    }
);
