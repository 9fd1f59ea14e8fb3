//! A second reading of the language, by recursive descent over what one pattern finds, and a second way to ask, by walking
//! the tree: short rather than fast or safe. Random expressions and random texts must come to the same in both.

use std::collections::BTreeMap;

use fancy_regex::Regex;
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Clause(String, Ask),
    Not(Box<Tree>),
    Both(Box<Tree>, Box<Tree>),
    Either(Box<Tree>, Box<Tree>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    Truthy,
    Defined,
    Absent,
    Compare(&'static str, Given),
    Among(bool, Vec<Given>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    Number(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ends {
    Undefined,
    Type,
}

type Parameters = BTreeMap<String, Value>;

const OPERATORS: [&str; 7] = ["==", "!=", "<=", ">=", "=", "<", ">"];

impl Given {
    /// Where the value stands to this one.
    fn order(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Number(given), Value::Bool(is)) => f64::from(u8::from(*is)).partial_cmp(given),
            (Self::Number(given), Value::Number(number)) => number.as_f64()?.partial_cmp(given),
            (Self::Text(given), Value::String(text)) => Some(text.chars().cmp(given.chars())),
            _ => None,
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) if text == "elastic" || text == "2D" || text == "True" => text.clone(),
            Self::Text(text) => format!("'{text}'"),
        }
    }
}

impl Tree {
    /// Whether it holds, with the rule about parameters that there are not.
    pub(super) fn answer(&self, parameters: &Parameters) -> Result<bool, Ends> {
        match self.ask(parameters) {
            Err(Ends::Undefined) => Ok(false),
            other => other,
        }
    }

    fn ask(&self, parameters: &Parameters) -> Result<bool, Ends> {
        let truthy =
            |value: &Value| ![json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([])].contains(value);
        match self {
            Self::Not(tree) => Ok(!tree.ask(parameters)?),
            Self::Both(one, other) => Ok(one.ask(parameters)? && other.ask(parameters)?),
            Self::Either(one, other) => Ok(one.ask(parameters)? || other.ask(parameters)?),
            Self::Clause(name, ask) => {
                let value = parameters.get(name);
                match ask {
                    Ask::Absent => Ok(value.is_none()),
                    Ask::Defined => Ok(value.is_some_and(truthy)),
                    Ask::Truthy => value.map(truthy).ok_or(Ends::Undefined),
                    Ask::Among(negated, values) => {
                        let value = value.ok_or(Ends::Undefined)?;
                        Ok(values.iter().any(|it| it.order(value) == Some(Ordering::Equal)) != *negated)
                    }
                    Ask::Compare(sign, given) => {
                        let order = given.order(value.ok_or(Ends::Undefined)?);
                        match *sign {
                            "=" | "==" => Ok(order == Some(Ordering::Equal)),
                            "!=" => Ok(order != Some(Ordering::Equal)),
                            "<" => order.map(Ordering::is_lt).ok_or(Ends::Type),
                            "<=" => order.map(Ordering::is_le).ok_or(Ends::Type),
                            ">" => order.map(Ordering::is_gt).ok_or(Ends::Type),
                            _ => order.map(Ordering::is_ge).ok_or(Ends::Type),
                        }
                    }
                }
            }
        }
    }

    /// Reads a text; nothing if it is not of the language.
    pub(super) fn read(text: &str) -> Option<Self> {
        let number = r"0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*(?:[eE][+-]?[0-9](?:_?[0-9])*)?|[0-9](?:_?[0-9])*\.?(?:[eE][+-]?[0-9](?:_?[0-9])*)?";
        let quoted = r#"'''(?s:\\.|[^\\])*?'''|"""(?s:\\.|[^\\])*?"""|'(?!'')(?:\\(?s:.)|[^\\'\n])*'|"(?!"")(?:\\(?s:.)|[^\\"\n])*""#;
        let word = r"[\p{Alphabetic}\p{N}_]";
        let pattern = format!(
            r"{quoted}|(?:{number})(?=(?:and|or|if|else)(?!{word}))|(?:{number}){word}*|{word}+|[=!<>]=|[-+=!<>*,()\[\]]|[^ \t\n\r\f]"
        );
        let tokens = Regex::new(&pattern).expect("a pattern");
        let tokens = tokens.find_iter(unquoted(text).ok()?).map(|it| it.expect("few steps").as_str().to_owned());
        let mut tokens: Vec<String> = tokens.collect();
        tokens.reverse();
        let tree = Self::either(&mut tokens)?;
        tokens.is_empty().then_some(tree)
    }

    fn either(tokens: &mut Vec<String>) -> Option<Self> {
        let mut tree = Self::both(tokens)?;
        while take(tokens, "or") {
            tree = Self::Either(Box::new(tree), Box::new(Self::both(tokens)?));
        }
        Some(tree)
    }

    fn both(tokens: &mut Vec<String>) -> Option<Self> {
        let mut tree = Self::negated(tokens)?;
        while take(tokens, "and") {
            tree = Self::Both(Box::new(tree), Box::new(Self::negated(tokens)?));
        }
        Some(tree)
    }

    fn negated(tokens: &mut Vec<String>) -> Option<Self> {
        if take(tokens, "not") {
            return Some(Self::Not(Box::new(Self::negated(tokens)?)));
        }
        if take(tokens, "(") {
            let tree = Self::either(tokens)?;
            return take(tokens, ")").then_some(tree);
        }
        if take(tokens, "!") {
            return Some(Self::Clause(name(tokens)?, Ask::Absent));
        }
        let name = name(tokens)?;
        for sign in OPERATORS {
            if take(tokens, sign) {
                let is_equal = sign == "=" || sign == "==";
                let ask = if is_equal && take(tokens, "*") { Ask::Defined } else { Ask::Compare(sign, given(tokens)?) };
                return Some(Self::Clause(name, ask));
            }
        }
        let negated = take(tokens, "not");
        if !take(tokens, "in") {
            return (!negated).then_some(Self::Clause(name, Ask::Truthy));
        }
        let close = if take(tokens, "(") { ")" } else { take(tokens, "[").then_some("]")? };
        let mut values = Vec::new();
        while !take(tokens, close) {
            values.push(given(tokens)?);
            if !take(tokens, ",") {
                take(tokens, close).then_some(())?;
                break;
            }
        }
        Some(Self::Clause(name, Ask::Among(negated, values)))
    }

    /// Written with no more brackets than are needed inside something that binds so tight (or 0, and 1, not 2).
    fn write(&self, around: u8) -> String {
        let (binds, text) = match self {
            Self::Not(tree) => return format!("not {}", tree.write(2)),
            Self::Both(one, other) => (1, format!("{} and {}", one.write(1), other.write(2))),
            Self::Either(one, other) => (0, format!("{} or {}", one.write(0), other.write(1))),
            Self::Clause(name, Ask::Truthy) => return name.clone(),
            Self::Clause(name, Ask::Absent) => return format!("!{name}"),
            Self::Clause(name, Ask::Defined) => return format!("{name}=*"),
            Self::Clause(name, Ask::Compare(sign, given)) => return format!("{name}{sign}{}", given.write()),
            Self::Clause(name, Ask::Among(negated, values)) => {
                let values: Vec<String> = values.iter().map(Given::write).collect();
                return format!("{name}{} in [{}]", if *negated { " not" } else { "" }, values.join(", "));
            }
        };
        if binds < around { format!("({text})") } else { text }
    }
}

fn take(tokens: &mut Vec<String>, wanted: &str) -> bool {
    tokens.pop_if(|token| token == wanted).is_some()
}

fn name(tokens: &mut Vec<String>) -> Option<String> {
    let is_name =
        |token: &mut String| token.starts_with(|c: char| c.is_alphabetic() || c == '_') && !token::is_reserved(token);
    tokens.pop_if(is_name)
}

fn given(tokens: &mut Vec<String>) -> Option<Given> {
    let sign = if take(tokens, "-") { Some(-1.0) } else { take(tokens, "+").then_some(1.0) };
    let token = tokens.pop()?;
    let plain = token.replace('_', "");
    let radix = |prefix: [&str; 2], radix| {
        let digits = prefix.iter().find_map(|prefix| plain.strip_prefix(prefix))?;
        u64::from_str_radix(digits, radix).ok()
    };
    let whole = radix(["0x", "0X"], 16).or_else(|| radix(["0o", "0O"], 8)).or_else(|| radix(["0b", "0B"], 2));
    if token.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let is_whole = plain.bytes().all(|byte| byte.is_ascii_digit());
        let is_number =
            Regex::new(r"^(?:[0-9]+(?:_[0-9]+)*)?\.?(?:(?<=\.)[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?$");
        if let Some(whole) = whole {
            return Some(Given::Number(sign.unwrap_or(1.0) * f64::from(u32::try_from(whole).ok()?)));
        }
        if token != "." && is_number.expect("a pattern").is_match(&token).expect("few steps") {
            let leads = is_whole && plain.starts_with('0') && plain.contains(|c| c != '0');
            return (!leads).then_some(Given::Number(sign.unwrap_or(1.0) * plain.parse::<f64>().ok()?));
        }
        return sign.is_none().then_some(Given::Text(token));
    }
    if sign.is_some() || ["and", "or", "if", "else"].contains(&token.as_str()) {
        return None;
    }
    let text = ["'''", "\"\"\"", "'", "\""].iter().find_map(|quote| token.strip_prefix(quote)?.strip_suffix(quote));
    if let Some(text) = text {
        return Some(Given::Text(text.to_owned()));
    }
    token.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some(Given::Text(token))
}

fn some_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["cpus", "model", "on", "none", "list", "é2"]).prop_map(str::to_owned)
}

fn some_given() -> impl Strategy<Value = Given> {
    let numbers = prop::sample::select(vec![0.0, 1.0, -2.0, 4.0, 1.5]).prop_map(Given::Number);
    let texts = prop::sample::select(vec!["elastic", "2D", "True", "", "a >= b", "4"]);
    prop_oneof![numbers, texts.prop_map(|text| Given::Text(text.to_owned()))]
}

fn some_value() -> impl Strategy<Value = Value> {
    let values = [
        json!(0),
        json!(1),
        json!(4),
        json!(-2),
        json!(1.5),
        json!(true),
        json!(false),
        json!(null),
        json!(""),
        json!("elastic"),
        json!("2D"),
        json!("4"),
        json!("z"),
        json!([]),
        json!([1]),
    ];
    prop::sample::select(values.to_vec())
}

fn some_tree() -> impl Strategy<Value = Tree> {
    let ask = prop_oneof![
        Just(Ask::Truthy),
        Just(Ask::Defined),
        Just(Ask::Absent),
        (prop::sample::select(OPERATORS.to_vec()), some_given()).prop_map(|(sign, given)| Ask::Compare(sign, given)),
        (any::<bool>(), prop::collection::vec(some_given(), 0..4)).prop_map(|(not, values)| Ask::Among(not, values)),
    ];
    (some_name(), ask).prop_map(|(name, ask)| Tree::Clause(name, ask)).prop_recursive(5, 24, 2, |inner| {
        let two = || (inner.clone(), inner.clone()).prop_map(|(one, other)| (Box::new(one), Box::new(other)));
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            two().prop_map(|(one, other)| Tree::Both(one, other)),
            two().prop_map(|(one, other)| Tree::Either(one, other)),
        ]
    })
}

fn some_parameters() -> impl Strategy<Value = Parameters> {
    prop::collection::btree_map(some_name(), some_value(), 0..7)
}

/// Tokens in any order, and any text.
fn some_text() -> impl Strategy<Value = String> {
    let tokens = vec![
        "cpus", "model", "in", "not", "and", "or", "if", "(", ")", "[", "]", ",", "=", "==", "!=", "<", "<=", ">", "!",
        "*", "+", "-", "4", "2D", "03", "0x1f", "1e5", ".5", "2.", "1_0", "'a'", "\"b\"", "''", "'", " ", "  ", "é",
        "_", "$", "3or",
    ];
    let tokens = prop::collection::vec((prop::sample::select(tokens), prop::bool::weighted(0.7)), 0..9);
    let tokens = tokens.prop_map(|tokens| {
        let spaced = tokens.into_iter().flat_map(|(token, blank)| [token, if blank { " " } else { "" }]);
        spaced.collect::<String>()
    });
    let clauses = "(cpus|on|nosuch)( ?(=|!=|<|>=) ?([0-9]{1,2}|x|2D|\\*|'q'))?(( and | or |and not )(!?model|cpus in \\(1, ?4,?\\))){0,2}";
    prop_oneof![4 => tokens, 4 => clauses, 1 => ".{0,20}"]
}

proptest! {
    #[test]
    fn an_expression_holds_where_its_tree_does(
        tree in some_tree(),
        worlds in prop::collection::vec(some_parameters(), 1..8),
    ) {
        let text = tree.write(0);
        let expression = Expression::parse(&text).unwrap();
        for parameters in worlds {
            let expected = tree.answer(&parameters).map_err(|_| ());
            let ours = expression.holds(|name| parameters.get(name)).map_err(|_| ());
            prop_assert_eq!(ours, expected, "{} {:?}", &text, &parameters);
            let interned = expression.evaluate(|place| parameters.get(&expression.names()[place])).map_err(|_| ());
            prop_assert_eq!(interned, expected, "{} {:?}", &text, &parameters);
        }
    }

    #[test]
    fn any_text_is_read_as_by_the_second_reading(text in some_text(), parameters in some_parameters()) {
        let tree = Tree::read(&text);
        match Expression::parse(&text) {
            Ok(expression) => {
                let tree = tree.expect(&text);
                let ours = expression.holds(|name| parameters.get(name)).map_err(|_| ());
                prop_assert_eq!(ours, tree.answer(&parameters).map_err(|_| ()), "{} {:?}", text, tree);
            }
            Err(error) => {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error);
                prop_assert_eq!(tree, None, "{} {}", text, error);
            }
        }
    }
}
