//! JSON that comes back as it was written, and lists that are one value of a statement.

use std::borrow::Borrow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgTypeInfo;
use sqlx::postgres::types::Oid;
use sqlx::{Database, Decode, Encode, Postgres, Sqlite, Type};

use crate::store::query::{Query, Sql};

/// PostgreSQL's own number of its type `json`.
const JSON: PgTypeInfo = PgTypeInfo::with_oid(Oid(114));

/// A value in a column that keeps JSON as text: `json` on PostgreSQL, where `jsonb` keeps numbers as decimals, so that
/// `1e16` comes back as a whole number and `-0.0` without its sign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verbatim<T>(pub T);

impl<T> Type<Postgres> for Verbatim<T> {
    fn type_info() -> PgTypeInfo {
        JSON
    }
}

impl<T> Type<Sqlite> for Verbatim<T> {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <String as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &<Sqlite as Database>::TypeInfo) -> bool {
        <String as Type<Sqlite>>::compatible(ty)
    }
}

macro_rules! json_as_text {
    ($database:ty) => {
        impl<T: Serialize> Encode<'_, $database> for Verbatim<T> {
            fn encode_by_ref(
                &self,
                buffer: &mut <$database as Database>::ArgumentBuffer,
            ) -> Result<IsNull, BoxDynError> {
                <String as Encode<'_, $database>>::encode(serde_json::to_string(&self.0)?, buffer)
            }
        }

        impl<'r, T: DeserializeOwned> Decode<'r, $database> for Verbatim<T> {
            fn decode(value: <$database as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(Self(serde_json::from_str(<&str as Decode<'r, $database>>::decode(value)?)?))
            }
        }
    };
}

json_as_text!(Sqlite);
json_as_text!(Postgres);

/// How many texts one statement is given: enough to make statements few, and no more than can be held twice.
pub(super) const TEXTS: usize = 5_000;

/// Appends a set of texts, for `IN`, as one value: the statement is the same however many there are. Texts with a NUL,
/// which PostgreSQL neither keeps nor reads, are left out: they equal nothing.
pub(super) fn push_texts<'c, 'a>(query: Query<'c, 'a>, texts: &[impl Borrow<str>]) -> Query<'c, 'a> {
    const OPEN: Sql =
        Sql { sqlite: "(SELECT value FROM json_each(", postgres: "(SELECT value FROM json_array_elements_text(" };
    let texts: Vec<&str> = texts.iter().map(Borrow::borrow).filter(|text| !text.contains('\0')).collect();
    query.push(OPEN).push_bind(Verbatim(texts)).push("))")
}
