//! The ids of objects: computed from what they name, so that the same thing reported twice is one object at KCIDB.

use sha2::{Digest as _, Sha256};

use crate::domain::kcidb::text;

/// Who reports: the name that KCIDB knows us by, and the prefix of our ids. Lower-case letters, digits and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Origin(String);

/// The text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a KCIDB origin: want one or more of a-z, 0-9 and _")]
pub struct InvalidOrigin(String);

impl Origin {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if is_origin(text) { Ok(Self(text.to_owned())) } else { Err(InvalidOrigin(text.chars().take(80).collect())) }
    }
}

impl<'de> serde::Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn is_origin(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Whether KCIDB takes the text for the id of an object, ours or another origin's: `origin:` and anything without NUL.
#[must_use]
pub fn is_object_id(text: &str) -> bool {
    text.split_once(':').is_some_and(|(origin, rest)| is_origin(origin) && !rest.contains('\0'))
}

/// The id of a test, by the formula of riscv-kcidb-bridge: the SHA-256 of `uid-collection-test`, where `uid` is the
/// runner's id of the job. A boot test is ("boot", "boot").
///
/// The formula has a flaw that we keep for the ids' sake: (`a-b`, `c`) and (`a`, `b-c`) of one job share an id. What
/// schedules tests must not put both into one job.
#[must_use]
pub fn test_id(origin: &Origin, uid: &str, collection: &str, test: &str) -> String {
    let digest = Sha256::digest(format!("{uid}-{collection}-{test}"));
    format!("{origin}:{}", hex::encode(digest))
}

/// The id of a case inside a test.
///
/// The parts are joined by the byte FF, which no UTF-8 text contains: different parts always give different bytes, and
/// no case hashes the bytes of a test.
#[must_use]
pub fn case_id(origin: &Origin, uid: &str, collection: &str, test: &str, case: &str) -> String {
    joined(origin, &[uid, collection, test, case])
}

/// The id of a build: the runner's id of the job behind our origin. NUL, which KCIDB refuses, is dropped from it.
#[must_use]
pub fn build_id(origin: &Origin, uid: &str) -> String {
    format!("{origin}:{}", text::legal(uid))
}

/// The id of a checkout: all builds of one commit of one branch share it. Where the commit is not known, the build's
/// `uid` stands in for it, since the branch may have moved on between two builds.
#[must_use]
pub fn checkout_id(origin: &Origin, tree_url: &str, branch: &str, git_commit_hash: Option<&str>, uid: &str) -> String {
    let (what, which) = git_commit_hash.map_or(("build", uid), |hash| ("commit", hash));
    joined(origin, &[tree_url, branch, what, which])
}

fn joined(origin: &Origin, parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0xFF]);
    }
    format!("{origin}:{}", hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::golden;

    fn riscv() -> Origin {
        "riscv".parse().unwrap()
    }

    #[test]
    fn golden_test_ids() {
        for row in golden::cases("wire/bridge_conversions.json", "test_id") {
            let part = |key: &str| row[key].as_str().unwrap();
            assert_eq!(test_id(&riscv(), part("uid"), part("collection"), part("test")), part("id"), "{row}");
        }
    }

    #[test]
    fn golden_collision_of_test_ids_is_not_one_of_case_ids() {
        for document in golden::documents("wire/bridge_conversions.json") {
            let parts = |key: &str| -> [String; 3] {
                serde_json::from_value(document["test_id_collision"][key].clone()).unwrap()
            };
            let ([uid_a, collection_a, test_a], [uid_b, collection_b, test_b]) = (parts("a"), parts("b"));
            let equal =
                test_id(&riscv(), &uid_a, &collection_a, &test_a) == test_id(&riscv(), &uid_b, &collection_b, &test_b);
            assert_eq!(equal, document["test_id_collision"]["equal"].as_bool().unwrap());
            assert_ne!(
                case_id(&riscv(), &uid_a, &collection_a, &test_a, "x"),
                case_id(&riscv(), &uid_b, &collection_b, &test_b, "x")
            );
        }
    }

    #[test]
    fn origins() {
        for bad in ["", "RISCV", "ris-cv", "riscv:", "riscv\n", "rïscv"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad:?}");
            assert!(serde_json::from_value::<Origin>(bad.into()).is_err(), "{bad:?}");
        }
        assert_eq!(serde_json::from_str::<Origin>("\"kernel_ci2\"").unwrap().as_str(), "kernel_ci2");
    }

    #[test]
    fn object_ids() {
        for good in ["_:x", "r1:x\ty", "riscv:", "riscv:ä/?#:::", "maestro:1"] {
            assert!(is_object_id(good), "{good:?}");
        }
        for bad in ["", "x", ":x", "ris-cv:x", "riscv :x", "riscv:a\0b"] {
            assert!(!is_object_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_checkout_is_known_by_its_commit_or_else_by_its_build() {
        let id = |branch, hash, uid| checkout_id(&riscv(), "https://x/linux.git", branch, hash, uid);
        assert_eq!(id("master", Some("c1"), "u1"), id("master", Some("c1"), "u2"));
        assert_ne!(id("master", Some("c1"), "u1"), id("master", Some("c2"), "u1"));
        assert_ne!(id("master", Some("c1"), "u1"), id("next", Some("c1"), "u1"));
        assert_ne!(id("master", None, "u1"), id("master", None, "u2"));
        assert_eq!(id("master", None, "u1"), id("master", None, "u1"));
        assert_ne!(id("master", None, "u1"), id("master", Some("u1"), "u1"));
    }

    proptest! {
        #[test]
        fn different_cases_have_different_ids(a in prop::array::uniform4("[ab\0-]{0,2}"), b in prop::array::uniform4("[ab\0-]{0,2}")) {
            let id = |parts: &[String; 4]| case_id(&riscv(), &parts[0], &parts[1], &parts[2], &parts[3]);
            prop_assert_eq!(a == b, id(&a) == id(&b));
        }

        #[test]
        fn every_id_is_legal(uid in any::<String>(), collection in any::<String>(), test in any::<String>()) {
            prop_assert!(is_object_id(&build_id(&riscv(), &uid)));
            prop_assert!(is_object_id(&test_id(&riscv(), &uid, &collection, &test)));
            prop_assert!(is_object_id(&checkout_id(&riscv(), &collection, &test, None, &uid)));
        }
    }
}
