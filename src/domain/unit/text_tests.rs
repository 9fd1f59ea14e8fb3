//! Whatever is written in units, reading it ends, and what is printed is read again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::words::{flag_list, is_space, lines, print, word_list};
use super::{FieldValue, Form, Job, Pattern, Siblings, TestPlan, Unit, duration, lists, qualified};

/// Texts of the signs that mean something somewhere.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::collection::vec(
            prop::sample::select(vec![
                "a", "b1", ".", "*", "+?", "[", "]", "(", ")", "(?", ":", "P<n>", "=", "|", "{", "}", "2", ",", "\\",
                "^", "$", "::", " ", "\n", "\"", "#", "apply", " to ", "\0", "\r", "é", "-", "h", "m", "s", "_",
                "\u{85}",
            ]),
            0..24
        )
        .prop_map(|parts| parts.concat()),
    ]
}

const FIELDS: [&str; 16] = [
    "id",
    "unit",
    "plugin",
    "depends",
    "flags",
    "requires",
    "imports",
    "siblings",
    "include",
    "exclude",
    "mandatory_include",
    "bootstrap_include",
    "nested_part",
    "category_overrides",
    "certification_status_overrides",
    "estimated_duration",
];

proptest! {
    #[test]
    fn every_text_is_read(text in text()) {
        let words: Vec<_> = word_list(&text).collect();
        for word in words.iter().filter_map(|word| word.as_ref().ok()) {
            prop_assert!(text.contains(word.as_str()));
        }
        prop_assert_eq!(words.iter().filter(|word| word.is_err()).count() <= text.len(), true);
        prop_assert!(flag_list(&text).all(|word| !word.contains(is_space)));
        prop_assert_eq!(lists::override_list(&text).count(), lines(&text).count());
        prop_assert!(lists::include_list(&text).count() <= lines(&text).count());
        let _ = duration::seconds(&text);
        let _ = Form::of(&text);
    }

    #[test]
    fn every_unit_is_read(
        values in prop::collection::btree_map(prop::sample::select(FIELDS.to_vec()), text(), 0..8),
        kind in prop::sample::select(vec!["job", "test plan"]),
    ) {
        let mut fields: BTreeMap<_, _> =
            values.into_iter().map(|(name, value)| (name.to_owned(), FieldValue::from(value))).collect();
        fields.insert("unit".to_owned(), kind.into());
        let unit = Unit::new(Some("n"), None, fields);
        if let Ok(job) = Job::read(&unit) {
            let _ = Siblings::of(&job);
        }
        if let Ok(plan) = TestPlan::read(&unit, &|_| Some(unit.clone())) {
            let _ = (plan.include(), plan.mandatory(), plan.bootstrap(), plan.overrides(), plan.category_map(&[]));
        }
        let stored = serde_json::to_string(&unit).expect("JSON");
        let read: Unit = serde_json::from_str(&stored).expect("a unit");
        prop_assert_eq!(read.fields(), unit.fields());
        prop_assert_eq!(read, unit);
    }

    #[test]
    fn printed_words_are_read_again(words in prop::collection::vec(text(), 0..6)) {
        if let Some(printed) = print(words.iter().map(String::as_str)) {
            let read: Result<Vec<_>, _> = word_list(&printed).collect();
            prop_assert_eq!(read.expect("words"), words);
        } else {
            prop_assert!(words.iter().any(|word| word.contains(['"', '\0'])));
        }
    }

    #[test]
    fn a_fixed_entry_matches_what_it_means_and_nothing_more(entry in text(), other in text()) {
        if let Ok(Form::Fixed(id)) = Form::of(&entry) {
            let pattern = Pattern::anchored(None, &entry);
            // Anchors that are written are no plain characters, so there are none.
            let pattern = pattern.expect("what is fixed is a pattern");
            prop_assert_eq!(pattern.matches(&id), Ok(true));
            prop_assert_eq!(pattern.matches(&other), Ok(other == id));
        }
    }

    #[test]
    fn a_partial_pattern_stays_in_its_namespace(entry in text(), id in "[a-z:.]{0,12}") {
        if let Ok(pattern) = Pattern::anchored(Some("n.m"), &entry)
            && !entry.contains("::")
        {
            let matched = pattern.matches(&id).unwrap_or_default();
            prop_assert!(!matched || id.starts_with("n.m::"), "{} matches {}", entry, id);
        }
    }

    #[test]
    fn what_has_a_namespace_keeps_it(id in text(), namespace in "[a-z.]{1,8}") {
        let once = qualified(Some(&namespace), &id);
        prop_assert_eq!(&qualified(Some(&namespace), &once), &once);
        prop_assert!(once.contains("::") && once.ends_with(&id));
        prop_assert_eq!(qualified(None, &id), id);
    }
}
