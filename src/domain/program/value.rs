//! Values of expressions, and how Python compares them.

use std::cmp::Ordering;

use super::Record;
use super::integer::Integer;
use super::tree::Comparison;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Int(std::borrow::Cow<'a, Integer>),
    Float(f64),
    Imaginary(f64),
    Bool(bool),
    None,
    Ellipsis,
    Record(&'a Record),
    List(Vec<Value<'a>>),
    Tuple(Vec<Value<'a>>),
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Python raises an exception: the combination of records does not count.
    Raised,
    /// The steps are used up.
    Spent,
}

/// How many combinations are tried before an `or` among them is split into its cases.
const TRIED_AT_ONCE: usize = 4_096;

/// How much may still be done.
#[derive(Debug)]
pub(super) struct Meter {
    left: u64,
    tried_at_once: usize,
}

impl Meter {
    pub(super) fn new(steps: u64) -> Self {
        Self { left: steps, tried_at_once: TRIED_AT_ONCE }
    }

    /// One by which every `or` is split that ties resources together.
    #[cfg(test)]
    pub(super) fn that_splits(steps: u64) -> Self {
        Self { left: steps, tried_at_once: 0 }
    }

    pub(super) fn tried_at_once(&self) -> usize {
        self.tried_at_once
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.left = u64::try_from(steps).ok().and_then(|steps| self.left.checked_sub(steps)).ok_or(Stop::Spent)?;
        Ok(())
    }

    /// For reading so many bytes.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Stop> {
        self.spend(bytes / 64)
    }
}

/// A number, where the value is one.
enum Number<'v> {
    Int(&'v Integer),
    Bool(bool),
    Float(f64),
    Imaginary(f64),
}

/// What equal values have in common, so that they can be looked up. Values without a key are only equal to others
/// without one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Text(&'a str),
    Whole(Integer),
    /// The bits of a float that is not whole.
    Broken(u64),
}

impl<'a> Value<'a> {
    pub(super) fn int(integer: Integer) -> Self {
        Self::Int(std::borrow::Cow::Owned(integer))
    }

    /// Whether it counts as true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::Int(integer) => !integer.is_zero(),
            Self::Float(float) | Self::Imaginary(float) => *float != 0.0,
            Self::Bool(yes) => *yes,
            Self::None => false,
            Self::Ellipsis | Self::Record(_) => true,
            Self::List(values) | Self::Tuple(values) => !values.is_empty(),
        }
    }

    pub(super) fn key(&self) -> Option<Key<'a>> {
        match self {
            Self::Text(text) => Some(Key::Text(text)),
            _ => match self.number()? {
                Number::Int(integer) => Some(Key::Whole(integer.clone())),
                Number::Bool(yes) => Some(Key::Whole(Integer::from(yes))),
                // Not a number equals nothing, not even itself; its key is never looked up with success but by its
                // like, and then it is compared once more.
                Number::Float(float) => Some(match Integer::of_float(float) {
                    Some(whole) if float.fract() == 0.0 => Key::Whole(whole),
                    _ => Key::Broken(float.to_bits()),
                }),
                Number::Imaginary(part) => (part == 0.0).then(|| Key::Whole(Integer::default())),
            },
        }
    }

    fn number(&self) -> Option<Number<'_>> {
        match self {
            Self::Int(integer) => Some(Number::Int(integer)),
            Self::Bool(yes) => Some(Number::Bool(*yes)),
            Self::Float(float) => Some(Number::Float(*float)),
            Self::Imaginary(part) => Some(Number::Imaginary(*part)),
            _ => None,
        }
    }
}

/// Whether the comparison holds.
pub(super) fn compare(one: &Value, sign: Comparison, other: &Value, meter: &mut Meter) -> Result<bool, Stop> {
    let ordered = |meter: &mut Meter, fits: fn(Ordering) -> bool| Ok(order(one, other, meter)?.is_some_and(fits));
    match sign {
        Comparison::Equal => equal(one, other, meter),
        Comparison::NotEqual => Ok(!equal(one, other, meter)?),
        Comparison::Less => ordered(meter, Ordering::is_lt),
        Comparison::LessOrEqual => ordered(meter, Ordering::is_le),
        Comparison::Greater => ordered(meter, Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered(meter, Ordering::is_ge),
        Comparison::In => contains(other, one, meter),
        Comparison::NotIn => Ok(!contains(other, one, meter)?),
        Comparison::Is => same(one, other, meter),
        Comparison::IsNot => Ok(!same(one, other, meter)?),
    }
}

fn equal(one: &Value, other: &Value, meter: &mut Meter) -> Result<bool, Stop> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => {
            meter.spend_bytes(one.len().min(other.len()))?;
            Ok(one == other)
        }
        (Value::Bytes(one), Value::Bytes(other)) => {
            meter.spend_bytes(one.len().min(other.len()))?;
            Ok(one == other)
        }
        (Value::None, Value::None) | (Value::Ellipsis, Value::Ellipsis) => Ok(true),
        (Value::Record(one), Value::Record(other)) => {
            meter.spend(one.len().min(other.len()))?;
            Ok(one == other)
        }
        (Value::List(one), Value::List(other)) | (Value::Tuple(one), Value::Tuple(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (one, other) in one.iter().zip(other) {
                meter.spend(1)?;
                if !equal(one, other, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(match (one.number(), other.number()) {
            (Some(one), Some(other)) => equal_numbers(&one, &other),
            _ => false,
        }),
    }
}

fn equal_numbers(one: &Number, other: &Number) -> bool {
    match (one, other) {
        (Number::Imaginary(one), Number::Imaginary(other)) => one.partial_cmp(other) == Some(Ordering::Equal),
        (Number::Imaginary(part), real) | (real, Number::Imaginary(part)) => {
            *part == 0.0 && order_numbers(real, &Number::Bool(false)) == Some(Ordering::Equal)
        }
        (one, other) => order_numbers(one, other) == Some(Ordering::Equal),
    }
}

/// How real numbers compare; nothing where one is not a number, or is not real.
fn order_numbers(one: &Number, other: &Number) -> Option<Ordering> {
    let whole = |number: &Number| match number {
        Number::Int(integer) => Some((*integer).clone()),
        Number::Bool(yes) => Some(Integer::from(*yes)),
        _ => None,
    };
    match (one, other) {
        (Number::Float(one), Number::Float(other)) => one.partial_cmp(other),
        (Number::Int(one), Number::Int(other)) => Some(one.cmp(other)),
        (Number::Float(float), other) => whole(other)?.compare_float(*float).map(Ordering::reverse),
        (one, Number::Float(float)) => whole(one)?.compare_float(*float),
        (one, other) => Some(whole(one)?.cmp(&whole(other)?)),
    }
}

/// How the two compare; nothing where no order holds between them though there could be one.
fn order(one: &Value, other: &Value, meter: &mut Meter) -> Result<Option<Ordering>, Stop> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => {
            meter.spend_bytes(one.len().min(other.len()))?;
            Ok(Some(one.cmp(other)))
        }
        (Value::Bytes(one), Value::Bytes(other)) => {
            meter.spend_bytes(one.len().min(other.len()))?;
            Ok(Some(one.cmp(other)))
        }
        (Value::List(one), Value::List(other)) | (Value::Tuple(one), Value::Tuple(other)) => {
            for (one, other) in one.iter().zip(other) {
                meter.spend(1)?;
                if !equal(one, other, meter)? {
                    return order(one, other, meter);
                }
            }
            Ok(Some(one.len().cmp(&other.len())))
        }
        _ => match (one.number(), other.number()) {
            (Some(Number::Imaginary(_)), _) | (_, Some(Number::Imaginary(_))) => Err(Stop::Raised),
            (Some(one), Some(other)) => Ok(order_numbers(&one, &other)),
            _ => Err(Stop::Raised),
        },
    }
}

fn contains(whole: &Value, part: &Value, meter: &mut Meter) -> Result<bool, Stop> {
    match (whole, part) {
        (Value::Text(whole), Value::Text(part)) => {
            meter.spend_bytes(whole.len())?;
            Ok(whole.contains(part))
        }
        (Value::Bytes(whole), Value::Bytes(part)) => {
            meter.spend_bytes(whole.len().saturating_mul(part.len()))?;
            Ok(part.is_empty() || whole.windows(part.len()).any(|window| window == *part))
        }
        (Value::Bytes(whole), part) => {
            let byte = match part.number() {
                Some(Number::Bool(yes)) => Some(u8::from(yes)),
                Some(Number::Int(integer)) => integer.small().and_then(|small| u8::try_from(small).ok()),
                _ => None,
            };
            byte.map(|byte| whole.contains(&byte)).ok_or(Stop::Raised)
        }
        (Value::List(values) | Value::Tuple(values), part) => {
            for value in values {
                meter.spend(1)?;
                if equal(value, part, meter)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(Stop::Raised),
    }
}

/// `is`: of one kind and equal. What has no parts is the same wherever it is written; of records it is the very one, and
/// lists are never the same.
fn same(one: &Value, other: &Value, meter: &mut Meter) -> Result<bool, Stop> {
    match (one, other) {
        (Value::Record(one), Value::Record(other)) => Ok(std::ptr::eq(*one, *other)),
        (Value::Tuple(one), Value::Tuple(other)) => Ok(one.is_empty() && other.is_empty()),
        (Value::List(_), Value::List(_)) => Ok(false),
        _ if std::mem::discriminant(one) == std::mem::discriminant(other) => equal(one, other, meter),
        _ => Ok(false),
    }
}
