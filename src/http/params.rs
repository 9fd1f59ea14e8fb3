//! What stands in a URL. Paths: what cannot be read names nothing. Query strings: every field known, repeated fields
//! joined by OR, pages bounded.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{Code, Problem, Result};
use crate::store::page::{Page, Stretch};

/// How many items a page has where nothing is asked for.
const DEFAULT_LIMIT: u32 = 50;

/// How many items a page has at most.
const MAX_LIMIT: u32 = 1000;

/// The variable parts of a path. What is not text in UTF-8 names nothing: 404, as of any other name that is none.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(read)) => Ok(Self(read)),
            Err(_) => Err(Problem::new(Code::NotFound, "the path holds what is not text in UTF-8: it names nothing")),
        }
    }
}

/// The fields of a query string, in their order.
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Code::BadRequest, "the query string cannot be read"))?;
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        Ok(Self(pairs))
    }
}

impl Params {
    /// Refuses fields that are not among these (`limit` and `cursor` are always known) and NUL, which no database holds.
    ///
    /// # Errors
    /// A problem that names the field and those there are.
    pub fn only(self, known: &[&str]) -> Result<Self> {
        for (name, value) in &self.0 {
            if !known.contains(&name.as_str()) && name != "limit" && name != "cursor" {
                let name: String = name.chars().take(80).collect();
                let known = known.join(", ");
                let words = format!("there is no query field `{name}`: want limit, cursor, {known}");
                return Err(Problem::new(Code::BadRequest, words));
            }
            if value.contains('\0') {
                return Err(Problem::new(Code::BadRequest, format!("the query field `{name}` holds a NUL character")));
            }
        }
        Ok(self)
    }

    /// All values of a field.
    ///
    /// # Errors
    /// A problem that names the field, if a value is none of its kind.
    pub fn all<T>(&self, name: &str) -> Result<Vec<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        self.0
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| {
                value
                    .parse()
                    .map_err(|error| Problem::new(Code::BadRequest, format!("the query field `{name}`: {error}")))
            })
            .collect()
    }

    /// The value of a field that may stand once.
    ///
    /// # Errors
    /// A problem that names the field, if it stands twice or its value is none of its kind.
    pub fn one<T>(&self, name: &str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let mut all = self.all(name)?;
        if all.len() > 1 {
            return Err(Problem::new(Code::BadRequest, format!("the query field `{name}` may stand only once")));
        }
        Ok(all.pop())
    }

    /// A yes or no, also written as 1 and 0.
    ///
    /// # Errors
    /// A problem that names the field, if it stands twice or is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.one::<String>(name)?.as_deref() {
            None => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some(other) => {
                let words = format!("the query field `{name}`: want 1 or 0, not `{}`", crate::app::cut(other, 80));
                Err(Problem::new(Code::BadRequest, words))
            }
        }
    }

    /// The page asked for. A cursor is the id of the last item of the page before.
    ///
    /// # Errors
    /// A problem, if the limit is out of bounds or the cursor is none of this listing.
    pub fn page<Id>(&self, uuid: impl Fn(Id) -> Uuid) -> Result<Page>
    where
        Id: FromStr,
        Id::Err: std::fmt::Display,
    {
        Ok(Page { limit: self.limit()?, before: self.one::<Id>("cursor")?.map(uuid) })
    }

    /// The page asked for of a listing in the order of a key, which is its cursor.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub fn stretch<K>(&self) -> Result<Stretch<K>>
    where
        K: FromStr,
        K::Err: std::fmt::Display,
    {
        Ok(Stretch { limit: self.limit()?, after: self.one("cursor")? })
    }

    fn limit(&self) -> Result<u32> {
        let limit = self.one::<u32>("limit")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::new(Code::BadRequest, format!("`limit` must be from 1 to {MAX_LIMIT}")));
        }
        Ok(limit)
    }
}

/// A page of a listing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to give as `cursor` for the next page; absent on the last.
    #[schema(example = "run_0198c1a20b7c7d3e9f00112233445566")]
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// A page of what was fetched, each item shown by `view`; `id` is what the next page continues after.
    pub fn of<Row>((rows, more): (Vec<Row>, bool), id: impl Fn(&Row) -> String, view: impl FnMut(Row) -> T) -> Self {
        let next_cursor = rows.last().filter(|_| more).map(id);
        Self { items: rows.into_iter().map(view).collect(), next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunId;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn unknown_fields_are_named_and_known_ones_read() {
        assert!(params(&[("stat", "x")]).only(&["state"]).is_err());
        assert!(params(&[("state", "a\0")]).only(&["state"]).is_err());
        let known = params(&[("n", "1"), ("limit", "7"), ("n", "2")]).only(&["n"]).unwrap();
        assert_eq!(known.all::<u8>("n").unwrap(), [1, 2]);
        assert!(known.one::<u8>("n").is_err());
        assert_eq!(known.one::<u8>("limit").unwrap(), Some(7));
        assert!(params(&[("n", "x")]).all::<u8>("n").is_err());
    }

    #[test]
    fn pages_are_bounded_and_cursors_are_of_their_kind() {
        let id = RunId::new(chrono::DateTime::UNIX_EPOCH);
        let page = params(&[("cursor", &id.to_string())]).page(|id: RunId| id.0).unwrap();
        assert_eq!((page.limit, page.before), (DEFAULT_LIMIT, Some(id.0)));
        for wrong in [("limit", "0"), ("limit", "1001"), ("limit", "-1"), ("cursor", "bld_1"), ("cursor", "")] {
            assert!(params(&[wrong]).page(|id: RunId| id.0).is_err(), "{wrong:?}");
        }
    }
}
