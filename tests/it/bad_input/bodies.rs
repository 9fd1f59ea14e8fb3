//! Bodies of the wrong form or shape, at every door that takes a JSON object.

use serde_json::{Value, json};

use super::{JSON, Kind, assert_refused, assert_unmoved, doors, places, refusal_of_text, rows, with, without};
use crate::support::app::TestApp;
use crate::support::db::TestDb;
use crate::support::on_both;

/// A gzip stream (RFC 1952) of one stored block (RFC 1951).
fn gzip(content: &[u8]) -> Vec<u8> {
    let crc = !content.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    let length = u16::try_from(content.len()).unwrap();
    let mut stream = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(content);
    stream.extend(crc.to_le_bytes());
    stream.extend(u32::from(length).to_le_bytes());
    stream
}

/// `levels` lists, each in the other.
fn deep(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

on_both! {
    async fn the_good_bodies_are_good(db: TestDb) {
        let app = TestApp::start(db).await;
        for door in doors() {
            let answered = app.post(door.path, &door.good).await;
            assert!([201, 204].contains(&answered.status), "{}: {}", door.path, answered.text);
        }
        assert!(
            rows(&app.app.db)
                .await
                .iter()
                .all(|(table, count)| { *count > 0 || ["submission", "received_object"].contains(table) })
        );
    }

    async fn what_is_not_json_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            let good = door.good.to_string();
            let texts: Vec<Vec<u8>> = vec![
                b"".to_vec(),
                b" \n".to_vec(),
                b"{".to_vec(),
                b"{not json".to_vec(),
                b"\xef\xbb\xbf".to_vec(),
                good.as_bytes()[..good.len() - 1].to_vec(),
                format!("{good}{good}").into_bytes(),
                good.replacen(':', "", 1).into_bytes(),
                good.replacen('"', "'", 1).into_bytes(),
                format!("[{good},]").into_bytes(),
                good.replacen('{', "{\"n\": NaN, ", 1).into_bytes(),
                good.replacen('{', "{\"n\": 1e999, ", 1).into_bytes(),
                good.replacen('{', "{\"n\": 01, ", 1).into_bytes(),
                [good.as_bytes(), b"\0"].concat(),
                gzip(good.as_bytes()),
                good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                b"a=1&b=2".to_vec(),
                b"<xml/>".to_vec(),
                deep(200).into_bytes(),
                "{\"a\":".repeat(200).into_bytes(),
                good.replacen('{', &format!("{{\"extra\": {}, ", deep(200)), 1).into_bytes(),
            ];
            for text in texts {
                let what = format!("{}: {}", door.path, String::from_utf8_lossy(&text));
                let answered = app.post_raw(door.path, &[JSON], text).await;
                // A field that the native door does not know is refused before what stands in it is read.
                let statuses = if door.kind == Kind::Native { &[400, 422] } else { refusal_of_text(door.kind) };
                assert_refused(&answered, statuses, &what);
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn a_packed_body_is_not_unpacked(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            let packed = gzip(door.good.to_string().as_bytes());
            let answered = app.post_raw(door.path, &[JSON, ("content-encoding", "gzip")], packed).await;
            assert_refused(&answered, refusal_of_text(door.kind), door.path);
        }
        assert_unmoved(&app, &before).await;
    }

    async fn what_is_not_an_object_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            let others = [
                json!(null),
                json!(true),
                json!(0),
                json!(-1.5),
                json!("{}"),
                json!([]),
                json!({}),
                json!([door.good]),
            ];
            for other in others {
                let answered = app.post(door.path, &other).await;
                assert_refused(&answered, &[422], &format!("{}: {other}", door.path));
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn a_value_of_another_type_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            for place in places(&door.good) {
                let now = door.good.pointer(&place).unwrap();
                let others =
                    [json!(true), json!(1), json!(-0.5), json!(u64::MAX), json!([1]), json!({"a": 1}), json!("word")];
                let is_null_taken = door.nullable.contains(&place.rsplit('/').next().unwrap());
                let null = (!is_null_taken).then_some(Value::Null);
                for other in others.into_iter().chain(null) {
                    if now.is_string() && other.is_string() {
                        continue;
                    }
                    let body = with(&door.good, &place, other);
                    let answered = app.post(door.path, &body).await;
                    assert_refused(&answered, &[422], &format!("{}{place}: {body}", door.path));
                }
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn a_missing_field_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            let optional = ["runner", "fragments", "logs"];
            for place in places(&door.good) {
                let name = place.rsplit('/').next().unwrap();
                let is_item = name.parse::<usize>().is_ok();
                if is_item || door.nullable.contains(&name) || optional.contains(&name) {
                    continue;
                }
                let answered = app.post(door.path, &without(&door.good, &place)).await;
                assert_refused(&answered, &[422], &format!("{} without {place}", door.path));
                assert!(answered.text.contains(name), "{} names `{name}`: {}", door.path, answered.text);
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn an_unknown_field_is_refused_at_our_own_doors_and_ignored_at_the_bridge_s(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        let (own, bridges): (Vec<_>, Vec<_>) = doors().into_iter().partition(|door| door.kind == Kind::Native);
        for name in ["extra", "Branch", "", "a\0b", "\u{1F600}"] {
            for door in &own {
                let mut body = door.good.clone();
                body[name] = json!("x");
                let answered = app.post(door.path, &body).await;
                assert_refused(&answered, &[422], &format!("{}: {body}", door.path));
            }
        }
        assert_unmoved(&app, &before).await;
        for door in bridges {
            let mut body = door.good.clone();
            body["extra"] = json!({"a": [1, null]});
            app.post(door.path, &body).await.expect(204);
        }
    }

    async fn a_nul_in_any_text_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            for place in places(&door.good) {
                let Some(text) = door.good.pointer(&place).unwrap().as_str() else { continue };
                // What a runner tells besides is taken: `door` has the test that it is stored without the NUL.
                if place == "/status/state" {
                    continue;
                }
                for bad in [format!("{text}\0"), format!("\0{text}"), "\0".to_owned()] {
                    let answered = app.post(door.path, &with(&door.good, &place, bad.into())).await;
                    assert_refused(&answered, &[422], &format!("{}{place}", door.path));
                }
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn text_that_is_none_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            for place in places(&door.good) {
                if !door.good.pointer(&place).unwrap().is_string() {
                    continue;
                }
                let marked = with(&door.good, &place, json!("MARK")).to_string();
                // Lone surrogates, and bytes that are not UTF-8: overlong, a surrogate, past the end, cut off.
                let lone = ["\\ud800", "\\udc00", "\\udc00\\ud800", "\\ud83dx"].map(|text| text.as_bytes().to_vec());
                let bytes =
                    [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"].map(<[u8]>::to_vec);
                for bad in lone.into_iter().chain(bytes) {
                    let (head, tail) = marked.split_once("MARK").unwrap();
                    let body = [head.as_bytes(), &bad, tail.as_bytes()].concat();
                    let answered = app.post_raw(door.path, &[JSON], body).await;
                    assert_refused(&answered, refusal_of_text(door.kind), &format!("{}{place}: {bad:?}", door.path));
                }
            }
        }
        assert_unmoved(&app, &before).await;
    }

    async fn another_content_type_is_refused(db: TestDb) {
        let app = TestApp::start(db).await;
        let before = rows(&app.app.db).await;
        for door in doors() {
            let body = door.good.to_string();
            for kind in [
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "application/xml",
                "application/jsonp",
                "json",
                "*/*",
                "application/octet-stream; charset=application/json",
                ";",
            ] {
                let answered = app.post_raw(door.path, &[("content-type", kind)], body.clone()).await;
                let status = if door.kind == Kind::Native { 415 } else { 422 };
                assert_refused(&answered, &[status], &format!("{}: {kind}", door.path));
            }
            if door.kind == Kind::Native {
                let answered = app.post_raw(door.path, &[], body.clone()).await;
                assert_refused(&answered, &[415], &format!("{}: no content type", door.path));
            }
        }
        assert_unmoved(&app, &before).await;
    }
}
