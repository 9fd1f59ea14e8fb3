//! Looking for the tests that patterns take, within bounds.

use std::collections::{HashMap, HashSet};

use super::index::Index;
use super::pattern::{is_glob, literal_prefix, matches};
use crate::domain::spec::limits::MAX_EDGES;

/// It is too much; says what.
pub(super) struct TooMuch(pub(super) &'static str);

/// The looking so far.
pub(super) struct Work<'a> {
    index: &'a Index<'a>,
    /// What globs are compared with, sorted, once there is a glob.
    texts: Option<Vec<(&'a str, usize)>>,
    /// What each glob matches.
    globs: HashMap<String, Vec<usize>>,
    steps: u64,
    most_steps: u64,
    hits: usize,
}

impl<'a> Work<'a> {
    pub(super) fn new(index: &'a Index<'a>, most_steps: u64) -> Self {
        Self { index, texts: None, globs: HashMap::new(), steps: 0, most_steps, hits: 0 }
    }

    pub(super) fn id(&self, place: usize) -> &'a str {
        self.index.id(place)
    }

    /// The places of the tests that the patterns take for the one that asks, each once.
    pub(super) fn taken(&mut self, patterns: &[String], asking: usize) -> Result<Vec<usize>, TooMuch> {
        let mut taken = Vec::new();
        let mut known = HashSet::new();
        let index = self.index;
        for pattern in patterns {
            let exact = index.exact(pattern);
            let is_hit = exact.iter().any(|place| *place != asking);
            let hits = if is_hit { exact } else { self.glob(pattern)? };
            taken.extend(hits.iter().copied().filter(|place| *place != asking && known.insert(*place)));
            let count = hits.len();
            self.hits = self.hits.saturating_add(count);
            if self.hits > MAX_EDGES {
                return Err(TooMuch("too many tests are waited for, with those of the tests before"));
            }
        }
        Ok(taken)
    }

    /// The places of the tests that the glob matches.
    fn glob(&mut self, glob: &str) -> Result<&[usize], TooMuch> {
        // Without a sign of its own it would have been an exact hit.
        if !is_glob(glob) {
            return Ok(&[]);
        }
        if !self.globs.contains_key(glob) {
            let texts = self.texts.get_or_insert_with(|| self.index.texts());
            let prefix = literal_prefix(glob);
            let start = texts.partition_point(|(text, _)| *text < prefix);
            let mut places = Vec::new();
            for (text, place) in texts.iter().skip(start).take_while(|(text, _)| text.starts_with(prefix)) {
                if matches(glob, text, &mut self.steps) {
                    places.push(*place);
                }
                if self.steps > self.most_steps {
                    return Err(TooMuch(
                        "too many globs are compared with too many names, with those of the tests before",
                    ));
                }
            }
            places.sort_unstable_by_key(|place| self.index.turn(*place));
            places.dedup();
            self.globs.insert(glob.to_owned(), places);
        }
        Ok(self.globs.get(glob).map(Vec::as_slice).unwrap_or_default())
    }
}
