//! What a run of tests comes to: order, prerequisites, resources and targets.
