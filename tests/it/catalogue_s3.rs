//! Large attachments in a bucket that speaks S3: they go there and come back, and a bucket that fails loses nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::TimeDelta;
use testyard::app::AppError;
use testyard::app::catalogue::attachment::{NotTaken, give_out, give_out_whole, take_in};
use testyard::config::Settings;
use testyard::domain::digest::Digest;

use crate::support::app::TestApp;
use crate::support::catalogue::pieces;
use crate::support::db::TestDb;
use crate::support::fake_s3::{FakeS3, GET, POST, PUT, REMOVE};
use crate::support::fake_server::Answer;
use crate::support::on_both;
use crate::support::runs::unavailable;

/// How long an orphan is kept here.
const RETENTION: TimeDelta = TimeDelta::seconds(100);

/// A service that keeps what is longer than 8 bytes in this bucket.
async fn start(db: TestDb, s3: &FakeS3) -> TestApp {
    TestApp::start_with(db, |settings: &mut Settings| {
        s3.serves(settings);
        settings.catalogue.inline_bytes = 8;
        settings.catalogue.max_attachment_bytes = 32 << 20;
        settings.catalogue.orphan_retention_s = RETENTION.num_seconds().unsigned_abs();
    })
    .await
}

/// Two parts of 8 MiB and a bit.
fn long() -> Vec<u8> {
    (0_u8..=250).cycle().take((16 << 20) + 1).collect()
}

on_both! {
    async fn a_large_attachment_goes_to_the_bucket_and_comes_back(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        let (few, many) = (app.keep_bytes(b"8 bytes.").await, app.keep_bytes(b"9 bytes..").await);
        let objects = s3.objects();
        let [(key, bytes)] = &objects.iter().collect::<Vec<_>>()[..] else { panic!("one object: {objects:?}") };
        let parts: Vec<&str> = key.split('/').collect();
        let [bucket, prefix, folder, id] = parts[..] else { panic!("four parts: {key}") };
        assert_eq!((bucket, prefix, folder, bytes.as_ref()), ("attachments", "testyard", &id[30..], &b"9 bytes.."[..]));
        assert_eq!(give_out_whole(&app.app.catalogue, few.sha256).await.unwrap(), b"8 bytes.");
        assert_eq!(s3.server.requests_to(GET).len(), 0, "few bytes are in the database");
        assert_eq!(give_out_whole(&app.app.catalogue, many.sha256).await.unwrap(), b"9 bytes..");
        assert_eq!(s3.server.requests_to(GET).len(), 1);
        assert!(!app.app.settings.server.state_dir.join("objects").exists(), "nothing is kept on this machine");
    }

    async fn a_long_attachment_goes_in_parts(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        let stored = app.keep_bytes(&long()).await;
        assert_eq!(s3.server.requests_to(PUT).len(), 3);
        assert_eq!((s3.objects().len(), s3.open_uploads()), (1, 0));
        assert_eq!((stored.size, stored.sha256), (long().len() as u64, Digest::of(&long())));
        assert!(give_out_whole(&app.app.catalogue, stored.sha256).await.unwrap() == long());
    }

    async fn what_no_item_names_leaves_the_bucket(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        let stored = app.keep_bytes(b"of interest to nobody").await;
        app.keep_bytes(b"of interest to nobody").await;
        assert_eq!(s3.objects().len(), 2);
        app.settle().await;
        assert_eq!(s3.objects().len(), 1, "the second copy goes at once");
        assert_eq!(app.advance(RETENTION).await, 2);
        assert_eq!((s3.objects(), app.contents_and_garbage().await), (BTreeMap::new(), (0, 0)));
        assert!(matches!(give_out(&app.app.catalogue, stored.sha256).await.err(), Some(AppError::NotFound { .. })));
    }

    async fn a_hiccup_of_the_bucket_is_not_noticed(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        for route in [POST, PUT, GET] {
            s3.server.answer_next(route, unavailable());
        }
        let stored = app.keep_bytes(b"sent more than once").await;
        assert_eq!(give_out_whole(&app.app.catalogue, stored.sha256).await.unwrap(), b"sent more than once");
        assert_eq!([POST, PUT, GET].map(|route| s3.server.requests_to(route).len()), [3, 2, 2]);
        assert_eq!((s3.objects().len(), s3.open_uploads()), (1, 0));
    }

    async fn a_bucket_that_refuses_leaves_nothing(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        for place in ["the beginning", "the only part", "the end"] {
            match place {
                "the beginning" => s3.refuse_next(POST),
                "the only part" => s3.refuse_next(PUT),
                _ => {
                    s3.server.answer_next(POST, Answer::Normal);
                    s3.refuse_next(POST);
                }
            }
            let error = app.fail_to_keep(b"to be refused").await;
            assert!(matches!(error, AppError::Unavailable(_)), "{place}: {error:?}");
            assert_eq!((s3.objects().len(), s3.open_uploads()), (0, 0), "{place}: it is given up in the bucket too");
        }
        assert_eq!(app.contents_and_garbage().await, (0, 3));
        app.advance(TimeDelta::hours(24)).await;
        assert_eq!(app.contents_and_garbage().await, (0, 0));
        // It was no fault of the bytes.
        app.keep_bytes(b"to be refused").await;
    }

    async fn a_part_that_is_refused_gives_the_whole_up(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        // Both that are under way before the last one is sent: whichever is heard of first, it is bad news.
        s3.refuse_next(PUT);
        s3.refuse_next(PUT);
        let error = app.fail_to_keep(&long()).await;
        assert!(matches!(error, AppError::Unavailable(_)), "{error:?}");
        assert_eq!((s3.objects().len(), s3.open_uploads()), (0, 0));
        assert_eq!(app.contents_and_garbage().await, (0, 1));
    }

    async fn a_bucket_that_is_refused_to_us_gives_nothing_out(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        let stored = app.keep_bytes(b"out of reach").await;
        s3.refuse(true);
        let error = give_out_whole(&app.app.catalogue, stored.sha256).await;
        assert!(matches!(error, Err(AppError::Unavailable(_))), "{error:?}");
        let error = app.fail_to_keep(b"another one").await;
        assert!(matches!(error, AppError::Unavailable(_)), "{error:?}");
        app.keep_bytes(b"few").await;
        s3.refuse(false);
        assert_eq!(give_out_whole(&app.app.catalogue, stored.sha256).await.unwrap(), b"out of reach");
    }

    async fn an_upload_that_is_broken_off_is_given_up(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        let bytes: Vec<_> = [Ok(Bytes::from(long())), Err("the line is cut")].into();
        let error = take_in(&app.app.catalogue, futures_util::stream::iter(bytes)).await;
        assert!(matches!(error, Err(NotTaken::Source("the line is cut"))), "{error:?}");
        assert_eq!((s3.objects().len(), s3.open_uploads()), (0, 0));
        let error = take_in(&app.app.catalogue, pieces(&[long(), long()].concat(), 1 << 20)).await;
        assert!(matches!(error, Err(NotTaken::TooLarge(_))), "{error:?}");
        assert_eq!((s3.objects().len(), s3.open_uploads()), (0, 0));
    }

    async fn what_cannot_be_removed_now_is_removed_later(db: TestDb) {
        let s3 = FakeS3::start().await;
        let app = start(db, &s3).await;
        app.keep_bytes(b"sticky to the bucket").await;
        app.keep_bytes(b"not sticky").await;
        s3.refuse_next(REMOVE);
        assert_eq!(app.advance(RETENTION).await, 3, "two contents and one object");
        assert_eq!((s3.objects().len(), app.contents_and_garbage().await), (1, (0, 1)));
        let patience = app.app.settings.runs.retry_max_s.try_into().unwrap();
        assert_eq!(app.next_sweep().await, Some(patience));
        assert_eq!(app.advance(TimeDelta::seconds(patience - 1)).await, 0, "not before");
        s3.refuse_next(REMOVE);
        assert_eq!(app.advance(TimeDelta::seconds(1)).await, 0, "it is refused again");
        assert_eq!(s3.objects().len(), 1);
        assert_eq!(app.advance(TimeDelta::seconds(patience)).await, 1);
        assert_eq!((s3.objects().len(), app.contents_and_garbage().await), (0, (0, 0)));
    }
}
