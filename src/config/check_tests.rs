//! Tests of the contradictions: one row each, and the nearest settings that are no contradiction.

use super::*;
use crate::config::Surroundings;
use crate::config::flags::{Assignment, Flags};
use crate::config::load::load;

/// Settings with these `section.key=value` over the defaults.
fn with(assignments: &[&str]) -> Settings {
    let set = assignments.iter().map(|text| Assignment::from((*text).to_owned())).collect();
    let loaded = load(&Flags { set, ..Flags::default() }, &Surroundings::default());
    loaded.unwrap_or_else(|problems| panic!("{assignments:?}: {problems}")).settings
}

const KEY: &str = "tuxsuite.public_key=ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMQluYPPOZOQuiCJg7LZpu9A60E8UdmrnVJ+zTbh16/Gj0nvkLPYvvqWGHP9VwQEg0wVkSOrPYu4HGOfm2oBf4Y= group@example";

const KEY_P384: &str = "tuxsuite.public_key=ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBPgEpdZqKsLaK5+DV2zGqZq2Ie2vDocUlLFvlre/2yUexZAUftXhynrFWZwiujsdZ8PhpyuKYL0E3Vo8bBYx9hqd4oR8s1IC/240uwbgD6uht9KEEHjJvuq48ql7macWAA==";

const HASH: &str = "abababababababababababababababababababababababababababababababab";

#[test]
fn contradictions_stop_the_start_in_words() {
    let token = format!("access.tokens=ci:read:{HASH}");
    let two_names = format!("access.tokens=ci:read:{HASH},ci:admin:{}", "cd".repeat(32));
    let two_hashes = format!("access.tokens=a:read:{HASH},b:admin:{}", HASH.to_uppercase());
    let no_name = format!("access.tokens=:read:{HASH}");
    let empty_token = format!("access.tokens=ci:read:{SHA256_OF_NOTHING}");
    let table: &[(&[&str], &str)] = &[
        (&["server.listen=0.0.0.0:8080"], "no tokens are configured"),
        (&["server.listen=[::]:8080"], "no tokens are configured"),
        (&["server.listen=192.0.2.1:0"], "no tokens are configured"),
        (&[&token, "access.open=true"], "leave one of them out"),
        (&[&two_names], "the name `ci` stands twice"),
        (&[&two_hashes], "entry 2 has the sha256 of an earlier one"),
        (&[&no_name], "entry 1 has no name"),
        (&["access.tokens=ci:read:abc"], "not 64 hexadecimal digits"),
        (&[&empty_token], "an empty token"),
        (&["server.public_url=https://h/?x=1"], "leave out ?"),
        (&["server.public_url=https://h/#x"], "leave out ?"),
        (&["server.public_url=https://u@h/"], "leave out ?"),
        (&["server.public_url=ftp://h/"], "http:// or https://"),
        (&["server.cors_origins=*,https://h"], "`*` among others"),
        (&["server.cors_origins=https://h/path"], "is no origin"),
        (&["server.cors_origins=localhost"], "is no origin"),
        (&["database.url=postgres://h/d?sslmode=disable", "database.ca_cert=/ca.pem"], "sslmode=disable"),
        (&["database.url=postgres://h/d?sslrootcert=/x", "database.ca_cert=/ca.pem"], "differ"),
        (&["log.filter=a=b=c"], "no filter"),
        (&["kcidb.token=t"], "without kcidb.submit_url"),
        (&["kcidb.origin=RISC-V"], "kcidb.origin"),
        (&["kcidb.origin="], "kcidb.origin"),
        (&["kcidb.submit_url=https://h/submit?x=1"], "leave out ?"),
        (&["kcidb.retry_base_s=10", "kcidb.retry_max_s=5"], "kcidb.retry_base_s is longer"),
        (&["kcidb.receipt_poll_s=10", "kcidb.receipt_timeout_s=5"], "swap them"),
        (&["kcidb.batch_objects=0"], "kcidb.batch_objects is 0"),
        (&["kcidb.trees={\"mainline\":\"x\"}"], "must be the URL of a git repository"),
        (&["tuxsuite.enabled=true"], "without tuxsuite.token"),
        (&["tuxsuite.signature=required"], "no key can be known"),
        (&["tuxsuite.signature=required", "tuxsuite.token=t"], "no key can be known"),
        (&["tuxsuite.public_key=ssh-rsa AAAA"], "its type is not ECDSA"),
        (&["tuxsuite.public_key=ecdsa-sha2-nistp256 AAAA"], "its fields are damaged"),
        (&["tuxsuite.download_hosts=[]"], "download_hosts is empty"),
        (&["tuxsuite.download_hosts=https://h/"], "is no host"),
        (&["tuxsuite.download_hosts=10.0.0.0/8"], "is no host"),
        (&["tuxsuite.api_url=ftp://h"], "http:// or https://"),
        (&["tuxsuite.api_url=https://t@h"], "before the @"),
        (&["tuxsuite.device="], "tuxsuite.device is empty"),
        (&[r#"local.recipes=[{"name":"x","trees":["/t"]}]"#], "has no commands"),
        (&[r#"local.recipes=[{"name":"x","trees":["/t"],"build":[[]]}]"#], "empty command"),
        (&[r#"local.recipes=[{"name":"x","trees":["/t"],"test":[{"name":"t","command":[""]}]}]"#], "empty command"),
        (&[r#"local.recipes=[{"name":"","trees":["/t"],"build":[["make"]]}]"#], "has no name"),
        (&[r#"local.recipes=[{"name":"x","trees":["/t"],"build":[["make"]],"timeout_s":0}]"#], "timeout_s of `x` is 0"),
        (
            &[r#"local.recipes=[{"name":"x","trees":["/t"],"build":[["make"]],"max_output_bytes":0}]"#],
            "max_output_bytes of `x` is 0",
        ),
        (&[r#"local.recipes=[{"name":"x","trees":["/t"],"build":[["make"]],"compiler":[""]}]"#], "empty command"),
        (&[r#"local.recipes=[{"name":"x","trees":[],"build":[["make"]]}]"#], "what may be checked out"),
        (&[r#"local.recipes=[{"name":"x","trees":["/t",""],"build":[["make"]]}]"#], "what may be checked out"),
        (&["local.max_jobs=0"], "local.max_jobs is 0"),
        (
            &[
                r#"local.recipes=[{"name":"x","trees":["/t"],"build":[["a"]]},{"name":"x","trees":["/t"],"build":[["b"]]}]"#,
            ],
            "stands twice",
        ),
        (
            &[
                r#"local.recipes=[{"name":"x","trees":["/t"],"test":[{"name":"t","command":["a"]},{"name":"t","command":["b"]}]}]"#,
            ],
            "a name of its own",
        ),
        (&["runs.poll_interval_s=100", "runs.poll_max_interval_s=100", "runs.deadline_s=99"], "runs.deadline_s"),
        (&["runs.poll_interval_s=601"], "runs.poll_max_interval_s"),
        (&["runs.retry_base_s=601"], "runs.retry_base_s is longer"),
        (&["runs.lease_s=60", "tuxsuite.timeout_s=59"], "runs.lease_s must be longer than kcidb.timeout_s"),
        (&["tuxsuite.timeout_s=120"], "runs.lease_s must be longer than tuxsuite.timeout_s"),
        (&["runs.deadline_s=315360001"], "longer than ten years"),
        (&["runs.max_tries=0"], "runs.max_tries is 0"),
        (&["writer.queue=0"], "writer.queue is 0"),
        (&["writer.batch=0"], "writer.batch is 0"),
        (&["database.max_connections=0"], "database.max_connections is 0"),
        (&["objects.bucket=attachments"], "s3://BUCKET"),
        (&["objects.bucket=s3:///x"], "s3://BUCKET"),
        (&["objects.access_key_id=a"], "belong together"),
        (&["intake.second_jwt_secret=0123456789abcdef0123456789abcdef"], "without intake.jwt_secret"),
    ];
    for (assignments, words) in table {
        let problems = with(assignments).check().expect_err(&format!("{assignments:?}"));
        assert!(problems.iter().any(|problem| problem.0.contains(words)), "{assignments:?}: {problems:?}");
        assert_eq!(problems.len(), 1, "{assignments:?}: {problems:?}");
    }
}

#[test]
fn oddities_are_warnings() {
    let table: &[(&[&str], &str)] = &[
        (&["server.cors_origins=*"], "every web page"),
        (&["server.public_url=http://h.example/"], "in the clear"),
        (&["database.url=sqlite:x.db"], "relative path"),
        (&["database.ca_cert=/ca.pem"], "the database is SQLite"),
        (&["outbound.allow=0.0.0.0/0"], "all addresses"),
        (&["kcidb.submit_url=https://h/submit"], "without kcidb.token"),
        (&["kcidb.submit_url=http://t@h.example/submit"], "in the clear"),
        (&["tuxsuite.token=t", "server.public_url=https://h"], "TUXSUITE_GROUP"),
        (&["tuxsuite.group=g"], "without tuxsuite.token"),
        (&["tuxsuite.token=t", "tuxsuite.group=g", "tuxsuite.project=p"], "by polling alone"),
        (&["tuxsuite.signature=off", KEY], "no effect"),
        (&[r#"local.recipes=[{"name":"x","trees":["/t","/"],"build":[["make"]]}]"#], "have no bound"),
        (&[r#"local.recipes=[{"name":"x","trees":["https://"],"build":[["make"]]}]"#], "have no bound"),
        (&["intake.jwt_secret=short"], "32 bytes"),
        (&["objects.endpoint_url=https://s3.example.org"], "no objects.bucket is set"),
        (&["database.url=postgres://h/d"], "other replicas must share"),
        (&["writer.batch=2000"], "no batch will ever be full"),
    ];
    for (assignments, words) in table {
        let warnings = with(assignments).check().unwrap_or_else(|problems| panic!("{assignments:?}: {problems:?}"));
        assert!(warnings.len() == 1 && warnings[0].0.contains(words), "{assignments:?}: {warnings:?}");
    }
}

#[test]
fn what_is_meant_is_neither_refused_nor_warned_of() {
    let tokens = format!("access.tokens=ci:submit:{HASH},ops:admin:{}", "cd".repeat(32));
    let table: &[&[&str]] = &[
        &["server.listen=0.0.0.0:8080", &tokens],
        &["server.listen=0.0.0.0:8080", "access.open=true"],
        &["server.listen=[::ffff:127.0.0.1]:8080"],
        &["server.listen=127.3.2.1:0"],
        &[&tokens],
        &["server.public_url=https://h.example/testyard/"],
        &["server.public_url=http://localhost:8080"],
        &["server.cors_origins=http://localhost:3000/,https://h.example"],
        &["database.url=postgres://h/d", "database.ca_cert=/ca.pem", "objects.bucket=s3://attachments/testyard"],
        &["kcidb.submit_url=https://t@h/"],
        &["kcidb.submit_url=http://t@127.0.0.1:9/"],
        &[
            "tuxsuite.token=t",
            "tuxsuite.group=g",
            "tuxsuite.project=p",
            "tuxsuite.signature=required",
            "server.public_url=https://h",
        ],
        &["tuxsuite.signature=required", KEY],
        &["tuxsuite.signature=required", KEY_P384],
        &["tuxsuite.download_hosts=127.0.0.1:9,storage.example.org,[::1]"],
        &["runs.cancel_grace_s=0", "server.shutdown_timeout_s=0", "callbacks.max_unknown=0"],
        &[r#"local.recipes=[{"name":"x","trees":["/t"],"build":[["make"]],"test":[{"name":"t","command":["./t"]}]}]"#],
        &[
            r#"local.recipes=[{"name":"x","trees":["https://h/","/srv/"],"build":[["make"]],"compiler":["cc","--version"]}]"#,
        ],
    ];
    for assignments in table {
        assert_eq!(with(assignments).check(), Ok(Vec::new()), "{assignments:?}");
    }
}
