use proptest::prelude::*;

use super::super::tree::Comparison;
use super::*;

fn fault(text: &str) -> (ProgramErrorKind, usize, String) {
    let fault = parse(text).expect_err(text);
    (fault.kind, fault.at, fault.message)
}

fn names(text: &str) -> Vec<String> {
    parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}")).names
}

#[test]
fn every_name_counts_once_in_the_order_of_first_appearance() {
    assert_eq!(names("b.x == a.y and int(c.z) > 0 and b"), ["b", "a", "c"]);
    assert_eq!(names("[a.x, (b, len(c.y))] == [] and d"), ["a", "b", "c", "d"]);
    assert_eq!(names("len.x"), ["len"]);
    assert_eq!(names("żółw.x"), ["żółw"]);
    assert_eq!(names("a.x, b.y"), ["a", "b"]);
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let (kind, at, message) = fault("a.x ==");
    assert_eq!((kind, at), (ProgramErrorKind::Syntax, 6));
    assert_eq!(message, "want an expression, and there is the end of the line");
    assert_eq!(fault("(a.x == 'b'").2, "want `)`, and there is the end of the line");
    assert_eq!(fault("a.x b.y").2, "want a comparison, `and`, `or` or the end of the line, and there is the name `b`");
    assert_eq!(fault("a.class == 'b'"), (ProgramErrorKind::Syntax, 2, "want a name, and there is `class`".to_owned()));
    assert_eq!(fault("a.x == 'b").1, 7);
    assert_eq!(fault("a.x == 'b\\xq'").1, 9);
    assert_eq!(fault("a.x; b.y").1, 3);
    assert!(fault("a.x = 'b'").2.starts_with("an assignment is not allowed; `==` compares"));
    assert_eq!(fault("a.x == 'b' = 'c'").0, ProgramErrorKind::Syntax);
    assert_eq!(fault("# nothing").0, ProgramErrorKind::NoResource);
    assert_eq!(fault("'x' == 'x'").0, ProgramErrorKind::NoResource);
}

#[test]
fn the_first_thing_that_is_not_allowed_is_told() {
    for (text, at) in [
        ("a.x == __import__('os').sep", 7),
        ("a.x == b.y.__class__", 10),
        ("a.x.startswith('y')", 3),
        ("len(a.x.split())", 7),
        ("int(a.x + '0') > 1 and not b", 8),
        ("a.x == -1", 7),
        ("not a.x == -1", 0),
        ("a.x['k']", 3),
        ("[b for b in a.x]", 3),
        ("(b := a.x)", 1),
        ("a.x == {'b'}", 7),
        ("{'b': a.x}", 0),
        ("f'{a.x}'", 0),
        ("lambda: a.x", 0),
        ("a.x if b.y else c.z", 4),
        ("*a.x", 0),
        ("len(*a.x)", 4),
        ("int(a.x, bass=2)", 0),
        ("len(base=a.x)", 0),
        ("eval('a') == a.x", 0),
        ("a(b.x)", 0),
        ("import os", 0),
        ("del a.x", 0),
        ("yield a.x", 0),
        ("a.x += 1", 4),
        ("a: b.x", 1),
    ] {
        let (kind, place, message) = fault(text);
        assert_eq!((kind, place), (ProgramErrorKind::NotAllowed, at), "{text}: {message}");
        assert!(message.contains("not allowed"), "{message}");
    }
    assert!(parse("int(a.x, 16) > 1 and int(a.x, base=16) > 1").is_ok());
}

#[test]
fn what_is_wrong_goes_before_what_is_not_allowed() {
    for text in
        ["not a.x ==", "-a.x )", "import", "class.x == 'y'", "[b for b a.x]", "lambda a.x", "{a: b, c}", "a.x if b"]
    {
        assert_eq!(fault(text).0, ProgramErrorKind::Syntax, "{text}");
    }
}

#[test]
fn texts_behind_each_other_are_one() {
    let Node::Compare(_, rest) = parse(r#"a.x == 'b' r"\c" "d""#).expect("an expression").root else { panic!() };
    assert_eq!(rest, [(Comparison::Equal, Node::Text(r"b\cd".to_owned()))]);
    assert_eq!(fault("a.x == 'b' b'c'").0, ProgramErrorKind::Syntax);
}

#[test]
fn words_know_whether_spaces_are_around_them() {
    let Node::Any(operands) = parse("a or b or'c' or(d)  or  e\tor f").expect("an expression").root else { panic!() };
    assert_eq!(operands.spaced, [true, false, false, true, false]);
}

#[test]
fn brackets_are_open_to_a_limit_only() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("int(", ")"),
        ("a[", "]"),
        ("{", "}"),
        ("lambda: ", ""),
        ("a if b else ", ""),
        ("[*", "]"),
    ] {
        let nested = |depth: usize| format!("{}a{}", open.repeat(depth), close.repeat(depth));
        let kind = |depth| parse(&nested(depth)).err().map(|fault| fault.kind);
        assert_ne!(kind(MAX_DEPTH), Some(ProgramErrorKind::TooDeep), "{open}");
        assert_ne!(kind(MAX_DEPTH), Some(ProgramErrorKind::Syntax), "{open}");
        assert_eq!(kind(MAX_DEPTH + 1), Some(ProgramErrorKind::TooDeep), "{open}");
        assert_eq!(kind(5_000), Some(ProgramErrorKind::TooDeep), "{open}");
    }
    for sign in ["-", "not ", "~", "+"] {
        assert_eq!(fault(&format!("{}a", sign.repeat(10_000))).0, ProgramErrorKind::NotAllowed);
    }
    assert_eq!(fault(&"{**".repeat(10_000)).0, ProgramErrorKind::TooDeep);
    assert_eq!(fault(&"f(*".repeat(10_000)).0, ProgramErrorKind::TooDeep);
    assert_eq!(fault(&format!("a{}", ".b".repeat(10_000))).0, ProgramErrorKind::NotAllowed);
}

#[test]
fn sizes_are_limited() {
    let long = format!("a.x == '{}'", "y".repeat(MAX_BYTES));
    assert_eq!(fault(&long).0, ProgramErrorKind::TooLong);
    let many = |count: usize| (0..count).map(|number| format!("r{number}")).collect::<Vec<_>>().join(" == ");
    assert_eq!(names(&many(MAX_RESOURCES)).len(), MAX_RESOURCES);
    assert_eq!(fault(&many(MAX_RESOURCES + 1)).0, ProgramErrorKind::TooLong);
    assert!(parse(&vec!["a.x == 'y'"; 4_000].join(" or ")).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn any_row_of_tokens_is_read_or_refused(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "a", ".", "x", "(", ")", "[", "]", "{", "}", ",", ":", "=", "==", "in", "not", "is", "and", "or", "if", "else",
                "lambda", "for", "async", "yield", "*", "**", "-", "'s'", "b's'", "f's'", "1", "1.", "0x", "...", "None", "int",
                "len(", ":=", "#", "'", "\\", "é", " ", "import", "class", "+=", ";", "->", "await", "from",
            ]),
            0..30,
        ),
        glue in prop::sample::select(vec!["", " "]),
    ) {
        let text = tokens.join(glue);
        match parse(&text) {
            Ok(parsed) => prop_assert!(!parsed.names.is_empty() && parsed.root.resources() != 0),
            Err(fault) => prop_assert!(fault.at <= text.len() && !fault.message.is_empty()),
        }
    }
}
