//! The two migration folders describe one schema.
//!
//! Each database is migrated and asked what it then holds; what it says is reduced to what the storage layer means by
//! it, and the two must be equal.

use std::collections::{BTreeMap, BTreeSet};

use testyard::store::Conn;
use testyard::store::db::Dialect;

use crate::support::db::TestDb;

/// What there is in a database: each thing's name with what it is. `run.tries` is `integer not null`.
type Schema = BTreeMap<String, String>;

/// What one schema has and the other has not, or has otherwise.
fn differences(sqlite: &Schema, postgres: &Schema) -> Vec<String> {
    let names: BTreeSet<&String> = sqlite.keys().chain(postgres.keys()).collect();
    names
        .into_iter()
        .filter(|name| sqlite.get(*name) != postgres.get(*name))
        .map(|name| format!("{name}: {:?} on SQLite, {:?} on PostgreSQL", sqlite.get(name), postgres.get(name)))
        .collect()
}

/// A condition as bare words, so that the two databases' ways to write one thing are one: without parentheses, casts
/// and case, and with `IN` for `= ANY (ARRAY[…])`, which is what PostgreSQL makes of it.
fn words(condition: &str) -> String {
    let spaced: String = condition
        .to_lowercase()
        .replace("::text[]", "")
        .replace("::text", "")
        .chars()
        .flat_map(|letter| if "()[],=<>".contains(letter) { vec![' ', letter, ' '] } else { vec![letter] })
        .collect();
    let spaced = format!(" {} ", spaced.split_whitespace().collect::<Vec<_>>().join(" "))
        .replace(" > = ", " >= ")
        .replace(" < > ", " <> ");
    let spaced =
        spaced.replace(" = any ( array [", " in (").replace(" <> all ( array [", " not in (").replace(']', " ");
    spaced.replace(['(', ')', ','], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The texts between `CHECK (` and its closing parenthesis in a CREATE TABLE statement.
fn checks(statement: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = statement;
    while let Some((_, after)) = rest.split_once("CHECK (") {
        let mut depth = 1;
        let end = after.find(|letter| {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let (condition, later) = after.split_at(end.expect("a CHECK that is closed"));
        found.push(condition);
        rest = later;
    }
    found
}

/// What a column of SQLite is for: the type says the storage class, our rules say the rest.
fn meaning(table: &str, column: &str, kind: &str, conditions: &[&str]) -> &'static str {
    let is_checked = |condition: String| conditions.iter().any(|check| **check == *condition);
    match kind {
        "BLOB" if ["body", "digest", "identity"].contains(&column) => "bytes",
        "BLOB" => "uuid",
        "INTEGER" if is_checked(format!("{column} IN (0, 1)")) => "boolean",
        "INTEGER" => "integer",
        "REAL" => "double",
        "TEXT" if is_checked(format!("json_valid({column})")) => "json",
        "TEXT" if column.ends_with("_at") || column.ends_with("_until") => "time",
        "TEXT" => "text",
        other => panic!("{table}.{column} is of a type that no rule covers: {other}"),
    }
}

/// A key or index: where it is, on what, and whether it is unique.
fn index(table: &str, columns: &str, unique: bool, condition: &str) -> String {
    let unique = if unique { "unique " } else { "" };
    format!("{unique}on {table} ({columns}) where {}", words(condition))
}

/// Runs a query for rows of texts; NULL comes as an empty text.
async fn rows<const N: usize>(conn: &mut Conn<'_>, statement: &'static str) -> Vec<[String; N]> {
    let rows: Vec<(String,)> = conn.query(statement).fetch_all().await.unwrap();
    rows.into_iter()
        .map(|(row,)| {
            let parts: Vec<String> = row.split('\u{1}').map(str::to_owned).collect();
            parts.try_into().unwrap_or_else(|parts| panic!("{N} parts: {parts:?}"))
        })
        .collect()
}

/// What SQLite holds. Not counted: `STRICT` itself, and the CHECKs that stand for a type (JSON, boolean).
async fn on_sqlite(conn: &mut Conn<'_>) -> Schema {
    let mut schema = Schema::new();
    let tables = rows::<2>(
        conn,
        "SELECT name || char(1) || sql FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    );
    let tables: BTreeMap<String, String> = tables.await.into_iter().map(|[name, sql]| (name, sql)).collect();
    for (table, sql) in &tables {
        assert!(sql.trim_end().ends_with("STRICT"), "{table} takes values of any type");
        let conditions = checks(sql);
        for check in
            conditions.iter().filter(|check| !check.starts_with("json_valid(") && !check.ends_with("IN (0, 1)"))
        {
            schema.insert(format!("check on {table}: {}", words(check)), String::new());
        }
    }
    for [table, column, kind, not_null] in rows::<4>(
        conn,
        "SELECT m.name || char(1) || c.name || char(1) || c.type || char(1) || c.\"notnull\"
         FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    )
    .await
    {
        let Some(sql) = tables.get(&table) else { continue };
        let kind = meaning(&table, &column, &kind, &checks(sql));
        let nulls = if not_null == "1" { " not null" } else { "" };
        schema.insert(format!("{table}.{column}"), format!("{kind}{nulls}"));
    }
    // A key that is one whole number is the table's own order and no index.
    for [table, column] in rows::<2>(
        conn,
        "SELECT m.name || char(1) || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.pk > 0 AND c.type = 'INTEGER'
            AND (SELECT count(*) FROM pragma_table_info(m.name) k WHERE k.pk > 0) = 1",
    )
    .await
    {
        if tables.contains_key(&table) {
            schema.insert(format!("key of {table}"), column);
        }
    }
    for [table, name, origin, unique, columns, sql] in rows::<6>(
        conn,
        "SELECT m.name || char(1) || i.name || char(1) || i.origin || char(1) || i.\"unique\" || char(1)
            || (SELECT group_concat(x.name, ', ') FROM pragma_index_info(i.name) x) || char(1)
            || coalesce((SELECT sql FROM sqlite_schema s WHERE s.name = i.name), '')
         FROM sqlite_schema m JOIN pragma_index_list(m.name) i WHERE m.type = 'table'",
    )
    .await
    {
        if !tables.contains_key(&table) {
            continue;
        }
        let condition = sql.split_once(" WHERE ").map_or("", |(_, condition)| condition);
        let what = index(&table, &columns, unique == "1", condition);
        match origin.as_str() {
            "pk" => schema.insert(format!("key of {table}"), columns),
            "u" => schema.insert(format!("key {what}"), String::new()),
            _ => schema.insert(format!("index {name}"), what),
        };
    }
    for [table, column, to, to_column, on_delete] in rows::<5>(
        conn,
        "SELECT m.name || char(1) || f.\"from\" || char(1) || f.\"table\" || char(1) || f.\"to\" || char(1)
            || f.on_delete
         FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    )
    .await
    {
        schema.insert(format!("reference {table}.{column}"), format!("{to}.{to_column} on delete {on_delete}"));
    }
    schema
}

/// What PostgreSQL holds in its current schema.
async fn on_postgres(conn: &mut Conn<'_>) -> Schema {
    let mut schema = Schema::new();
    for [table, column, kind, nullable] in rows::<4>(
        conn,
        "SELECT concat_ws(chr(1), table_name, column_name, data_type, is_nullable) FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_%'",
    )
    .await
    {
        let kind = match kind.as_str() {
            "bytea" => "bytes",
            "uuid" => "uuid",
            "boolean" => "boolean",
            "bigint" => "integer",
            "double precision" => "double",
            "json" | "jsonb" => "json",
            "timestamp with time zone" => "time",
            "text" => "text",
            other => panic!("{table}.{column} is of a type that no rule covers: {other}"),
        };
        let nulls = if nullable == "NO" { " not null" } else { "" };
        schema.insert(format!("{table}.{column}"), format!("{kind}{nulls}"));
    }
    for [table, name, origin, unique, columns, condition] in rows::<6>(
        conn,
        "SELECT concat_ws(chr(1), t.relname, i.relname, coalesce(k.contype::text, ''), x.indisunique::text,
                (SELECT string_agg(a.attname, ', ' ORDER BY n.ordinality)
                    FROM unnest(x.indkey) WITH ORDINALITY n (attnum)
                    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = n.attnum),
                coalesce(pg_get_expr(x.indpred, x.indrelid), ''))
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
            LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.contype IN ('p', 'u')
         WHERE t.relnamespace = current_schema()::regnamespace AND t.relname NOT LIKE '\\_%'",
    )
    .await
    {
        let what = index(&table, &columns, unique == "true", &condition);
        match origin.as_str() {
            "p" => schema.insert(format!("key of {table}"), columns),
            "u" => schema.insert(format!("key {what}"), String::new()),
            _ => schema.insert(format!("index {name}"), what),
        };
    }
    for [table, condition] in rows::<2>(
        conn,
        "SELECT concat_ws(chr(1), t.relname, pg_get_expr(k.conbin, k.conrelid)) FROM pg_constraint k
            JOIN pg_class t ON t.oid = k.conrelid
         WHERE k.contype = 'c' AND t.relnamespace = current_schema()::regnamespace AND t.relname NOT LIKE '\\_%'",
    )
    .await
    {
        schema.insert(format!("check on {table}: {}", words(&condition)), String::new());
    }
    for [table, column, to, to_column, on_delete] in rows::<5>(
        conn,
        "SELECT concat_ws(chr(1), t.relname, a.attname, r.relname, b.attname,
                CASE k.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'c' THEN 'CASCADE' ELSE k.confdeltype::text END)
         FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]
            JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = k.confkey[1]
         WHERE k.contype = 'f' AND t.relnamespace = current_schema()::regnamespace",
    )
    .await
    {
        schema.insert(format!("reference {table}.{column}"), format!("{to}.{to_column} on delete {on_delete}"));
    }
    schema
}

async fn both() -> (Schema, Schema) {
    let (sqlite, postgres) = (TestDb::new(Dialect::Sqlite).await, TestDb::new(Dialect::Postgres).await);
    let (sqlite_db, postgres_db) = (sqlite.open().await, postgres.open().await);
    let (mut sqlite_tx, mut postgres_tx) = (sqlite_db.begin().await.unwrap(), postgres_db.begin().await.unwrap());
    let schemas = (on_sqlite(&mut sqlite_tx.conn()).await, on_postgres(&mut postgres_tx.conn()).await);
    drop((sqlite_tx, postgres_tx));
    sqlite_db.close().await;
    postgres_db.close().await;
    schemas
}

#[test]
fn the_folders_hold_the_same_migrations() {
    let names = |folder: &str| -> BTreeSet<String> {
        let folder = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_databases_hold_the_same_schema() {
    let (sqlite, postgres) = both().await;
    let count = |schema: &Schema, what: &str| schema.keys().filter(|name| name.starts_with(what)).count();
    for (what, at_least) in
        [("key of ", 20), ("key unique on ", 8), ("index ", 35), ("check on ", 50), ("reference ", 12)]
    {
        assert!(count(&sqlite, what) >= at_least, "{what}: {}", count(&sqlite, what));
    }
    assert!(
        sqlite.values().any(|kind| kind == "json not null") && sqlite.values().any(|kind| kind == "boolean not null")
    );
    let differences = differences(&sqlite, &postgres);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_is_seen() {
    let test = TestDb::new(Dialect::Postgres).await;
    let db = test.open().await;
    let (sqlite, postgres) = both().await;
    assert_eq!(differences(&sqlite, &postgres), Vec::<String>::new());
    for change in [
        "ALTER TABLE build ADD COLUMN extra text",
        "ALTER TABLE build DROP COLUMN branch",
        "ALTER TABLE build ALTER COLUMN kconfig SET NOT NULL",
        "ALTER TABLE build ALTER COLUMN tree DROP NOT NULL",
        "ALTER TABLE build ALTER COLUMN created_at TYPE text",
        "ALTER TABLE run ALTER COLUMN lease_holder TYPE bytea USING NULL",
        "ALTER TABLE run ALTER COLUMN observation TYPE text",
        "ALTER TABLE run ALTER COLUMN tries TYPE double precision",
        "ALTER TABLE run DROP CONSTRAINT run_capability_key",
        "ALTER TABLE run DROP CONSTRAINT run_attempt_check",
        "ALTER TABLE run ADD CHECK (tries >= 0)",
        "ALTER TABLE run DROP CONSTRAINT run_build_id_fkey",
        "ALTER TABLE run_test DROP CONSTRAINT run_test_run_id_fkey, ADD FOREIGN KEY (run_id) REFERENCES run (id)",
        "ALTER TABLE run_test DROP CONSTRAINT run_test_pkey, ADD PRIMARY KEY (name, run_id)",
        "DROP INDEX run_due",
        "CREATE INDEX run_more ON run (state)",
        "ALTER INDEX run_due RENAME TO run_is_due",
        "DROP INDEX run_uid; CREATE INDEX run_uid ON run (runner, uid) WHERE uid IS NOT NULL",
        "DROP INDEX run_uid; CREATE UNIQUE INDEX run_uid ON run (uid, runner) WHERE uid IS NOT NULL",
        "DROP INDEX run_uid; CREATE UNIQUE INDEX run_uid ON run (runner, uid)",
        "DROP INDEX delivery_dead; CREATE INDEX delivery_dead ON delivery (id) WHERE state = 'sent'",
        "CREATE TABLE more (id uuid NOT NULL PRIMARY KEY)",
    ] {
        // Rolled back when it was looked at, so that each change is seen alone.
        let mut tx = db.begin().await.unwrap();
        for statement in change.split("; ") {
            let Conn::Postgres(conn) = tx.conn() else { unreachable!() };
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(conn).await.unwrap();
        }
        let seen = on_postgres(&mut tx.conn()).await;
        assert!(!differences(&sqlite, &seen).is_empty(), "not seen: {change}");
    }
}

#[test]
fn conditions_that_mean_the_same_have_the_same_words() {
    for (sqlite, postgres) in [
        ("attempt >= 1", "(attempt >= 1)"),
        ("state IN ('a', 'b')", "(state = ANY (ARRAY['a'::text, 'b'::text]))"),
        ("(kind = 'build') = (build_id IS NOT NULL)", "((kind = 'build'::text) = (build_id IS NOT NULL))"),
        (
            "state <> 'sent' OR (r IS NOT NULL AND s IS NOT NULL)",
            "((state <> 'sent'::text) OR ((r IS NOT NULL) AND (s IS NOT NULL)))",
        ),
        (
            "state NOT IN ('a', 'b') OR uid IS NOT NULL",
            "((state <> ALL (ARRAY['a'::text, 'b'::text])) OR (uid IS NOT NULL))",
        ),
    ] {
        assert_eq!(words(sqlite), words(postgres));
    }
    assert_ne!(words("state IN ('a', 'b')"), words("state IN ('a', 'c')"));
    assert_ne!(words("n >= 1"), words("n > 1"));
    assert_eq!(
        checks("CREATE TABLE t (a TEXT CHECK (a IN ('x', 'y')), CHECK ((a) = (b)))"),
        ["a IN ('x', 'y')", "(a) = (b)"]
    );
}
