//! The values of parameters, and how they compare with what an expression names.

use std::cmp::Ordering;

use serde_json::Value;

use crate::domain::words::words;

words!(
    /// What a value is.
    ValueKind, "kind of value", {
        /// Null.
        Null = "null",
        /// True or false; it counts as 1 or 0 where it is compared.
        Boolean = "boolean",
        /// A number.
        Number = "number",
        /// A text.
        Text = "text",
        /// A list.
        List = "list",
        /// A map.
        Map = "map",
    }
);

impl ValueKind {
    /// What this value is.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Map,
        }
    }
}

/// A value that an expression names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Number(Number),
    Text(String),
}

impl Literal {
    pub(super) fn kind(&self) -> ValueKind {
        match self {
            Self::Number(_) => ValueKind::Number,
            Self::Text(_) => ValueKind::Text,
        }
    }

    /// Whether the value is this one. A text is never a number.
    pub(super) fn is(&self, value: &Value) -> bool {
        self.order(value) == Some(Ordering::Equal)
    }

    /// Where the value stands to this one: numbers by what they are worth, texts by their characters' code points, which
    /// UTF-8 keeps. There is no order between others.
    pub(super) fn order(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Text(text), Value::String(value)) => Some(value.as_str().cmp(text)),
            (Self::Text(_), _) => None,
            (Self::Number(number), value) => Number::of(value)?.order(*number),
        }
    }
}

/// Whether it is neither null, false, zero nor empty.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(_) => {
            Number::of(value).is_none_or(|number| number.order(Number::Whole(0)) != Some(Ordering::Equal))
        }
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// A number as JSON has them here: whole ones of 64 bits, any other as the double that is nearest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// From the least of `i64` to the greatest of `u64`.
    Whole(i128),
    Real(f64),
}

impl Number {
    /// The number that a value counts as.
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(is) => Some(Self::Whole(i128::from(*is))),
            Value::Number(number) => number
                .as_i64()
                .map(|it| Self::Whole(it.into()))
                .or_else(|| number.as_u64().map(|it| Self::Whole(it.into())))
                .or_else(|| number.as_f64().map(Self::Real)),
            _ => None,
        }
    }

    /// A whole number, to the nearest double where it takes more than 64 bits, as in the values that are read from JSON.
    #[expect(clippy::cast_precision_loss, reason = "which is what is said")]
    pub(super) fn whole(number: i128) -> Self {
        let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
        if range.contains(&number) { Self::Whole(number) } else { Self::Real(number as f64) }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Whole(number) => Self::whole(-number),
            Self::Real(number) => Self::Real(-number),
        }
    }

    /// Where it stands to another, exactly: neither is rounded to compare them.
    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            (Self::Real(one), Self::Real(other)) => one.partial_cmp(&other),
            (Self::Whole(one), Self::Real(other)) => order_with_real(one, other),
            (Self::Real(one), Self::Whole(other)) => order_with_real(other, one).map(Ordering::reverse),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the cut number fits: larger ones were told apart, and `as` clamps"
)]
fn order_with_real(whole: i128, real: f64) -> Option<Ordering> {
    let cut = real.trunc();
    // Where the numbers before the point are the same, what is behind it decides.
    if cut.abs() < 1e30 {
        Some(whole.cmp(&(cut as i128)).then(0.0_f64.partial_cmp(&(real - cut))?))
    } else {
        0.0_f64.partial_cmp(&real)
    }
}
