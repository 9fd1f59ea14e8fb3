//! Ids of jobs: readable, and different.

use std::collections::{BTreeMap, BTreeSet};

/// The most characters of a readable name: it stands in lists and addresses.
const MAX_NAME: usize = 200;

/// How many digits of an id tell names apart, at least.
const DIGITS: usize = 7;

/// The name without what ids had better not hold: blanks, controls, quotes, what separates the words of a list, and `::`.
pub(super) fn clean(name: &str) -> String {
    let plain = |letter: char| match letter {
        '"' | '\'' | '#' | ',' | '/' => '_',
        letter if letter.is_whitespace() || letter.is_control() => '_',
        letter => letter,
    };
    let mut cleaned: String = name.chars().take(MAX_NAME).map(plain).collect();
    while cleaned.contains("::") {
        cleaned = cleaned.replace("::", ":");
    }
    cleaned
}

/// An id for each of these pairs of a name and what tells it apart from others of that name (hexadecimal digits): the name;
/// where several have one, with a `.` and as many of the digits behind it as tell them apart, at least seven.
pub(super) fn ids(named: &[(String, &str)]) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, (name, _)) in named.iter().enumerate() {
        groups.entry(name).or_default().push(place);
    }
    // A name that stands alone keeps its right to it, whatever the others come to.
    let mut taken: BTreeSet<String> =
        groups.iter().filter(|(_, places)| places.len() == 1).map(|(name, _)| (*name).to_owned()).collect();
    let mut ids: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
    for places in groups.values().filter(|places| places.len() > 1) {
        let digits_of = |place: &usize| named.get(*place).map_or("", |(_, digits)| *digits);
        let mut digits: Vec<&str> = places.iter().map(digits_of).collect();
        digits.sort_unstable();
        let shared = digits.windows(2).map(|pair| match pair {
            [one, other] => one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count(),
            _ => 0,
        });
        let enough = shared.max().unwrap_or_default().saturating_add(1).max(DIGITS);
        for place in places {
            let (Some((name, digits)), Some(id)) = (named.get(*place), ids.get_mut(*place)) else { continue };
            *id = format!("{name}.{}", digits.chars().take(enough).collect::<String>());
            if taken.contains(id) {
                *id = format!("{name}.{digits}");
            }
            taken.insert(id.clone());
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids_of(named: &[(&str, &'static str)]) -> Vec<String> {
        ids(&named.iter().map(|(name, digits)| ((*name).to_owned(), *digits)).collect::<Vec<_>>())
    }

    #[test]
    fn names_that_stand_alone_stay_as_they_are() {
        assert_eq!(ids_of(&[("a", "00000000"), ("b", "00000000")]), ["a", "b"]);
    }

    #[test]
    fn names_that_clash_are_told_apart_by_as_few_digits_as_do() {
        assert_eq!(ids_of(&[("a", "0123456789"), ("b", "01"), ("a", "1123456789")]), ["a.0123456", "b", "a.1123456"]);
        assert_eq!(ids_of(&[("a", "0123456781"), ("a", "0123456782")]), ["a.0123456781", "a.0123456782"]);
        // One whose own name looks like that keeps it.
        assert_eq!(
            ids_of(&[("a", "012345678"), ("a", "112345678"), ("a.0123456", "33")]),
            ["a.012345678", "a.1123456", "a.0123456"]
        );
    }

    #[test]
    fn what_ids_had_better_not_hold_goes() {
        assert_eq!(clean("a b.x=\"1,2\"\n::y"), "a_b.x=_1_2__:y");
        assert_eq!(clean("a:::::b"), "a:b");
        assert_eq!(clean(&"x".repeat(1_000)).len(), MAX_NAME);
    }
}
