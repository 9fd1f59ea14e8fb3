//! The fake does what TuxSuite's clients rely on.

use p256::ecdsa::VerifyingKey;
use p256::ecdsa::signature::Verifier as _;

use super::super::http_client;
use super::*;

const PROJECT: &str = "/v1/groups/grp/projects/prj";

async fn call(suite: &FakeTuxSuite, path: &str, body: Option<&Value>) -> (u16, Value) {
    let url = format!("{}{PROJECT}{path}", suite.url());
    let request = body.map_or_else(
        || http_client().get(&url),
        |body| http_client().post(&url).header("content-type", "application/json").body(body.to_string()),
    );
    let response = request.header("authorization", TOKEN).send().await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

fn build(token: &str) -> Value {
    json!({"builds": [{"client_token": token, "git_repo": "https://git.example/linux.git", "git_ref": "master",
        "target_arch": "riscv", "toolchain": "gcc-12", "kconfig": ["defconfig"], "environment": {}, "targets": [],
        "make_variables": {}, "is_public": true, "callback": "http://localhost/cb"}], "patches": {}})
}

fn test(tests: &[&str]) -> Value {
    json!({"device": "qemu-riscv64", "kernel": "https://files.example/Image", "tests": tests, "parameters": {},
        "is_public": true, "host": "x86_64", "callback": "http://localhost/cb"})
}

fn uid(object: &Value) -> &str {
    object["uid"].as_str().unwrap()
}

#[tokio::test]
async fn a_repeated_build_is_the_same_build_and_a_repeated_test_is_another() {
    let suite = FakeTuxSuite::start().await;
    let (_, first) = call(&suite, "/builds", Some(&build("a"))).await;
    let (_, again) = call(&suite, "/builds", Some(&build("a"))).await;
    let (_, other) = call(&suite, "/builds", Some(&build("b"))).await;
    assert_eq!(first[0]["uid"], again[0]["uid"]);
    assert_ne!(first[0]["uid"], other[0]["uid"]);
    let (_, one) = call(&suite, "/tests", Some(&test(&["ltp-smoke"]))).await;
    let (_, two) = call(&suite, "/tests", Some(&json!([test(&["ltp-smoke"])]))).await;
    assert_ne!(one["uid"], two[0]["uid"]);
    assert_eq!(one["tests"], json!(["boot", "ltp-smoke"]));
    suite.wait_for("two of each", |suite| (suite.builds().len(), suite.tests().len()) == (2, 2)).await;
    assert_eq!(suite.server.requests_to(SUBMIT_BUILDS)[0].json(), build("a"));
    assert_eq!(suite.server.requests_to(SUBMIT_TESTS).len(), 2);
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let suite = FakeTuxSuite::start().await;
    for (key, value) in [("git_sha", json!("abc")), ("kconfig", json!([])), ("toolchain", Value::Null)] {
        let mut body = build("a");
        body["builds"][0][key] = value;
        let (status, answer) = call(&suite, "/builds", Some(&body)).await;
        assert_eq!(status, 400, "{key}");
        assert!(answer["error"].is_string());
    }
    assert_eq!(call(&suite, "/tests", Some(&json!({"device": "qemu-riscv64"}))).await.0, 400);
    assert_eq!(call(&suite, "/builds/nope", None).await, (404, json!({"error": "not found"})));
    let stranger = http_client().get(format!("{}{PROJECT}/keys", suite.url())).send().await.unwrap();
    assert_eq!(stranger.status().as_u16(), 401);
    assert!(suite.builds().is_empty() && suite.tests().is_empty());
}

#[tokio::test]
async fn a_list_comes_in_pages_with_the_newest_first() {
    let suite = FakeTuxSuite::start().await;
    for _ in 0..=PAGE {
        call(&suite, "/tests", Some(&test(&[]))).await;
    }
    let tests = suite.tests();
    let (_, first) = call(&suite, "/tests", None).await;
    assert_eq!((first["results"].as_array().unwrap().len(), &first["results"][0]["uid"]), (PAGE, &tests[PAGE]["uid"]));
    let (_, last) = call(&suite, &format!("/tests?start={}", first["next"].as_str().unwrap()), None).await;
    assert_eq!(
        (&last["results"][0]["uid"], &last["results"][1], &last["next"]),
        (&tests[0]["uid"], &Value::Null, &Value::Null)
    );
    assert_eq!(last["results"][0]["callback"], "http://localhost/cb");
    assert_eq!(suite.server.requests_to(LIST_TESTS).len(), 2);
}

#[tokio::test]
async fn jobs_end_as_told_and_leave_artifacts() {
    let suite = FakeTuxSuite::start().await;
    let (_, built) = call(&suite, "/builds", Some(&build("a"))).await;
    let built = uid(&built[0]);
    suite.patch(built, &json!({"state": "running"}));
    assert_eq!(call(&suite, &format!("/builds/{built}"), None).await.1["state"], "running");
    let told: Value = serde_json::from_str(&suite.finish_build(built, "pass").body).unwrap();
    let polled = call(&suite, &format!("/builds/{built}"), None).await.1;
    assert_eq!(told, json!({"kind": "build", "status": polled}));
    assert_eq!((&polled["state"], &polled["kernel_image_name"]), (&json!("finished"), &json!("Image.gz")));
    assert_eq!(suite.server.requests_to(GET_BUILD).len(), 2);

    let (_, tested) = call(&suite, "/tests", Some(&test(&["ltp-smoke"]))).await;
    let tested = uid(&tested);
    suite.put_file(tested, "logs.txt", "mine");
    let callback = suite.finish_test(tested, "fail", &[("boot", "pass"), ("ltp-smoke", "fail")]);
    assert_eq!(callback.url, "http://localhost/cb");
    let told: Value = serde_json::from_str(&callback.body).unwrap();
    assert_eq!(told["status"]["results"], json!({"boot": "pass", "ltp-smoke": "fail"}));
    let folder = told["status"]["download_url"].as_str().unwrap();
    let results = http_client().get(format!("{folder}results.json")).send().await.unwrap().bytes().await.unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(
        (&results["lava"]["login"]["result"], &results["lava"]["ltp-smoke"]["result"]),
        (&json!("pass"), &json!("fail"))
    );
    assert_eq!(http_client().get(format!("{folder}logs.txt")).send().await.unwrap().text().await.unwrap(), "mine");
    assert_eq!(http_client().get(format!("{folder}nope")).send().await.unwrap().status().as_u16(), 404);
    assert_eq!(suite.server.requests_to(STORAGE).len(), 3);

    let (_, other) = call(&suite, "/tests", Some(&test(&[]))).await;
    assert_eq!(call(&suite, &format!("/tests/{}/cancel", uid(&other)), Some(&json!({}))).await.0, 200);
    assert_eq!(suite.tests()[1]["result"], "canceled");
}

#[tokio::test]
async fn callbacks_are_signed_with_the_key_that_is_shown() {
    let suite = FakeTuxSuite::start().await;
    let (_, built) = call(&suite, "/builds", Some(&build("a"))).await;
    let callback = suite.callback(uid(&built[0]));
    let shown = call(&suite, "/keys", None).await.1["ssh"]["pub"].as_str().unwrap().to_owned();
    assert_ne!(shown, FakeTuxSuite::start().await.public_key_openssh());
    let blob = STANDARD.decode(shown.strip_prefix("ecdsa-sha2-nistp256 ").unwrap()).unwrap();
    let key = VerifyingKey::from_sec1_bytes(&blob[blob.len() - 65..]).unwrap();
    let signature = Signature::from_der(&URL_SAFE.decode(&callback.signature).unwrap()).unwrap();
    assert!(key.verify(callback.body.as_bytes(), &signature).is_ok());
    assert!(key.verify(callback.body.replace("queued", "passed").as_bytes(), &signature).is_err());
}
