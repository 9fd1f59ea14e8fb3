//! Targets, and the patterns by which tests choose them.

use super::Bench;
use crate::domain::catalogue::pattern;

/// What executes tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The group that tests choose it by; may be empty.
    pub group: String,
    /// How many tests it executes at once: 1 of QMTest's serial target, the number of threads of a thread target. 0 counts
    /// as 1.
    pub slots: usize,
}

/// A pattern of target groups, matched with the targets of a plan.
#[derive(Debug)]
pub(super) struct Pattern {
    fits: Vec<bool>,
    fault: Option<String>,
}

impl Pattern {
    pub(super) fn new(text: &str, targets: &[Bench]) -> Self {
        let pattern = match pattern::Pattern::new(text) {
            Ok(pattern) => pattern,
            Err(error) => return Self { fits: vec![false; targets.len()], fault: Some(error.to_string()) },
        };
        let mut fault = None;
        let fits = targets
            .iter()
            .map(|bench| {
                pattern.matches(&bench.target.group).unwrap_or_else(|error| {
                    fault = Some(error.to_string());
                    false
                })
            })
            .collect();
        Self { fits, fault }
    }

    pub(super) fn fits(&self, target: usize) -> bool {
        self.fits.get(target).copied().unwrap_or_default()
    }

    pub(super) fn fits_any(&self) -> bool {
        self.fits.contains(&true)
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}
