//! Agents and the tokens that they register with.

use chrono::{DateTime, Utc};
use testyard::domain::agent::Labels;
use testyard::domain::agent_lease::Standing;
use testyard::ids::{AgentId, RunId};
use testyard::store::agent::{self, Agent, NewAgent, NewToken};
use testyard::store::page::Stretch;
use testyard::store::{Db, Error};

use super::{at, committed, digest, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

pub(crate) fn labels(texts: &[&str]) -> Labels {
    Labels::read(texts.iter().copied()).unwrap()
}

pub(crate) fn a_token<'a>(word: &str, name: Option<&'a str>, now: DateTime<Utc>) -> NewToken<'a> {
    NewToken { id: RunId::new(now).0, digest: digest(word), name, by: Some("ops"), expires_at: at(60), now }
}

fn an_agent<'a>(name: &'a str, secret: &str, labels: &'a Labels) -> NewAgent<'a> {
    NewAgent {
        id: AgentId::new(at(0)),
        name,
        digest: digest(secret),
        labels,
        version: "0.1.0",
        protocol: 1,
        by: Some("ops"),
        now: at(1),
    }
}

/// Stores an agent of this name, whose token is its name.
pub(crate) async fn registered(db: &Db, name: &str) -> Agent {
    let none = Labels::default();
    let new = an_agent(name, name, &none);
    committed!(db, conn => agent::insert(conn, &new));
    read!(db, conn => agent::by_id(conn, new.id)).unwrap()
}

on_both! {
    async fn a_token_is_used_once_and_forgotten_if_nobody_used_it(db: TestDb) {
        let db = db.open().await;
        let (used, unused) = (a_token("a", Some("lab"), at(0)), a_token("b", None, at(0)));
        committed!(db, conn => agent::add_token(conn, &used));
        committed!(db, conn => agent::add_token(conn, &unused));
        let one = registered(&db, "lab").await;
        let found = committed!(db, conn => agent::lock_token(conn, &digest("a"))).unwrap();
        assert_eq!((found.id, found.name.as_deref(), found.agent_id), (used.id, Some("lab"), None));
        assert_eq!((found.created_by.as_deref(), found.expires_at), (Some("ops"), at(60)));
        assert!(committed!(db, conn => agent::use_token(conn, used.id, one.id, at(2))));
        assert!(!committed!(db, conn => agent::use_token(conn, used.id, one.id, at(3))));
        let found = committed!(db, conn => agent::lock_token(conn, &digest("a"))).unwrap();
        assert_eq!(found.agent_id, Some(one.id));
        assert_eq!(committed!(db, conn => agent::expire_tokens(conn, at(60))), 0, "it has not expired before then");
        assert_eq!(committed!(db, conn => agent::expire_tokens(conn, at(61))), 1);
        assert_eq!(committed!(db, conn => agent::lock_token(conn, &digest("b"))), None);
        assert!(committed!(db, conn => agent::lock_token(conn, &digest("a"))).is_some());
    }

    async fn an_agent_registers_again_until_it_has_asked_for_work(db: TestDb) {
        let db = db.open().await;
        let first = registered(&db, "lab").await;
        assert_eq!((first.standing, first.claimed_at, first.last_seen_at), (Standing::Active, None, at(1)));
        let labels = labels(&["arch=riscv64"]);
        let again = NewAgent { id: first.id, now: at(5), version: "0.2.0", ..an_agent("lab", "other", &labels) };
        assert!(committed!(db, conn => agent::register_again(conn, &again)));
        assert_eq!(read!(db, conn => agent::by_digest(conn, &digest("lab"))), None, "the first token is good no more");
        let found = read!(db, conn => agent::by_digest(conn, &digest("other"))).unwrap();
        assert_eq!((found.id, &found.labels.0, found.version.as_str()), (first.id, &labels, "0.2.0"));
        assert_eq!(found.last_seen_at, at(5));

        assert!(committed!(db, conn => agent::asks(conn, first.id, None, at(6))));
        let more = self::labels(&["gpu=\u{1F600}"]);
        assert!(committed!(db, conn => agent::asks(conn, first.id, Some(&more), at(7))));
        assert!(committed!(db, conn => agent::seen(conn, first.id, at(8))));
        let found = committed!(db, conn => agent::lock(conn, first.id)).unwrap();
        assert_eq!((found.claimed_at, found.last_seen_at, &found.labels.0), (Some(at(6)), at(8), &more));
        assert!(!committed!(db, conn => agent::register_again(conn, &again)));
    }

    async fn a_name_is_one_agent_s_until_it_is_removed(db: TestDb) {
        let db = db.open().await;
        let (first, _) = (registered(&db, "lab").await, registered(&db, "Lab").await);
        let none = Labels::default();
        let error = refused!(db, conn => agent::insert(conn, &an_agent("lab", "x", &none)));
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        assert!(committed!(db, conn => agent::stand(conn, first.id, Standing::Drained, Some("broken"))));
        let found = read!(db, conn => agent::by_name(conn, "lab")).unwrap();
        assert_eq!((found.standing, found.reason.as_deref()), (Standing::Drained, Some("broken")));
        assert!(committed!(db, conn => agent::stand(conn, first.id, Standing::Removed, None)));
        assert!(!committed!(db, conn => agent::stand(conn, first.id, Standing::Active, None)), "it is gone for good");
        assert_eq!(read!(db, conn => agent::by_name(conn, "lab")), None);
        assert_eq!(read!(db, conn => agent::by_digest(conn, &digest("lab"))).unwrap().standing, Standing::Removed);
        committed!(db, conn => agent::insert(conn, &an_agent("lab", "y", &none)));
    }

    async fn agents_are_listed_by_their_names(db: TestDb) {
        let db = db.open().await;
        for name in ["b", "a", "Z", "c"] {
            registered(&db, name).await;
        }
        let c = read!(db, conn => agent::by_name(conn, "c")).unwrap();
        committed!(db, conn => agent::stand(conn, c.id, Standing::Removed, None));
        let page = |after: Option<&str>| Stretch { limit: 2, after: after.map(str::to_owned) };
        let (first, more) = read!(db, conn => agent::list(conn, &page(None)));
        let names: Vec<_> = first.iter().map(|agent| agent.name.as_str()).collect();
        assert_eq!((names, more), (vec!["Z", "a"], true));
        let (rest, more) = read!(db, conn => agent::list(conn, &page(Some("a"))));
        assert_eq!((rest.len(), rest[0].name.as_str(), more), (1, "b", false));
    }
}
