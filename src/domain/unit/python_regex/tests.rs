use super::read;

/// What Python's parser makes of these: a text for what is literal, an empty list for a pattern, no list for an error.
#[test]
fn what_is_literal_is_so_in_python() {
    for (text, expected) in [
        ("", ""),
        ("(?:a)b", "ab"),
        ("a(?#x)b", "ab"),
        ("[aa]", "a"),
        (r"[\.]", "."),
        (r"\x41", "A"),
        (r"\n", "\n"),
        ("a{", "a{"),
        ("{x}", "{x}"),
        ("{{y}}", "{{y}}"),
        ("a{}", "a{}"),
        ("a{1", "a{1"),
        ("a{1,x}", "a{1,x}"),
        ("a{1, 2}", "a{1, 2}"),
        ("(?:)", ""),
        (r"\0", "\0"),
        (r"\012", "\n"),
        (r"\08", "\u{0}8"),
        ("]", "]"),
        ("}", "}"),
        ("é", "é"),
        (r"\é", "é"),
        ("(?a)b", "b"),
        (r"[\b]", "\u{8}"),
        ("[[]", "["),
        ("(?:a)(?:b)", "ab"),
        (r"v1\.0", "v1.0"),
        ("a-b/c_d:e", "a-b/c_d:e"),
    ] {
        assert_eq!(read(text).map(|reading| reading.literal), Ok(Some(expected.to_owned())), "{text}");
    }
}

#[test]
fn what_is_a_pattern_is_so_in_python() {
    for text in [
        "a|a",
        "a|",
        "|a",
        "()",
        "(|)",
        "(?:a|b)",
        "[^a]",
        "a{1}",
        "a{,}",
        "a{,3}",
        "a{01}",
        "(?i:a)",
        "(?:a)*",
        "x*",
        "[]a]",
        "a+?",
        "a++",
        "a?+",
        "a{2}+",
        "(?:^)*",
        "[a-a]",
        r"[\d]",
        r"\Z",
        "(?P<n>a)(?P=n)",
        r"(a)\1",
        "[^]]",
        "(?-i:a)",
        "[a&&b]",
        ".",
        "^a",
        "a$",
        r"\d",
        r"\ba",
        "(?i)ab",
        "(?=a)",
        "(?<!b)a",
        "(?>a)b",
        "(a)(?(1)b|c)",
    ] {
        let reading = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(reading.literal, None, "{text}");
        if let Err(error) = fancy_regex::Regex::new(&reading.regex) {
            panic!("{text} became {}: {error}", reading.regex);
        }
    }
}

#[test]
fn what_is_wrong_is_so_in_python() {
    for text in [
        "a{2}{3}",
        "a**",
        "^*",
        "$+",
        r"[a-\d]",
        r"\q",
        "a(?i)",
        "(?:(?i)a)",
        "x(?#",
        "[a",
        "[]",
        "[b-a]",
        "(?P=n)",
        r"\1",
        "a{3,2}",
        r"\b*",
        "(?#",
        "*",
        "(",
        ")",
        "a)(b",
        r"a\",
        "(?P<>a)",
        "(?",
        "(?x)a",
        "(?z)",
        r"\x4",
        r"\u00",
        "(?P",
        "(?<a",
        "(?i",
        "(?(1",
        "[a-",
        r"\400",
        "+a",
        "a|*",
        "(*)",
        r"(?:a))",
    ] {
        let compiled =
            read(text).and_then(|reading| fancy_regex::Regex::new(&reading.regex).map_err(|error| error.to_string()));
        assert!(compiled.is_err(), "{text}");
    }
}

#[test]
fn errors_say_where_they_are() {
    let error = read("ab**").unwrap_err();
    assert_eq!(error, "`*` repeats a repeat before byte 4");
    assert!(read(&"a".repeat(10_001)).is_err());
}
