use serde_json::json;

use super::*;
use crate::domain::selection::{MAX_DEPTH, MAX_EXPRESSION_BYTES, SyntaxErrorKind};

fn holds(text: &str, parameters: &Value) -> bool {
    Expression::parse(text).expect(text).holds(|name| parameters.get(name)).expect(text)
}

#[test]
fn names_are_listed_once_in_the_order_of_their_mention() {
    let expression = Expression::parse("!b and (a=1 or b in [c] or a)").unwrap();
    assert_eq!(expression.names(), ["b", "a"]);
    assert_eq!(expression.to_string(), "!b and (a=1 or b in [c] or a)");
}

#[test]
fn numbers_are_compared_exactly() {
    let given = json!({"n": 9_007_199_254_740_993_u64, "max": u64::MAX, "min": i64::MIN, "half": 0.5, "on": true});
    for (text, held) in [
        ("n=9007199254740993", true),
        ("n=9007199254740992.0", false),
        ("n>9007199254740992.0", true),
        ("max=18446744073709551615", true),
        ("max<18446744073709551616", true),
        ("min=-9223372036854775808", true),
        ("min>-9223372036854777856.5 and min=-9223372036854775809", true),
        ("max=0xffff_ffff_ffff_ffff", true),
        ("max<1e400 and min>-1e400", true),
        ("half>0 and half<1 and half!=0", true),
        ("half=.5 and half=5e-1 and half=0.5", true),
        ("on=1 and on>0b0 and on<0o2 and on=1.0", true),
        ("n=00 or n=-0", false),
    ] {
        assert_eq!(holds(text, &given), held, "{text}");
    }
    let large: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    assert!(holds("n=123456789012345678901234567890", &json!({"n": large})));
}

#[test]
fn quoted_texts_may_hold_anything() {
    for (text, value) in [
        (r"t='a\'b'", "a'b"),
        (r#"t="a\\b\n\t\x41\u00e9\q""#, "a\\b\n\tAé\\q"),
        ("t='''a'b'''", "a'b"),
        ("t=\"\"\"a\n\"b\"\"\"", "a\n\"b"),
        ("t='${x} {y}'", "${x} {y}"),
        ("t=''", ""),
        ("t in ('', 'x')", ""),
        ("t=12e", "12e"),
        ("t=1.5mm", "1.5mm"),
        ("t=0xg", "0xg"),
        ("t=in", "in"),
    ] {
        assert!(holds(text, &json!({"t": value})), "{text}");
    }
}

#[test]
fn what_has_no_order_is_told_with_its_parameter() {
    let error =
        Expression::parse("a=1 or b<3").unwrap().holds(|name| (name == "b").then_some(&Value::Null)).map(|_| ());
    assert_eq!(error, Ok(()), "a is not there, so that b is not reached");
    let given = json!({"b": null, "t": "x", "l": [1]});
    for (text, message) in [
        ("b<3", "the parameter `b` has a value of kind null, which `<` cannot compare with a number"),
        ("t>=3", "the parameter `t` has a value of kind text, which `>=` cannot compare with a number"),
        ("!b or l>x", "the parameter `l` has a value of kind list, which `>` cannot compare with a text"),
    ] {
        let error = Expression::parse(text).unwrap().holds(|name| given.get(name)).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
    assert!(holds("b!=3 and t!=3 and l!=x and b not in (1, x)", &given));
}

#[test]
fn a_fault_says_where_it_is_and_what_would_do() {
    for (text, message) in [
        ("", "at character 1: want a parameter's name, `!`, `not` or `(`; the expression ends"),
        ("cpus=", "at character 6: want a value; the expression ends"),
        ("cpus=4 gpus=0", "at character 8: want `and`, `or` or the end; there is a word"),
        ("é=x.y", "at character 4: there is `.`, which has no meaning here; quote it if it is a text"),
        ("class=x", "at character 1: want a parameter's name, `!`, `not` or `(`; `class` is a reserved word"),
        ("a=1 and 4=b", "at character 9: want a parameter's name, `!`, `not` or `(`; there is a number"),
        ("a=$b", "at character 3: there is `$`, and nothing is filled in here; quote it if it is a text"),
        ("a=b*", "at character 4: want `and`, `or` or the end; there is `*`"),
        ("a!=*", "at character 4: want a value; `*` stands behind `=` only and alone, and there are no globs here"),
        ("a=03", "at character 3: want a number that does not begin with 0. Quote it if it is a text"),
        ("a='b", "at character 3: the quoted text is not closed"),
        ("a not b", "at character 7: want `in` behind `not`; there is a word"),
        ("a in b", "at character 6: want a list in brackets behind `in`; there is a word"),
        ("a in (1 2)", "at character 9: want `,` or `)`; there is a number"),
        ("a in (1]", "at character 8: want `,` or `)`; there is `]`"),
        ("! 4", "at character 3: want a parameter's name behind `!`; there is a number"),
        ("(a=1", "at character 5: want `)`; the expression ends while a bracket is open"),
        ("a=1)", "at character 4: no bracket is open that this `)` could close"),
        ("a=1]", "at character 4: want `and`, `or` or the end; there is `]`"),
    ] {
        assert_eq!(Expression::parse(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn long_and_deep_expressions_are_worked_out_up_to_the_bounds() {
    let given = json!({"a": 1});
    let deep = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(holds(&deep(MAX_DEPTH), &given));
    let error = Expression::parse(&deep(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!((error.kind, error.column), (SyntaxErrorKind::TooDeep, MAX_DEPTH + 1));
    assert!(holds(&format!("{}a=1", "a=0 or ".repeat(9_000)), &given));
    assert!(!holds(&format!("{}a=1", "not ".repeat(10_001)), &given));
    assert!(holds(&format!("a in ({}1)", "0,".repeat(30_000)), &given));
    let error = Expression::parse(&format!("a={}", "b".repeat(MAX_EXPRESSION_BYTES))).unwrap_err();
    assert_eq!(error.kind, SyntaxErrorKind::TooLong);
}
