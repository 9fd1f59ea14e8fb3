//! Objects with known members.

use serde_json::{Map, Value as Json};

use crate::domain::catalogue::limits::MAX_NAME;
use crate::domain::fault::{At, Faults};

/// How many characters of a wrong name are shown.
const SHOWN: usize = 80;
/// How many of many names are listed.
const LISTED: usize = 30;
/// How many changed letters still make two names alike.
const ALIKE: usize = 2;

/// An object whose members are known.
pub(super) struct Members<'a> {
    map: &'a Map<String, Json>,
    at: At<'a>,
}

impl<'a> Members<'a> {
    /// The members of an object; any other than the known ones is a fault.
    pub(super) fn of(json: &'a Json, at: At<'a>, known: &[&str], faults: &mut Faults) -> Option<Self> {
        let Some(map) = json.as_object() else { return faults.refuse(at, "want an object") };
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let hint = hint(name, known.iter().copied(), faults);
            let known = listed(known);
            let detail = if known.is_empty() {
                "unknown member; want an empty object".to_owned()
            } else {
                format!("unknown member{hint}; want only {known}")
            };
            faults.add(at.member(name), detail);
        }
        Some(Self { map, at })
    }

    /// The member of this name. One that is null counts as left out.
    pub(super) fn get(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|json| !json.is_null())
    }

    /// The member of this name, which must be there.
    pub(super) fn required(&self, name: &str, faults: &mut Faults) -> Option<&'a Json> {
        self.get(name).or_else(|| faults.refuse(self.at.member(name), "it is missing; state it"))
    }

    /// The text of this name, of at most so many characters.
    pub(super) fn text(&self, name: &str, most: usize, faults: &mut Faults) -> Option<String> {
        let json = self.get(name)?;
        text(json, self.at.member(name), most, faults)
    }

    /// The boolean of this name; no where it is left out.
    pub(super) fn flag(&self, name: &str, faults: &mut Faults) -> bool {
        let Some(json) = self.get(name) else { return false };
        json.as_bool().or_else(|| faults.refuse(self.at.member(name), "want true or false")).unwrap_or_default()
    }

    /// What each entry of the list of this name is read as; those that cannot be read are left out, with faults.
    pub(super) fn list<T>(
        &self,
        name: &str,
        most: usize,
        faults: &mut Faults,
        mut read: impl FnMut(&'a Json, At<'_>, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let Some(json) = self.get(name) else { return Vec::new() };
        let at = self.at.member(name);
        let entries = array(json, at, most, faults).unwrap_or_default();
        entries.iter().enumerate().filter_map(|(index, json)| read(json, at.entry(index), faults)).collect()
    }
}

/// A text of at most so many characters.
pub(super) fn text(json: &Json, at: At<'_>, most: usize, faults: &mut Faults) -> Option<String> {
    match json.as_str() {
        Some(text) => faults.check_text(at, text, most).then(|| text.to_owned()),
        None => faults.refuse(at, "want a string"),
    }
}

/// A list of at most so many entries.
pub(super) fn array<'a>(json: &'a Json, at: At<'_>, most: usize, faults: &mut Faults) -> Option<&'a [Json]> {
    match json.as_array() {
        Some(entries) => faults.check_count(at, entries.len(), most).then_some(entries.as_slice()),
        None => faults.refuse(at, "want an array"),
    }
}

/// ", did you mean x?", if one of the known names is like this one. Nothing when the fault would not be told any more:
/// an answer must not cost more than reading the document.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>, faults: &Faults) -> String {
    if faults.is_full() {
        return String::new();
    }
    let wrong: Vec<char> = name.chars().take(SHOWN).collect();
    let alike = known
        .filter(|known| known.len() <= MAX_NAME)
        .map(|known| (distance(&wrong, known), known))
        .filter(|(distance, known)| *distance <= ALIKE && *distance < known.len());
    alike.min().map(|(_, known)| format!(", did you mean `{known}`?")).unwrap_or_default()
}

/// The names with commas between them, the first ones of many.
pub(super) fn listed(names: &[&str]) -> String {
    match names.get(..LISTED) {
        Some(first) if names.len() > LISTED => format!("{} and {} more", first.join(", "), names.len() - LISTED),
        _ => names.join(", "),
    }
}

/// How many letters must be changed, added or left out to make one name of the other (Levenshtein's distance).
fn distance(wrong: &[char], known: &str) -> usize {
    let mut row: Vec<usize> = (0..=wrong.len()).collect();
    for (above, letter) in known.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, wrong) in row.iter_mut().skip(1).zip(wrong) {
            let changed = diagonal + usize::from(*wrong != letter);
            diagonal = *cell;
            left = changed.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_far_apart_as_their_letters() {
        for (wrong, known, far) in
            [("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("ownr", "owner", 1), ("ab", "ba", 2)]
        {
            let letters: Vec<char> = wrong.chars().collect();
            assert_eq!(distance(&letters, known), far, "{wrong} {known}");
        }
        let hint = |wrong| hint(wrong, ["keywords", "owner", "a"].into_iter(), &Faults::default());
        assert_eq!(hint("keyword"), ", did you mean `keywords`?");
        assert_eq!(hint("colour"), "");
        assert_eq!(hint("x"), "");
        assert_eq!(hint(&"x".repeat(100_000)), "");
    }

    #[test]
    fn of_many_names_the_first_are_listed() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert!(listed(&["a"; LISTED + 5]).ends_with(", a and 5 more"));
    }
}
