//! Numbers for names.

use std::collections::HashMap;

use super::place;

/// Names and their numbers: the order of first mention, from 0.
///
/// [`Graph::static_order`](super::Graph::static_order) goes by the numbers. To have Canary's order, name each test and then
/// what it depends on, test after test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names<'a> {
    names: Vec<&'a str>,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    /// The number of a name, which gets one unless it has one.
    pub fn intern(&mut self, name: &'a str) -> u32 {
        let next = self.len();
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.names.push(name);
        }
        number
    }

    /// The number of a name, if it has one.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of this number.
    #[must_use]
    pub fn name(&self, number: u32) -> Option<&'a str> {
        self.names.get(place(number)).copied()
    }

    /// How many names there are. More than `u32::MAX` fit in no memory.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
