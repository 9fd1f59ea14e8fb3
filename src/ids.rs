//! Ids: a type of its own for each kind of thing, so that no id can stand in for another.
//!
//! An id is a version 7 UUID (ordered by time) behind a prefix that names its kind: `run_0198c1…`. The databases hold
//! the bare UUID; the wire and the logs show the prefixed form.

use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// The text is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of this kind: want `{prefix}_` and 32 hexadecimal digits")]
pub struct InvalidId {
    /// The prefix that the kind wants.
    pub prefix: &'static str,
    /// What was given, cut to 80 characters.
    pub text: String,
}

/// A version 7 UUID, ordered by `now`.
pub(crate) fn new_uuid(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, InvalidId> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|digits| digits.len() == 32)
        .and_then(|digits| Uuid::try_parse(digits).ok())
        .ok_or_else(|| InvalidId { prefix, text: text.chars().take(80).collect() })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by `now`.
            #[must_use]
            pub fn new(now: DateTime<Utc>) -> Self {
                Self(new_uuid(now))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse($prefix, text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-9a-f]{32}$")))
                    .examples([concat!($prefix, "_0198c1a20b7c7d3e9f00112233445566")])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

id!(
    /// A kernel (or other) build that was asked for.
    BuildId, "bld"
);
id!(
    /// One attempt at a runner: of a build, of a batch of tests, or of a boot test.
    RunId, "run"
);
id!(
    /// The result of one test, or of one case inside it.
    ResultId, "res"
);
id!(
    /// What came of a spec in a session, where whoever brought it has no id of its own for it.
    SpecResultId, "srs"
);
id!(
    /// A session.
    SessionId, "ses"
);
id!(
    /// A program in a lab that asks for work.
    AgentId, "agt"
);
id!(
    /// A run in an agent's hands.
    AgentLeaseId, "lse"
);
id!(
    /// One object on its way to a sink.
    DeliveryId, "dlv"
);
id!(
    /// A callback as it came in.
    CallbackId, "cbk"
);
id!(
    /// One claim of work under a lease.
    WorkerId, "wrk"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_no_other_kind_does() {
        let id = RunId::new(DateTime::UNIX_EPOCH);
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in
            ["", "run_", "bld_00000000000000000000000000000000", "run_0198c1a2-0b7c-7d3e-9f00-112233445566", "run_é"]
        {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }
}
