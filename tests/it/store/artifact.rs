//! Artifacts of runs.

use testyard::domain::digest::Digest;
use testyard::store::artifact::{self, Artifact};
use testyard::store::content::{self, Content, Place};
use testyard::store::page::Stretch;
use testyard::store::{Db, Error};

use super::{at, committed, micros, read, refused, running, tests_of};
use crate::support::db::TestDb;
use crate::support::on_both;

fn an_artifact(job: &str, path: &str, bytes: &[u8]) -> Artifact {
    let size = i64::try_from(bytes.len()).unwrap();
    Artifact { job: job.into(), path: path.into(), sha256: Digest::of(bytes), size, created_at: micros(7) }
}

async fn keep(db: &Db, bytes: &[u8]) {
    let content = Content { size: i64::try_from(bytes.len()).unwrap(), place: Place::Here(bytes.to_vec()) };
    committed!(db, conn => content::insert(conn, Digest::of(bytes), &content, at(10)));
}

fn page(limit: u32, after: Option<(&str, &str)>) -> Stretch<(String, String)> {
    Stretch { limit, after: after.map(|(job, path)| (job.to_owned(), path.to_owned())) }
}

on_both! {
    async fn the_first_artifact_of_a_name_stays(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        let (one, other) = (an_artifact("j", "a/ä", b"one"), an_artifact("j", "a/ä", b"other"));
        let error = refused!(db, conn => artifact::insert(conn, run, &one));
        assert!(matches!(error, Error::Constraint(_)), "there are no such bytes: {error:?}");
        keep(&db, b"one").await;
        keep(&db, b"other").await;
        assert!(committed!(db, conn => artifact::insert(conn, run, &one)));
        assert!(!committed!(db, conn => artifact::insert(conn, run, &one)));
        assert!(!committed!(db, conn => artifact::insert(conn, run, &other)));
        assert_eq!(read!(db, conn => artifact::get(conn, run, "j", "a/ä")), Some(one));
        assert_eq!(read!(db, conn => artifact::get(conn, run, "j", "a/A")), None);
        assert_eq!(read!(db, conn => artifact::get(conn, run, "J", "a/ä")), None);
    }

    async fn artifacts_are_listed_by_job_and_path(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        let other = running(&db, &tests_of("maestro:1", &["b"], at(0)), "U2").await;
        keep(&db, b"xyz").await;
        let all = [("B", "z"), ("a", "B"), ("a", "a"), ("a", "ä"), ("b", "a")];
        for (job, path) in [all[3], all[0], all[4], all[2], all[1]] {
            committed!(db, conn => artifact::insert(conn, run, &an_artifact(job, path, b"xyz")));
        }
        committed!(db, conn => artifact::insert(conn, other, &an_artifact("a", "a", b"xyz")));
        let names = |rows: &[Artifact]| rows.iter().map(|it| (it.job.clone(), it.path.clone())).collect::<Vec<_>>();
        let wanted = |some: &[(&str, &str)]| some.iter().map(|(job, path)| ((*job).into(), (*path).into())).collect::<Vec<_>>();
        let (rows, more) = read!(db, conn => artifact::list(conn, run, None, &page(9, None)));
        assert_eq!((names(&rows), more), (wanted(&all), false));
        for from in 0..5 {
            let (rows, more) = read!(db, conn => artifact::list(conn, run, None, &page(2, Some(all[from]))));
            let end = (from + 3).min(5);
            assert_eq!((names(&rows), more), (wanted(&all[from + 1..end]), end < 5));
        }
        let (rows, _) = read!(db, conn => artifact::list(conn, run, Some("a"), &page(9, Some(("a", "B")))));
        assert_eq!(names(&rows), wanted(&all[2..4]));
        assert_eq!(read!(db, conn => artifact::total(conn, run)), (5, 15));
        assert_eq!(read!(db, conn => artifact::total(conn, other)), (1, 3));
        committed!(db, conn => artifact::insert(conn, other, &an_artifact("a", "b", b"xyz")));
        assert_eq!(read!(db, conn => artifact::total(conn, other)), (2, 6));
    }

    async fn a_run_without_artifacts_has_none(db: TestDb) {
        let db = db.open().await;
        let run = running(&db, &tests_of("maestro:1", &["a"], at(0)), "U1").await;
        assert_eq!(read!(db, conn => artifact::total(conn, run)), (0, 0));
        assert!(read!(db, conn => artifact::list(conn, run, None, &page(9, None))).0.is_empty());
    }
}
