use super::*;
use crate::domain::selection::{MAX_DEPTH, MAX_EXPRESSION_BYTES, SyntaxErrorKind};

fn fault(text: &str) -> (SyntaxErrorKind, usize) {
    let error = Expression::parse(text).expect_err(text);
    (error.kind, error.column)
}

#[test]
fn names_are_listed_once_in_small_letters_and_asked_for_only_where_they_decide() {
    let expression = Expression::parse("Fast and (GPU or fast or É*)").unwrap();
    let names: Vec<&str> = expression.names().iter().map(Glob::as_str).collect();
    assert_eq!(names, ["fast", "gpu", "é*"]);
    let mut asked = Vec::new();
    let held = expression.evaluate(|place| {
        asked.push(place);
        place == 0
    });
    assert!(held);
    assert_eq!(asked, [0, 1, 0]);
    assert!(!Expression::parse("a and b or c").unwrap().evaluate(|place| {
        assert_ne!(place, 1, "a decides that a and b does not hold");
        false
    }));
}

#[test]
fn an_exact_expression_tells_capitals_from_small_letters() {
    let exact = Expression::parse_exact("Opt and not DBG").unwrap();
    assert!(exact.matches(["Opt", "dbg"]) && !exact.matches(["opt"]) && !exact.matches(["Opt", "DBG"]));
    assert_eq!(exact.names()[0].as_str(), "Opt");
}

#[test]
fn the_text_is_kept_as_it_was_written() {
    for text in ["", "'Fast and  mpi'", "a or b"] {
        assert_eq!(Expression::parse(text).unwrap().to_string(), text);
        assert_eq!(text.parse::<Expression>().unwrap().as_str(), text);
    }
}

#[test]
fn a_fault_says_where_it_is_and_what_would_do() {
    for (text, message) in [
        ("fast and", "at character 9: want a keyword, `not` or `(`; the expression ends"),
        ("é and $x", "at character 7: want a keyword, `not` or `(`; there is `$`"),
        ("a AND b", "at character 3: want `and`, `or` or the end; there is `AND`: the words are in small letters"),
        ("a b", "at character 3: want `and`, `or` or the end; there is another word"),
        ("a\nb", "at character 2: want `and`, `or` or the end; there is `\\n`"),
        ("a)", "at character 2: no bracket is open that this `)` could close"),
        ("(a", "at character 3: want `)`; the expression ends while a bracket is open"),
        ("'a' or 'b'", "at character 2: want `and`, `or` or the end; there is `'`"),
    ] {
        assert_eq!(Expression::parse(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn quotes_around_the_whole_come_off_layer_by_layer() {
    for text in ["'a'", "\"'a'\"", "'''a'''", "''''a''''", "\"\"\"'a'\"\"\""] {
        assert!(Expression::parse(text).unwrap().matches(["A"]), "{text}");
    }
    for text in ["'", "''", "'''", "''''", "\"\"", "\"' '\""] {
        assert!(!Expression::parse(text).unwrap().matches(["a", ""]), "{text}");
    }
    assert_eq!(fault("'a"), (SyntaxErrorKind::Syntax, 1));
}

#[test]
fn long_and_deep_expressions_are_worked_out_up_to_the_bounds() {
    let terms: Vec<String> = (0..6_000).map(|n| format!("k{n}")).collect();
    assert!(Expression::parse(&terms.join(" or ")).unwrap().matches(["k5999"]));
    assert!(!Expression::parse(&terms.join(" and ")).unwrap().matches(["k5999"]));
    let deep = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&deep(MAX_DEPTH)).unwrap().matches(["a"]));
    assert_eq!(fault(&deep(MAX_DEPTH + 1)), (SyntaxErrorKind::TooDeep, MAX_DEPTH + 1));
    assert_eq!(fault(&format!("{}a", "not (".repeat(999))), (SyntaxErrorKind::Syntax, 999 * 5 + 2));
    assert!(Expression::parse(&format!("{}a", "not ".repeat(10_000))).unwrap().matches(["a"]));
    assert!(!Expression::parse(&format!("{}a", "not ".repeat(10_001))).unwrap().matches(["a"]));
    let nested = format!("{}a{}", "not (b or ".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    assert!(Expression::parse(&nested).unwrap().matches(["a"]));
    assert_eq!(fault(&"a".repeat(MAX_EXPRESSION_BYTES + 1)), (SyntaxErrorKind::TooLong, 1));
    assert!(Expression::parse(&"[".repeat(MAX_EXPRESSION_BYTES)).is_ok());
}
