//! Points, kept exact: hundredths of a point as integers, so that every total adds up.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of points, exact to one hundredth, from 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, JsonSchema)]
#[schemars(with = "f64")]
pub struct Points(u32);

impl Points {
    /// No points.
    pub const ZERO: Points = Points(0);

    /// `hundredths` of a point.
    pub const fn from_hundredths(hundredths: u32) -> Points {
        Points(hundredths)
    }

    /// The amount in hundredths of a point.
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// What is left of it without `part`; nothing, if that is more.
    pub const fn less(self, part: Points) -> Points {
        Points(self.0.saturating_sub(part.0))
    }

    /// The largest unit (a point, a tenth or a hundredth of one) that each of `amounts` is a whole number of. Where only
    /// integers can be written, counting in it keeps every amount and every sum of them exact.
    pub fn common_unit(amounts: impl IntoIterator<Item = Points>) -> Points {
        let finest = |unit: u32, amount: Points| match amount.0 {
            n if n.is_multiple_of(unit) => unit,
            n if n.is_multiple_of(10) => 10,
            _ => 1,
        };
        Points(amounts.into_iter().fold(100, finest))
    }

    /// How many times `unit` it is, which must go into it without a rest.
    pub const fn count(self, unit: Points) -> u32 {
        self.0 / unit.0
    }

    fn from_number(number: f64) -> Result<Points, &'static str> {
        let hundredths = (number * 100.0).round();
        if !(0.0..=1_000_000.0).contains(&hundredths) || (hundredths - number * 100.0).abs() > 1e-6 {
            return Err("points are a number from 0 to 10000 with at most two decimals");
        }
        Ok(Points(hundredths as u32))
    }
}

impl Add for Points {
    type Output = Points;
    fn add(self, other: Points) -> Points {
        Points(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Points {
    fn add_assign(&mut self, other: Points) {
        *self = *self + other;
    }
}

impl Sum for Points {
    fn sum<I: Iterator<Item = Points>>(all: I) -> Points {
        all.fold(Points::ZERO, Add::add)
    }
}

/// `2`, `1.5`, `0.25`: no trailing zeros.
impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}"),
            p if p % 10 == 0 => write!(f, "{whole}.{}", p / 10),
            p => write!(f, "{whole}.{p:02}"),
        }
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 100 {
            0 => serializer.serialize_u32(self.0 / 100),
            _ => serializer.serialize_f64(f64::from(self.0) / 100.0),
        }
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Points, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Points;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("points (a number from 0 to 10000)")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Points, E> {
                self.visit_f64(n as f64)
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Points, E> {
                self.visit_f64(n as f64)
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Points, E> {
                Points::from_number(n).map_err(E::custom)
            }
        }
        deserializer.deserialize_f64(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_without_trailing_zeros() {
        let shown: Vec<String> = [0, 200, 150, 125, 105].map(|h| Points::from_hundredths(h).to_string()).into();
        assert_eq!(shown, ["0", "2", "1.5", "1.25", "1.05"]);
    }

    #[test]
    fn survives_json_exactly() {
        for hundredths in [0, 1, 10, 33, 100, 1_000_000] {
            let points = Points::from_hundredths(hundredths);
            let json = serde_json::to_string(&points).unwrap();
            assert_eq!(serde_json::from_str::<Points>(&json).unwrap(), points, "{json}");
        }
    }

    #[test]
    fn a_common_unit_leaves_no_rest_and_is_no_finer_than_it_must_be() {
        let unit = |amounts: &[u32]| Points::common_unit(amounts.iter().copied().map(Points::from_hundredths)).0;
        assert_eq!(
            [unit(&[]), unit(&[0, 300]), unit(&[300, 20]), unit(&[20, 25]), unit(&[25, 20])],
            [100, 100, 10, 1, 1]
        );
        assert_eq!(Points(320).count(Points(10)), 32);
    }

    #[test]
    fn refuses_what_is_no_amount_of_points() {
        for bad in ["-1", "0.001", "10001", "\"2\""] {
            assert!(serde_json::from_str::<Points>(bad).is_err(), "{bad}");
        }
    }
}
