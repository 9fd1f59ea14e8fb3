//! Pages of a listing: newest first, bounded in SQL, continued after the last id seen.

use uuid::Uuid;

/// Which page is asked for.
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
    pub fn cut<T>(self, mut rows: Vec<T>) -> (Vec<T>, bool) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        (rows, more)
    }
}
