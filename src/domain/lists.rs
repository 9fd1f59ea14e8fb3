//! Many short lists in one.

use std::ops::Range;

/// Lists, by the numbers that they were given, from 0: all of them in one, and where each ends. A list costs its entries and
/// 8 bytes, and no allocation of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lists<T> {
    all: Vec<T>,
    ends: Vec<usize>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { all: Vec::new(), ends: Vec::new() }
    }
}

impl<T> Lists<T> {
    /// Adds the next list.
    pub(crate) fn push(&mut self, list: impl IntoIterator<Item = T>) {
        self.all.extend(list);
        self.ends.push(self.all.len());
    }

    /// Sets aside room for so many more lists, and for so many entries in them.
    pub(crate) fn reserve(&mut self, lists: usize, entries: usize) {
        self.ends.reserve_exact(lists);
        self.all.reserve_exact(entries);
    }

    /// The list of this number; an empty one of a number that none has.
    pub(crate) fn get(&self, number: u32) -> &[T] {
        bounds(&self.ends, number).and_then(|bounds| self.all.get(bounds)).unwrap_or_default()
    }

    /// How many entries all lists have together.
    pub(crate) fn total(&self) -> usize {
        self.all.len()
    }

    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<T>() + self.ends.capacity() * size_of::<usize>()
    }

    /// Gives back what is set aside for more.
    pub(crate) fn shrink(&mut self) {
        self.all.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

impl<T: Copy> Lists<T> {
    /// Adds the lists of these numbers of others as they are: all at once, however many they are.
    pub(crate) fn append(&mut self, others: &Self, numbers: Range<u32>) {
        let (Some(ends), Some(entries)) = (others.ends.get(places(&numbers)), span(&others.ends, &numbers)) else {
            return;
        };
        let (from, to) = (entries.start, self.all.len());
        self.all.extend_from_slice(others.all.get(entries).unwrap_or_default());
        self.ends.extend(ends.iter().map(|end| end - from + to));
    }

    /// The lists by their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[T]> {
        (0..self.ends.len()).map(|number| self.get(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

impl Lists<u32> {
    /// For each number below the count the second numbers of the pairs that begin with it, in the order of the pairs. The
    /// first numbers are below the count.
    pub(crate) fn grouped(count: u32, pairs: &[(u32, u32)]) -> Self {
        let mut ends = vec![0; count as usize];
        for (from, _) in pairs {
            if let Some(length) = ends.get_mut(*from as usize) {
                *length += 1;
            }
        }
        let mut end = 0;
        // Where the next entry of each list goes: at first to where the list begins.
        let mut free = ends.clone();
        for (end_of, free) in ends.iter_mut().zip(&mut free) {
            *free = end;
            end += *end_of;
            *end_of = end;
        }
        let mut all = vec![0; pairs.len()];
        for (from, to) in pairs {
            if let Some(free) = free.get_mut(*from as usize) {
                if let Some(entry) = all.get_mut(*free) {
                    *entry = *to;
                }
                *free += 1;
            }
        }
        Self { all, ends }
    }
}

/// Numbers as places in a list.
fn places(numbers: &Range<u32>) -> Range<usize> {
    numbers.start as usize..numbers.end as usize
}

/// Where the pieces of these numbers are together, of pieces that end there; `None` of numbers that none has.
pub(crate) fn span(ends: &[usize], numbers: &Range<u32>) -> Option<Range<usize>> {
    let last = numbers.end.checked_sub(1).filter(|last| *last >= numbers.start);
    let Some(last) = last else { return Some(0..0) };
    Some(bounds(ends, numbers.start)?.start..bounds(ends, last)?.end)
}

/// Where the piece of this number is, of pieces that end there; `None` of a number that none has.
pub(crate) fn bounds(ends: &[usize], number: u32) -> Option<Range<usize>> {
    let number = number as usize;
    let start = match number.checked_sub(1) {
        Some(before) => *ends.get(before)?,
        None => 0,
    };
    Some(start..*ends.get(number)?)
}
