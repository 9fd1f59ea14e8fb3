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

/// Reads a listing from its beginning to its end, page by page.
#[derive(Clone, Debug)]
pub struct Pages<K> {
    page: Stretch<K>,
    is_at_end: bool,
}

impl<K> Pages<K> {
    /// Begins at the beginning, with so many items a page; at least 1.
    #[must_use]
    pub fn of(limit: u32) -> Self {
        Self { page: Stretch { limit, after: None }, is_at_end: false }
    }

    /// The page that is to be read now; `None` at the end.
    #[must_use]
    pub fn next(&self) -> Option<&Stretch<K>> {
        (!self.is_at_end).then_some(&self.page)
    }

    /// Goes on behind what was read and whether there is more; answers what was read. `key` is that by which the listing is
    /// ordered.
    pub fn turn<T>(&mut self, (rows, more): (Vec<T>, bool), key: impl FnOnce(&T) -> K) -> Vec<T> {
        // A page without rows has no end to go on behind, whatever was said of more.
        match rows.last() {
            Some(last) if more => self.page.after = Some(key(last)),
            _ => self.is_at_end = true,
        }
        rows
    }
}

fn cut<T>(limit: u32, mut rows: Vec<T>) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

#[cfg(test)]
mod tests {
    use super::{Pages, Stretch};

    fn read(of: u32, limit: u32) -> (Vec<u32>, u32) {
        let found = |page: &Stretch<u32>| page.of((0..of).filter(|row| page.after.is_none_or(|after| *row > after)));
        let (mut all, mut reads) = (Vec::new(), 0);
        let mut pages = Pages::of(limit);
        while let Some(page) = pages.next() {
            let found = found(page);
            all.extend(pages.turn(found, |row| *row));
            reads += 1;
        }
        (all, reads)
    }

    #[test]
    fn a_listing_is_read_to_its_end_and_no_further() {
        for (of, limit, reads) in [(0, 2, 1), (1, 2, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 2, 3), (5, 1, 5)] {
            assert_eq!(read(of, limit), ((0..of).collect(), reads), "{of} by {limit}");
        }
    }
}
