//! The decision against a naive one, which takes the order in words literally, and what must hold whatever is decided.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::tests::{at, id};
use super::*;

const NOW: i64 = 10_000;

/// Who goes in which order with which place and slots; none where it is not taken.
type Decided = Vec<(RunId, Option<(String, Slots)>)>;

fn naive(waiting: &[Waiting], usage: &Usage, limits: &Limits, offers: &[Offer]) -> Decided {
    let urgency = |run: &Waiting| {
        let waited = (at(NOW) - run.since).num_seconds().max(0);
        run.priority * limits.ageing.num_seconds() + waited
    };
    let first_of = |runs: &[&Waiting], project: &str| -> Option<RunId> {
        runs.iter().filter(|run| run.project == project).min_by_key(|run| (-urgency(run), run.id)).map(|run| run.id)
    };
    let mut left: Vec<&Waiting> = waiting.iter().filter(|run| run.held.is_none()).collect();
    let mut usage = usage.clone();
    let mut places: Vec<usize> = offers.iter().map(|offer| offer.places).collect();
    let mut kept: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut decided = Decided::new();
    while let Some(top) = left.iter().map(|run| run.priority).max() {
        let share = |run: &Waiting| {
            let weight = limits.weights.get(&run.project).copied().unwrap_or(1);
            usage.served.get(&run.project).copied().unwrap_or_default() / f64::from(weight)
        };
        let next = *left
            .iter()
            .filter(|run| first_of(&left, &run.project) == Some(run.id))
            .filter(|run| urgency(run) >= top * limits.ageing.num_seconds())
            .min_by(|one, other| {
                share(one).total_cmp(&share(other)).then((-urgency(one), one.id).cmp(&(-urgency(other), other.id)))
            })
            .expect("the most urgent is at the level");
        left.retain(|run| run.id != next.id);
        let fits = |offer: &Offer| next.requires.0.iter().all(|(name, value)| offer.labels.0.get(name) == Some(value));
        let possible = next
            .slots
            .iter()
            .all(|(pool, needs)| limits.pools.get(pool).is_some_and(|ids| ids.len() >= *needs as usize));
        let in_session = next.session.map_or(0, |session| usage.sessions.get(&session).copied().unwrap_or(0));
        let allowed = limits.running.is_none_or(|limit| usage.running < limit)
            && (next.session.is_none() || limits.session.is_none_or(|limit| in_session < limit))
            && (next.requires.0.is_empty() || offers.iter().any(fits));
        if !possible || !allowed {
            decided.push((next.id, None));
            continue;
        }
        let free: Slots = next
            .slots
            .iter()
            .map(|(pool, needs)| {
                let is_free = |id: &&String| {
                    !usage.taken.get(pool).is_some_and(|taken| taken.contains_key(*id))
                        && !kept.get(pool).is_some_and(|kept| kept.contains(*id))
                };
                let ids = limits.pools[pool].iter().filter(is_free).take(*needs as usize).cloned().collect();
                (pool.clone(), ids)
            })
            .collect();
        let has_slots = next.slots.iter().all(|(pool, needs)| free[pool].len() == *needs as usize);
        if !has_slots {
            for (pool, ids) in free {
                kept.entry(pool).or_default().extend(ids);
            }
            decided.push((next.id, None));
            continue;
        }
        let place = (0..offers.len())
            .filter(|place| places[*place] > 0 && fits(&offers[*place]))
            .min_by_key(|place| (offers[*place].labels.0.len(), *place));
        let Some(place) = place else {
            decided.push((next.id, None));
            continue;
        };
        places[place] -= 1;
        usage.running += 1;
        if let Some(session) = next.session {
            *usage.sessions.entry(session).or_default() += 1;
        }
        *usage.served.entry(next.project.clone()).or_default() += share::LEAST_S;
        for (pool, ids) in &free {
            let taken = usage.taken.entry(pool.clone()).or_default();
            taken.extend(ids.iter().map(|slot| (slot.clone(), next.id)));
        }
        decided.push((next.id, Some((offers[place].by.clone(), free))));
    }
    decided
}

fn small_labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[xy]", "[01]", 0..3).prop_map(Labels)
}

fn waiting() -> impl Strategy<Value = Vec<Waiting>> {
    let run = (
        "[abc]",
        prop::option::of(0..3_u128),
        prop_oneof![Just(0_i64), -3..4_i64, Just(MIN_PRIORITY), Just(MAX_PRIORITY)],
        prop_oneof![0..NOW + 100, NOW - 200..NOW],
        prop_oneof![3 => Just(Labels::default()), 1 => small_labels()],
        prop_oneof![2 => Just(Needs::new()), 2 => prop::collection::btree_map("[gpz]", 0..4_u32, 0..3)],
        prop::bool::weighted(0.1),
    );
    prop::collection::vec(run, 0..25).prop_map(|runs| {
        let run = |(number, (project, session, priority, since, requires, slots, held)): (
            usize,
            (_, Option<u128>, _, _, _, _, bool),
        )| {
            Waiting {
                id: id(number as u64),
                project,
                session: session.map(|number| SessionId(Uuid::from_u128(number))),
                priority,
                since: at(since),
                requires,
                slots,
                held: held.then(|| "held".to_owned()),
            }
        };
        runs.into_iter().enumerate().map(run).collect()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        prop::option::of(0..8_usize),
        prop::option::of(1..3_usize),
        prop::collection::btree_map("[abc]", 1..4_u32, 0..3),
        (0..5_usize, 0..3_usize),
        1..200_i64,
    )
        .prop_map(|(running, session, weights, (gpus, ports), ageing)| {
            let ids = |count: usize| (0..count).map(|id| id.to_string()).collect();
            Limits {
                running,
                session,
                weights,
                pools: [("g".to_owned(), ids(gpus)), ("p".to_owned(), ids(ports))].into(),
                ageing: TimeDelta::seconds(ageing),
            }
        })
}

fn usage() -> impl Strategy<Value = Usage> {
    (
        0..6_usize,
        prop::collection::btree_map(0..3_u128, 0..3_usize, 0..3),
        prop::collection::btree_map("[abc]", (0..50_u32).prop_map(f64::from), 0..3),
        prop::collection::btree_map("[0-4]", Just(id(900)), 0..3),
    )
        .prop_map(|(running, sessions, served, gpus)| Usage {
            running,
            sessions: sessions.into_iter().map(|(number, count)| (SessionId(Uuid::from_u128(number)), count)).collect(),
            served,
            taken: [("g".to_owned(), gpus)].into(),
        })
}

fn offers() -> impl Strategy<Value = Vec<Offer>> {
    let offer = (small_labels(), 0..5_usize);
    prop::collection::vec(offer, 0..4).prop_map(|offers| {
        let offer = |(number, (labels, places)): (usize, _)| Offer { by: format!("agent-{number}"), labels, places };
        offers.into_iter().enumerate().map(offer).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_decision_is_the_naive_one(waiting in waiting(), usage in usage(), limits in limits(), offers in offers()) {
        let verdicts = choose(&waiting, &usage, &limits, &offers, at(NOW));
        let decided: Decided = verdicts
            .iter()
            .filter(|verdict| verdict.place.is_some())
            .map(|verdict| (verdict.id, verdict.outcome.clone().ok().map(|taken| (taken.by, taken.slots))))
            .collect();
        prop_assert_eq!(&decided, &naive(&waiting, &usage, &limits, &offers));

        let picked: Vec<RunId> = picks(&waiting, &usage, &limits, &offers, at(NOW)).iter().map(|taken| taken.id).collect();
        let taken: Vec<RunId> = decided.iter().filter(|(_, taken)| taken.is_some()).map(|(id, _)| *id).collect();
        prop_assert_eq!(picked, taken);
    }

    #[test]
    fn limits_hold_slots_are_given_once_and_every_no_has_a_reason(
        waiting in waiting(), usage in usage(), limits in limits(), offers in offers(),
    ) {
        let verdicts = choose(&waiting, &usage, &limits, &offers, at(NOW));
        prop_assert_eq!(verdicts.len(), waiting.len());
        let by_id: BTreeMap<RunId, &Waiting> = waiting.iter().map(|run| (run.id, run)).collect();
        let taken: Vec<Taken> = verdicts.iter().filter_map(|verdict| verdict.outcome.clone().ok()).collect();
        if let Some(limit) = limits.running {
            prop_assert!(taken.is_empty() || usage.running + taken.len() <= limit);
        }
        let mut sessions = usage.sessions.clone();
        let mut slots: BTreeSet<(String, String)> = usage
            .taken
            .iter()
            .flat_map(|(pool, taken)| taken.keys().map(|slot| (pool.clone(), slot.clone())))
            .collect();
        for one in &taken {
            let run = by_id[&one.id];
            prop_assert!(run.held.is_none());
            if let (Some(session), Some(limit)) = (run.session, limits.session) {
                let count = sessions.entry(session).or_default();
                *count += 1;
                prop_assert!(*count <= limit);
            }
            let given: Needs = one.slots.iter().map(|(pool, ids)| (pool.clone(), u32::try_from(ids.len()).unwrap())).collect();
            prop_assert_eq!(&given, &run.slots);
            for (pool, ids) in &one.slots {
                for slot in ids {
                    prop_assert!(limits.pools[pool].contains(slot));
                    prop_assert!(slots.insert((pool.clone(), slot.clone())), "{}/{} is given twice", pool, slot);
                }
            }
        }
        for offer in &offers {
            prop_assert!(taken.iter().filter(|one| one.by == offer.by).count() <= offer.places);
        }
        for verdict in &verdicts {
            if let Err(blockers) = &verdict.outcome {
                prop_assert!(!blockers.is_empty());
                prop_assert!(blockers.iter().all(|blocker| !blocker.to_string().is_empty() && !blocker.change().is_empty()));
                // One that is only not the first is never alone a reason.
                let last = blocker::Blocker::kind(&blockers[0]);
                prop_assert!(last != "others", "{:?}", blockers);
            }
        }
    }

    #[test]
    fn the_order_of_the_question_does_not_matter(waiting in waiting(), usage in usage(), limits in limits(), offers in offers()) {
        let mut turned = waiting.clone();
        turned.reverse();
        let of = |waiting: &[Waiting]| picks(waiting, &usage, &limits, &offers, at(NOW));
        prop_assert_eq!(of(&waiting), of(&turned));
    }
}
