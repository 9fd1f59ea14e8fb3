//! Random globs against a matcher that tries everything.

use proptest::prelude::*;

use super::*;

/// The elements of a glob: where they stand for one character, which they are.
#[derive(Clone, Debug)]
enum Element {
    Star,
    Any,
    This(char),
    Class { negated: bool, members: Vec<(char, char)> },
}

fn written(elements: &[Element]) -> String {
    let mut text = String::new();
    for element in elements {
        match element {
            Element::Star => text.push('*'),
            Element::Any => text.push('?'),
            // No class is opened by itself: what follows might close it.
            Element::This('[') => text.push_str("[[]"),
            Element::This(c) => text.push(*c),
            Element::Class { negated, members } => {
                text.push('[');
                text.push_str(if *negated { "!" } else { "" });
                // Where it stands for itself: a bracket first, a hyphen last.
                let (brackets, others): (Vec<_>, Vec<_>) =
                    members.iter().copied().partition(|member| *member == (']', ']'));
                let (hyphens, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|member| *member == ('-', '-'));
                text.push_str(if brackets.is_empty() { "" } else { "]" });
                for (first, last) in others {
                    text.push(first);
                    if first != last {
                        text.extend(['-', last]);
                    }
                }
                text.push_str(if hyphens.is_empty() { "" } else { "-" });
                text.push(']');
            }
        }
    }
    text
}

fn matches(elements: &[Element], text: &[char]) -> bool {
    match (elements, text) {
        ([], text) => text.is_empty(),
        ([Element::Star, more @ ..], text) => (0..=text.len()).any(|taken| matches(more, &text[taken..])),
        ([_, ..], []) => false,
        ([element, more @ ..], [c, rest @ ..]) => {
            let takes = match element {
                Element::This(wanted) => wanted == c,
                Element::Class { negated, members } => {
                    members.iter().any(|(first, last)| first <= c && c <= last) != *negated
                }
                _ => true,
            };
            takes && matches(more, rest)
        }
    }
}

fn character() -> impl Strategy<Value = char> {
    prop::sample::select(vec!['a', 'b', 'c', 'é', '[', ']', '-', '/'])
}

fn element() -> impl Strategy<Value = Element> {
    // `!` first in a class negates, so that none of these characters is one.
    let single = character().prop_map(|c| (c, c));
    let range = (prop::sample::select(vec!['a', 'c', 'é']), prop::sample::select(vec!['b', 'c', 'ü', 'a']));
    let members = prop::collection::vec(prop_oneof![2 => single, 1 => range], 1..4);
    prop_oneof![
        3 => Just(Element::Star),
        2 => Just(Element::Any),
        5 => character().prop_map(Element::This),
        2 => (any::<bool>(), members).prop_map(|(negated, members)| Element::Class { negated, members }),
    ]
}

proptest! {
    #[test]
    fn a_glob_matches_what_trying_everything_matches(
        elements in prop::collection::vec(element(), 0..7),
        texts in prop::collection::vec(prop::collection::vec(character(), 0..7), 1..20),
    ) {
        let glob = Glob::new(&written(&elements));
        for text in texts {
            let expected = matches(&elements, &text);
            let text: String = text.into_iter().collect();
            prop_assert_eq!(glob.matches(&text), expected, "{:?} {}", glob, text);
            prop_assert!(glob.literal().is_none_or(|literal| (literal == text) == expected));
        }
    }

    #[test]
    fn any_text_is_a_glob(glob in "[*?\\[\\]!a-c^é-]{0,12}|.{0,12}", text in "[a-cé\\[\\]]{0,8}|.{0,8}") {
        let glob = Glob::new(&glob);
        prop_assert!(glob.literal().is_none_or(|literal| glob.matches(literal)));
        let _ = glob.matches(&text);
    }
}
