//! Which jobs run, and in which order.
//!
//! The desired jobs are taken in order; what a job needs comes right before its first user. Then the same is done over the
//! result, with `before` as another need among the jobs that are in it, and with groups as one. A job that cannot be
//! is left out, and all that needs it becomes broken in turn.
//!
//! Plainbox finds one broken job, begins again without it, and so on. Here one walk finds the same, in the same order:
//! what is left out takes everything on the trail down to a desired job with it, and what is done stays sound.

mod arrange;
mod parts;
#[cfg(test)]
mod tests;

use super::problem::Need;

/// What the solver has to know of jobs. Jobs and what they need are numbers below [`Graph::size`].
pub(super) trait Graph {
    /// One more than the greatest number.
    fn size(&self) -> usize;
    /// Whether there is such a job.
    fn is_known(&self, job: u32) -> bool;
    /// Whether a field of the job cannot be read, so that it cannot be run.
    fn is_unreadable(&self, job: u32) -> bool;
    /// What it needs, in the order in which that is to be looked at.
    fn needs(&self, job: u32) -> &[(Need, u32)];
    /// What it should run before.
    fn before(&self, job: u32) -> &[u32];
    /// The group that it stays together with.
    fn group(&self, job: u32) -> Option<u32>;
}

/// Why a job is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no such job.
    Unknown(u32),
    /// It needs a job that is not there.
    Missing { job: u32, missing: u32, need: Need },
    /// Jobs need each other; the last is the first.
    Cycle { job: u32, cycle: Vec<Member> },
    /// A field of it cannot be read.
    Unreadable(u32),
}

/// A member of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A job.
    Job(u32),
    /// All jobs of a group.
    Group(u32),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Solution {
    /// The jobs to run, in order.
    pub(super) order: Vec<u32>,
    /// What is left of the desired jobs, repetitions kept.
    pub(super) desired: Vec<u32>,
    /// What was left out, in the order in which it was found.
    pub(super) faults: Vec<Fault>,
}

/// Finds the jobs to run.
pub(super) fn solve(graph: &impl Graph, desired: &[u32]) -> Solution {
    let mut walk = Walk::new(graph, desired);
    let all: Vec<usize> = (0..desired.len()).collect();
    walk.pull(&all);
    walk.touch_all();
    let pulled = walk.pulled(&all);
    let jobs = |pulled: &[(u32, usize)]| pulled.iter().map(|(job, _)| *job).collect::<Vec<u32>>();
    let order = arrange::arrange(graph, jobs(&pulled)).unwrap_or_else(|_| {
        parts::leave_out_cycles(&mut walk, &pulled);
        walk.touch_all();
        let pulled = jobs(&walk.pulled(&all));
        // What is left has no cycles.
        arrange::arrange(graph, pulled).unwrap_or_default()
    });
    let remaining = desired.iter().zip(&walk.dropped).filter(|(_, dropped)| !**dropped);
    let remaining = remaining.map(|(job, _)| *job).collect();
    Solution { order, desired: remaining, faults: walk.faults }
}

/// The jobs in an order in which each comes after what it needs, or what is wrong first.
pub(super) fn order(graph: &impl Graph, visit: &[u32]) -> Result<Vec<u32>, Fault> {
    let solution = solve(graph, visit);
    solution.faults.into_iter().next().map_or(Ok(solution.order), Err)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Untouched,
    Visited,
    Done,
    Gone,
}

struct Walk<'g, G> {
    graph: &'g G,
    desired: &'g [u32],
    /// Of each desired place, whether it was dropped.
    dropped: Vec<bool>,
    /// Of each job its first place among the desired that was not dropped; of each place the next one of the same job.
    first: Vec<usize>,
    next: Vec<usize>,
    marks: Vec<Mark>,
    faults: Vec<Fault>,
}

/// No place.
const NONE: usize = usize::MAX;

impl<'g, G: Graph> Walk<'g, G> {
    fn new(graph: &'g G, desired: &'g [u32]) -> Self {
        let mut first = vec![NONE; graph.size()];
        let mut next = vec![NONE; desired.len()];
        for (place, job) in desired.iter().enumerate().rev() {
            if let (Some(first), Some(next)) = (first.get_mut(*job as usize), next.get_mut(place)) {
                *next = *first;
                *first = place;
            }
        }
        let marks = vec![Mark::Untouched; graph.size()];
        Self { graph, desired, dropped: vec![false; desired.len()], first, next, marks, faults: Vec::new() }
    }

    fn mark(&self, job: u32) -> Mark {
        match self.marks.get(job as usize) {
            Some(mark) if self.graph.is_known(job) => *mark,
            _ => Mark::Gone,
        }
    }

    fn set(&mut self, job: u32, to: Mark) {
        if let Some(mark) = self.marks.get_mut(job as usize) {
            *mark = to;
        }
    }

    /// The job is there no more, and one of the places where it is desired goes, if there is one.
    fn leave_out(&mut self, job: u32) {
        self.set(job, Mark::Gone);
        let Some(first) = self.first.get_mut(job as usize) else { return };
        let place = *first;
        if let (Some(dropped), Some(next)) = (self.dropped.get_mut(place), self.next.get(place)) {
            *dropped = true;
            *first = *next;
        }
    }

    fn touch_all(&mut self) {
        for mark in &mut self.marks {
            if *mark != Mark::Gone {
                *mark = Mark::Untouched;
            }
        }
    }

    /// Walks from these places to all that is needed and was not met yet, and leaves out what is broken.
    fn pull(&mut self, places: &[usize]) {
        let mut trail = Vec::new();
        for place in places {
            if let (Some(root), Some(false)) = (self.desired.get(*place).copied(), self.dropped.get(*place)) {
                self.visit(root, &mut trail);
            }
        }
    }

    fn visit(&mut self, root: u32, trail: &mut Vec<(u32, usize)>) {
        match self.mark(root) {
            Mark::Gone => {
                self.faults.push(Fault::Unknown(root));
                self.leave_out(root);
                return;
            }
            Mark::Done | Mark::Visited => return,
            Mark::Untouched => self.step(root, trail),
        }
        while let Some((job, at)) = trail.last_mut() {
            let job = *job;
            let Some((need, target)) = self.graph.needs(job).get(*at).copied() else {
                self.set(job, Mark::Done);
                trail.pop();
                continue;
            };
            *at += 1;
            match self.mark(target) {
                Mark::Done => {}
                Mark::Untouched => self.step(target, trail),
                Mark::Gone => self.fail(Fault::Missing { job, missing: target, need }, trail),
                Mark::Visited => self.cut(target, trail),
            }
        }
    }

    fn step(&mut self, job: u32, trail: &mut Vec<(u32, usize)>) {
        self.set(job, Mark::Visited);
        trail.push((job, 0));
        if self.graph.is_unreadable(job) {
            self.fail(Fault::Unreadable(job), trail);
        }
    }

    /// The job at the end of the trail was met again on the way: what stands behind its first mention may still be good
    /// for others.
    fn cut(&mut self, met: u32, trail: &mut Vec<(u32, usize)>) {
        let from = trail.iter().position(|(job, _)| *job == met).unwrap_or_default();
        let mut cycle: Vec<_> = trail.iter().skip(from).map(|(job, _)| Member::Job(*job)).collect();
        cycle.push(Member::Job(met));
        for (job, _) in trail.drain(from.saturating_add(1)..) {
            self.set(job, Mark::Untouched);
        }
        self.fail(Fault::Cycle { job: met, cycle }, trail);
    }

    /// The last job of the trail is broken, and so each that needs it.
    fn fail(&mut self, fault: Fault, trail: &mut Vec<(u32, usize)>) {
        self.faults.push(fault);
        while let Some((broken, _)) = trail.pop() {
            self.leave_out(broken);
            if let Some((user, at)) = trail.last() {
                let need = self.graph.needs(*user).get(at.saturating_sub(1));
                let need = need.map_or(Need::Depends, |(need, _)| *need);
                self.faults.push(Fault::Missing { job: *user, missing: broken, need });
            }
        }
    }

    /// All that is to run for what is desired at these places and was not met yet, each job right after what it needs and
    /// with the place for which it came; nothing of it is broken any more.
    fn pulled(&mut self, places: &[usize]) -> Vec<(u32, usize)> {
        let mut pulled = Vec::new();
        let mut trail: Vec<(u32, usize)> = Vec::new();
        for place in places {
            match (self.desired.get(*place).copied(), self.dropped.get(*place)) {
                (Some(root), Some(false)) if self.mark(root) == Mark::Untouched => {
                    self.set(root, Mark::Visited);
                    trail.push((root, 0));
                }
                _ => continue,
            }
            while let Some((job, at)) = trail.last_mut() {
                let job = *job;
                if let Some((_, target)) = self.graph.needs(job).get(*at).copied() {
                    *at += 1;
                    if self.mark(target) == Mark::Untouched {
                        self.set(target, Mark::Visited);
                        trail.push((target, 0));
                    }
                } else {
                    self.set(job, Mark::Done);
                    pulled.push((job, *place));
                    trail.pop();
                }
            }
        }
        pulled
    }
}
