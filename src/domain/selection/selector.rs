//! Selecting: rules leave specs out, each with its reason, and what depends on them is left out after them.
//!
//! A selector is driven in the order of Canary's phases: [`Selector::mask`] before (the start hooks), [`Selector::apply`],
//! [`Selector::mask`] and [`Selector::unmask`] (the hooks before the end), [`Selector::propagate`], [`Selector::finish`].
//!
//! Masked and excluded are two things. A spec that came with a mask of its own is masked and is not excluded: rules pass
//! over it, what depends on it is left out, and it is among [`Selection::selected`], mask and all.
//! [`Selection::runnable`] has no masked ones.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::domain::digest::Digest;
use crate::domain::graph::NodeSet;
use crate::domain::selection::evaluate::{self, LeftOut};
use crate::domain::selection::facts::Facts;
use crate::domain::selection::parameter::TypeError;
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::Rule;
use crate::domain::selection::syntax::SyntaxError;
use crate::domain::selection::table::Table;
use crate::domain::selection::texts::number;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

/// Of a spec without a mask, and of one that no dependency has left out.
const NONE: u32 = u32::MAX;

/// Why nothing was selected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SelectError {
    /// An expression is none.
    #[error("rule {}: `{expression}`: {error}", .rule + 1)]
    Syntax {
        /// The rule's place in the list.
        rule: usize,
        /// The expression.
        expression: String,
        /// What is wrong with it.
        error: SyntaxError,
    },
    /// A spec's parameter cannot be compared so.
    #[error("rule {}: spec {spec}: {error}", .rule + 1)]
    Type {
        /// The rule's place in the list.
        rule: usize,
        /// The spec's id.
        spec: String,
        /// What cannot be compared.
        error: TypeError,
    },
    /// A pattern is none.
    #[error("rule {}: `{pattern}` is no pattern: {error}", .rule + 1)]
    BadRegex {
        /// The rule's place in the list.
        rule: usize,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        error: String,
    },
    /// A pattern takes too long.
    #[error("rule {}: spec {spec}: `{pattern}` takes too long to search for", .rule + 1)]
    SlowRegex {
        /// The rule's place in the list.
        rule: usize,
        /// The spec's id.
        spec: String,
        /// The pattern.
        pattern: String,
    },
    /// A spec's file cannot be read.
    #[error("rule {}: spec {spec}: `{path}` cannot be read: {error}", .rule + 1)]
    Unreadable {
        /// The rule's place in the list.
        rule: usize,
        /// The spec's id.
        spec: String,
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
    /// What a spec depends on is not among those that are selected from.
    #[error("spec {spec} depends on {dependency}, which is not among the specs")]
    MissingDependency {
        /// The spec's id.
        spec: String,
        /// The dependency's id.
        dependency: String,
    },
}

impl SelectError {
    /// The place in the list of the rule that is wrong, or wrong for a spec; `None` where it is none.
    #[must_use]
    pub fn rule(&self) -> Option<usize> {
        match self {
            Self::Syntax { rule, .. }
            | Self::Type { rule, .. }
            | Self::BadRegex { rule, .. }
            | Self::SlowRegex { rule, .. }
            | Self::Unreadable { rule, .. } => Some(*rule),
            Self::MissingDependency { .. } => None,
        }
    }
}

/// Selects from the specs of a table.
#[derive(Debug)]
pub struct Selector<'t> {
    table: &'t Table,
    masks: Masks,
    excluded: NodeSet,
}

/// Which specs are masked, and why.
#[derive(Debug)]
struct Masks {
    reasons: Vec<Reason>,
    numbers: HashMap<Reason, u32>,
    /// For each spec the place of its reason.
    of: Vec<u32>,
    /// For each spec the dependency that has left it out.
    causes: Vec<u32>,
}

impl Masks {
    fn number(&mut self, reason: Reason) -> u32 {
        if let Some(number) = self.numbers.get(&reason) {
            return *number;
        }
        let number = number(self.reasons.len());
        self.reasons.push(reason.clone());
        self.numbers.insert(reason, number);
        number
    }

    fn set(&mut self, spec: u32, reason: u32) {
        if let Some(of) = self.of.get_mut(spec as usize) {
            *of = reason;
        }
    }

    fn is_masked(&self, spec: u32) -> bool {
        self.of.get(spec as usize).is_some_and(|reason| *reason != NONE)
    }
}

impl<'t> Selector<'t> {
    /// Begins: masked are the specs that come so.
    #[must_use]
    pub fn new(table: &'t Table) -> Self {
        let count = table.len() as usize;
        let masks =
            Masks { reasons: Vec::new(), numbers: HashMap::new(), of: vec![NONE; count], causes: vec![NONE; count] };
        let mut selector = Self { table, masks, excluded: NodeSet::new(table.len()) };
        for (spec, text) in &table.masks {
            let reason = selector.masks.number(Reason::Custom { text: text.clone() });
            selector.masks.set(*spec, reason);
        }
        selector
    }

    /// Leaves a spec out. One that is masked gets the new reason.
    pub fn mask(&mut self, spec: u32, reason: Reason) {
        if spec < self.table.len() {
            let reason = self.masks.number(reason);
            self.masks.set(spec, reason);
            self.excluded.insert(spec);
        }
    }

    /// Masks a spec without excluding it, as if it had come so: it stays among those that are selected.
    pub fn premask(&mut self, spec: u32, reason: Reason) {
        let reason = self.masks.number(reason);
        self.masks.set(spec, reason);
    }

    /// Takes a spec in again, whoever left it out.
    pub fn unmask(&mut self, spec: u32) {
        self.masks.set(spec, NONE);
        self.excluded.remove(spec);
    }

    /// Asks the rules of the specs that are not masked, those of higher priority first. The first rule that a spec does not
    /// pass leaves it out, and is the reason; it is asked no more. A rule that no spec is left for is not even read, but for
    /// patterns, which are read first.
    ///
    /// # Errors
    /// What is wrong with a rule, or with a spec that it is asked of. Of several errors that which the first spec in the list
    /// would meet first. The selector is of no more use then.
    pub fn apply(&mut self, rules: &[Rule], facts: &Facts<'_>) -> Result<(), SelectError> {
        let rules = evaluate::prepare(rules)?;
        let mut open: Vec<u32> = (0..self.table.len()).filter(|spec| !self.masks.is_masked(*spec)).collect();
        let mut first_error = None;
        for rule in &rules {
            if open.is_empty() {
                break;
            }
            let mut left_out = LeftOut::default();
            if let Err(stopped) = evaluate::failing(rule, self.table, facts, &open, &mut left_out) {
                // Specs before this one may still meet an error of a later rule, which then came first.
                open.truncate(stopped.reached);
                first_error = Some(stopped.error);
            }
            let mut next = left_out.specs.iter().map(|(spec, _)| *spec).peekable();
            open.retain(|spec| next.next_if_eq(spec).is_none());
            let reasons: Vec<u32> = left_out.reasons.into_iter().map(|reason| self.masks.number(reason)).collect();
            for (spec, reason) in left_out.specs {
                if let Some(reason) = reasons.get(reason as usize) {
                    self.masks.set(spec, *reason);
                    self.excluded.insert(spec);
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Leaves out whatever depends on something masked, through however many others. Reasons that are there stay.
    ///
    /// # Errors
    /// [`SelectError::MissingDependency`] if a spec, masked or not, depends on something that is not in the list.
    pub fn propagate(&mut self) -> Result<(), SelectError> {
        if let Some((spec, dependency)) = self.table.missing {
            let (spec, dependency) = (self.table.id(spec), self.table.id_or_unknown(dependency));
            return Err(SelectError::MissingDependency { spec: spec.to_owned(), dependency: dependency.to_owned() });
        }
        let mut open: VecDeque<u32> = (0..self.table.len()).filter(|spec| self.masks.is_masked(*spec)).collect();
        let mut reason = None;
        while let Some(spec) = open.pop_front() {
            for dependent in self.table.graph.dependents(spec) {
                if self.masks.is_masked(*dependent) {
                    continue;
                }
                let reason = *reason.get_or_insert_with(|| self.masks.number(Reason::DependencyMasked));
                self.masks.set(*dependent, reason);
                if let Some(cause) = self.masks.causes.get_mut(*dependent as usize) {
                    *cause = spec;
                }
                self.excluded.insert(*dependent);
                open.push_back(*dependent);
            }
        }
        Ok(())
    }

    /// Why a spec is masked by now; `None` if it is not.
    #[must_use]
    pub fn reason(&self, spec: u32) -> Option<&Reason> {
        let reason = *self.masks.of.get(spec as usize)?;
        self.masks.reasons.get(reason as usize)
    }

    /// What came of it.
    #[must_use]
    pub fn finish(self) -> Selection<'t> {
        let Self { table, masks: Masks { reasons, of, causes, .. }, excluded } = self;
        Selection { table, reasons, of, causes, excluded }
    }
}

/// Selects by rules, without hooks.
///
/// # Errors
/// As [`Selector::apply`] and [`Selector::propagate`].
pub fn select<'t>(table: &'t Table, rules: &[Rule], facts: &Facts<'_>) -> Result<Selection<'t>, SelectError> {
    let mut selector = Selector::new(table);
    selector.apply(rules, facts)?;
    selector.propagate()?;
    Ok(selector.finish())
}

/// What came of selecting.
#[derive(Debug)]
pub struct Selection<'t> {
    table: &'t Table,
    reasons: Vec<Reason>,
    of: Vec<u32>,
    causes: Vec<u32>,
    excluded: NodeSet,
}

/// How many specs are left out for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'s> {
    /// The reason.
    pub reason: &'s Reason,
    /// How many.
    pub count: usize,
}

/// Groups that are given in the order in which they were met, the largest first; of equally large ones that which was met
/// later.
pub(super) fn largest_first(mut groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    groups.reverse();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// A step of an answer to why a spec is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause<'s> {
    /// The spec.
    pub spec: u32,
    /// Why it is left out. The next step tells of what it depends on, where that is the reason.
    pub reason: &'s Reason,
}

impl<'t> Selection<'t> {
    /// The specs that no rule, hook or dependency has left out, in the order of the list; also those that came masked.
    pub fn selected(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.table.len()).filter(|spec| !self.excluded.contains(*spec))
    }

    /// The specs without a mask, in the order of the list.
    pub fn runnable(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.table.len()).filter(|spec| self.reason(*spec).is_none())
    }

    /// The specs that a rule, a hook or a dependency has left out.
    #[must_use]
    pub fn excluded(&self) -> &NodeSet {
        &self.excluded
    }

    /// The masked specs, those that came so too, in the order of the list.
    pub fn masked(&self) -> impl Iterator<Item = (u32, &Reason)> + '_ {
        (0..self.table.len()).filter_map(|spec| self.reason(spec).map(|reason| (spec, reason)))
    }

    /// Why a spec is masked; `None` if it is not.
    #[must_use]
    pub fn reason(&self, spec: u32) -> Option<&Reason> {
        let reason = *self.of.get(spec as usize)?;
        self.reasons.get(reason as usize)
    }

    /// The dependency that has left a spec out, where that is the reason.
    #[must_use]
    pub fn cause(&self, spec: u32) -> Option<u32> {
        self.causes.get(spec as usize).copied().filter(|cause| *cause != NONE)
    }

    /// Why a spec is masked, down to the spec that is so for a reason of its own; empty if it is not masked.
    #[must_use]
    pub fn why(&self, spec: u32) -> Vec<Cause<'_>> {
        let steps = std::iter::successors(Some(spec), |spec| self.cause(*spec));
        steps.map_while(|spec| self.reason(spec).map(|reason| Cause { spec, reason })).collect()
    }

    /// How many are excluded for which reason, the largest groups first; of equally large ones that which was met later.
    #[must_use]
    pub fn report(&self) -> Vec<Group<'_>> {
        let mut counts: Vec<usize> = vec![0; self.reasons.len()];
        let mut met: Vec<u32> = Vec::new();
        for spec in self.excluded.iter() {
            let Some(reason) = self.of.get(spec as usize).copied() else { continue };
            let Some(count) = counts.get_mut(reason as usize) else { continue };
            if *count == 0 {
                met.push(reason);
            }
            *count += 1;
        }
        let group = |reason: u32| {
            let count = counts.get(reason as usize).copied()?;
            Some(Group { reason: self.reasons.get(reason as usize)?, count })
        };
        largest_first(met.into_iter().filter_map(group).collect())
    }

    /// The specs that were selected from.
    #[must_use]
    pub fn table(&self) -> &'t Table {
        self.table
    }
}

/// The name of a set of specs: the SHA-256 of the compact JSON list of their ids by code point, in ASCII, as Canary has it.
/// What the specs are plays no part.
#[must_use]
pub fn spec_set_id<'i>(sorted_ids: impl IntoIterator<Item = &'i str>) -> Digest {
    /// How many bytes are hashed at once: a call for each of a million ids takes longer than the hashing.
    const AT_ONCE: usize = 1 << 16;
    let mut hasher = Sha256::new();
    let mut text = String::with_capacity(AT_ONCE);
    text.push('[');
    for (place, id) in sorted_ids.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push_json_ascii(&mut text, id);
        if text.len() >= AT_ONCE / 2 {
            hasher.update(text.as_bytes());
            text.clear();
        }
    }
    text.push(']');
    hasher.update(text.as_bytes());
    Digest::finish(hasher)
}

impl Table {
    /// The name of the set of its specs: see [`spec_set_id`].
    #[must_use]
    pub fn spec_set_id(&self) -> Digest {
        spec_set_id(self.by_id().iter().map(|spec| self.id(*spec)))
    }
}

/// Appends a text as JSON in ASCII.
fn push_json_ascii(to: &mut String, text: &str) {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        to.push('"');
        to.push_str(text);
        to.push('"');
        return;
    }
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_ascii() {
            to.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(to, "\\u{unit:04x}");
            }
        }
    }
}
