//! What is asked of TuxSuite: the bodies of `POST …/builds` and `POST …/tests`, member for member as its own client
//! writes them, with the nulls and empty lists that it always sends.

use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use crate::domain::run::{BuildRequest, TestsRequest};

/// The test that TuxSuite runs unasked, before all others.
pub const BOOT: &str = "boot";

/// Why a build cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The tree is not a URL that TuxSuite can clone.
    #[error("`tree` must be an http://, https:// or git:// URL that names a host, not `{given}`")]
    Tree {
        /// What was given, cut to 200 characters.
        given: String,
    },
    /// Nothing says how the kernel is to be configured.
    #[error("give `kconfig`, `fragments` or both: nothing says how to configure the build")]
    NoConfiguration,
    /// No toolchain is named.
    #[error("give `toolchain`: the compiler's name at TuxSuite, `gcc-12` for one")]
    NoToolchain,
}

/// Whether TuxSuite can clone `tree`: it takes `http://`, `https://` and `git://` URLs.
///
/// # Errors
///
/// Anything else: ssh URLs, `user@host:path`, relative paths, texts with white space.
pub fn check_tree(tree: &str) -> Result<(), InvalidRequest> {
    let usable = !tree.contains(|letter: char| letter.is_whitespace() || letter.is_control())
        && Url::parse(tree).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https" | "git") && url.host_str().is_some_and(|host| !host.is_empty())
        });
    if usable { Ok(()) } else { Err(InvalidRequest::Tree { given: tree.chars().take(200).collect() }) }
}

/// Whether TuxSuite's own client would send this build at all.
///
/// # Errors
///
/// A tree that cannot be cloned, no configuration, no toolchain.
pub fn check_build(request: &BuildRequest) -> Result<(), InvalidRequest> {
    check_tree(&request.tree)?;
    if configuration(request).next().is_none() {
        return Err(InvalidRequest::NoConfiguration);
    }
    if request.toolchain.is_empty() {
        return Err(InvalidRequest::NoToolchain);
    }
    Ok(())
}

/// The body of `POST …/builds` that asks for one build. `client_token` makes repeating it harmless: the answer is then
/// the build that was started the first time.
#[must_use]
pub fn build_body(request: &BuildRequest, client_token: Uuid, callback: Option<&str>) -> Value {
    let mut build = json!({
        "client_token": client_token,
        "git_repo": request.tree,
        "git_ref": request.branch,
        "target_arch": request.architecture,
        "toolchain": request.toolchain,
        "kconfig": configuration(request).collect::<Vec<_>>(),
        "environment": {},
        "targets": [],
        "make_variables": {},
        "is_public": true,
    });
    if let Some(callback) = callback {
        build["callback"] = callback.into();
    }
    json!({ "builds": [build], "patches": {} })
}

/// The body of `POST …/tests` that asks for one job. `boot` is left out of the tests: TuxSuite boots always. There is no
/// client token in it: a repeated request may start the job twice.
#[must_use]
pub fn tests_body(request: &TestsRequest, callback: Option<&str>) -> Value {
    let absent =
        ["ap_romfw", "bios", "dtb", "fip", "lab", "lava_test_plans_project", "mcp_fw", "mcp_romfw", "rootfs", "scp_fw"];
    let mut body: Map<String, Value> =
        absent.into_iter().chain(["scp_romfw"]).map(|key| (key.to_owned(), Value::Null)).collect();
    body.insert("device".to_owned(), request.device.as_str().into());
    body.insert("kernel".to_owned(), request.kernel_image_url.as_str().into());
    body.insert("parameters".to_owned(), json!([]));
    body.insert("is_public".to_owned(), true.into());
    body.insert("host".to_owned(), "x86_64".into());
    if let Some(modules) = request.modules_url.as_deref().filter(|url| !url.is_empty()) {
        body.insert("modules".to_owned(), modules.into());
    }
    let tests: Vec<&str> = request.tests.iter().map(String::as_str).filter(|test| *test != BOOT).collect();
    if !tests.is_empty() {
        body.insert("tests".to_owned(), tests.into());
    }
    if let Some(callback) = callback {
        body.insert("callback".to_owned(), callback.into());
    }
    Value::Object(body)
}

/// The configuration, then what is merged into it. Empty entries name nothing and are left out.
fn configuration(request: &BuildRequest) -> impl Iterator<Item = &str> {
    request.kconfig.iter().chain(&request.fragments).map(String::as_str).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::golden;

    /// The parameters of a captured call that a request of ours can hold.
    const BUILD: &[&str] = &["git_repo", "git_ref", "target_arch", "toolchain", "kconfig", "callback"];
    const TESTS: &[&str] = &["device", "kernel", "modules", "tests", "callback"];

    fn text(value: &Value) -> String {
        value.as_str().expect("text").to_owned()
    }

    fn texts(value: &Value) -> Vec<String> {
        value.as_array().map(|items| items.iter().map(text).collect()).unwrap_or_default()
    }

    fn build_request(params: &Value) -> BuildRequest {
        let mut kconfig =
            params["kconfig"].as_str().map_or_else(|| texts(&params["kconfig"]), |one| vec![one.to_owned()]);
        let first = (!kconfig.is_empty()).then(|| kconfig.remove(0));
        BuildRequest {
            tree: text(&params["git_repo"]),
            branch: text(&params["git_ref"]),
            toolchain: text(&params["toolchain"]),
            kconfig: first,
            fragments: kconfig,
            architecture: text(&params["target_arch"]),
        }
    }

    fn tests_request(params: &Value) -> TestsRequest {
        TestsRequest {
            kernel_image_url: text(&params["kernel"]),
            modules_url: params["modules"].as_str().map(str::to_owned),
            device: text(&params["device"]),
            collection: "c".to_owned(),
            tests: texts(&params["tests"]),
        }
    }

    /// Captured calls of the two classes are replayed when our requests can say all that they say; the rest is what we
    /// never ask for (other artifacts, plans, commits by hash) or is no request for a build or tests at all.
    #[test]
    fn golden_requests_are_those_of_tuxsuites_own_client() {
        let mut replayed = (0, 0, 0);
        for case in golden::cases("wire/tuxsuite_requests.json", "cases") {
            let name = &case["name"];
            let params = &case["given"]["params"];
            let Some(given) = params.as_object() else { continue };
            let only = |known: &[&str]| given.keys().all(|key| known.contains(&key.as_str()));
            let callback = params["callback"].as_str();
            let expected = case["expect"].as_array().expect("a list of requests");
            match case["given"]["call"].as_str() {
                Some("tuxsuite.Build(**params).build()") if only(BUILD) && given.contains_key("git_ref") => {
                    let request = build_request(params);
                    let [sent] = expected.as_slice() else {
                        assert!(expected.is_empty(), "{name}: one request at most");
                        assert!(check_build(&request).is_err(), "{name}: refused by TuxSuite's client");
                        replayed.2 += 1;
                        continue;
                    };
                    check_build(&request).unwrap_or_else(|error| panic!("{name}: {error}"));
                    let token = Uuid::from_u128(7);
                    let mut body = build_body(&request, token, callback);
                    assert_eq!(body["builds"][0]["client_token"], json!(token), "{name}");
                    body["builds"][0]["client_token"] = sent["body"]["builds"][0]["client_token"].clone();
                    assert_eq!(body, sent["body"], "{name}");
                    replayed.0 += 1;
                }
                Some("tuxsuite.Test(**params).test()") if only(TESTS) && given.contains_key("kernel") => {
                    let [sent] = expected.as_slice() else { panic!("{name}: one request") };
                    let mut wanted = sent["body"].clone();
                    if let Some(tests) = wanted.get_mut("tests").and_then(Value::as_array_mut) {
                        tests.retain(|test| test != BOOT);
                    }
                    assert_eq!(tests_body(&tests_request(params), callback), wanted, "{name}");
                    replayed.1 += 1;
                }
                _ => {}
            }
        }
        assert!(replayed.0 > 0 && replayed.1 > 0 && replayed.2 > 0, "{replayed:?}");
    }

    #[test]
    fn a_tree_must_be_cloneable_without_a_key() {
        for good in
            ["https://git.example/linux.git", "http://git.example/l", "git://git.example/l", "HTTPS://git.example/"]
        {
            assert_eq!(check_tree(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "linux",
            "git@github.com:a/b.git",
            "ssh://git@host/a",
            "git+ssh://host/a",
            "file:///srv/git",
            "/srv/git",
            "https://",
            "git:///a",
            "https://host/a b",
            "https://host/a\n",
            "javascript:alert(1)",
        ] {
            assert!(check_tree(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn empty_entries_and_boot_are_left_out() {
        let mut build = build_request(&json!({
            "git_repo": "https://h/l", "git_ref": "master", "toolchain": "gcc-12", "target_arch": "riscv",
            "kconfig": ["", "CONFIG_KASAN=y"],
        }));
        assert_eq!(build_body(&build, Uuid::nil(), None)["builds"][0]["kconfig"], json!(["CONFIG_KASAN=y"]));
        build.fragments.clear();
        assert_eq!(check_build(&build), Err(InvalidRequest::NoConfiguration));
        let boot = tests_request(&json!({ "kernel": "k", "device": "d", "modules": "", "tests": ["boot"] }));
        let body = tests_body(&boot, None);
        assert_eq!((body.get("tests"), body.get("modules")), (None, None));
    }
}
