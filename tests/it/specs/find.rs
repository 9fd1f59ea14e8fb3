//! Finding specs, and who depends on whom.

use serde_json::{Value, json};

use super::{SPECS, digits, id, in_pages, keyword, listed, pointers, put_selection, spec, with_five};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

on_both! {
    async fn a_beginning_stands_for_the_one_spec_that_has_it(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        let other = format!("ab{}", "0".repeat(62));
        app.post(SPECS, &json!([{"id": other, "file_path": "x.pyt"}])).await.expect(200);
        for text in ["b", "BB", &id('b')] {
            assert_eq!(app.show(&format!("{SPECS}/{text}")).await["id"], json!(id('b')), "{text}");
        }
        assert_eq!(app.show(&format!("{SPECS}/ab")).await["id"], json!(other));
        let refused = app.get(&format!("{SPECS}/a")).await.expect(409);
        assert!(refused.text.contains(&id('a')) && refused.text.contains(&other), "{}", refused.text);
        for nothing in ["f", "xyz", "%00", "%ff", "*", &id('f'), &"a".repeat(20_000)] {
            for below in ["", "/upstream", "/downstream", "/history"] {
                app.get(&format!("{SPECS}/{nothing}{below}")).await.expect(404);
            }
        }
    }

    async fn specs_are_listed_by_ids_tags_and_what_they_depend_on(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        put_selection(&app, "t", &keyword("fast")).await.expect(201);
        for (query, wanted) in [
            ("", "abcde"),
            ("?id=d", "d"),
            ("?id=d&id=c&id=d", "cd"),
            ("?id=d&upstream=true", "abd"),
            ("?tag=t", "abd"),
            ("?tag=t&id=c&id=d", "d"),
            ("?tag=t&id=d&upstream=true", "abd"),
            (&format!("?id={}", id('f')), ""),
        ] {
            assert_eq!(listed(&app, &format!("{SPECS}{query}"), "id").await, wanted, "{query}");
            let paged = in_pages(&app, &format!("{SPECS}{query}"), 1).await;
            assert_eq!(digits(paged.iter().map(|spec| &spec["id"])), wanted, "{query}");
        }
        let refused = app.get(&format!("{SPECS}?id=a&id=f&id=xyz")).await.expect(422);
        assert_eq!(pointers(&refused), ["/ids/1", "/ids/2"]);
        let refused = app.get(&format!("{SPECS}?tag=no%20such")).await.expect(404);
        assert!(refused.text.contains("there is no selection `no such`"), "{}", refused.text);
    }

    async fn the_graph_is_told_both_ways(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        for (of, way, wanted) in [("d", "upstream", "ab"), ("a", "upstream", ""), ("a", "downstream", "bcd"), ("e", "downstream", "")] {
            let path = format!("{SPECS}/{of}/{way}");
            assert_eq!(listed(&app, &path, "").await, wanted, "{path}");
            assert_eq!(digits(&in_pages(&app, &path, 1).await), wanted, "{path}");
        }
        let closure = async |asked: Value| {
            let told = app.post(&format!("{SPECS}/closure"), &asked).await.expect(200).json();
            [digits(told["upstream"].as_array().unwrap()), digits(told["downstream"].as_array().unwrap())]
        };
        assert_eq!(closure(json!({"ids": ["d", "c"], "way": "up"})).await, ["ab", ""]);
        assert_eq!(closure(json!({"ids": ["a"], "way": "down"})).await, ["", "bcd"]);
        assert_eq!(closure(json!({"ids": ["b"], "way": "up_down"})).await, ["ab", "d"]);
        assert_eq!(closure(json!({"ids": [], "way": "up_down"})).await, ["", ""]);
        let refused = app.post(&format!("{SPECS}/closure"), &json!({"ids": ["a", "f"], "way": "up"})).await.expect(422);
        assert_eq!(pointers(&refused), ["/ids/1"]);
        for wrong in [json!({"ids": ["a"], "way": "sideways"}), json!({"ids": "a", "way": "up"}), json!({"ids": [], "way": "up", "far": 1})] {
            app.post(&format!("{SPECS}/closure"), &wrong).await.expect(422);
        }
    }

    async fn edges_and_nodes_are_told_in_pages(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        app.post(&format!("{SPECS}?graph=open"), &json!([spec('e', "extra", &[], &['f', 'a'])])).await.expect(200);
        let edges = in_pages(&app, &format!("{SPECS}/edges"), 2).await;
        let told: Vec<String> = edges.iter().map(|edge| digits([&edge["spec_id"], &edge["dependency_id"]])).collect();
        assert_eq!(told, ["ba", "ca", "db", "ef", "ea"]);
        assert_eq!((&edges[4]["place"], &edges[4]["when"]), (&json!(1), &json!("success")));
        let nodes = in_pages(&app, &format!("{SPECS}/graph"), 2).await;
        let told: Vec<String> = nodes.iter().map(|node| {
            digits(std::iter::once(&node["id"]).chain(node["dependencies"].as_array().unwrap()))
        }).collect();
        assert_eq!(told, ["a", "ba", "ca", "db", "efa"]);
        for cursor in ["x", "1", ".", "-.a", "9999999999999999999.a"] {
            app.get(&format!("{SPECS}/edges?cursor={cursor}")).await.expect(400);
        }
    }

    async fn views_are_matched_by_globs_and_by_canarys_patterns(db: TestDb) {
        let app = TestApp::start(db).await;
        with_five(&app).await;
        for (query, wanted) in [
            ("view=d/*", "abcde"),
            ("view=*/setup.pyt&view=*extra*", "ae"),
            ("view=D/*", ""),
            ("view=d/%5Bab%5D*", "b"),
            ("like=D/SETUP%25", "a"),
            ("like=d/_etup%25", "a"),
            ("like=d/setup", ""),
            ("like=d/setup/setup.pyt", "a"),
            ("like=d/setup/setup.pyt&view=*extra*", "ae"),
        ] {
            let path = format!("{SPECS}/select?{query}");
            assert_eq!(listed(&app, &path, "").await, wanted, "{query}");
            assert_eq!(digits(&in_pages(&app, &path, 2).await), wanted, "{query}");
        }
        app.get(&format!("{SPECS}/select")).await.expect(400);
    }
}
