//! Looks for a combination of records, one of each resource, that makes a node true.
//!
//! Trying the whole product would be hopeless with some hundred records of three resources, so what must hold is taken
//! apart: the operands of `and` hold each for itself; one that reads a single resource thins out its records before
//! anything is combined; resources that no operand ties together are looked at apart; an `==` between two resources is
//! looked up. An `or` is split into its cases where it ties together more combinations than are tried at once. What is
//! left is tried, up to a limit of steps.

use std::collections::HashMap;

use super::Record;
use super::evaluate::{comes_to, evaluate};
use super::tree::{Comparison, Node, bit};
use super::value::{Key, Meter, Stop, compare};

/// How many times cases may be split within each other.
const MAX_SPLITS: usize = 16;

/// Something that a combination must fulfil.
#[derive(Clone, Copy, Debug)]
struct Goal<'a> {
    what: What<'a>,
    /// The resources that it reads, a bit each.
    reads: u64,
    /// Those of the two sides of a comparison.
    sides: (u64, u64),
}

impl<'a> Goal<'a> {
    fn new(what: What<'a>, meter: &mut Meter) -> Result<Self, Stop> {
        let (one, other) = match what {
            What::ComesTo(node, _) => (node.measure(), (0, 0)),
            What::Compares(one, _, other) => (one.measure(), other.measure()),
        };
        meter.spend(one.1 + other.1)?;
        Ok(Self { what, reads: one.0 | other.0, sides: (one.0, other.0) })
    }
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    /// The node is worked out, and counts as true or as false.
    ComesTo(&'a Node, bool),
    /// Both are worked out, and the comparison holds.
    Compares(&'a Node, Comparison, &'a Node),
}

impl<'a> What<'a> {
    fn holds(self, chosen: &[Option<&'a Record>], meter: &mut Meter) -> Result<bool, Stop> {
        match self {
            Self::ComesTo(node, wanted) => comes_to(node, wanted, chosen, meter),
            Self::Compares(one, sign, other) => {
                let compared = evaluate(one, chosen, meter).and_then(|one| {
                    let other = evaluate(other, chosen, meter)?;
                    compare(&one, sign, &other, meter)
                });
                if compared == Err(Stop::Raised) { Ok(false) } else { compared }
            }
        }
    }

    /// The cases of which one must be, if it is a choice between several.
    fn cases(self) -> Option<(&'a [Node], bool)> {
        match self {
            Self::ComesTo(Node::Any(operands), true) => Some((&operands.nodes, true)),
            Self::ComesTo(Node::All(operands), false) => Some((&operands.nodes, false)),
            _ => None,
        }
    }
}

/// Whether one record of each resource that the node reads makes it true; `reads` are these, a bit each. There is no such
/// combination if one has no records.
///
/// # Errors
/// [`Stop::Spent`].
pub(super) fn exists<'a>(node: &'a Node, reads: u64, lists: &[&'a [Record]], meter: &mut Meter) -> Result<bool, Stop> {
    let lists_read = lists.iter().enumerate().map(|(resource, list)| (resource, *list, reads & bit(resource) != 0));
    if lists_read.clone().any(|(_, list, is_read)| is_read && list.is_empty()) {
        return Ok(false);
    }
    if reads.is_power_of_two() {
        let mut chosen = vec![None; lists.len()];
        for (resource, list, _) in lists_read.filter(|(_, _, is_read)| *is_read) {
            for record in list {
                choose(&mut chosen, resource, Some(record));
                if comes_to(node, true, &chosen, meter)? {
                    return Ok(true);
                }
            }
        }
        return Ok(false);
    }
    let lists = lists_read.map(|(_, list, is_read)| if is_read { list.iter().collect() } else { Vec::new() }).collect();
    solve(vec![What::ComesTo(node, true)], lists, 0, meter)
}

fn choose<'a>(chosen: &mut [Option<&'a Record>], resource: usize, record: Option<&'a Record>) {
    if let Some(slot) = chosen.get_mut(resource) {
        *slot = record;
    }
}

/// Puts the goals that follow from one into the list.
fn split<'a>(what: What<'a>, goals: &mut Vec<Goal<'a>>, meter: &mut Meter) -> Result<(), Stop> {
    let mut open = vec![what];
    while let Some(what) = open.pop() {
        meter.spend(1)?;
        match what {
            What::ComesTo(Node::All(operands), true) => {
                open.extend(operands.nodes.iter().map(|node| What::ComesTo(node, true)));
            }
            What::ComesTo(Node::Any(operands), false) => {
                open.extend(operands.nodes.iter().map(|node| What::ComesTo(node, false)));
            }
            What::ComesTo(Node::Compare(first, rest), true) => {
                let mut before: &Node = first;
                for (sign, node) in rest {
                    let what = What::Compares(before, *sign, node);
                    goals.push(Goal::new(what, meter)?);
                    before = node;
                }
            }
            what => goals.push(Goal::new(what, meter)?),
        }
    }
    Ok(())
}

/// Whether one record of each list fulfils all of this.
fn solve<'a>(
    what: Vec<What<'a>>,
    mut lists: Vec<Vec<&'a Record>>,
    splits: usize,
    meter: &mut Meter,
) -> Result<bool, Stop> {
    let mut goals = Vec::new();
    for what in what {
        split(what, &mut goals, meter)?;
    }
    let mut chosen = vec![None; lists.len()];
    let mut ties = Vec::new();
    for goal in goals {
        match goal.reads.count_ones() {
            0 => {
                if !goal.what.holds(&chosen, meter)? {
                    return Ok(false);
                }
            }
            1 => {
                let resource = index(goal.reads.trailing_zeros());
                let Some(list) = lists.get_mut(resource) else { return Ok(false) };
                let mut kept = Vec::new();
                for record in list.iter() {
                    choose(&mut chosen, resource, Some(*record));
                    if goal.what.holds(&chosen, meter)? {
                        kept.push(*record);
                    }
                }
                chosen.fill(None);
                if kept.is_empty() {
                    return Ok(false);
                }
                *list = kept;
            }
            _ => ties.push(goal),
        }
    }
    while let Some(goals) = tied_together(&mut ties) {
        if !solve_tied(&goals, &lists, splits, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes out the goals that are tied together by the resources that they read.
fn tied_together<'a>(ties: &mut Vec<Goal<'a>>) -> Option<Vec<Goal<'a>>> {
    let mut together = vec![ties.pop()?];
    let mut reads = together.first()?.reads;
    loop {
        let (joined, others): (Vec<_>, Vec<_>) = ties.drain(..).partition(|goal| goal.reads & reads != 0);
        *ties = others;
        if joined.is_empty() {
            return Some(together);
        }
        reads = joined.iter().fold(reads, |reads, goal| reads | goal.reads);
        together.extend(joined);
    }
}

fn solve_tied<'a>(
    goals: &[Goal<'a>],
    lists: &[Vec<&'a Record>],
    splits: usize,
    meter: &mut Meter,
) -> Result<bool, Stop> {
    let reads = goals.iter().fold(0, |reads, goal| reads | goal.reads);
    let combinations = resources_of(reads)
        .filter_map(|resource| lists.get(resource))
        .fold(1_usize, |combinations, list| combinations.saturating_mul(list.len()));
    let choice = goals.iter().enumerate().find_map(|(place, goal)| Some((place, goal.what.cases()?)));
    let Some((place, (nodes, wanted))) = choice.filter(|_| combinations > meter.tried_at_once() && splits < MAX_SPLITS)
    else {
        return try_all(goals, lists, reads, meter);
    };
    let others: Vec<What> =
        goals.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, goal)| goal.what).collect();
    for (case, node) in nodes.iter().enumerate() {
        // Python comes to this operand only if those before it are worked out and do not decide.
        let before = nodes.iter().take(case).map(|node| What::ComesTo(node, !wanted));
        let what = others.iter().copied().chain(before).chain([What::ComesTo(node, wanted)]).collect();
        meter.spend(lists.iter().map(Vec::len).sum::<usize>() / 8)?;
        if solve(what, lists.to_vec(), splits + 1, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The choice of a record of one resource.
struct Choice<'g, 'a> {
    resource: usize,
    list: &'g [&'a Record],
    /// What can be asked as soon as this record is chosen.
    goals: Vec<Goal<'a>>,
    /// The sides of an equation: of this resource, and of those that are chosen before.
    equation: Option<(&'a Node, &'a Node)>,
    index: Option<Index<'a>>,
}

/// Records by what a node comes to for them.
#[derive(Default)]
struct Index<'a> {
    keyed: HashMap<Key<'a>, Vec<&'a Record>>,
    others: Vec<&'a Record>,
}

/// Tries the combinations of the resources that are tied together.
fn try_all<'a>(goals: &[Goal<'a>], lists: &[Vec<&'a Record>], reads: u64, meter: &mut Meter) -> Result<bool, Stop> {
    let mut choices = Vec::new();
    let mut left = reads;
    let mut known = 0;
    let length = |resource: usize| lists.get(resource).map_or(0, Vec::len);
    // First what can be looked up, then what others can be looked up by, then what can be asked about at once, then what
    // has few records.
    let rank = |resource: usize, known: u64| {
        let without = |fits: &dyn Fn(&Goal) -> bool| !goals.iter().any(fits);
        (
            without(&|goal| equation(goal, resource, known).is_some()),
            without(&|goal| equation(goal, resource, reads & !bit(resource)).is_some()),
            without(&|goal| becomes_known(goal, resource, known)),
            length(resource),
        )
    };
    while let Some(resource) = resources_of(left).min_by_key(|resource| rank(*resource, known)) {
        meter.spend(goals.len().saturating_mul(index(left.count_ones())))?;
        choices.push(Choice {
            resource,
            list: lists.get(resource).map(Vec::as_slice).unwrap_or_default(),
            goals: goals.iter().filter(|goal| becomes_known(goal, resource, known)).copied().collect(),
            equation: goals.iter().find_map(|goal| equation(goal, resource, known)),
            index: None,
        });
        known |= bit(resource);
        left &= !bit(resource);
    }
    try_from(&mut choices, &mut vec![None; lists.len()], meter)
}

/// Whether the goal reads this resource, and nothing else that is not known.
fn becomes_known(goal: &Goal, resource: usize, known: u64) -> bool {
    goal.reads & bit(resource) != 0 && goal.reads & !(known | bit(resource)) == 0
}

/// The sides of the goal if it is an equation that has this resource alone on one side, and only known ones on the other.
fn equation<'a>(goal: &Goal<'a>, resource: usize, known: u64) -> Option<(&'a Node, &'a Node)> {
    let What::Compares(one, Comparison::Equal, other) = goal.what else { return None };
    let fits = |here: u64, there: u64| here == bit(resource) && there != 0 && there & !known == 0;
    let (reads_one, reads_other) = goal.sides;
    if fits(reads_one, reads_other) { Some((one, other)) } else { fits(reads_other, reads_one).then_some((other, one)) }
}

/// Whether records for these choices can be found; there are no more of them than resources.
fn try_from<'a>(
    choices: &mut [Choice<'_, 'a>],
    chosen: &mut [Option<&'a Record>],
    meter: &mut Meter,
) -> Result<bool, Stop> {
    let Some((choice, further)) = choices.split_first_mut() else { return Ok(true) };
    let resource = choice.resource;
    let mut looked_up: &[&Record] = choice.list;
    if let Some((here, there)) = choice.equation {
        if choice.index.is_none() {
            let mut index = Index::default();
            for record in choice.list {
                choose(chosen, resource, Some(*record));
                match evaluate(here, chosen, meter).map(|value| value.key()) {
                    Ok(Some(key)) => index.keyed.entry(key).or_default().push(*record),
                    Ok(None) => index.others.push(*record),
                    Err(Stop::Raised) => {}
                    Err(Stop::Spent) => return Err(Stop::Spent),
                }
            }
            choose(chosen, resource, None);
            choice.index = Some(index);
        }
        let key = match evaluate(there, chosen, meter) {
            Ok(value) => value.key(),
            Err(Stop::Raised) => return Ok(false),
            Err(Stop::Spent) => return Err(Stop::Spent),
        };
        looked_up = match (&choice.index, key) {
            (Some(index), Some(key)) => index.keyed.get(&key).map(Vec::as_slice).unwrap_or_default(),
            (Some(index), None) => &index.others,
            (None, _) => choice.list,
        };
    }
    for record in looked_up {
        meter.spend(1)?;
        choose(chosen, resource, Some(*record));
        let mut holds = true;
        for goal in &choice.goals {
            if !goal.what.holds(chosen, meter)? {
                holds = false;
                break;
            }
        }
        if holds && try_from(further, chosen, meter)? {
            return Ok(true);
        }
    }
    choose(chosen, resource, None);
    Ok(false)
}

fn resources_of(bits: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |resource| bits & bit(*resource) != 0)
}

fn index(bit: u32) -> usize {
    usize::try_from(bit).unwrap_or(usize::MAX)
}
