//! Callbacks: what is known of one that came in.

use crate::domain::words::words;

words!(
    /// Why we believe a callback.
    Trust, "trust", {
        /// It came to the unguessable URL that only this run's runner was given.
        Capability = "capability",
        /// Its signature was verified.
        Signature = "signature",
        /// We do not: it is no more than a hint to go and ask the runner.
        None = "none",
    }
);

words!(
    /// What became of a callback.
    CallbackState, "callback state", {
        /// Taken, not looked at yet, or waiting for a run to become known by its uid.
        Pending = "pending",
        /// What it told has been taken over.
        Applied = "applied",
        /// It was not authenticated: the runner was asked instead.
        Hint = "hint",
        /// It told of a run that was over: kept as evidence, overwrites nothing.
        Late = "late",
        /// It contradicts what is known of its run.
        Refused = "refused",
    }
);
