use super::*;

#[test]
fn a_glob_matches_the_whole_text() {
    for (glob, matched, others) in [
        ("fast", &["fast"][..], &["fas", "fastt", "afast", "FAST", ""][..]),
        ("", &[""], &["a"]),
        ("*", &["", "a", "a/b\n"], &[]),
        ("fa*", &["fa", "fast", "fa/st"], &["f", "afa"]),
        ("*st", &["st", "fast"], &["sta", "t"]),
        ("f**t", &["ft", "fast", "f*t"], &["fat2"]),
        ("a*a", &["aa", "aba"], &["a"]),
        ("*a*b*", &["ab", "xaxbx"], &["ba", "a", "b"]),
        ("*ab*ab*", &["abab", "ab-ab"], &["ab", "aab"]),
        ("a?b", &["a/b", "aéb", "a\nb"], &["ab", "aééb"]),
        ("?t?", &["été"], &["te"]),
        ("*?é", &["aé", "éé"], &["é"]),
        ("[abc]", &["a", "c"], &["d", "ab", "", "é"]),
        ("[a-cx]", &["b", "x"], &["d", "-"]),
        ("[a-]", &["a", "-"], &["b"]),
        ("[-a]", &["a", "-"], &["b"]),
        ("[a-c-e]", &["b", "-", "e"], &["d"]),
        ("[c-a]", &[], &["a", "b", "c", "-", ""]),
        ("x[c-a]*", &[], &["xa", "x"]),
        ("[c-ax]", &["x"], &["a", "c", "-"]),
        ("[!a-c]", &["d", "é", "!"], &["a", "", "dd"]),
        ("[!c-a]", &["d", "c"], &[""]),
        ("[é-ü]", &["é", "ö"], &["e", "ÿ"]),
        ("[!é]", &["e", "ö"], &["é"]),
        ("[]]", &["]"], &["[]]"]),
        ("[]a]", &["]", "a"], &["[]a]"]),
        ("[!]a]", &["b"], &["]", "a"]),
        ("[!]", &["[!]"], &["a"]),
        ("[]", &["[]"], &[""]),
        ("v[", &["v["], &["v"]),
        ("v[*", &["v[", "v[1"], &["v1"]),
        ("v[[]1[]]", &["v[1]"], &["v1"]),
        ("[^a]", &["^", "a"], &["b"]),
        ("[*?]", &["*", "?"], &["a"]),
        (r"a\*b", &[r"a\b", r"a\xb"], &["a*b"]),
        (r"[\]", &[r"\"], &["]"]),
    ] {
        let glob = Glob::new(glob);
        for text in matched {
            assert!(glob.matches(text), "{glob:?} {text}");
        }
        for text in others {
            assert!(!glob.matches(text), "{glob:?} {text}");
        }
    }
}

#[test]
fn a_glob_without_special_characters_is_a_text_that_can_be_looked_up() {
    for (glob, literal) in [
        ("fast", Some("fast")),
        ("", Some("")),
        ("v[", Some("v[")),
        ("v[[]1]", Some("v[1]")),
        ("[*]é", Some("*é")),
        ("[a-a]", Some("a")),
        ("*", None),
        ("a?", None),
        ("[ab]", None),
        ("[!a]", None),
        ("[b-a]", None),
    ] {
        assert_eq!(Glob::new(glob).literal(), literal, "{glob}");
        assert_eq!(Glob::new(glob).as_str(), glob);
    }
}

#[test]
fn globs_that_explode_elsewhere_are_answered_here() {
    let text = "a".repeat(5_000);
    assert!(!Glob::new(&format!("{}b", "a*".repeat(2_000))).matches(&text));
    assert!(!Glob::new(&format!("{}b*", "*a?".repeat(1_000))).matches(&text));
    assert!(Glob::new(&format!("{}a", "*[a-z]".repeat(2_000))).matches(&text));
    assert!(!Glob::new(&"[".repeat(20_000)).matches(&text));
}
