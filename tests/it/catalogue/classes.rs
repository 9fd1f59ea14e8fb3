//! Classes: built in and registered.

use serde_json::{Value, json};

use super::{BASE, delete, get, labels, put, put_if, shell};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

fn boot() -> Value {
    json!({
        "of": "test", "description": "boots an image",
        "fields": [
            {"name": "image", "type": "text", "not_empty": true},
            {"name": "memory_mb", "type": "integer", "default": 512},
            {"name": "mode", "type": "enumeration", "values": ["uefi", "bios"]},
        ],
        "execution": {"command": {"argv": ["boot-test", "--memory", "{memory_mb}", "{image}"], "timeout_s": 60}},
    })
}

on_both! {
    async fn classes_are_listed_with_their_schemas(db: TestDb) {
        let app = TestApp::start(db).await;
        let classes = app.items(&format!("{BASE}/classes")).await;
        let named = |name: &str| classes.iter().find(|class| class["name"] == name).unwrap_or_else(|| panic!("{name}"));
        let shell = named("command.ShellCommandTest");
        assert_eq!((&shell["of"], &shell["execution"], &shell["built_in"]), (&json!("test"), &json!("agent"), &json!(true)));
        let schema = &shell["arguments_schema"]["properties"];
        assert_eq!(schema["exit_code"]["default"], 0);
        assert!(schema["command"].is_object() && schema["prerequisites"].is_null());
        let python = named("python.ExecTest");
        assert_eq!((&python["execution"], &python["needs_runner"]), (&json!("runner"), &json!("qmtest")));
        assert_eq!(named("temporary.TempDirectoryResource")["of"], "resource");
        let resources = app.items(&format!("{BASE}/classes?of=resource")).await;
        assert!(!resources.is_empty() && resources.iter().all(|class| class["of"] == "resource"));
        get(&app, "classes?of=thing").await.expect(400);
        get(&app, "classes/nowhere.Nothing").await.expect(404);
    }

    async fn a_class_is_registered_and_its_items_are_held_to_it(db: TestDb) {
        let app = TestApp::start(db).await;
        let document = json!({"class": "boot.Boot", "arguments": {"image": "i.img", "mode": "bios"}});
        let refused = put(&app, "tests/b", &document).await.expect(422);
        assert!(refused.text.contains("boot.Boot"), "{}", refused.text);
        let registered = put(&app, "classes/boot.Boot", &boot()).await.expect(201);
        let shown = registered.json();
        assert_eq!((&shown["built_in"], &shown["execution"]), (&json!(false), &json!("agent")));
        let read = get(&app, "classes/boot.Boot").await.expect(200);
        assert_eq!(read.json(), shown);
        // What it shows as its definition can be put back, and is the same.
        put_if(&app, "classes/boot.Boot", &shown["definition"], &[("if-match", read.header("etag"))]).await.expect(200);
        assert_eq!(get(&app, "classes/boot.Boot").await.header("etag"), read.header("etag"));
        put(&app, "tests/b", &document).await.expect(201);
        for arguments in [json!({"image": ""}), json!({"image": 1}), json!({"image": "i", "mode": "efi"}), json!({"size": 1})] {
            put(&app, "tests/c", &json!({"class": "boot.Boot", "arguments": arguments})).await.expect(422);
        }
        put(&app, "resources/r", &json!({"class": "boot.Boot"})).await.expect(422);
        assert_eq!(labels(&app, "tests?class=boot.Boot").await, ["b"]);
    }

    async fn a_class_that_is_used_changes_only_so_that_all_still_fits(db: TestDb) {
        let app = TestApp::start(db).await;
        put(&app, "classes/boot.Boot", &boot()).await.expect(201);
        put(&app, "tests/d.b", &json!({"class": "boot.Boot", "arguments": {"image": "i", "memory_mb": 1}})).await.expect(201);
        let mut without = boot();
        without["fields"].as_array_mut().unwrap().retain(|field| field["name"] != "memory_mb");
        without["execution"] = json!({"runner": "lab"});
        let refused = put(&app, "classes/boot.Boot", &without).await.expect(409);
        assert!(refused.text.contains("`d.b`") && refused.text.contains("memory_mb"), "{}", refused.text);
        let refused = delete(&app, "classes/boot.Boot").await.expect(409);
        assert!(refused.text.contains("`d.b`"), "{}", refused.text);
        let mut more = boot();
        more["fields"].as_array_mut().unwrap().push(json!({"name": "cpus", "type": "integer", "default": 1}));
        put(&app, "classes/boot.Boot", &more).await.expect(200);
        // As of then the class was another.
        let then = get(&app, "classes/boot.Boot?revision=1").await.json();
        assert_eq!(then["definition"]["fields"].as_array().unwrap().len(), 3);
        delete(&app, "tests/d.b").await.expect(204);
        delete(&app, "classes/boot.Boot").await.expect(204);
        delete(&app, "classes/boot.Boot").await.expect(404);
        get(&app, "tests/d.b?revision=2").await.expect(200);
    }

    async fn what_is_no_class_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let with = |change: &dyn Fn(&mut Value)| {
            let mut class = boot();
            change(&mut class);
            class
        };
        let table = [
            ("classes/Boot", boot(), 422, "module.Class"),
            ("classes/command.ExecTest", boot(), 409, "built in"),
            ("classes/b.B", with(&|class| class["name"] = json!("c.C")), 422, "/name"),
            ("classes/b.B", with(&|class| class["of"] = json!("suite")), 422, "/of"),
            ("classes/b.B", with(&|class| class["fields"][0]["type"] = json!("number")), 422, "/fields/0"),
            ("classes/b.B", with(&|class| class["fields"][1]["name"] = json!("image")), 422, "image"),
            ("classes/b.B", with(&|class| class["fields"][1]["name"] = json!("resources")), 422, "resources"),
            ("classes/b.B", with(&|class| class["fields"][1]["default"] = json!("x")), 422, "/fields/1"),
            ("classes/b.B", with(&|class| class["execution"]["command"]["argv"] = json!([])), 422, "argv"),
            ("classes/b.B", with(&|class| class["execution"]["command"]["argv"][3] = json!("{img}")), 422, "img"),
            ("classes/b.B", with(&|class| class["execution"] = json!("agent")), 422, "/execution"),
        ];
        for (path, class, status, words) in table {
            let refused = put(&app, path, &class).await.expect(status);
            assert!(refused.text.contains(words), "{class}: {}", refused.text);
        }
        delete(&app, "classes/command.ExecTest").await.expect(409);
        assert_eq!(app.show(BASE).await["revision"], 0);
        put(&app, "tests/a", &shell("1")).await.expect(201);
    }
}
