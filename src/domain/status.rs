//! KCIDB's status words, kept end to end.

use crate::domain::words::words;

words!(
    /// What came of a build or a test, with KCIDB's meanings. The order is KCIDB's priority when many are rolled up
    /// into one: the first of them that occurs wins.
    Status, "status", {
        /// The tested code is faulty.
        Fail = "FAIL",
        /// The test did not complete, through a fault of its own.
        Error = "ERROR",
        /// What was planned never ran: a fault of the harness or the infrastructure.
        Miss = "MISS",
        /// The tested code is good.
        Pass = "PASS",
        /// The test completed and says nothing about the code.
        Done = "DONE",
        /// The test does not apply.
        Skip = "SKIP",
    }
);

impl Status {
    /// The status of a whole whose parts have these; `None` of no parts.
    pub fn roll_up(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_wins() {
        assert_eq!(Status::roll_up([Status::Pass, Status::Skip, Status::Error]), Some(Status::Error));
        assert_eq!(Status::roll_up([Status::Skip, Status::Done]), Some(Status::Done));
        assert_eq!(Status::roll_up([]), None);
    }
}
