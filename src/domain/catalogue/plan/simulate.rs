//! A whole run at once, for what is known before: dry runs, and tests of the plan itself.

use super::{Next, Plan, PlanResult, Report, Step};

/// Runs a plan to its end: `act` says what comes of each step, and the steps are taken one after the other.
pub fn simulate(mut plan: Plan, mut act: impl FnMut(&Step) -> Report) -> Vec<PlanResult> {
    let mut under_way = std::collections::VecDeque::new();
    loop {
        match plan.advance() {
            Next::Do(step) => under_way.push_back(step),
            Next::Wait => {
                let Some(step) = under_way.pop_front() else { return plan.results };
                let report = act(&step);
                if plan.report(step.ticket, report).is_err() {
                    return plan.results;
                }
            }
            Next::Done => return plan.results,
        }
    }
}
