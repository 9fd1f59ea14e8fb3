//! The results of a job, the oldest first. The first of them may be kept elsewhere.

use std::sync::Arc;

use super::report::Report;

/// The results of a job.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// How many of the first are kept elsewhere.
    away: u32,
    here: Vec<Arc<Report>>,
}

impl History {
    /// How many there are, here and elsewhere.
    pub(super) fn len(&self) -> u32 {
        self.away.saturating_add(u32::try_from(self.here.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one; its number.
    pub(super) fn push(&mut self, report: Arc<Report>) -> u32 {
        let number = self.len();
        self.here.push(report);
        number
    }

    /// The one of this number, if it is here.
    pub(super) fn get(&self, number: u32) -> Option<&Arc<Report>> {
        self.here.get(number.checked_sub(self.away)? as usize)
    }

    /// Those that are here.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Arc<Report>> {
        self.here.iter()
    }

    /// Those that are here, with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &Arc<Report>)> {
        (self.away..).zip(&self.here)
    }

    /// All but the last are kept elsewhere.
    pub(super) fn let_go(&mut self) {
        if let Some(last) = self.here.pop() {
            self.away = self.away.saturating_add(u32::try_from(self.here.len()).unwrap_or(u32::MAX));
            self.here = vec![last];
        }
    }

    /// All before this number are kept elsewhere.
    pub(super) fn pass_over(&mut self, number: u32) {
        self.here.clear();
        self.away = number;
    }
}
