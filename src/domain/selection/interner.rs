//! Equal texts under one number.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::domain::selection::texts::Texts;

#[cfg(test)]
mod tests;

/// Of a slot that holds no number.
const FREE: u64 = u64::MAX;

/// Texts, each once, and how to find the number of one. A text costs its bytes, 8 more, and 11 to 22 for finding it; it is
/// stored once, where a map of `String`s would store it a second time.
#[derive(Clone, Debug, Default)]
pub(super) struct Interner {
    texts: Texts,
    /// A table with open addresses, of a power of two slots. A slot holds 32 bits of a text's hash above its number, so that
    /// the table grows, and most other texts are told apart, without reading any text.
    slots: Vec<u64>,
    hasher: RandomState,
}

impl Interner {
    /// The number of a text, which gets one unless it has one.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        // At most three slots of four are taken: there is always a free one to end a search, and it is near.
        if self.texts.len() as usize >= self.slots.len() / 4 * 3 {
            self.grow();
        }
        let hash = self.hash(text);
        match self.find(hash, text) {
            Ok(number) => number,
            Err(free) => {
                let number = self.texts.push(text);
                if let Some(slot) = self.slots.get_mut(free) {
                    *slot = hash << u32::BITS | u64::from(number);
                }
                number
            }
        }
    }

    /// The number of a text, if it has one.
    pub(super) fn number(&self, text: &str) -> Option<u32> {
        self.find(self.hash(text), text).ok()
    }

    /// The text of this number; the empty one of a number that none has.
    pub(super) fn get(&self, number: u32) -> &str {
        self.texts.get(number)
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> u32 {
        self.texts.len()
    }

    /// The texts, by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.texts.iter()
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.texts.bytes() + self.slots.capacity() * size_of::<u64>()
    }

    /// Gives back what it has set aside for more texts.
    pub(super) fn shrink(&mut self) {
        self.texts.shrink();
    }

    /// As much of a text's hash as a slot has room for.
    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text) & u64::from(u32::MAX)
    }

    /// The number of a text, or the slot where it would stand.
    fn find(&self, hash: u64, text: &str) -> Result<u32, usize> {
        for at in self.way(hash) {
            match self.slots.get(at) {
                None | Some(&FREE) => return Err(at),
                Some(slot) => {
                    let number = low(*slot);
                    if slot >> u32::BITS == hash && self.texts.get(number) == text {
                        return Ok(number);
                    }
                }
            }
        }
        Err(self.slots.len())
    }

    /// The slots in the order in which one for this hash is looked for.
    fn way(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let count = self.slots.len();
        let mask = count.wrapping_sub(1);
        let start = usize::try_from(hash).unwrap_or_default() & mask;
        (0..count).map(move |step| start.wrapping_add(step) & mask)
    }

    /// Makes twice as many slots.
    fn grow(&mut self) {
        let count = self.slots.len().saturating_mul(2).max(8);
        let old = std::mem::replace(&mut self.slots, vec![FREE; count]);
        for slot in old.into_iter().filter(|slot| *slot != FREE) {
            let free = self.way(slot >> u32::BITS).find(|at| self.slots.get(*at) == Some(&FREE));
            if let Some(free) = free.and_then(|free| self.slots.get_mut(free)) {
                *free = slot;
            }
        }
    }
}

/// The lower half.
fn low(slot: u64) -> u32 {
    u32::try_from(slot & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
