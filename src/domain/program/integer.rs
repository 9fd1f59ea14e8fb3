//! Whole numbers of any size: as Python has them, but only to be read and compared.

use std::cmp::Ordering;

/// The most digits of a number that is read from a text.
pub(super) const MAX_DIGITS: usize = 4_300;

/// A whole number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Integer {
    /// Not for zero.
    negative: bool,
    /// The magnitude, the least part first; the last one is not zero.
    limbs: Vec<u32>,
}

impl Integer {
    /// The number with these digits in this base, which is 2 to 36.
    pub(super) fn of_digits(digits: &[u32], base: u32) -> Self {
        // As many digits at once as a limb holds.
        let (mut at_once, mut power) = (1, base);
        while let Some(next) = power.checked_mul(base) {
            at_once += 1;
            power = next;
        }
        let mut limbs: Vec<u32> = Vec::new();
        let head = digits.len() % at_once;
        let (head, rest) = digits.split_at_checked(head).unwrap_or((digits, &[]));
        for chunk in std::iter::once(head).chain(rest.chunks(at_once)) {
            let (mut factor, mut carry) = (1_u64, 0_u64);
            for digit in chunk {
                carry = carry * u64::from(base) + u64::from(*digit);
                factor *= u64::from(base);
            }
            for limb in &mut limbs {
                carry += u64::from(*limb) * factor;
                *limb = low(carry);
                carry >>= 32;
            }
            if carry > 0 {
                limbs.push(low(carry));
            }
        }
        Self { negative: false, limbs }
    }

    /// The number without what stands behind its point; nothing for what is not finite.
    pub(super) fn of_float(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let bits = float.to_bits();
        let exponent = i64::try_from((bits >> 52) & 0x7ff).ok()?;
        let fraction = bits & ((1 << 52) - 1);
        let mantissa = if exponent == 0 { fraction } else { fraction | (1 << 52) };
        let shift = exponent.max(1) - 1_075;
        let limbs = if shift < 0 {
            let whole = u32::try_from(-shift).ok().and_then(|shift| mantissa.checked_shr(shift)).unwrap_or_default();
            vec![low(whole), low(whole >> 32)]
        } else {
            let shift = usize::try_from(shift).ok()?;
            let mut limbs = vec![0; shift / 32];
            let mut rest = u128::from(mantissa) << (shift % 32);
            while rest > 0 {
                limbs.push(low(u64::try_from(rest & 0xffff_ffff).ok()?));
                rest >>= 32;
            }
            limbs
        };
        Some(Self { negative: float < 0.0, limbs }.normal())
    }

    fn normal(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self.negative &= !self.limbs.is_empty();
        self
    }

    /// The number with its sign turned.
    pub(super) fn negated(self) -> Self {
        Self { negative: !self.negative, limbs: self.limbs }.normal()
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The number if it is from 0 to 255 or the like.
    pub(super) fn small(&self) -> Option<u32> {
        match self.limbs.as_slice() {
            [] => Some(0),
            [only] if !self.negative => Some(*only),
            _ => None,
        }
    }

    /// The nearest float, the even one of two; nothing beyond the greatest.
    pub(super) fn to_float(&self) -> Option<f64> {
        let mut limbs = self.limbs.iter().rev();
        let mut top = limbs.by_ref().take(3).fold(0_u128, |top, limb| top << 32 | u128::from(*limb));
        let left = limbs.len();
        let mut dropped = limbs.any(|limb| *limb != 0);
        let mut exponent = i32::try_from(left).ok()?.checked_mul(32)?;
        while top >> 64 != 0 {
            dropped |= top & 1 != 0;
            top >>= 1;
            exponent += 1;
        }
        // Two exact halves: their sum is rounded once. The last of 64 bits stands for all that was dropped.
        let top = u64::try_from(top).ok()? | u64::from(dropped);
        let magnitude = f64::from(low(top >> 32)) * 4_294_967_296.0 + f64::from(low(top));
        let float = magnitude * 2_f64.powi(exponent);
        float.is_finite().then_some(if self.negative { -float } else { float })
    }

    /// How the number compares with a float, exactly; nothing for what is not a number.
    pub(super) fn compare_float(&self, float: f64) -> Option<Ordering> {
        match Self::of_float(float) {
            Some(whole) => Some(self.cmp(&whole).then_with(|| {
                let behind_point = float.fract();
                0.0.partial_cmp(&behind_point).unwrap_or(Ordering::Equal)
            })),
            None if float.is_nan() => None,
            None => Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater }),
        }
    }
}

impl From<bool> for Integer {
    fn from(yes: bool) -> Self {
        Self { negative: false, limbs: if yes { vec![1] } else { Vec::new() } }
    }
}

impl From<usize> for Integer {
    fn from(count: usize) -> Self {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        Self { negative: false, limbs: vec![low(count), low(count >> 32)] }.normal()
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        let magnitude = |one: &Self, other: &Self| {
            one.limbs.len().cmp(&other.limbs.len()).then_with(|| one.limbs.iter().rev().cmp(other.limbs.iter().rev()))
        };
        match (self.negative, other.negative) {
            (false, false) => magnitude(self, other),
            (true, true) => magnitude(other, self),
            (negative, _) => {
                if negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The lower half.
fn low(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn integer(text: &str) -> Integer {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let digits: Vec<u32> = digits.chars().map(|digit| digit.to_digit(10).expect("a digit")).collect();
        let integer = Integer::of_digits(&digits, 10);
        if negative { integer.negated() } else { integer }
    }

    proptest! {
        #[test]
        fn they_compare_as_machine_numbers_do(one: i128, other: i128) {
            prop_assert_eq!(integer(&one.to_string()).cmp(&integer(&other.to_string())), one.cmp(&other));
        }

        #[test]
        fn every_base_gives_the_same(number: u64) {
            let hexadecimal: Vec<u32> = format!("{number:x}").chars().filter_map(|digit| digit.to_digit(16)).collect();
            let binary: Vec<u32> = format!("{number:b}").chars().filter_map(|digit| digit.to_digit(2)).collect();
            let decimal = integer(&number.to_string());
            prop_assert_eq!(&Integer::of_digits(&hexadecimal, 16), &decimal);
            prop_assert_eq!(&Integer::of_digits(&binary, 2), &decimal);
        }

        #[test]
        fn floats_come_out_as_a_parser_has_them(digits in "-?[1-9][0-9]{0,320}") {
            let float: f64 = digits.parse().expect("a float");
            prop_assert_eq!(integer(&digits).to_float(), float.is_finite().then_some(float));
        }

        #[test]
        fn whole_floats_go_there_and_back(float in any::<f64>()) {
            if let Some(whole) = Integer::of_float(float) {
                prop_assert_eq!(whole.to_float(), Some(float.trunc() + 0.0));
                prop_assert_eq!(whole.compare_float(float), float.trunc().partial_cmp(&float));
                prop_assert_eq!(whole, integer(&format!("{:.0}", float.trunc()).replace("-0", "0")));
            }
        }
    }

    #[test]
    fn comparing_with_a_float_is_exact() {
        let great = integer("9007199254740993");
        assert_eq!(great.compare_float(9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(great.compare_float(f64::INFINITY), Some(Ordering::Less));
        assert_eq!(great.compare_float(f64::NEG_INFINITY), Some(Ordering::Greater));
        assert_eq!(great.compare_float(f64::NAN), None);
        assert_eq!(integer("-1").compare_float(-0.5), Some(Ordering::Less));
        assert_eq!(integer("0").compare_float(-0.0), Some(Ordering::Equal));
        assert_eq!(integer(&"9".repeat(400)).to_float(), None);
        assert_eq!(
            (integer("255").small(), integer("-1").small(), integer("4294967296").small()),
            (Some(255), None, None)
        );
        assert!(integer("0").negated().is_zero());
    }
}
