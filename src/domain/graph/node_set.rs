//! Sets of nodes, a bit each.

use super::place;

/// A set of nodes below a count that is given once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    room: u32,
    words: Vec<u64>,
    len: usize,
}

impl NodeSet {
    /// The empty set, with room for the nodes below this count.
    #[must_use]
    pub fn new(room: u32) -> Self {
        Self { room, words: vec![0; place(room.div_ceil(u64::BITS))], len: 0 }
    }

    /// Puts a node in. Answers whether it is new there; a node that there is no room for is not put in.
    pub fn insert(&mut self, node: u32) -> bool {
        let (word, bit) = split(node);
        let Some(word) = self.words.get_mut(word).filter(|_| node < self.room) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes a node out. Answers whether it was there.
    pub fn remove(&mut self, node: u32) -> bool {
        let (word, bit) = split(node);
        let Some(word) = self.words.get_mut(word).filter(|word| **word & bit != 0) else { return false };
        *word &= !bit;
        self.len -= 1;
        true
    }

    /// Whether a node is in it.
    #[must_use]
    pub fn contains(&self, node: u32) -> bool {
        let (word, bit) = split(node);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// How many nodes are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no node is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The nodes in it, the smallest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let firsts = (0..=u32::MAX / u64::BITS).map(|word| word * u64::BITS);
        self.words.iter().zip(firsts).flat_map(|(word, first)| {
            let without_last = |word: &u64| Some(word & (word - 1)).filter(|word| *word != 0);
            let words = std::iter::successors(Some(*word).filter(|word| *word != 0), without_last);
            words.map(move |word| first + word.trailing_zeros())
        })
    }
}

/// The place of a node's word, and its bit there.
fn split(node: u32) -> (usize, u64) {
    (place(node / u64::BITS), 1 << (node % u64::BITS))
}
