//! Sine and cosine as PyTorch has them, bit by bit.
//!
//! PyTorch asks Intel's Math Kernel Library for them, whose results are not always the nearest numbers:
//! angles are reduced by multiples of π in double precision, and what is left goes through a polynomial of
//! the ninth degree. Its coefficients were found from results of PyTorch 2.15. That they yield the tables of
//! positions that encoders of sound have, bit by bit, is what the cases of these encoders show; a test below
//! says how far a result can be from the function itself.

/// π in two parts, of which multiples of the first are exact.
const PI: (f64, f64) = (3.141_592_653_468_251_2, 1.215_420_101_802_894_3e-10);
/// The coefficients of the third, fifth, seventh and ninth power.
const POWERS: [f64; 4] = [
    -0.166_666_595_504_229_71,
    8.333_066_245_991_366e-3,
    -1.980_960_289_637_558_5e-4,
    2.605_780_627_042_936e-6,
];

/// `sin(x)`.
pub fn sine(x: f32) -> f32 {
    let x = f64::from(x);
    let turns = (x / std::f64::consts::PI).round_ties_even();
    signed(polynomial(x, turns), turns)
}

/// `cos(x)`.
pub fn cosine(x: f32) -> f32 {
    let x = f64::from(x);
    let turns = (x / std::f64::consts::PI - 0.5).round_ties_even();
    signed(-polynomial(x, turns + 0.5), turns)
}

/// The sine of what is left of an angle without so many halves of a circle.
fn polynomial(x: f64, halves: f64) -> f64 {
    let rest = (x - halves * PI.0) - halves * PI.1;
    let square = rest * rest;
    let sum = POWERS.iter().rev().fold(0.0, |sum, power| square * (sum + power));
    rest + rest * sum
}

/// The value with the sign that it has after so many halves of a circle.
fn signed(value: f64, halves: f64) -> f32 {
    let value = value as f32;
    if halves.rem_euclid(2.0) == 0.0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_those_of_the_functions() {
        for step in -30_000..30_000_i32 {
            let x = step as f32 / 20.0;
            for (result, exact) in [(sine(x), f64::from(x).sin()), (cosine(x), f64::from(x).cos())] {
                let place = f64::from(exact.abs() as f32) * f64::from(f32::EPSILON);
                let error = (f64::from(result) - exact).abs();
                assert!(error <= 0.65 * place, "{x}: {result} is off by {error}");
            }
        }
    }
}
