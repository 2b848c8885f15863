//! How far what is stored is from what it stands for.

use std::sync::Mutex;

use super::Plan;
use crate::locked::{locked, unpoisoned};

/// Sums of squares, weighed by the importance of columns where it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SquaredError {
    /// Of the differences.
    pub error: f64,
    /// Of the values themselves.
    pub own: f64,
}

impl SquaredError {
    /// Adds rows of values and what is read in their place.
    pub(super) fn add(&mut self, values: &[f32], decoded: &[f32], importance: Option<&[f32]>) {
        let mut add = |value: f32, decoded: f32, weight: f64| {
            let (value, difference) = (f64::from(value), f64::from(value) - f64::from(decoded));
            self.own += weight * value * value;
            self.error += weight * difference * difference;
        };
        match importance {
            None => values.iter().zip(decoded).for_each(|(&value, &decoded)| add(value, decoded, 1.0)),
            Some(importance) => {
                let rows = values.chunks(importance.len()).zip(decoded.chunks(importance.len()));
                for (values, decoded) in rows {
                    for ((&value, &decoded), &weight) in values.iter().zip(decoded).zip(importance) {
                        add(value, decoded, weight.into());
                    }
                }
            }
        }
    }

    /// The one and the other together.
    pub fn plus(self, other: Self) -> Self {
        Self { error: self.error + other.error, own: self.own + other.own }
    }

    /// The root of the mean square of the differences, relative to that of the values; zero for a tensor of
    /// zeros.
    pub fn relative(&self) -> f64 {
        if self.own > 0.0 { (self.error / self.own).sqrt() } else { 0.0 }
    }
}

/// The errors of all tensors of a plan, which come in row by row from several threads.
#[derive(Debug)]
pub struct SquaredErrors(Mutex<Vec<SquaredError>>);

impl SquaredErrors {
    /// No error yet.
    pub fn of(plan: &Plan) -> Self {
        Self(Mutex::new(vec![SquaredError::default(); plan.tensors.len()]))
    }

    /// Adds what was measured of a tensor.
    pub fn add(&self, tensor: usize, error: SquaredError) {
        let mut errors = locked(&self.0);
        errors[tensor] = errors[tensor].plus(error);
    }

    /// The errors of the tensors in their order.
    pub fn finish(self) -> Vec<SquaredError> {
        unpoisoned(self.0.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_and_weighed() {
        let mut error = SquaredError::default();
        error.add(&[3.0, 4.0], &[3.0, 3.0], None);
        assert_eq!(error.relative(), 0.2);
        let mut weighed = SquaredError::default();
        weighed.add(&[3.0, 4.0, 3.0, 4.0], &[3.0, 3.0, 3.0, 4.0], Some(&[1.0, 0.0]));
        assert_eq!((weighed.error, weighed.own), (0.0, 18.0));
        assert_eq!(SquaredError::default().relative(), 0.0);
    }
}
