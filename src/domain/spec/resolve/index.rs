//! Tests by what they are called.

use std::collections::HashMap;

use super::problem::Problem;
use crate::domain::fault::MAX_FAULTS;
use crate::domain::spec::document::Draft;

/// What a test can be called.
struct Called {
    name: String,
    fullname: String,
}

/// Tests by what they are called, for exact hits without looking at each.
pub(super) struct Index<'a> {
    drafts: &'a [Draft],
    called: Vec<Called>,
    ids: HashMap<&'a str, [usize; 1]>,
    /// By the others; see [`Self::new`].
    names: HashMap<String, Vec<usize>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(drafts: &'a [Draft], problems: &mut Vec<Problem>) -> Self {
        let called = drafts.iter().map(|draft| Called { name: draft.spec.name(), fullname: draft.spec.fullname() });
        let called: Vec<Called> = called.collect();
        let mut ids = HashMap::with_capacity(drafts.len());
        let mut names: HashMap<String, Vec<usize>> = HashMap::with_capacity(drafts.len());
        for (place, (draft, called)) in drafts.iter().zip(&called).enumerate() {
            let [first] = *ids.entry(draft.spec.id.as_str()).or_insert([place]);
            if first != place && problems.len() < MAX_FAULTS {
                problems.push(Problem::SameId { id: draft.spec.id.clone(), first, second: place });
            }
            for name in [&called.name, &draft.spec.family, &called.fullname, &draft.spec.file_path] {
                let places = match names.get_mut(name) {
                    Some(places) => places,
                    None => names.entry(name.clone()).or_default(),
                };
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        Self { drafts, called, ids, names }
    }

    /// The places of the tests with this id, or else of those that are called so, in their order.
    pub(super) fn exact(&self, text: &str) -> &[usize] {
        let id = self.ids.get(text).map(<[usize; 1]>::as_slice);
        id.or_else(|| self.names.get(text).map(Vec::as_slice)).unwrap_or_default()
    }

    pub(super) fn id(&self, place: usize) -> &'a str {
        self.drafts.get(place).map(|draft| draft.spec.id.as_str()).unwrap_or_default()
    }

    pub(super) fn fullname(&self, place: usize) -> &str {
        self.called.get(place).map(|called| called.fullname.as_str()).unwrap_or_default()
    }

    /// Every text that a glob is compared with, and whose it is; sorted.
    pub(super) fn texts(&self) -> Vec<(&str, usize)> {
        let mut texts = Vec::with_capacity(self.drafts.len().saturating_mul(5));
        for (place, (draft, called)) in self.drafts.iter().zip(&self.called).enumerate() {
            let spec = &draft.spec;
            for text in [&spec.id, &called.name, &spec.family, &called.fullname, &spec.file_path] {
                texts.push((text.as_str(), place));
            }
        }
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// For sorting: tests with directives of their own stand before those without.
    pub(super) fn turn(&self, place: usize) -> (bool, usize) {
        (self.drafts.get(place).is_some_and(|draft| draft.depends_on.is_empty()), place)
    }
}
