//! Asking rules of specs.

use std::collections::{BTreeSet, HashMap};

use fancy_regex::Regex;

use crate::domain::glob::Glob;
use crate::domain::graph::NodeSet;
use crate::domain::regex;
use crate::domain::selection::facts::Facts;
use crate::domain::selection::keyword;
use crate::domain::selection::parameter;
use crate::domain::selection::reason::Reason;
use crate::domain::selection::rule::{Affects, Past, Rule, Test, is_off};
use crate::domain::selection::selector::SelectError;
use crate::domain::selection::table::Table;
use crate::domain::selection::texts::number;
use crate::domain::spec_result::status::Category;

/// How many of the newest results tell whether a spec is flaky, unless the rule says.
const LATEST: u32 = 10;

/// From how many seconds on a spec is slow, unless the rule says.
const SLOW_S: u32 = 60;

/// A rule, and what had to be read of it before any spec was looked at.
pub(super) struct Prepared<'r> {
    place: usize,
    rule: &'r Rule,
    pattern: Option<Regex>,
}

/// An error, and how many of the specs were passed before it.
pub(super) struct Stopped {
    pub(super) reached: usize,
    pub(super) error: SelectError,
}

/// What did not pass a rule, in the order of the specs, and why: each reason once.
#[derive(Default)]
pub(super) struct LeftOut {
    pub(super) reasons: Vec<Reason>,
    /// Specs and the places of their reasons.
    pub(super) specs: Vec<(u32, u32)>,
}

impl LeftOut {
    fn reason(&mut self, reason: Reason) -> u32 {
        self.reasons.push(reason);
        number(self.reasons.len() - 1)
    }

    /// Adds what fails of these specs, for one reason.
    fn extend(&mut self, specs: &[u32], reason: Reason, mut fails: impl FnMut(u32) -> bool) {
        let reason = self.reason(reason);
        self.specs.extend(specs.iter().filter(|spec| fails(**spec)).map(|spec| (*spec, reason)));
    }

    /// Adds a spec for a reason of its own.
    fn push(&mut self, spec: u32, reason: Reason) {
        let reason = self.reason(reason);
        self.specs.push((spec, reason));
    }

    fn sort(&mut self) {
        self.specs.sort_unstable();
    }
}

/// The rules in the order in which they are asked.
pub(super) fn prepare(rules: &[Rule]) -> Result<Vec<Prepared<'_>>, SelectError> {
    // In the order of the list: the first pattern that is none is told.
    let mut prepared = Vec::with_capacity(rules.len());
    for (place, rule) in rules.iter().enumerate() {
        let pattern = match &rule.test {
            Test::Regex { pattern } => {
                let bad = |error| SelectError::BadRegex { rule: place, pattern: pattern.clone(), error };
                Some(regex::compiled(pattern).map_err(bad)?)
            }
            _ => None,
        };
        prepared.push(Prepared { place, rule, pattern });
    }
    prepared.sort_by_key(|it| std::cmp::Reverse(it.rule.priority));
    Ok(prepared)
}

/// Asks a rule of the specs at these places, in their order; adds those that do not pass, with the reasons, in that order
/// too. On an error those before it have been added.
pub(super) fn failing(
    prepared: &Prepared<'_>,
    table: &Table,
    facts: &Facts<'_>,
    open: &[u32],
    left_out: &mut LeftOut,
) -> Result<(), Stopped> {
    let place = prepared.place;
    match &prepared.rule.test {
        Test::Keyword { expressions } => keywords(place, expressions, table, open, left_out)?,
        Test::Parameter { expression } => parameters(place, expression, table, open, left_out)?,
        Test::Ids { ids } => {
            let mut wanted = NodeSet::new(table.len());
            for spec in ids.iter().flat_map(|prefix| table.with_prefix(prefix)) {
                wanted.insert(*spec);
            }
            left_out.extend(open, Reason::ids(ids), |spec| !wanted.contains(spec));
        }
        Test::Owners { owners } => {
            let owners: BTreeSet<&String> = owners.iter().collect();
            let wanted: Vec<bool> = table.owners.iter().map(|(_, owner)| owners.contains(&owner.to_owned())).collect();
            let is_wanted = |owner: &u32| wanted.get(*owner as usize).copied().unwrap_or_default();
            let reason = Reason::Owner { owners: owners.into_iter().cloned().collect() };
            left_out.extend(open, reason, |spec| !table.spec_owners.get(spec).iter().any(is_wanted));
        }
        Test::Prefix { prefixes } => {
            let begins = |path: &str| prefixes.iter().any(|prefix| path.starts_with(prefix.as_str()));
            let wanted: Vec<bool> = table.files.iter().map(|(_, path)| begins(path)).collect();
            let passes = |spec: u32| {
                let file = table.spec_file.get(spec as usize).copied().unwrap_or(u32::MAX);
                wanted.get(file as usize).copied().unwrap_or_default()
            };
            left_out.extend(open, Reason::Prefix { prefixes: prefixes.clone() }, |spec| !passes(spec));
        }
        Test::Regex { pattern } => {
            if let Some(regex) = &prepared.pattern {
                let lines = Lines { place, pattern, regex, table, facts };
                lines.failing(open, left_out)?;
            }
        }
        Test::View { globs } => {
            let compiled: Vec<Glob> = globs.iter().map(|glob| Glob::new(glob)).collect();
            let matches = |spec: u32| compiled.iter().any(|glob| glob.matches(table.view(spec)));
            left_out.extend(open, Reason::View { globs: globs.clone() }, |spec| !matches(spec));
        }
        Test::History { want, latest, slow_s } => {
            let latest = latest.unwrap_or(LATEST);
            let slow_s = slow_s.unwrap_or(SLOW_S);
            let mut known: HashMap<String, u32> = HashMap::new();
            for spec in open {
                if let Err(is) = past(*want, facts, *spec, latest, slow_s) {
                    let reason = if let Some(reason) = known.get(&is) {
                        *reason
                    } else {
                        let reason = left_out.reason(Reason::History { want: *want, is: is.clone() });
                        known.insert(is, reason);
                        reason
                    };
                    left_out.specs.push((*spec, reason));
                }
            }
        }
        Test::Changed { paths, affects } => {
            if let Some(affected) = affected(table, paths, affects) {
                left_out.extend(open, Reason::NotAffected, |spec| !affected.contains(spec));
            }
        }
        Test::Budget { seconds } => budget(*seconds, table, facts, open, left_out),
    }
    Ok(())
}

fn keywords(
    place: usize,
    expressions: &[String],
    table: &Table,
    open: &[u32],
    left_out: &mut LeftOut,
) -> Result<(), Stopped> {
    if is_off(expressions) {
        return Ok(());
    }
    let mut still_open = open.to_vec();
    let mut stopped = None;
    // As with rules: a spec that does not pass one expression is not asked the next.
    for text in expressions {
        let Some(first) = still_open.first() else { break };
        let expression = match keyword::Expression::parse(text) {
            Ok(expression) => expression,
            Err(error) => {
                stopped = Some((*first, SelectError::Syntax { rule: place, expression: text.clone(), error }));
                break;
            }
        };
        let columns: Vec<NodeSet> = expression.names().iter().map(|name| having(table, name)).collect();
        let reason = left_out.reason(Reason::Keyword { expression: text.clone() });
        still_open.retain(|spec| {
            let holds =
                expression.evaluate(|name| columns.get(name).is_some_and(|specs: &NodeSet| specs.contains(*spec)));
            if !holds {
                left_out.specs.push((*spec, reason));
            }
            holds
        });
    }
    left_out.sort();
    let Some((at, error)) = stopped else { return Ok(()) };
    left_out.specs.retain(|(spec, _)| *spec < at);
    Err(Stopped { reached: open.partition_point(|spec| *spec < at), error })
}

/// The specs that have a keyword which matches.
fn having(table: &Table, name: &Glob) -> NodeSet {
    let mut having = NodeSet::new(table.len());
    for (keyword, _) in table.keywords.iter().filter(|(_, keyword)| name.matches(keyword)) {
        for spec in table.keyword_specs.get(keyword) {
            having.insert(*spec);
        }
    }
    having
}

fn parameters(place: usize, text: &str, table: &Table, open: &[u32], left_out: &mut LeftOut) -> Result<(), Stopped> {
    if open.is_empty() {
        return Ok(());
    }
    let expression = parameter::Expression::parse(text).map_err(|error| Stopped {
        reached: 0,
        error: SelectError::Syntax { rule: place, expression: text.to_owned(), error },
    })?;
    let asked: Vec<Option<u32>> = expression.names().iter().map(|name| table.parameter_names.number(name)).collect();
    // What was found for values is the same for every spec that has these.
    let mut known: HashMap<Vec<Option<u32>>, bool> = HashMap::new();
    let reason = left_out.reason(Reason::Parameter { expression: text.to_owned() });
    for (reached, spec) in open.iter().enumerate() {
        let has = table.spec_parameters.get(*spec);
        let value = |name: &Option<u32>| {
            name.and_then(|name| has.iter().find(|(its, _)| *its == name).map(|(_, value)| *value))
        };
        let values: Vec<Option<u32>> = asked.iter().map(value).collect();
        let holds = if let Some(holds) = known.get(&values) {
            *holds
        } else {
            let get = |place: usize| {
                let value = values.get(place).copied().flatten()?;
                table.parameter_values.get(value)
            };
            let holds = expression.evaluate(get).map_err(|error| Stopped {
                reached,
                error: SelectError::Type { rule: place, spec: table.id(*spec).to_owned(), error },
            })?;
            known.insert(values, holds);
            holds
        };
        if !holds {
            left_out.specs.push((*spec, reason));
        }
    }
    Ok(())
}

/// A pattern that is searched for in the lines of specs' files.
struct Lines<'a> {
    place: usize,
    pattern: &'a str,
    regex: &'a Regex,
    table: &'a Table,
    facts: &'a Facts<'a>,
}

impl Lines<'_> {
    fn failing(&self, open: &[u32], left_out: &mut LeftOut) -> Result<(), Stopped> {
        let mut known: HashMap<u32, Option<bool>> = HashMap::new();
        let reason = left_out.reason(Reason::Regex { pattern: self.pattern.to_owned() });
        for (reached, spec) in open.iter().enumerate() {
            let found = self.found(*spec, &mut known).map_err(|error| Stopped { reached, error })?;
            if !found {
                left_out.specs.push((*spec, reason));
            }
        }
        Ok(())
    }

    fn found(&self, spec: u32, known: &mut HashMap<u32, Option<bool>>) -> Result<bool, SelectError> {
        for (place, source) in self.table.spec_sources.get(spec).iter().enumerate() {
            let found = match known.get(source) {
                Some(found) => *found,
                None => *known.entry(*source).or_insert(self.search(spec, *source)?),
            };
            match found {
                Some(true) => return Ok(true),
                // Only the spec's own file has to be there.
                None if place == 0 => return Err(self.unreadable(spec, *source, "there is no such file".to_owned())),
                Some(false) | None => {}
            }
        }
        Ok(false)
    }

    /// Whether a line of a file matches; `None` if there is no such file. What is not UTF-8 has no lines.
    fn search(&self, spec: u32, source: u32) -> Result<Option<bool>, SelectError> {
        let Some(file) = self.table.source(source) else { return Ok(None) };
        let read = self.facts.contents.read(&file).map_err(|error| self.unreadable(spec, source, error))?;
        let Some(content) = read else { return Ok(None) };
        let Ok(text) = String::from_utf8(content) else { return Ok(Some(false)) };
        for line in text.split_inclusive('\n') {
            // Once as it is, for a pattern that asks for the line break, and once without it, for one that asks for the end.
            for line in [line, line.strip_suffix('\n').unwrap_or(line)] {
                match self.regex.is_match(line) {
                    Ok(true) => return Ok(Some(true)),
                    Ok(false) => {}
                    Err(_) => {
                        let (rule, spec) = (self.place, self.table.id(spec).to_owned());
                        return Err(SelectError::SlowRegex { rule, spec, pattern: self.pattern.to_owned() });
                    }
                }
            }
        }
        Ok(Some(false))
    }

    fn unreadable(&self, spec: u32, source: u32, error: String) -> SelectError {
        let path = self.table.source(source).map(|source| source.path).unwrap_or_default();
        SelectError::Unreadable { rule: self.place, spec: self.table.id(spec).to_owned(), path, error }
    }
}

/// Whether a spec's results are of the kind asked for; if not, what they are.
fn past(want: Past, facts: &Facts<'_>, spec: u32, latest: u32, slow_s: u32) -> Result<(), String> {
    let history = facts.of(spec);
    let last = || history.newest.map_or("never ran".to_owned(), |(_, status)| format!("came to {status} last"));
    let category = history.newest.map(|(category, _)| category);
    let passes = match want {
        Past::Failed => category == Some(Category::Fail),
        Past::NotPassed => category != Some(Category::Pass),
        Past::NeverRun => matches!(category, None | Some(Category::None)),
        Past::Changed if history.newest.is_some() && !history.changed_since => return Err("has not changed".to_owned()),
        Past::Changed => true,
        Past::Flaky => {
            let window = u64::MAX.checked_shr(64_u32.saturating_sub(latest)).unwrap_or(0);
            let (passes, failures) = (history.passes & window, history.failures & window);
            if passes == 0 || failures == 0 {
                let (passes, failures) = (passes.count_ones(), failures.count_ones());
                return Err(format!("passed {passes} and failed {failures} of its latest {latest} times"));
            }
            true
        }
        Past::Slow => match history.seconds {
            #[expect(clippy::cast_precision_loss, reason = "whole seconds in a setting are few")]
            Some(seconds) if seconds < slow_s as f32 => return Err(format!("took {seconds:.1} s last")),
            Some(_) => true,
            None => return Err("was never timed".to_owned()),
        },
    };
    if passes { Ok(()) } else { Err(last()) }
}

/// The specs that changed paths concern; `None` if that cannot be told, so that all are concerned.
fn affected(table: &Table, changed: &[String], affects: &[Affects]) -> Option<NodeSet> {
    let compiled = |globs: &[String]| globs.iter().map(|glob| Glob::new(glob)).collect::<Vec<Glob>>();
    let affects: Vec<(Vec<Glob>, Vec<Glob>)> =
        affects.iter().map(|it| (compiled(&it.paths), compiled(&it.views))).collect();
    // A path that the table knows may be nobody's any more.
    let mut whose = NodeSet::new(table.paths.len());
    for path in table.spec_paths.iter().flatten() {
        whose.insert(*path);
    }
    let mut changed_paths = NodeSet::new(table.paths.len());
    let mut views: Vec<&Glob> = Vec::new();
    for path in changed {
        let own = table.paths.number(path).filter(|place| whose.contains(*place));
        if let Some(place) = own {
            changed_paths.insert(place);
        }
        let mut is_known = own.is_some();
        for (paths, concerned) in &affects {
            if paths.iter().any(|glob| glob.matches(path)) {
                is_known = true;
                views.extend(concerned);
            }
        }
        if !is_known {
            return None;
        }
    }
    let mut affected = NodeSet::new(table.len());
    for spec in 0..table.len() {
        let own = table.spec_paths.get(spec).iter().any(|path| changed_paths.contains(*path));
        if own || views.iter().any(|glob| glob.matches(table.view(spec))) {
            affected.insert(spec);
        }
    }
    Some(affected)
}

/// Leaves out what there is no time for, going through the specs in the order in which they could run.
fn budget(seconds: u64, table: &Table, facts: &Facts<'_>, open: &[u32], left_out: &mut LeftOut) {
    let mut is_open = NodeSet::new(table.len());
    for spec in open {
        is_open.insert(*spec);
    }
    let order = table.graph.static_order().unwrap_or_else(|_| (0..table.len()).collect());
    #[expect(clippy::cast_precision_loss, reason = "a budget of so many seconds is none")]
    let mut left = seconds as f64;
    let mut refused = NodeSet::new(table.len());
    for spec in order.into_iter().filter(|spec| is_open.contains(*spec)) {
        // It will be left out after what it depends on.
        if table.graph.dependencies(spec).iter().any(|it| refused.contains(*it) || !is_open.contains(*it)) {
            refused.insert(spec);
            continue;
        }
        let timeout = || table.timeouts.get(spec as usize).copied().unwrap_or_default();
        let needs = f64::from(facts.of(spec).seconds.unwrap_or_else(timeout)).max(0.0);
        if needs <= left {
            left -= needs;
        } else {
            refused.insert(spec);
            left_out.push(spec, Reason::OverBudget { needs_s: whole(needs), left_s: whole(left.floor()) });
        }
    }
    left_out.sort();
}

/// Seconds in whole ones, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds are not negative and not that many"
)]
fn whole(seconds: f64) -> u64 {
    seconds.ceil() as u64
}
