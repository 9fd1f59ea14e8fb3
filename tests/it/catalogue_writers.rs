//! Many writers of the catalogue at once, and many changes in one.

use testyard::app::AppError;
use testyard::app::catalogue::change::{Did, NotMade};
use testyard::app::condition::OnlyIf;
use testyard::domain::catalogue::item::ItemKind::Test;

use crate::support::app::TestApp;
use crate::support::catalogue::{TERMS, a_test, make_changes, only_if, put, remove};
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn of_two_writers_of_one_version_one_is_told_of_the_other(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        app.change(vec![put("t", a_test("0"))]).await;
        for round in 1..=10_i64 {
            let writers = (0..8).map(|writer| {
                let catalogue = [&app, &twin][writer % 2].app.catalogue.clone();
                let change = only_if(OnlyIf::Version(round), put("t", a_test(&format!("{round} {writer}"))));
                tokio::spawn(async move { make_changes(&catalogue, vec![change], TERMS).await })
            });
            let mut winners = Vec::new();
            for (writer, outcome) in futures_util::future::join_all(writers).await.into_iter().enumerate() {
                match outcome.unwrap() {
                    Ok(changed) => winners.push((writer, changed.revision)),
                    Err(NotMade::Refused(AppError::PreconditionFailed(_))) => {}
                    Err(error) => panic!("round {round}: {error:?}"),
                }
            }
            let [(writer, revision)] = winners[..] else { panic!("round {round}: exactly one wins: {winners:?}") };
            assert_eq!(revision, round + 1);
            let (_, _, items) = app.whole_catalogue().await;
            assert_eq!(items, [(Test, "t".to_owned(), revision, a_test(&format!("{round} {writer}")))]);
        }
    }

    async fn writers_of_different_items_all_win(db: TestDb) {
        let app = TestApp::start(db).await;
        let twin = app.twin().await;
        let writers = (0..24).map(|writer| {
            let catalogue = [&app, &twin][writer % 2].app.catalogue.clone();
            // All need one directory, which one of them makes.
            let change = only_if(OnlyIf::Absent, put(&format!("d.t{writer:02}"), a_test("1")));
            tokio::spawn(async move { make_changes(&catalogue, vec![change], TERMS).await })
        });
        let mut revisions = Vec::new();
        for outcome in futures_util::future::join_all(writers).await {
            revisions.push(outcome.unwrap().unwrap().revision);
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=24).collect::<Vec<_>>());
        assert_eq!(app.whole_catalogue().await.2.len(), 25);
    }

    async fn a_batch_of_thousands_is_one_revision(db: TestDb) {
        let app = TestApp::start(db).await;
        let many = |program: &str| {
            (0..2_500).map(|n| put(&format!("d{}.t{n}", n % 50), a_test(program))).collect::<Vec<_>>()
        };
        assert_eq!(app.change(many("1")).await, (1, vec![Did::Created; 2_500]));
        let mut some = many("2");
        some.truncate(2_400);
        some.extend((2_400..2_500).map(|n| remove(Test, &format!("d{}.t{n}", n % 50))));
        let (revision, did) = app.change(some).await;
        assert_eq!(revision, 2);
        assert_eq!(did, [vec![Did::Replaced; 2_400], vec![Did::Removed; 100]].concat());
        assert_eq!(app.whole_catalogue().await.2.len(), 2_450);
    }
}
