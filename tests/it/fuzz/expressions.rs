//! The languages of selecting: keywords, parameters, conditions, globs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testyard::domain::glob::Glob;
use testyard::domain::selection::when::{Condition, Surroundings};
use testyard::domain::selection::{MAX_EXPRESSION_BYTES, SyntaxErrorKind, keyword, parameter};

use super::{fuzz, golden, texts};

/// Whether something with these keywords would pass, for several sets of them.
fn truths(expression: &keyword::Expression) -> Vec<bool> {
    // Which names hold is drawn from their places, differently each time.
    (0..8_usize).map(|round| expression.evaluate(|place| ((place + 1) * (round * 2 + 1)) % 7 < 3)).collect()
}

#[test]
fn fuzz_keyword_expressions() {
    let words =
        ["and", " or ", "not ", "(", ")", "fast", "*", "[", "]", "'", "\"", " ", "\t", "\n", "é", "\u{1F600}", "\0"];
    fuzz("keyword expressions", &golden("canary/keyword_expr.json", "expression"), &words, |input| {
        let text = String::from_utf8_lossy(input);
        let exact = keyword::Expression::parse_exact(&text);
        let Ok(expression) = keyword::Expression::parse(&text) else {
            assert!(exact.is_err(), "capitals make no fault");
            return false;
        };
        let again: keyword::Expression = expression.to_string().parse().unwrap();
        assert_eq!((again.names(), truths(&again)), (expression.names(), truths(&expression)));
        assert_eq!(exact.unwrap().as_str(), text);
        // The opposite is the opposite, where there is room for it.
        let is_plain = !text.contains(['\'', '"']) && !text.trim_matches([' ', '\t']).is_empty();
        if is_plain && text.len() + 10 < MAX_EXPRESSION_BYTES {
            match keyword::Expression::parse(&format!("not ({text})")) {
                Ok(opposite) => {
                    let wanted: Vec<bool> = truths(&expression).into_iter().map(|held| !held).collect();
                    assert_eq!((opposite.names(), truths(&opposite)), (expression.names(), wanted));
                }
                Err(error) => assert_eq!(error.kind, SyntaxErrorKind::TooDeep, "{error}"),
            }
        }
        true
    });
}

#[test]
fn fuzz_parameter_expressions() {
    let words = [
        "and", " or ", "not ", "(", ")", "np", "=", "==", "!=", "<", ">=", "4", "1e400", "-0x", "'", "\"\"\"", "{",
        "[1,", "None", ":", ",", " ", "\n", "\\", "é", "\0",
    ];
    let around = [
        json!({}),
        json!({"np": 4, "model": "elastic", "on": true, "none": null, "dt": 1.5, "n": [1]}),
        json!({"np": "four", "cpus": -1, "gpus": 1e300, "dim": "", "big": 1_000_000, "runtime": 300.0}),
    ];
    fuzz("parameter expressions", &golden("canary/parameter_expr.json", "expression"), &words, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok(expression) = parameter::Expression::parse(&text) else { return false };
        let again = parameter::Expression::parse(&expression.to_string()).unwrap();
        assert_eq!((again.names(), again.as_str()), (expression.names(), &*text));
        for values in &around {
            let held = expression.holds(|name| values.get(name));
            assert_eq!(again.holds(|name| values.get(name)), held);
        }
        true
    });
}

#[test]
fn fuzz_conditions() {
    let words = [
        "platforms=",
        "option=",
        "keywords=",
        " parameters='",
        "testname=",
        "name=",
        "'",
        "\"",
        "${np}",
        "$name",
        "and ",
        "not (",
        ")",
        "=",
        " ",
        "\n",
        "np=4",
        "é",
        "\0",
    ];
    let names = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (platforms, options, keywords) = (names(&["linux"]), names(&["dbg", "Opt"]), names(&["fast"]));
    let parameters: BTreeMap<String, Value> =
        [("np".to_owned(), json!(4)), ("cpus".to_owned(), json!(4)), ("name".to_owned(), json!("x and y"))].into();
    let around = [Some("spam"), None].map(|testname| Surroundings {
        platforms: &platforms,
        testname,
        options: &options,
        keywords: &keywords,
        parameters: &parameters,
    });
    fuzz("conditions", &golden("canary/when_conditions.json", "when"), &words, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok(condition) = Condition::parse(&text) else { return false };
        // It is not written again; what stands before it makes no difference.
        let again = Condition::parse(&format!(" \n{text}")).unwrap();
        for around in &around {
            assert_eq!(again.check(around), condition.check(around));
        }
        true
    });
}

#[test]
fn fuzz_globs() {
    let words = ["*", "?", "[", "]", "[!", "-", "a-z", "\\", "**", "*?*", "a", "é", "\u{1F600}", "/", "\0", "[]]"];
    let good = [
        "",
        "*",
        "solver/*",
        "*.pyt",
        "a?c",
        "[a-z]*",
        "[!a]b",
        "[]]",
        "[*]x",
        "d/t[0-9][0-9]/*.pyt",
        "é*",
        "*a*b*c*",
        "np=[124]",
        "[z-a]",
        "[a",
        "??",
    ];
    let long = "ab".repeat(2_000);
    let tried = ["", "a", "ab", "é", "solver/mesh.pyt", "a]c", "np=4", "d/t07/t07.pyt", &long];
    fuzz("globs", &texts(good), &words, |input| {
        let text = String::from_utf8_lossy(input);
        let glob = Glob::new(&text);
        let again = Glob::new(glob.as_str());
        assert_eq!(again, glob);
        for one in tried.iter().copied().chain([&*text]) {
            let held = glob.matches(one);
            assert!(!held || one.starts_with(glob.prefix()), "{one:?} does not begin with {:?}", glob.prefix());
            assert!(glob.literal().is_none_or(|literal| held == (literal == one)), "{one:?} and {:?}", glob.literal());
        }
        // Whatever stands for nothing but itself, and is closed in stars, is found in the midst.
        if !text.contains(['*', '?', '[']) {
            assert!(Glob::new(&format!("*{text}*")).matches(&format!("<{text}>")));
        }
        true
    });
}
