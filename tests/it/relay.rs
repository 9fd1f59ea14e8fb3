//! One Testyard feeds another: what the one delivers is what the other takes in, receipts and all.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;
use crate::support::runs::text;

const SECRET: &str = "between the two of them";

/// A service that takes reports in, and one that delivers to it.
struct Relay {
    upper: TestApp,
    lower: TestApp,
}

impl Relay {
    /// The lower one has a token of this secret.
    async fn start(db: TestDb, secret: &str, longest: usize) -> Self {
        let other = TestDb::new(db.dialect()).await;
        let upper = TestApp::start_with(other, |settings| {
            settings.kcidb.submit_url = None;
            settings.intake.jwt_secret = Some(SECRET.to_owned().into());
            settings.intake.max_body_bytes = longest;
        })
        .await;
        let submit_url = format!("{}/submit", upper.base).parse().unwrap();
        let token = token(secret);
        let lower = TestApp::start_with(db, |settings| {
            settings.kcidb.submit_url = Some(submit_url);
            settings.kcidb.token = Some(token.into());
        })
        .await;
        Self { upper, lower }
    }

    /// Lets both work until neither has anything left to do.
    async fn settle(&self) {
        for _ in 0..12 {
            self.lower.settle().await;
            self.upper.settle().await;
            self.lower.clock.advance(TimeDelta::seconds(30));
        }
        assert_eq!(self.lower.settle().await + self.upper.settle().await, 0, "there is no end to it");
    }

    async fn above(&self) -> Vec<Value> {
        self.upper.items("/api/v1/results?source=intake&limit=1000").await
    }
}

fn token(secret: &str) -> String {
    let claims = json!({"origin": "lower", "exp": 4_000_000_000_u64});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// How often each path and status is there.
fn tally(results: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut tally = BTreeMap::new();
    for result in results {
        *tally.entry((text(result, "path"), text(result, "status"))).or_insert(0) += 1;
    }
    tally
}

on_both! {
    async fn every_planned_test_is_found_above_once(db: TestDb) {
        let relay = Relay::start(db, SECRET, 1 << 20).await;
        let Relay { upper, lower } = &relay;
        let (build_run, build) = lower.start_build().await;
        lower.call_back(&lower.tuxsuite.finish_build(&build, "pass")).await.expect(204);
        lower.settle().await;
        let build_id = text(&lower.run(&build_run).await, "build_id");
        let names: Vec<String> = (0..30).map(|number| format!("t{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for (chunk, result) in names.chunks(10).zip(["pass", "fail", "skip"]) {
            let (_, job) = lower.start_tests(&build_id, chunk).await;
            // The last test of each job tells nothing.
            let told: Vec<(&str, &str)> = chunk[..9].iter().map(|name| (*name, result)).collect();
            let callback = lower.tuxsuite.finish_test(&job, "fail", &told);
            lower.call_back(&callback).await.expect(204);
            lower.call_back(&callback).await.expect(204);
        }
        relay.settle().await;
        let (below, above) = (lower.items("/api/v1/results?limit=1000").await, relay.above().await);
        assert_eq!((below.len(), above.len()), (30, 30));
        assert_eq!(tally(&above), tally(&below));
        assert_eq!(tally(&above).values().max(), Some(&1));
        for delivery in lower.items("/api/v1/deliveries?limit=1000").await {
            assert_eq!((&delivery["state"], &delivery["reason"]), (&json!("delivered"), &json!(null)), "{delivery}");
            let submission = upper.show(&format!("/api/v1/submissions/{}", text(&delivery, "receipt"))).await;
            assert_eq!((&submission["state"], &submission["origin"]), (&json!("processed"), &json!("lower")));
        }
        lower.expect_states(&[("delivered", 32)]).await;
    }

    async fn a_bad_object_fails_above_and_holds_up_no_other(db: TestDb) {
        let relay = Relay::start(db, SECRET, 1 << 20).await;
        let bad = relay.lower.hand_in_for("bad", "not a kcidb id", 1).await;
        relay.lower.hand_in("good", 6).await;
        relay.lower.retry(&relay.lower.delivery_of(&bad[0]).await).await.expect(204);
        relay.settle().await;
        relay.lower.expect_states(&[("dead", 1), ("delivered", 6)]).await;
        let dead = relay.lower.delivery_of(&bad[0]).await;
        assert_eq!((&dead["dead_cause"], &dead["answer"]), (&json!("failed"), &json!("File failed to pass validation")));
        let submission = relay.upper.show(&format!("/api/v1/submissions/{}", text(&dead, "receipt"))).await;
        assert!(text(&submission, "reason").contains("/tests/0/build_id: "), "above it says why: {submission}");
        assert_eq!(relay.above().await.len(), 6);
    }

    async fn what_is_too_large_above_arrives_in_pieces(db: TestDb) {
        let relay = Relay::start(db, SECRET, 1500).await;
        relay.lower.hand_in("job", 20).await;
        relay.settle().await;
        relay.lower.expect_states(&[("delivered", 20)]).await;
        assert_eq!(relay.above().await.len(), 20);
    }

    async fn a_token_that_is_wrong_above_is_replaced_and_nothing_is_lost(db: TestDb) {
        let relay = Relay::start(db, "another secret", 1 << 20).await;
        relay.lower.hand_in("job", 5).await;
        relay.settle().await;
        for dead in relay.lower.deliveries_in("dead").await {
            assert!(text(&dead, "answer").contains("InvalidSignature"), "{dead}");
        }
        relay.lower.expect_states(&[("dead", 5)]).await;
        let submit_url = format!("{}/submit", relay.upper.base).parse().unwrap();
        let lower = relay.lower.restart_with(|settings| {
            settings.kcidb.submit_url = Some(submit_url);
            settings.kcidb.token = Some(token(SECRET).into());
        }).await;
        let relay = Relay { lower, ..relay };
        assert_eq!(relay.lower.sync_results().await, 5);
        relay.settle().await;
        relay.lower.expect_states(&[("delivered", 5)]).await;
        assert_eq!(relay.above().await.len(), 5);
    }
}
