use super::*;

fn matches(pattern: &Pattern, text: &str) -> bool {
    pattern.matches(text).expect("no limit is met")
}

#[test]
fn a_pattern_matches_at_the_start_only() {
    let pattern = Pattern::new("org.t::a").unwrap();
    assert!(matches(&pattern, "org.t::ab") && matches(&pattern, "orgxt::a"));
    assert!(!matches(&pattern, "xorg.t::a"));
}

#[test]
fn an_entry_matches_whole_ids_of_its_namespace() {
    for entry in ["a.*", "^a.*", "a.*$", "^a.*$"] {
        let pattern = Pattern::anchored(Some("org.t"), entry).unwrap();
        assert_eq!(pattern.as_str(), "^org.t::a.*$");
        assert!(matches(&pattern, "org.t::ab"));
        assert!(!matches(&pattern, "org.t::ba") && !matches(&pattern, "orgxt::ab") && !matches(&pattern, "ab"));
    }
    let other = Pattern::anchored(Some("org.t"), ".*::b").unwrap();
    assert!(matches(&other, "x::b") && !matches(&other, "x::bb"));
    let bare = Pattern::anchored(None, "a.").unwrap();
    assert!(matches(&bare, "ab") && !matches(&bare, "abc"));
}

#[test]
fn an_alternative_ends_with_its_entry() {
    let pattern = Pattern::anchored(Some("n"), "a|b").unwrap();
    assert!(matches(&pattern, "n::a") && matches(&pattern, "n::b"));
    assert!(!matches(&pattern, "n::ab") && !matches(&pattern, "b") && !matches(&pattern, "n::bc"));
}

#[test]
fn an_escaped_dollar_is_no_anchor() {
    let pattern = Pattern::anchored(None, r"a.\$").unwrap();
    assert!(matches(&pattern, "ab$") && !matches(&pattern, "ab"));
}

#[test]
fn signs_that_mean_nothing_to_python_mean_nothing() {
    for (entry, id) in [("{x}.", "{x}1"), ("[[].", "[1"), ("[a&&b]+", "a&b"), ("<a>.", "<a>1"), (r"\<.", "<1")] {
        let pattern = Pattern::anchored(None, entry).unwrap();
        assert!(matches(&pattern, id), "{entry}");
    }
}

#[test]
fn what_takes_too_long_is_told() {
    let slow = Pattern::new(r"(?=(a+)+\1b)a").unwrap();
    assert!(matches!(slow.matches(&"a".repeat(60)), Err(PatternError::TooLong { .. }) | Ok(false)));
    assert!(matches!(Pattern::new("(?:a{1000}){1000}"), Err(PatternError::Invalid { .. })));
    assert!(matches!(Pattern::new(&"(".repeat(5_000)), Err(PatternError::Invalid { .. })));
    let nested = format!("{}a{}", "(?:".repeat(2_000), ")".repeat(2_000));
    assert!(Pattern::new(&nested).is_err());
}
