//! Random expressions against an oracle that walks the tree they were written from.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Tree {
    Name(String),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

impl Tree {
    fn holds(&self, keywords: &BTreeSet<String>) -> bool {
        match self {
            Self::Name(name) => keywords.iter().any(|it| it.to_lowercase() == name.to_lowercase()),
            Self::Not(tree) => !tree.holds(keywords),
            Self::And(trees) => trees.iter().all(|tree| tree.holds(keywords)),
            Self::Or(trees) => trees.iter().any(|tree| tree.holds(keywords)),
        }
    }

    /// Written with no more brackets than are needed inside something that binds so tight (or 0, and 1, not 2).
    fn write(&self, around: u8, text: &mut String) {
        let (binds, joint, trees) = match self {
            Self::Name(name) => return text.push_str(name),
            Self::Not(tree) => {
                text.push_str("not ");
                return tree.write(2, text);
            }
            Self::And(trees) => (1, " and ", trees),
            Self::Or(trees) => (0, "\tor  ", trees),
        };
        text.push_str(if binds < around { "(" } else { "" });
        for (n, tree) in trees.iter().enumerate() {
            text.push_str(if n > 0 { joint } else { "" });
            tree.write(binds + 1, text);
        }
        text.push_str(if binds < around { ")" } else { "" });
    }
}

fn some_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "B", "not-c", "É", "x/y.z", "AND"]).prop_map(str::to_owned)
}

fn some_tree() -> impl Strategy<Value = Tree> {
    some_name().prop_map(Tree::Name).prop_recursive(6, 40, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::And),
            prop::collection::vec(inner, 2..4).prop_map(Tree::Or),
        ]
    })
}

proptest! {
    #[test]
    fn an_expression_holds_where_its_tree_does(
        tree in some_tree(),
        worlds in prop::collection::vec(prop::collection::btree_set(some_name(), 0..5), 1..8),
    ) {
        let mut text = String::new();
        tree.write(0, &mut text);
        let expression = Expression::parse(&text).unwrap();
        for keywords in worlds {
            let expected = tree.holds(&keywords);
            prop_assert_eq!(expression.matches(keywords.iter().map(String::as_str)), expected, "{} {:?}", text, keywords);
            let lowered: Vec<String> = keywords.iter().map(|it| it.to_lowercase()).collect();
            let interned = |place: usize| lowered.iter().any(|it| expression.names()[place].matches(it));
            prop_assert_eq!(expression.evaluate(interned), expected, "{} {:?}", text, keywords);
        }
    }

    #[test]
    fn any_text_is_answered(text in "(a|b\\*|\\[|not|and|or|[() \t'\"=]){0,12}|.{0,20}") {
        match Expression::parse(&text) {
            Ok(expression) => _ = expression.matches(["a", "b", ""]),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
        }
    }
}
