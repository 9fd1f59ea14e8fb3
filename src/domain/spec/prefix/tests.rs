use proptest::prelude::*;

use super::{InvalidPrefix, Prefix, increment};

#[test]
fn what_people_type_is_read() {
    let read = |text| Prefix::parse(text).map(|prefix| prefix.as_str().to_owned());
    assert_eq!(read("0af"), Ok("0af".to_owned()));
    assert_eq!(read("/0af"), Ok("0af".to_owned()));
    assert_eq!(read("/0AF"), Ok("0af".to_owned()));
    for empty in ["", "/"] {
        assert_eq!(read(empty), Err(InvalidPrefix::Empty), "{empty}");
    }
    for other in ["//0", "0/", " 1", "1 ", "+1", "-1", "1_0", "0x1", "xyz", "1g", "a\n", "\u{ff11}", "é"] {
        assert_eq!(read(other), Err(InvalidPrefix::NotHex), "{other}");
    }
    assert_eq!(increment("/1"), Err(InvalidPrefix::NotHex));
}

#[test]
fn a_prefix_of_only_f_has_no_upper_bound() {
    for digits in ["f", "ff", "ffffffff", "F"] {
        let prefix = Prefix::parse(digits).expect("digits");
        assert_eq!(prefix.upper(), None);
        assert!(prefix.is_of("ffffffff0"));
    }
    let prefix = Prefix::parse("00ff").expect("digits");
    assert_eq!((prefix.lower(), prefix.upper().as_deref()), ("00ff", Some("01")));
}

#[test]
fn a_prefix_may_be_longer_than_any_number() {
    let digits = "f".repeat(200);
    assert_eq!(increment(&digits), Ok(None));
    assert_eq!(increment(&format!("0{digits}")), Ok(Some(format!("1{}", "0".repeat(200)))));
}

proptest! {
    /// What stands between the bounds is what begins so.
    #[test]
    fn the_bounds_hold_just_what_begins_so(digits in "/?[0-19a-bfF]{1,4}", ids in prop::collection::vec("[0-19a-bf]{1,6}", 0..40)) {
        let prefix = Prefix::parse(&digits).expect("digits");
        for id in ids.iter().map(String::as_str).chain([prefix.as_str()]) {
            let is_between = id >= prefix.lower() && prefix.upper().is_none_or(|upper| id < upper.as_str());
            prop_assert_eq!(is_between, prefix.is_of(id), "{} {}", &digits, id);
        }
    }

    /// Digits are added up as a number would be.
    #[test]
    fn the_next_one_is_the_next_number(digits in "[0-9a-f]{1,15}") {
        let number = u64::from_str_radix(&digits, 16).expect("a number") + 1;
        let width = digits.len();
        let next = format!("{number:0width$x}");
        prop_assert_eq!(increment(&digits), Ok((next.len() == width).then_some(next)));
    }
}
