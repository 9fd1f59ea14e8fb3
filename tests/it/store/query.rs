//! One text for two databases: placeholders, lists, batches.

use testyard::store::Error;
use testyard::store::query::Insert;

use super::{committed, read, refused};
use crate::support::db::TestDb;
use crate::support::on_both;

const NUMBERS: Insert = Insert { head: "INSERT INTO n (a, b) VALUES ", columns: 2, tail: "" };

async fn with_numbers(db: &TestDb) -> testyard::store::Db {
    let db = db.open().await;
    committed!(db, conn => conn.query("CREATE TABLE n (a bigint NOT NULL PRIMARY KEY, b text)").execute());
    db
}

on_both! {
    async fn rows_come_as_many_as_are_asked_for(db: TestDb) {
        let db = with_numbers(&db).await;
        let touched =
            committed!(db, conn => NUMBERS.execute(conn, &[1_i64, 2, 3], |query, n| query.bind(*n).bind("x")));
        assert_eq!(touched, 3);
        let all: Vec<(i64,)> = read!(db, conn => conn.query("SELECT a FROM n ORDER BY a").fetch_all());
        assert_eq!(all, [(1,), (2,), (3,)]);
        let one: Option<(i64,)> =
            read!(db, conn => conn.query("SELECT a FROM n WHERE a = $1").bind(2_i64).fetch_optional());
        assert_eq!(one, Some((2,)));
        let none: Option<(i64,)> =
            read!(db, conn => conn.query("SELECT a FROM n WHERE a = $1").bind(9_i64).fetch_optional());
        assert_eq!(none, None);
        let error = refused!(db, conn => conn.query("SELECT a FROM n WHERE a = $1").bind(9_i64).fetch_one::<(i64,)>());
        assert!(matches!(error, Error::Driver(sqlx::Error::RowNotFound)), "{error:?}");
        let error = refused!(db, conn => conn.query("SELECT b FROM n WHERE a = $1").bind(1_i64).fetch_one::<(i64,)>());
        assert!(matches!(error, Error::Driver(sqlx::Error::ColumnDecode { .. })), "{error:?}");
    }

    async fn what_is_meant_for_one_row_tells_whether_it_was_there(db: TestDb) {
        let db = with_numbers(&db).await;
        committed!(db, conn => NUMBERS.execute(conn, &[1_i64, 2], |query, n| query.bind(*n).bind("x")));
        for (a, was_there) in [(1_i64, true), (1, false), (9, false), (2, true)] {
            let touched = committed!(db, conn => conn
                .query("UPDATE n SET b = 'y' WHERE a = $1 AND b = 'x'")
                .bind(a)
                .execute_one());
            assert_eq!(touched, was_there, "{a}");
        }
    }

    async fn batches_of_every_size_go_in_whole(db: TestDb) {
        let db = with_numbers(&db).await;
        let mut next = 0_i64;
        for many in [0_i64, 1, 2, 3, 5, 255, 256, 257, 349, 350, 351, 1000, 40_000] {
            let rows: Vec<i64> = (next..next + many).collect();
            next += many;
            let touched =
                committed!(db, conn => NUMBERS.execute(conn, &rows, |query, n| query.bind(*n).bind(n.to_string())));
            assert_eq!(touched, u64::try_from(many).unwrap());
        }
        let (count, sum, wrong): (i64, i64, i64) = read!(db, conn => conn
            .query("SELECT count(*), CAST(sum(a) AS bigint), count(CASE WHEN b <> CAST(a AS text) THEN 1 END) FROM n")
            .fetch_one());
        assert_eq!((count, sum, wrong), (next, next * (next - 1) / 2, 0));
    }

    async fn a_batch_gives_back_what_went_in(db: TestDb) {
        const NEW: Insert = Insert { tail: " ON CONFLICT DO NOTHING RETURNING a", ..NUMBERS };
        let db = with_numbers(&db).await;
        committed!(db, conn => NUMBERS.execute(conn, &[500_i64], |query, n| query.bind(*n).bind("x")));
        let rows: Vec<i64> = (0..1000).collect();
        let new: Vec<(i64,)> = committed!(db, conn => NEW.fetch_all(conn, &rows, |query, n| query.bind(*n).bind("y")));
        let mut new: Vec<i64> = new.into_iter().map(|(n,)| n).collect();
        new.sort_unstable();
        assert_eq!(new, rows.iter().copied().filter(|n| *n != 500).collect::<Vec<_>>());
        let none: Vec<(i64,)> =
            committed!(db, conn => NEW.fetch_all(conn, &[], |query, n: &i64| query.bind(*n).bind("")));
        assert!(none.is_empty());
    }

    async fn lists_match_what_they_hold(db: TestDb) {
        let db = with_numbers(&db).await;
        let rows: Vec<i64> = (0..1000).collect();
        committed!(db, conn => NUMBERS.execute(conn, &rows, |query, n| query.bind(*n).bind("x")));
        for list in [vec![], vec![7], vec![7, 7, -1], rows] {
            let mut want: Vec<i64> = list.iter().copied().filter(|n| *n >= 0).collect();
            want.dedup();
            let found: Vec<(i64,)> = read!(db, conn => conn
                .query("SELECT a FROM n WHERE b = ")
                .push_bind("x")
                .push(" AND a IN ")
                .push_list(list.iter().copied())
                .push(" ORDER BY a")
                .fetch_all());
            assert_eq!(found.into_iter().map(|(n,)| n).collect::<Vec<_>>(), want);
        }
    }

    async fn a_value_is_never_read_as_sql(db: TestDb) {
        let db = with_numbers(&db).await;
        let evil = "'); DROP TABLE n; -- $1 ?";
        committed!(db, conn => NUMBERS.execute(conn, &[1_i64], |query, n| query.bind(*n).bind(evil)));
        let (text,): (String,) =
            read!(db, conn => conn.query("SELECT b FROM n WHERE b IN ").push_list([evil]).fetch_one());
        assert_eq!(text, evil);
    }

    async fn values_and_placeholders_must_be_as_many(db: TestDb) {
        // SQLite would read a placeholder that nobody bound as NULL. The check is a debug assertion.
        if !cfg!(debug_assertions) {
            return;
        }
        let db = with_numbers(&db).await;
        for values in [0_i64, 1, 3] {
            let db = db.clone();
            let wrong = tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                let conn = &mut tx.conn();
                let mut query = conn.query("INSERT INTO n (a, b) VALUES ($1, $2)");
                for n in 0..values {
                    query = query.bind(n);
                }
                query.execute().await
            });
            assert!(wrong.await.unwrap_err().is_panic(), "{values} values for 2 placeholders");
        }
    }
}
