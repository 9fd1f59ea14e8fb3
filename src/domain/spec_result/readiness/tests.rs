use proptest::prelude::*;

use super::*;

/// How a spec stands, asked as Canary asks: each time anew, through all that it depends on.
fn naive(cases: &[Case], place: usize) -> Status {
    let case = &cases[place];
    if case.status.state() != State::Pending {
        return case.status.status();
    }
    let wont_run = case.needs.iter().any(|need| {
        let status = CaseStatus::of(naive(cases, need.on));
        status.is_terminal() && !satisfies(&status, need.wanted)
    });
    if wont_run { Status::Blocked } else { Status::None }
}

fn naive_state(cases: &[Case], place: usize) -> State {
    let case = &cases[place];
    let status = CaseStatus::of(naive(cases, place));
    if case.status.state() != State::Pending || status.is_terminal() {
        return if status.is_terminal() { status.state() } else { case.status.state() };
    }
    let can_run = case.needs.iter().all(|need| CaseStatus::of(naive(cases, need.on)).is_terminal());
    if can_run { State::Ready } else { State::Pending }
}

fn any_status() -> impl Strategy<Value = CaseStatus> {
    prop_oneof![
        4 => Just(CaseStatus::pending()),
        1 => Just(CaseStatus::ready()),
        1 => Just(CaseStatus::running()),
        4 => prop::sample::select(Status::ALL).prop_map(CaseStatus::of),
    ]
}

fn any_wanted() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["success", "pass", "*", "fail", "Blocked", "skip", "XFAIL", "nonsense"])
}

fn any_cases(acyclic: bool) -> impl Strategy<Value = Vec<Case<'static>>> {
    let need = (any::<prop::sample::Index>(), any_wanted());
    let case = (any_status(), prop::collection::vec(need, 0..4));
    prop::collection::vec(case, 1..9).prop_map(move |drawn| {
        let count = drawn.len();
        let needs = |place: usize, needs: Vec<(prop::sample::Index, &'static str)>| {
            let among = if acyclic { place } else { count };
            let needs = needs.into_iter().filter(move |_| among > 0);
            needs.map(move |(on, wanted)| Need { on: on.index(among), wanted }).collect()
        };
        let cases = drawn.into_iter().enumerate();
        cases.map(|(place, (status, drawn))| Case { name: "t", status, needs: needs(place, drawn) }).collect()
    })
}

proptest! {
    #[test]
    fn it_answers_as_asking_each_spec_anew_does(cases in any_cases(true)) {
        for (place, stands) in evaluate(&cases).iter().enumerate() {
            prop_assert_eq!(stands.status.state(), naive_state(&cases, place));
            prop_assert_eq!(stands.status.status(), naive(&cases, place));
        }
    }

    /// With cycles too: each answer follows from the others, and what was not PENDING stays as it was.
    #[test]
    fn the_answers_agree_with_each_other(cases in any_cases(false)) {
        let answers = evaluate(&cases);
        prop_assert_eq!(answers.len(), cases.len());
        for (case, stands) in cases.iter().zip(&answers) {
            for (need, told) in case.needs.iter().zip(&stands.flags) {
                prop_assert_eq!(*told, flag(Some(&answers[need.on].status), need.wanted));
            }
            if case.status.state() != State::Pending {
                prop_assert_eq!(&stands.status, &case.status);
                prop_assert_eq!(stands.blocked_by, None);
                continue;
            }
            let first = stands.flags.iter().position(|flag| *flag == Flag::WontRun);
            prop_assert_eq!(stands.blocked_by, first);
            let expected = if first.is_some() {
                State::NotRun
            } else if stands.flags.iter().all(|flag| *flag == Flag::CanRun) {
                State::Ready
            } else {
                State::Pending
            };
            prop_assert_eq!(stands.status.state(), expected);
        }
    }
}

#[test]
fn what_is_wanted_is_a_category_a_status_or_anything() {
    for status in Status::ALL.iter().copied() {
        let came = CaseStatus::of(status);
        assert!(satisfies(&came, "*") && satisfies(&came, status.as_str()));
        assert!(satisfies(&came, &status.category().as_str().to_lowercase()));
        assert_eq!(satisfies(&came, WANTED), status == Status::Success);
        assert!(!satisfies(&came, "") && !satisfies(&came, " success") && !satisfies(&came, "**"));
    }
}

#[test]
fn a_spec_that_waits_for_itself_stays_pending_unless_something_else_blocks_it() {
    let pending = |needs: &[(usize, &'static str)]| Case {
        name: "t",
        status: CaseStatus::pending(),
        needs: needs.iter().map(|(on, wanted)| Need { on: *on, wanted }).collect(),
    };
    let failed = Case { name: "bad", status: CaseStatus::of(Status::Failed), needs: Vec::new() };
    let cases = [pending(&[(1, "*")]), pending(&[(0, "*")]), pending(&[(2, "*")]), failed];
    assert!(evaluate(&cases)[..3].iter().all(|stands| stands.status.state() == State::Pending));
    let mut blocked = cases.to_vec();
    blocked[1].needs.push(Need { on: 3, wanted: WANTED });
    let answers = evaluate(&blocked);
    assert_eq!(answers[1].blocked_by, Some(1));
    assert_eq!(answers[1].status.reason(), Some("its dependency `bad` came to FAILED, and `success` is wanted"));
    assert_eq!(answers[0].status.state(), State::Ready);
}

#[test]
fn of_a_spec_that_is_not_there_nothing_comes() {
    let cases = [Case { name: "t", status: CaseStatus::pending(), needs: vec![Need { on: 7, wanted: "*" }] }];
    let answers = evaluate(&cases);
    assert_eq!((answers[0].status.state(), &answers[0].flags[..]), (State::Pending, &[Flag::Pending][..]));
}

#[test]
fn long_chains_and_wide_ones_are_walked_without_recursion() {
    let count = 200_000;
    let mut cases = vec![Case { name: "bad", status: CaseStatus::of(Status::Failed), needs: Vec::new() }];
    for on in 0..count {
        cases.push(Case { name: "t", status: CaseStatus::pending(), needs: vec![Need { on, wanted: WANTED }] });
    }
    assert!(evaluate(&cases)[1..].iter().all(|stands| stands.status.status() == Status::Blocked));
}
