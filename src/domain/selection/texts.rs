//! Many texts in one allocation, by number.

use std::ops::Range;

use crate::domain::lists::{bounds, span};

/// Texts, by the numbers that they were given, from 0. A million short ones cost their bytes and 8 more each, where a list
/// of `String`s would cost their bytes, 24 more and an allocation each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    all: String,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Texts {
    /// Adds a text; answers its number.
    pub(super) fn push(&mut self, text: &str) -> u32 {
        self.all.push_str(text);
        self.ends.push(self.all.len());
        number(self.ends.len() - 1)
    }

    /// Sets aside room for so many more texts, and for so many bytes in them.
    pub(super) fn reserve(&mut self, texts: usize, bytes: usize) {
        self.ends.reserve_exact(texts);
        self.all.reserve_exact(bytes);
    }

    /// Adds the texts of these numbers of others: all at once, however many they are.
    pub(super) fn append(&mut self, others: &Self, numbers: Range<u32>) {
        let places = numbers.start as usize..numbers.end as usize;
        let (Some(ends), Some(bytes)) = (others.ends.get(places), span(&others.ends, &numbers)) else { return };
        let (from, to) = (bytes.start, self.all.len());
        self.all.push_str(others.all.get(bytes).unwrap_or_default());
        self.ends.extend(ends.iter().map(|end| end - from + to));
    }

    /// How many bytes all texts have together.
    pub(super) fn total(&self) -> usize {
        self.all.len()
    }

    /// The text of this number; the empty one of a number that none has.
    pub(super) fn get(&self, number: u32) -> &str {
        bounds(&self.ends, number).and_then(|bounds| self.all.get(bounds)).unwrap_or_default()
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        number(self.ends.len())
    }

    /// The texts, by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..self.len()).map(|number| (number, self.get(number)))
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.all.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// Gives back what it has set aside for more.
    pub(super) fn shrink(&mut self) {
        self.all.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// A count as a number. More than `u32::MAX` fit in no memory.
pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
