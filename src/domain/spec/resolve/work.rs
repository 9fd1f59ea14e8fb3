//! Looking for the tests that patterns take, within bounds.

use std::collections::{HashMap, HashSet};

use super::index::Index;
use crate::domain::glob::Glob;
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

    /// The places of the tests that the pattern matches as a glob.
    fn glob(&mut self, pattern: &str) -> Result<&[usize], TooMuch> {
        if !self.globs.contains_key(pattern) {
            let glob = Glob::new(pattern);
            // One that matches itself alone would have been an exact hit.
            let places = if glob.literal() == Some(pattern) { Vec::new() } else { self.matched(&glob)? };
            self.globs.insert(pattern.to_owned(), places);
        }
        Ok(self.globs.get(pattern).map(Vec::as_slice).unwrap_or_default())
    }

    fn matched(&mut self, glob: &Glob) -> Result<Vec<usize>, TooMuch> {
        let texts = self.texts.get_or_insert_with(|| self.index.texts());
        let prefix = glob.prefix();
        let start = texts.partition_point(|(text, _)| *text < prefix);
        let mut places = Vec::new();
        for (text, place) in texts.iter().skip(start).take_while(|(text, _)| text.starts_with(prefix)) {
            self.steps = self.steps.saturating_add(glob.steps(text.len()));
            if self.steps > self.most_steps {
                return Err(TooMuch("too many globs are compared with too many names, with those of the tests before"));
            }
            if glob.matches(text) {
                places.push(*place);
            }
        }
        places.sort_unstable_by_key(|place| self.index.turn(*place));
        places.dedup();
        Ok(places)
    }
}
