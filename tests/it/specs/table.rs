//! The table of all specs in memory: it takes in what was written, whoever wrote it, and is made once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use testyard::app::condition::OnlyIf;
use testyard::app::spec::{Specs, find, index, put, selection};
use testyard::domain::selection::table::Table;

use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

fn a_spec(number: u32, keyword: &str, on: &[u32]) -> Value {
    let dependencies: Vec<Value> = on.iter().map(|on| json!({"id": format!("{on:08x}")})).collect();
    json!({
        "id": format!("{number:08x}"), "file_path": format!("d{}/t.pyt", number % 3), "family": format!("t{number}"),
        "keywords": [keyword], "dependencies": dependencies, "parameters": {"np": number % 4},
    })
}

async fn write(specs: &Specs, documents: Vec<Value>) {
    put::put(specs, documents, put::Closed::No).await.expect("specs are written");
}

/// What a process knows that has just begun, on the same database.
fn another(specs: &Specs) -> Specs {
    Specs::new(specs.db.clone(), Arc::clone(&specs.clock), specs.catalogue.clone(), specs.client.clone())
}

async fn table(specs: &Specs) -> Arc<Table> {
    index::latest(specs).await.expect("a table").1
}

/// Whether it was made of all specs.
fn is_made_anew(table: &Table) -> bool {
    table.can_take(table.len() / 4)
}

/// Everything that is asked of specs and is answered from the table.
async fn answers(specs: &Specs) -> Value {
    let (revision, table) = index::latest(specs).await.expect("a table");
    let told: BTreeMap<&str, Value> = table
        .by_id()
        .iter()
        .map(|spec| (table.id(*spec), json!([table.view(*spec), table.file(*spec), table.changed_at(*spec)])))
        .collect();
    let rules = json!([{"type": "keyword", "expressions": ["fast"]}, {"type": "parameter", "expression": "np<3"}]);
    let rules = selection::Wanted::Rules { rules: serde_json::from_value(rules).expect("rules"), hooks: Vec::new() };
    let made = selection::put(specs, "t", rules, serde_json::Map::new(), None, OnlyIf::Any).await;
    let selected = match made {
        Ok(made) => json!([
            made.expect("a selection").made.selection.spec_set_id,
            selection::snapshot(specs, "t").await.expect("a snapshot").masked,
        ]),
        Err(error) => json!(error.to_string()),
    };
    json!([revision, told, find::graph(specs).await.expect("a graph"), selected])
}

on_both! {
    async fn a_table_takes_in_what_was_written_by_whatever_process(db: TestDb) {
        let app = TestApp::start(db).await;
        let specs = &app.app.specs;
        // Six depend on what is not there.
        let on = |number: u32| if number % 10 == 1 { number } else { number - number % 2 };
        write(specs, (1..61).map(|number| a_spec(number * 2, "fast", &[on(number)])).collect()).await;
        assert!(is_made_anew(&*table(specs).await));
        let old = table(specs).await;
        app.clock.advance(chrono::TimeDelta::seconds(5));
        // What it is, what it depends on, a new one, and one that was depended on and not there.
        write(specs, vec![a_spec(4, "slow", &[6, 120]), a_spec(7, "fast", &[])]).await;
        write(&another(specs), vec![a_spec(4, "slow", &[8]), a_spec(1, "fast", &[])]).await;
        assert_eq!(answers(specs).await, answers(&another(specs)).await);
        let new = table(specs).await;
        assert!(!is_made_anew(&new) && is_made_anew(&*table(&another(specs)).await));
        assert_eq!((old.len(), new.len(), old.place("00000007")), (60, 62, None));
        // Whatever was missing is there: all can be asked.
        assert!(answers(specs).await[3].as_str().is_some_and(|refused| refused.contains("is not among the specs")));
        write(&another(specs), [0, 11, 21, 31, 41, 51].map(|number| a_spec(number, "new", &[])).into()).await;
        assert_eq!(answers(specs).await, answers(&another(specs)).await);
        assert!(!is_made_anew(&*table(specs).await) && answers(specs).await[3].is_array());
    }

    async fn a_table_of_which_much_was_written_is_made_anew(db: TestDb) {
        let app = TestApp::start(db).await;
        let specs = &app.app.specs;
        write(specs, (0..40).map(|number| a_spec(number, "fast", &[])).collect()).await;
        table(specs).await;
        for round in 0..5_u32 {
            write(specs, (0..4).map(|nth| a_spec(round * 4 + nth, "slow", &[])).collect()).await;
            // Ten of forty it takes in, the next one is too many.
            assert_eq!(is_made_anew(&*table(specs).await), round % 3 == 2, "{round}");
            assert_eq!(answers(specs).await, answers(&another(specs)).await);
        }
        write(specs, (0..40).map(|number| a_spec(number, "fast", &[])).collect()).await;
        assert!(is_made_anew(&*table(specs).await));
    }

    async fn a_table_that_several_want_at_once_is_made_once(db: TestDb) {
        let app = TestApp::start(db).await;
        let specs = &app.app.specs;
        for round in 0..3_u32 {
            write(specs, (0..40).map(|number| a_spec(number + round, "fast", &[])).collect()).await;
            let all = tokio::join!(table(specs), table(specs), table(specs), table(specs));
            for other in [&all.1, &all.2, &all.3] {
                assert!(Arc::ptr_eq(&all.0, other), "{round}");
            }
        }
    }

    async fn what_was_removed_by_hand_is_not_told_any_more(db: TestDb) {
        let app = TestApp::start(db).await;
        let specs = &app.app.specs;
        write(specs, (0..40).map(|number| a_spec(number, "fast", &[])).collect()).await;
        table(specs).await;
        let mut tx = specs.db.begin().await.expect("a transaction");
        tx.conn().query("DELETE FROM spec WHERE id = '00000003'").execute().await.expect("it is removed");
        tx.conn().query("UPDATE spec_set SET specs = specs - 1").execute().await.expect("it is counted");
        tx.commit().await.expect("it is kept");
        write(specs, vec![a_spec(4, "slow", &[])]).await;
        assert_eq!((table(specs).await.place("00000003"), table(specs).await.len()), (None, 39));
    }
}
