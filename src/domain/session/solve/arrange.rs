//! The second pass: `before`, and groups that stay together.

use std::collections::HashMap;

use super::{Graph, Member};

/// Arranges jobs that are all there and in an order in which each comes after what it needs.
///
/// A `before` counts only among them. A group takes the place of its first member, waits for all that its members wait
/// for, and is waited for as one; then its members are arranged among themselves.
///
/// # Errors
/// The first cycle that is found.
pub(super) fn arrange(graph: &impl Graph, pulled: Vec<u32>) -> Result<Vec<u32>, Cycle> {
    if pulled.iter().all(|job| graph.before(*job).is_empty() && graph.group(*job).is_none()) {
        return Ok(pulled);
    }
    let blocks = Blocks::of(graph, &pulled);
    let order = walk(&blocks.edges).map_err(|(root, cycle)| {
        let first = |block: usize| blocks.members.get(block).and_then(|block| block.jobs.first()).copied();
        let members = cycle.iter().filter_map(|block| blocks.members.get(*block)).map(Block::name);
        Cycle {
            within_group: false,
            root: first(root).unwrap_or_default(),
            job: cycle.first().and_then(|block| first(*block)).unwrap_or_default(),
            members: members.collect(),
        }
    })?;
    let inner = blocks.arrange_inside(graph)?;
    let mut arranged = Vec::with_capacity(pulled.len());
    for block in order {
        match (inner.get(&block), blocks.members.get(block)) {
            (Some(jobs), _) => arranged.extend(jobs),
            (None, Some(block)) => arranged.extend(&block.jobs),
            (None, None) => {}
        }
    }
    Ok(arranged)
}

/// Jobs that come before each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    /// Whether it was found when a group was arranged, after all groups and jobs were.
    pub(super) within_group: bool,
    /// The job, or the first of the group, at which the walk that found it began.
    pub(super) root: u32,
    /// The job to blame: the one that was met twice, or the first of its group.
    pub(super) job: u32,
    /// The members; the last is the first.
    pub(super) members: Vec<Member>,
}

/// A job, or the jobs of a group in the order in which they came.
struct Block {
    group: Option<u32>,
    jobs: Vec<u32>,
}

impl Block {
    fn name(&self) -> Member {
        self.group.map_or_else(|| Member::Job(self.jobs.first().copied().unwrap_or_default()), Member::Group)
    }
}

struct Blocks {
    members: Vec<Block>,
    /// Of each block the blocks that come before it.
    edges: Vec<Vec<usize>>,
    /// Of each job its place, and the jobs that want to run before it.
    earlier: HashMap<u32, Vec<u32>>,
}

impl Blocks {
    fn of(graph: &impl Graph, pulled: &[u32]) -> Self {
        let mut members: Vec<Block> = Vec::new();
        let mut groups = HashMap::new();
        let mut block_of = HashMap::with_capacity(pulled.len());
        for job in pulled {
            let group = graph.group(*job);
            let known = group.and_then(|group| groups.get(&group).copied());
            let block = known.unwrap_or(members.len());
            if let Some(block) = members.get_mut(block) {
                block.jobs.push(*job);
            } else {
                members.push(Block { group, jobs: vec![*job] });
                groups.extend(group.map(|group| (group, block)));
            }
            block_of.insert(*job, block);
        }
        let mut earlier: HashMap<u32, Vec<u32>> = HashMap::new();
        for job in pulled {
            for target in graph.before(*job).iter().filter(|target| block_of.contains_key(target)) {
                earlier.entry(*target).or_default().push(*job);
            }
        }
        let edges = members.iter().enumerate().map(|(place, block)| {
            let first = block.jobs.iter().flat_map(|job| waits_for(graph, &earlier, *job));
            first.filter_map(|job| block_of.get(&job).copied()).filter(|other| outside(block, place, *other)).collect()
        });
        let edges = edges.collect();
        Self { members, edges, earlier }
    }

    /// The jobs of each group, arranged.
    fn arrange_inside(&self, graph: &impl Graph) -> Result<HashMap<usize, Vec<u32>>, Cycle> {
        let mut inner = HashMap::new();
        for (place, block) in self.members.iter().enumerate().filter(|(_, block)| block.group.is_some()) {
            let places: HashMap<u32, usize> = block.jobs.iter().enumerate().map(|(place, job)| (*job, place)).collect();
            let edges: Vec<Vec<usize>> = block
                .jobs
                .iter()
                .map(|job| {
                    waits_for(graph, &self.earlier, *job).filter_map(|other| places.get(&other).copied()).collect()
                })
                .collect();
            let jobs = |places: Vec<usize>| places.into_iter().filter_map(|place| block.jobs.get(place).copied());
            let order = walk(&edges).map_err(|(_, cycle)| {
                let cycle: Vec<u32> = jobs(cycle).collect();
                Cycle {
                    within_group: true,
                    root: block.jobs.first().copied().unwrap_or_default(),
                    job: cycle.first().copied().unwrap_or_default(),
                    members: cycle.into_iter().map(Member::Job).collect(),
                }
            })?;
            inner.insert(place, jobs(order).collect());
        }
        Ok(inner)
    }
}

/// A job by itself may wait for itself, and is a cycle then; what members of a group have with each other is told inside.
fn outside(block: &Block, place: usize, other: usize) -> bool {
    block.group.is_none() || place != other
}

fn waits_for<'a>(
    graph: &'a impl Graph,
    earlier: &'a HashMap<u32, Vec<u32>>,
    job: u32,
) -> impl Iterator<Item = u32> + 'a {
    let needs = graph.needs(job).iter().map(|(_, target)| *target);
    needs.chain(earlier.get(&job).into_iter().flatten().copied())
}

/// All places in an order in which each comes after those of its edges; or where the walk began that found a cycle, and the
/// cycle, whose last is its first.
fn walk(edges: &[Vec<usize>]) -> Result<Vec<usize>, (usize, Vec<usize>)> {
    const UNTOUCHED: u8 = 0;
    const VISITED: u8 = 1;
    const DONE: u8 = 2;
    let mut marks = vec![UNTOUCHED; edges.len()];
    let mut set = |place: usize, to: u8| marks.get_mut(place).map(|mark| std::mem::replace(mark, to));
    let mut order = Vec::with_capacity(edges.len());
    let mut trail: Vec<(usize, usize)> = Vec::new();
    for root in 0..edges.len() {
        match set(root, VISITED) {
            Some(UNTOUCHED) => trail.push((root, 0)),
            Some(mark) => _ = set(root, mark),
            None => {}
        }
        while let Some((place, at)) = trail.last_mut() {
            let place = *place;
            let Some(target) = edges.get(place).and_then(|edges| edges.get(*at)).copied() else {
                set(place, DONE);
                order.push(place);
                trail.pop();
                continue;
            };
            *at += 1;
            match set(target, VISITED) {
                Some(UNTOUCHED) => trail.push((target, 0)),
                Some(DONE) => _ = set(target, DONE),
                _ => {
                    let cycle = trail.iter().map(|(place, _)| *place).skip_while(|place| *place != target);
                    return Err((root, cycle.chain([target]).collect()));
                }
            }
        }
    }
    Ok(order)
}
