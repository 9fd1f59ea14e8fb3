//! What every adapter is held to.

use chrono::TimeDelta;
use testyard::domain::status::Status;

use super::{Bench, LONG, Lab, Operation, Trouble};
use crate::support::runs::text;

/// The breaker's pause doubles up to a quarter of an hour.
const LONGER: TimeDelta = TimeDelta::minutes(21);

pub(super) async fn a_run_becomes_one_job(bench: &Bench<impl Lab>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    for _ in 0..3 {
        bench.app.settle().await;
    }
    assert_eq!((bench.lab.asked(Operation::Submit), bench.lab.jobs()), (1, vec![uid.clone()]));
    bench.conclude(&uid, &[("a", Status::Pass)]).await;
    assert_eq!(bench.app.run_in(&run, "finished").await["status"], "PASS");
    assert_eq!(bench.results(&run).await, [("a".to_owned(), "PASS".to_owned())]);
}

pub(super) async fn a_lost_answer_makes_no_second_job<L: Lab>(bench: &Bench<L>) {
    bench.lab.trouble(Operation::Submit, Trouble::Lost);
    let run = bench.plan(&["a"]).await;
    bench.app.settle().await;
    let waits = bench.app.run_in(&run, "submitting").await;
    assert!(text(&waits, "waiting").contains("in vain"), "{waits}");
    bench.app.advance(LONG).await;
    let uid = text(&bench.app.run_in(&run, "running").await, "uid");
    assert_eq!(bench.lab.jobs(), [uid], "one job, and its id is known");
    let asked = (bench.lab.asked(Operation::Submit), bench.lab.asked(Operation::Find));
    assert_eq!(asked, if L::TWICE { (1, 1) } else { (2, 0) }, "what is not harmless is not repeated");
}

pub(super) async fn an_answer_that_cannot_be_read_makes_one_job(bench: &Bench<impl Lab>) {
    bench.lab.trouble(Operation::Submit, Trouble::Garbage);
    let run = bench.plan(&["a"]).await;
    bench.app.settle().await;
    bench.app.run_in(&run, "submitting").await;
    bench.app.advance(LONG).await;
    let uid = text(&bench.app.run_in(&run, "running").await, "uid");
    assert_eq!((bench.lab.jobs(), bench.lab.asked(Operation::Submit)), (vec![uid], 2));
}

pub(super) async fn later_is_honoured(bench: &Bench<impl Lab>) {
    bench.lab.trouble(Operation::Submit, Trouble::Later(30));
    let run = bench.plan(&["a"]).await;
    bench.app.settle().await;
    let waits = bench.app.run_in(&run, "planned").await;
    assert!(text(&waits, "waiting").contains("busy now"), "the lab's own words: {waits}");
    bench.app.advance(TimeDelta::seconds(29)).await;
    assert_eq!((bench.lab.asked(Operation::Submit), bench.lab.jobs().len()), (1, 0));
    bench.app.advance(TimeDelta::seconds(1)).await;
    assert_eq!((bench.lab.asked(Operation::Submit), bench.lab.jobs().len()), (2, 1));
    assert_eq!(bench.lab.asked(Operation::Find), 0, "who says that nothing was done is believed");
    bench.app.run_in(&run, "running").await;
}

pub(super) async fn a_refusal_ends_the_run_with_its_reason(bench: &Bench<impl Lab>) {
    bench.lab.trouble(Operation::Submit, Trouble::Refused("there is no board-1"));
    let run = bench.plan(&["a", "b"]).await;
    bench.app.settle().await;
    let over = bench.app.run_in(&run, "finished").await;
    assert!(text(&over, "reason").contains("there is no board-1"), "{over}");
    assert_eq!(over["status"], "MISS");
    bench.app.advance(LONG).await;
    assert_eq!((bench.lab.asked(Operation::Submit), bench.results(&run).await.len()), (1, 2), "it is not asked again");
}

pub(super) async fn a_callback_may_come_before_the_answer(bench: &Bench<impl Lab>) {
    bench.lab.trouble(Operation::Submit, Trouble::Lost);
    let run = bench.plan(&["a"]).await;
    bench.app.settle().await;
    bench.app.run_in(&run, "submitting").await;
    let [uid] = &bench.lab.jobs()[..] else { panic!("one job") };
    bench.conclude(uid, &[("a", Status::Fail)]).await;
    let over = bench.app.run_in(&run, "finished").await;
    assert_eq!((over["uid"].as_str(), over["status"].as_str()), (Some(uid.as_str()), Some("FAIL")));
    bench.app.advance(LONG).await;
    assert_eq!((bench.lab.jobs().len(), bench.lab.asked(Operation::Submit)), (1, 1));
}

pub(super) async fn a_callback_may_come_twice_and_late(bench: &Bench<impl Lab>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    bench.lab.finish(&uid, &[("a", Status::Fail)]);
    let callback = bench.callback(&uid);
    bench.send(&callback).await.expect(204);
    bench.send(&callback).await.expect(204);
    bench.app.settle().await;
    let kept = bench.app.items("/api/v1/callbacks").await;
    assert_eq!((kept.len(), &kept[0]["repeats"], &kept[0]["state"]), (1, &1.into(), &"applied".into()));
    bench.app.run_in(&run, "finished").await;
    bench.app.deliver().await;
    let before = (bench.results(&run).await, bench.app.sunk_tests());
    // The lab changes its mind when all is said and done.
    bench.app.advance(TimeDelta::minutes(1)).await;
    bench.lab.finish(&uid, &[("a", Status::Pass)]);
    bench.send(&bench.callback(&uid)).await.expect(204);
    bench.app.deliver().await;
    let newest = &bench.app.items("/api/v1/callbacks?limit=1").await[0];
    assert_eq!(newest["state"], "late", "{newest}");
    assert_eq!((bench.results(&run).await, bench.app.sunk_tests()), before);
}

pub(super) async fn a_forged_callback_changes_nothing<L: Lab>(bench: &Bench<L>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    let (other, other_uid) = bench.accepted(&["b"]).await;
    bench.lab.finish(&uid, &[("a", Status::Pass)]);
    let callback = bench.callback(&uid);
    let (address, _) = callback.url.rsplit_once('/').unwrap();
    let elsewhere = super::Sent { url: format!("{address}/cap_0000"), ..callback.clone() };
    bench.send(&elsewhere).await.expect(401);
    if L::SIGNS {
        let unsigned = super::Sent { headers: Vec::new(), ..callback.clone() };
        bench.send(&unsigned).await.expect(401);
        let changed = super::Sent { body: format!("{} ", callback.body), ..callback.clone() };
        bench.send(&changed).await.expect(401);
        let old = bench.lab.callback(&uid, callback_time(bench) - TimeDelta::seconds(301));
        bench.send(&old).await.expect(401);
    }
    bench.app.settle().await;
    assert_eq!(bench.app.items("/api/v1/callbacks").await.len(), 0, "nothing of it is kept");
    bench.app.run_in(&run, "running").await;
    // One run's runner cannot speak of another run.
    let crossed = super::Sent { url: bench.callback(&other_uid).url, ..callback.clone() };
    bench.send(&crossed).await.expect(204);
    bench.app.settle().await;
    assert_eq!(bench.app.items("/api/v1/callbacks").await[0]["state"], "refused");
    bench.app.run_in(&run, "running").await;
    bench.app.run_in(&other, "running").await;
    bench.send(&callback).await.expect(204);
    bench.app.settle().await;
    bench.app.run_in(&run, "finished").await;
}

fn callback_time(bench: &Bench<impl Lab>) -> chrono::DateTime<chrono::Utc> {
    use testyard::clock::Clock as _;
    bench.app.clock.now()
}

pub(super) async fn a_canceled_run_is_stopped_there(bench: &Bench<impl Lab>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    assert!(!bench.lab.is_stopped(&uid));
    // The lab does not hear it the first time.
    bench.lab.trouble(Operation::Cancel, Trouble::Later(5));
    bench.app.post_empty(&format!("/api/v1/runs/{run}/cancel")).await.expect(204);
    bench.app.settle().await;
    assert!(!bench.lab.is_stopped(&uid));
    bench.app.advance(LONG).await;
    assert!(bench.lab.is_stopped(&uid));
    bench.app.advance(LONG).await;
    assert_eq!(bench.lab.asked(Operation::Cancel), 2, "who has heard is told no more");
    assert_eq!(bench.app.run_in(&run, "canceled").await["status"], "MISS");
}

pub(super) async fn results_of_every_status_arrive<L: Lab>(bench: &Bench<L>) {
    let named: Vec<(String, Status)> =
        L::STATUSES.iter().map(|status| (status.to_string().to_lowercase(), *status)).collect();
    let results: Vec<(&str, Status)> = named.iter().map(|(name, status)| (name.as_str(), *status)).collect();
    let mut planned: Vec<&str> = results.iter().map(|(name, _)| *name).collect();
    planned.push("unheard");
    let (run, uid) = bench.accepted(&planned).await;
    bench.conclude(&uid, &results).await;
    let mut want: Vec<(String, String)> =
        named.iter().map(|(name, status)| (name.clone(), status.to_string())).collect();
    want.push(("unheard".to_owned(), "MISS".to_owned()));
    want.sort();
    assert_eq!(bench.results(&run).await, want);
    bench.app.deliver().await;
    let unheard = bench.app.sunk_tests().into_iter().find(|(path, ..)| path == "ltp.unheard").unwrap();
    assert!(!unheard.2.is_empty(), "what is missing says why: {unheard:?}");
}

pub(super) async fn what_nobody_planned_changes_nothing(bench: &Bench<impl Lab>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    bench.conclude(&uid, &[("a", Status::Pass), ("stranger", Status::Fail)]).await;
    assert_eq!(bench.results(&run).await, [("a".to_owned(), "PASS".to_owned())]);
    assert_eq!(bench.app.run_in(&run, "finished").await["status"], "PASS");
}

pub(super) async fn what_no_callback_tells_a_poll_does(bench: &Bench<impl Lab>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    bench.app.advance(TimeDelta::minutes(1)).await;
    assert_eq!(bench.lab.asked(Operation::Poll), 1);
    bench.app.run_in(&run, "running").await;
    bench.lab.trouble(Operation::Poll, Trouble::Garbage);
    bench.app.advance(LONG).await;
    let waits = bench.app.run_in(&run, "running").await;
    assert!(text(&waits, "waiting").contains("could not be asked"), "{waits}");
    bench.lab.finish(&uid, &[("a", Status::Fail)]);
    bench.app.advance(LONG).await;
    assert_eq!(bench.app.run_in(&run, "finished").await["status"], "FAIL");
    assert_eq!(bench.results(&run).await, [("a".to_owned(), "FAIL".to_owned())]);
}

pub(super) async fn results_that_cannot_be_had_yet_are_waited_for(bench: &Bench<impl Lab>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    bench.lab.trouble(Operation::Collect, Trouble::Later(5));
    bench.conclude(&uid, &[("a", Status::Pass)]).await;
    let waits = bench.app.run_in(&run, "collecting").await;
    assert!(text(&waits, "waiting").contains("could not be fetched"), "{waits}");
    assert_eq!(bench.results(&run).await, [], "nothing is said before it is known");
    bench.app.advance(LONG).await;
    bench.app.run_in(&run, "finished").await;
    assert_eq!(bench.results(&run).await, [("a".to_owned(), "PASS".to_owned())]);
}

pub(super) async fn a_forgotten_job_ends_the_run(bench: &Bench<impl Lab>) {
    let (run, uid) = bench.accepted(&["a"]).await;
    bench.lab.forget(&uid);
    bench.app.advance(LONG).await;
    let waits = bench.app.run_in(&run, "running").await;
    assert!(text(&waits, "waiting").contains("does not know the job"), "once is no proof: {waits}");
    bench.app.advance(LONG).await;
    bench.app.advance(LONG).await;
    let over = bench.app.run_in(&run, "finished").await;
    assert!(text(&over, "reason").contains("no longer knows the job"), "{over}");
    assert_eq!(bench.results(&run).await, [("a".to_owned(), "MISS".to_owned())]);
    assert_eq!(bench.lab.asked(Operation::Submit), 1, "it is not started again by itself");
}

pub(super) async fn a_dead_lab_is_left_alone_and_the_run_is_missed(bench: &Bench<impl Lab>) {
    bench.lab.die();
    let run = bench.plan(&["a"]).await;
    bench.app.settle().await;
    let waits = bench.app.run_in(&run, "planned").await;
    assert!(text(&waits, "waiting").contains("asked the runner 1 times in vain"), "{waits}");
    let mut was_left_alone = false;
    for _ in 0..40 {
        let run = bench.app.run(&run).await;
        if run["state"] == "finished" {
            break;
        }
        was_left_alone |= text(&run, "waiting").contains("is left alone until");
        bench.app.advance(if was_left_alone { LONGER } else { TimeDelta::minutes(2) }).await;
    }
    let over = bench.app.run_in(&run, "finished").await;
    assert!(was_left_alone, "the breaker opened, and said so");
    let reason = text(&over, "reason");
    assert!(reason.contains("given up after") && reason.contains("asked 12 times"), "{reason}");
    assert_eq!(bench.results(&run).await, [("a".to_owned(), "MISS".to_owned())]);
}

pub(super) async fn a_lab_that_dies_with_a_job_is_waited_for_until_the_deadline(bench: &Bench<impl Lab>) {
    let (run, _) = bench.accepted(&["a"]).await;
    bench.lab.die();
    for _ in 0..24 {
        bench.app.advance(TimeDelta::hours(1)).await;
    }
    let waits = bench.app.run_in(&run, "running").await;
    assert!(text(&waits, "waiting").contains("past its deadline"), "{waits}");
    assert_eq!(bench.results(&run).await, [], "no MISS while a result may come");
    bench.app.advance(TimeDelta::minutes(61)).await;
    let over = bench.app.run_in(&run, "finished").await;
    assert!(text(&over, "reason").contains("no result within 24 h"), "{over}");
    assert_eq!(bench.results(&run).await, [("a".to_owned(), "MISS".to_owned())]);
}
