//! Teaches the domain's words to both databases: each is text, held to its list by a CHECK.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Postgres, Sqlite, Type};

use crate::domain::agent_lease::{LeaseState, Standing};
use crate::domain::callback::{CallbackState, Trust};
use crate::domain::catalogue::item::ItemKind;
use crate::domain::delivery::{DeadCause, DeliveryState};
use crate::domain::execution::ExecutionState;
use crate::domain::kcidb::object::ObjectKind;
use crate::domain::result::{ResultSource, SubmissionState};
use crate::domain::run::{RunKind, RunState};
use crate::domain::spec_result::status::{Category, State, Status as SpecStatus};
use crate::domain::status::Status;
use crate::domain::words::Word as _;

macro_rules! stored_as_text {
    ($($word:ty),+ $(,)?) => { $(
        stored_as_text!(@ $word, Sqlite);
        stored_as_text!(@ $word, Postgres);
    )+ };
    (@ $word:ty, $database:ty) => {
        impl Type<$database> for $word {
            fn type_info() -> <$database as Database>::TypeInfo {
                <String as Type<$database>>::type_info()
            }

            fn compatible(ty: &<$database as Database>::TypeInfo) -> bool {
                <String as Type<$database>>::compatible(ty)
            }
        }

        impl<'q> Encode<'q, $database> for $word {
            fn encode_by_ref(
                &self,
                buffer: &mut <$database as Database>::ArgumentBuffer,
            ) -> Result<IsNull, BoxDynError> {
                <&'static str as Encode<'static, $database>>::encode_by_ref(&self.as_str(), buffer)
            }
        }

        impl<'r> Decode<'r, $database> for $word {
            fn decode(value: <$database as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(<&str as Decode<'r, $database>>::decode(value)?.parse()?)
            }
        }
    };
}

stored_as_text!(
    CallbackState,
    Category,
    DeadCause,
    DeliveryState,
    ExecutionState,
    ItemKind,
    LeaseState,
    ObjectKind,
    ResultSource,
    RunKind,
    RunState,
    SpecStatus,
    Standing,
    State,
    Status,
    SubmissionState,
    Trust,
);
