use std::collections::HashMap;

use proptest::prelude::*;

use super::Interner;

proptest! {
    #[test]
    fn equal_texts_have_one_number_and_are_found_by_it(texts in proptest::collection::vec("[ab]{0,6}", 0..200)) {
        let mut interner = Interner::default();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        for text in &texts {
            let next = u32::try_from(numbers.len()).unwrap();
            prop_assert_eq!(interner.number(text), numbers.get(text.as_str()).copied());
            prop_assert_eq!(interner.intern(text), *numbers.entry(text).or_insert(next));
        }
        prop_assert_eq!(interner.len() as usize, numbers.len());
        for (text, number) in numbers {
            prop_assert_eq!((interner.number(text), interner.get(number)), (Some(number), text));
        }
        prop_assert_eq!(interner.number("c"), None);
    }
}

#[test]
fn many_texts_are_told_apart() {
    let mut interner = Interner::default();
    for number in 0..20_000_u32 {
        assert_eq!(interner.intern(&format!("text {number}")), number);
    }
    assert_eq!((interner.number("text 19999"), interner.number("text 20000")), (Some(19_999), None));
}
