//! Pages of a listing, bounded in SQL and continued after the last row seen.

use uuid::Uuid;

/// A page of a listing that is newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How many items at most; at least 1.
    pub limit: u32,
    /// Only items older than this id.
    pub before: Option<Uuid>,
}

impl Page {
    /// One more than the limit: the extra row tells that there is another page.
    #[must_use]
    pub fn fetch(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts what was fetched to the limit; the flag tells whether there is more.
    #[must_use]
    pub fn cut<T>(self, rows: Vec<T>) -> (Vec<T>, bool) {
        cut(self.limit, rows)
    }
}

/// A page of a listing in the order of a key, such as a name or a number.
#[derive(Clone, Debug)]
pub struct Stretch<K> {
    /// How many items at most; at least 1.
    pub limit: u32,
    /// Only items that come after this key.
    pub after: Option<K>,
}

impl<K> Stretch<K> {
    /// One more than the limit: the extra row tells that there is another page.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts what was fetched to the limit; the flag tells whether there is more.
    #[must_use]
    pub fn cut<T>(&self, rows: Vec<T>) -> (Vec<T>, bool) {
        cut(self.limit, rows)
    }

    /// The page of what comes after its key and is at hand, in order; the flag tells whether there is more.
    #[must_use]
    pub fn of<T>(&self, rows: impl Iterator<Item = T>) -> (Vec<T>, bool) {
        self.cut(rows.take(usize::try_from(self.fetch()).unwrap_or(usize::MAX)).collect())
    }
}

fn cut<T>(limit: u32, mut rows: Vec<T>) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}
