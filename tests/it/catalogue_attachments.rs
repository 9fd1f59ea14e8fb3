//! Attachments: bytes go in and come out as they were, and what nobody names goes, whatever breaks in between.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use testyard::app::AppError;
use testyard::app::catalogue::attachment::{NotTaken, give_out, give_out_whole, take_in};
use testyard::app::catalogue::sweep::sweep;
use testyard::app::catalogue::{Catalogue, item};
use testyard::config::Settings;
use testyard::domain::catalogue::item::ItemKind;
use testyard::domain::digest::Digest;
use testyard::store;
use tokio::sync::Notify;

use crate::support::app::TestApp;
use crate::support::catalogue::{a_test, attached, pieces, put, remove};
use crate::support::db::TestDb;
use crate::support::fake_server::PATIENCE;
use crate::support::on_both;

/// How long an orphan is kept here.
const RETENTION: i64 = 100;

/// For how long an object may be under way before it is garbage: a day.
const LONGEST_UPLOAD: i64 = 24 * 3600;

/// Small limits: more than 8 bytes are an object, more than 20 are too many.
fn small(settings: &mut Settings) {
    settings.catalogue.inline_bytes = 8;
    settings.catalogue.max_attachment_bytes = 20;
    settings.catalogue.orphan_retention_s = RETENTION.unsigned_abs();
}

/// So many different bytes.
fn bytes(count: usize) -> Vec<u8> {
    (0_u8..=255).cycle().take(count).collect()
}

/// The service keeps nothing, and once all garbage is due it remembers nothing.
async fn nothing_is_left(app: &TestApp) {
    assert_eq!((app.contents_and_garbage().await.0, app.object_files()), (0, vec![]));
    app.advance(TimeDelta::seconds(LONGEST_UPLOAD)).await;
    assert_eq!((app.contents_and_garbage().await, app.object_files()), ((0, 0), vec![]));
}

on_both! {
    async fn few_bytes_and_many_come_out_as_they_went_in(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let mut objects = 0;
        for (size, contents) in [0, 1, 7, 8, 9, 19, 20].into_iter().zip(1..) {
            let bytes = bytes(size);
            for of in [1, 3, 8, 9, 20] {
                let stored = take_in(&app.app.catalogue, pieces(&bytes, of)).await.unwrap();
                assert_eq!((stored.size, stored.sha256), (size as u64, Digest::of(&bytes)), "{size} bytes by {of}");
                assert_eq!(give_out_whole(&app.app.catalogue, stored.sha256).await.unwrap(), bytes);
                assert_eq!(give_out(&app.app.catalogue, stored.sha256).await.unwrap().size, size as u64);
                app.settle().await;
            }
            objects += usize::from(size > 8);
            assert_eq!(app.object_files().len(), objects, "{size} bytes");
            assert_eq!(app.contents_and_garbage().await, (contents, 0));
        }
    }

    async fn none_is_kept_in_the_database_where_that_is_wanted(db: TestDb) {
        let app = TestApp::start_with(db, |settings| settings.catalogue.inline_bytes = 0).await;
        for (size, objects) in [(0, 0), (1, 1), (2, 2)] {
            let stored = app.keep_bytes(&bytes(size)).await;
            assert_eq!(give_out_whole(&app.app.catalogue, stored.sha256).await.unwrap(), bytes(size));
            assert_eq!(app.object_files().len(), objects);
        }
    }

    async fn an_object_of_many_parts_comes_out_as_it_went_in(db: TestDb) {
        let app = TestApp::start(db).await;
        let bytes = bytes((17 << 20) + 1);
        let stored = app.keep_bytes(&bytes).await;
        assert_eq!((stored.size, stored.sha256), (bytes.len() as u64, Digest::of(&bytes)));
        let given = give_out(&app.app.catalogue, stored.sha256).await.unwrap();
        let pieces: Vec<Bytes> = given.bytes.try_collect().await.unwrap();
        assert!(pieces.len() > 1, "it is not read at once");
        assert!(pieces.concat() == bytes);
    }

    async fn too_many_bytes_are_refused_and_leave_nothing(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        for size in [21, 22, 1_000] {
            for of in [1, 9, 1_000] {
                let refused = take_in(&app.app.catalogue, pieces(&bytes(size), of)).await;
                assert!(matches!(refused, Err(NotTaken::TooLarge(20))), "{size} bytes by {of}: {refused:?}");
            }
        }
        nothing_is_left(&app).await;
    }

    async fn a_source_that_breaks_off_leaves_nothing(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        for size in [0, 8, 9, 20] {
            let whole = pieces(&bytes(size), 3).map(|piece| piece.map_err(|error| match error {}));
            let broken = whole.chain(stream::iter([Err("the line is cut"), Ok(Bytes::from_static(b"more"))]));
            let refused = take_in(&app.app.catalogue, broken).await;
            assert!(matches!(refused, Err(NotTaken::Source("the line is cut"))), "{size} bytes: {refused:?}");
        }
        nothing_is_left(&app).await;
    }

    async fn a_caller_that_goes_away_leaves_nothing(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let (catalogue, reached) = (app.app.catalogue.clone(), Arc::new(Notify::new()));
        let tell = Arc::clone(&reached);
        let never = stream::once(async move {
            tell.notify_one();
            std::future::pending().await
        });
        let upload = tokio::spawn(async move { take_in(&catalogue, pieces(&bytes(12), 12).chain(never)).await });
        reached.notified().await;
        assert_eq!(app.object_files().len(), 1, "it is under way");
        upload.abort();
        assert!(upload.await.unwrap_err().is_cancelled());
        // The file is removed in passing, by nobody whom we could wait for.
        let gone = tokio::time::timeout(PATIENCE, async {
            while !app.object_files().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        gone.await.expect("the file goes");
        nothing_is_left(&app).await;
    }

    async fn the_same_bytes_are_kept_once(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let first = app.keep_bytes(&bytes(12)).await;
        let kept = app.object_files();
        assert_eq!(app.keep_bytes(&bytes(12)).await, first);
        assert_eq!((app.object_files().len(), app.contents_and_garbage().await), (2, (1, 1)));
        assert_eq!(app.settle().await, 1, "the second copy goes at once");
        assert_eq!((app.object_files(), app.contents_and_garbage().await), (kept, (1, 0)));
        assert_eq!(give_out_whole(&app.app.catalogue, first.sha256).await.unwrap(), bytes(12));
    }

    async fn of_many_that_send_the_same_bytes_at_once_all_are_served(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let twin = app.twin().await;
        let uploads = (0..16).map(|n| {
            let catalogue = app.app.catalogue.clone();
            let catalogue = if n % 2 == 0 { catalogue } else { Catalogue { db: twin.app.db.clone(), ..catalogue } };
            tokio::spawn(async move { take_in(&catalogue, pieces(&bytes(12), 5)).await })
        });
        for upload in futures_util::future::join_all(uploads).await {
            assert_eq!(upload.unwrap().unwrap().sha256, Digest::of(&bytes(12)));
        }
        assert_eq!(app.contents_and_garbage().await, (1, 15));
        assert_eq!(app.settle().await, 15);
        assert_eq!((app.object_files().len(), app.contents_and_garbage().await), (1, (1, 0)));
        assert_eq!(give_out_whole(&app.app.catalogue, Digest::of(&bytes(12))).await.unwrap(), bytes(12));
    }

    async fn what_no_item_names_goes_in_its_time(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let (few, many) = (app.keep_bytes(&bytes(5)).await, app.keep_bytes(&bytes(15)).await);
        assert_eq!(app.next_sweep().await, Some(RETENTION));
        assert_eq!(app.advance(TimeDelta::seconds(RETENTION - 1)).await, 0);
        assert_eq!(app.keep_bytes(&bytes(5)).await, few, "who sends it again has as long again");
        assert_eq!(app.advance(TimeDelta::seconds(1)).await, 2, "a content and its object");
        let gone = give_out(&app.app.catalogue, many.sha256).await.err().expect("it is gone");
        assert!(matches!(gone, AppError::NotFound { .. }) && gone.to_string().contains(&many.sha256.to_string()));
        assert_eq!(give_out_whole(&app.app.catalogue, few.sha256).await.unwrap(), bytes(5));
        assert_eq!(app.advance(TimeDelta::seconds(RETENTION - 1)).await, 1);
        assert!(give_out(&app.app.catalogue, few.sha256).await.is_err());
        assert_eq!((app.next_sweep().await, app.object_files()), (None, vec![]));
    }

    async fn what_an_item_names_stays_also_for_old_revisions(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let (old, new) = (app.keep_bytes(&bytes(15)).await, app.keep_bytes(&bytes(16)).await);
        let other = app.keep_bytes(&bytes(17)).await;
        app.change(vec![put("t", attached("a.txt", old.sha256, old.size))]).await;
        app.change(vec![put("t", attached("a.txt", new.sha256, new.size))]).await;
        app.change(vec![remove(ItemKind::Test, "t")]).await;
        assert_eq!(app.advance(TimeDelta::seconds(1_000 * RETENTION)).await, 2, "only `other` goes, with its object");
        assert!(give_out(&app.app.catalogue, other.sha256).await.is_err());
        for (revision, stored, size) in [(1, old, 15), (2, new, 16)] {
            let found = item::get(&app.app.catalogue, ItemKind::Test, "t", Some(revision)).await.unwrap();
            assert_eq!(found.version.document.0, attached("a.txt", stored.sha256, size));
            let given = give_out_whole(&app.app.catalogue, stored.sha256).await.unwrap();
            assert_eq!(given.len() as u64, size);
        }
        // Sent once more it is still the catalogue's own, and the new copy goes.
        assert_eq!(app.keep_bytes(&bytes(15)).await, old);
        assert_eq!(app.advance(TimeDelta::seconds(1_000 * RETENTION)).await, 1);
        assert_eq!((app.object_files().len(), app.contents_and_garbage().await), (2, (2, 0)));
        assert_eq!(give_out_whole(&app.app.catalogue, old.sha256).await.unwrap(), bytes(15));
    }

    async fn an_object_that_a_crash_left_behind_is_swept_up(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let due = app.app.now() + TimeDelta::seconds(60);
        let mut begun = Vec::new();
        for key in ["ab/finished", "ab/begun", "ab/noted"] {
            let mut tx = app.app.db.begin().await.unwrap();
            store::content::discard(&mut tx.conn(), key, due).await.unwrap();
            tx.commit().await.unwrap();
            if key != "ab/noted" {
                let mut writing = app.app.catalogue.objects.write(key).await.unwrap();
                writing.add(Bytes::from_static(b"bytes of nobody")).await.unwrap();
                begun.push(writing);
            }
        }
        // The process ends before it can say whose the bytes are, and another one takes over.
        begun.remove(0).finish().await.unwrap();
        drop(begun);
        let app = app.restart_with(small).await;
        assert_eq!(app.settle().await, 0, "they may still be under way");
        assert!(app.object_files().contains(&"finished".to_owned()));
        assert_eq!(app.next_sweep().await, Some(60));
        assert_eq!(app.advance(TimeDelta::seconds(60)).await, 3);
        assert_eq!((app.object_files(), app.next_sweep().await), (vec![], None));
    }

    async fn an_upload_of_more_than_a_day_is_refused_rather_than_lost(db: TestDb) {
        let app = Arc::new(TestApp::start_with(db, small).await);
        let sweeper = Arc::clone(&app);
        let slow = pieces(&bytes(12), 12).chain(stream::once(async move {
            // What has been sent so far is garbage by now.
            sweeper.advance(TimeDelta::seconds(LONGEST_UPLOAD)).await;
            Ok(Bytes::from_static(b"late"))
        }));
        let refused = Box::pin(take_in(&app.app.catalogue, slow)).await;
        assert!(matches!(refused, Err(NotTaken::Failed(AppError::Unavailable(_)))), "{refused:?}");
        app.settle().await;
        nothing_is_left(&app).await;
    }

    async fn two_sweeps_at_once_do_no_harm(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let keep = app.keep_bytes(&bytes(20)).await;
        app.change(vec![put("t", attached("a.txt", keep.sha256, keep.size))]).await;
        for n in 0..20_u8 {
            app.keep_bytes(&[n; 12]).await;
            app.keep_bytes(&[n; 6]).await;
        }
        let twin = app.twin().await;
        app.clock.advance(TimeDelta::seconds(RETENTION));
        let (one, other) = tokio::join!(app.settle(), twin.settle());
        assert!(one + other >= 60, "40 contents and 20 objects, of which some may be removed twice: {one} + {other}");
        assert_eq!((app.contents_and_garbage().await, app.object_files().len()), ((1, 0), 1));
        assert_eq!(give_out_whole(&app.app.catalogue, keep.sha256).await.unwrap(), bytes(20));
    }

    async fn a_sweep_does_as_much_as_it_is_told_to_and_says_what_is_left(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        for n in 0..5_u8 {
            app.keep_bytes(&[n; 12]).await;
        }
        app.clock.advance(TimeDelta::seconds(RETENTION));
        let sweep = async || sweep(&app.app.catalogue, 2, TimeDelta::seconds(1)).await.unwrap();
        let (first, second, third) = (sweep().await, sweep().await, sweep().await);
        assert_eq!((first.done, second.done, third.done), (4, 4, 2), "contents, and as many objects");
        assert_eq!((first.next, second.next, third.next), (Some(app.app.now()), Some(app.app.now()), None));
    }

    async fn an_object_that_is_lost_is_said_to_be(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let stored = app.keep_bytes(&bytes(12)).await;
        std::fs::remove_dir_all(app.app.settings.server.state_dir.join("objects")).unwrap();
        let lost = give_out_whole(&app.app.catalogue, stored.sha256).await;
        assert!(matches!(lost, Err(AppError::Unavailable(_))), "{lost:?}");
        // Its removal is no trouble.
        assert_eq!(app.advance(TimeDelta::seconds(RETENTION)).await, 2);
        assert_eq!(app.contents_and_garbage().await, (0, 0));
    }

    async fn a_test_without_files_keeps_none(db: TestDb) {
        let app = TestApp::start_with(db, small).await;
        let stored = app.keep_bytes(&bytes(12)).await;
        app.change(vec![put("t", a_test("true"))]).await;
        app.advance(TimeDelta::seconds(RETENTION)).await;
        assert!(give_out(&app.app.catalogue, stored.sha256).await.is_err());
    }
}
