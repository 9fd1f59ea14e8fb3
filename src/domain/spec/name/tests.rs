use proptest::prelude::*;
use serde_json::{Value, json};

use super::{rendered, stem};
use crate::domain::spec::{Spec, Timeouts};

#[test]
fn values_stand_in_names_as_c_prints_them() {
    let cases = [
        (json!(0.1), "0.1"),
        (json!(1e-7), "1e-07"),
        (json!(1_234_567.0), "1.23457e+06"),
        (json!(2.0), "2"),
        (json!(0.0), "0"),
        (json!(-0.0), "-0"),
        (json!(-1.5), "-1.5"),
        (json!(100_000.0), "100000"),
        (json!(999_999.0), "999999"),
        (json!(999_999.5), "1e+06"),
        (json!(0.0001), "0.0001"),
        (json!(0.000_099_999_99), "0.0001"),
        (json!(0.000_01), "1e-05"),
        (json!(1e22), "1e+22"),
        (json!(1e100), "1e+100"),
        (json!(5e-324), "4.94066e-324"),
        (json!(f64::MAX), "1.79769e+308"),
        (json!(2.5), "2.5"),
        // Half way between two: to the even digit.
        (json!(1_000_005.0), "1e+06"),
        (json!(1_000_015.0), "1.00002e+06"),
        (json!(12_345_678), "12345678"),
        (json!(-3), "-3"),
        (json!(true), "1"),
        (json!(false), "0"),
        (json!(null), "None"),
        (json!("text with space"), "text with space"),
        (json!(""), ""),
        (json!([1, 2.0, "a"]), r#"[1,2.0,"a"]"#),
        (json!({"b": null, "a": []}), r#"{"a":[],"b":null}"#),
    ];
    for (value, expected) in cases {
        assert_eq!(rendered(&value), expected, "{value}");
    }
}

#[test]
fn a_stem_ends_before_the_last_extension() {
    let cases = [
        ("a.pyt", "a"),
        ("x/a.b.pyt", "a.b"),
        ("a", "a"),
        (".a", ".a"),
        ("a.", "a."),
        ("x.y/a", "a"),
        ("..a", "."),
        ("", ""),
    ];
    for (path, expected) in cases {
        assert_eq!(stem(path), expected, "{path}");
    }
}

#[test]
fn capitals_come_first() {
    let parameters = [("b", json!(1)), ("a", json!(2)), ("Z", json!(0.5))];
    let spec = Spec {
        family: "mesh".to_owned(),
        file_path: "solver/mesh.pyt".to_owned(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Spec::default()
    };
    assert_eq!(spec.name(), "mesh.Z=0.5.a=2.b=1");
    assert_eq!(spec.view(), "solver/mesh.Z=0.5.a=2.b=1/mesh.pyt");
}

#[test]
fn a_test_runs_where_its_attribute_says_if_it_says_so() {
    let mut spec = Spec { file_path: "x/a.pyt".to_owned(), file_root: "/suite/".to_owned(), ..Spec::default() };
    spec.fill(&Timeouts::default());
    assert_eq!(spec.file(), "/suite/x/a.pyt");
    assert_eq!(spec.implicit_keywords(), ["a", "a", "/suite/x/a.pyt"]);
    for (attribute, view) in [
        (json!("here"), "here/a.pyt"),
        (json!("here/"), "here/a.pyt"),
        (json!("a/../b"), "a/../b/a.pyt"),
        (json!(""), "x/a/a.pyt"),
        (json!(7), "x/a/a.pyt"),
    ] {
        spec.attributes.insert("execpath".to_owned(), attribute);
        assert_eq!(spec.view(), view);
    }
}

/// `%g` by hand, from all digits that the number has.
fn slowly(number: f64) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let exact = format!("{:.1074}", number.abs());
    let (whole, fraction) = exact.split_once('.').expect("a fraction");
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    let Some(first) = all.iter().position(|digit| *digit != 0) else { return format!("{sign}0") };
    // The power of ten of the first digit that counts.
    let mut exponent = i64::try_from(whole.len()).unwrap() - 1 - i64::try_from(first).unwrap();
    let mut digits: Vec<u8> = all[first..].iter().copied().chain([0; 6]).take(6).collect();
    let rest: Vec<u8> = all[first..].iter().copied().skip(6).collect();
    let half = rest.first().copied().unwrap_or(0).cmp(&5);
    let is_more = rest.iter().skip(1).any(|digit| *digit != 0);
    let up = half.is_gt() || half.is_eq() && (is_more || digits[5] % 2 == 1);
    if up {
        let mut place = 6;
        loop {
            if place == 0 {
                digits.insert(0, 1);
                digits.pop();
                exponent += 1;
                break;
            }
            place -= 1;
            digits[place] += 1;
            if digits[place] < 10 {
                break;
            }
            digits[place] = 0;
        }
    }
    while digits.len() > 1 && digits.last() == Some(&0) {
        digits.pop();
    }
    let text = |digits: &[u8]| digits.iter().map(|digit| char::from(digit + b'0')).collect::<String>();
    let point = |whole: String, fraction: String| {
        if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
    };
    if (-4..6).contains(&exponent) {
        let (whole, fraction) = if exponent < 0 {
            let zeros = usize::try_from(-exponent - 1).unwrap();
            ("0".to_owned(), format!("{}{}", "0".repeat(zeros), text(&digits)))
        } else {
            let length = usize::try_from(exponent).unwrap() + 1;
            while digits.len() < length {
                digits.push(0);
            }
            (text(&digits[..length]), text(&digits[length..]))
        };
        format!("{sign}{}", point(whole, fraction))
    } else {
        let way = if exponent < 0 { '-' } else { '+' };
        format!("{sign}{}e{way}{:02}", point(text(&digits[..1]), text(&digits[1..])), exponent.abs())
    }
}

fn numbers() -> impl Strategy<Value = f64> {
    let any = prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO;
    // Where the two forms meet, and halves between six digits.
    let near = (-8_i32..9, -10_000_000_i64..10_000_000, 0_i32..9).prop_map(|(power, digits, less)| {
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let digits = digits as f64;
        digits * 10_f64.powi(power) / 10_f64.powi(less)
    });
    prop_oneof![any, near]
}

proptest! {
    #[test]
    fn numbers_are_as_by_hand(number in numbers()) {
        prop_assume!(number.is_finite());
        prop_assert_eq!(rendered(&Value::from(number)), slowly(number));
    }
}
