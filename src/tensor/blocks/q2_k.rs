//! Q2_K: 256 numbers in 16 groups, each with a scale and a minimum of four bits; levels of two bits.

use super::affine_search::{Fit, Search, Weighted, search};
use super::factor_search::search_factors;
use super::lane_blocks::{load, pack, store_low, store4};
use super::weights::{ByBlock, Weigh, sum};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Mask, Words};
use crate::tensor::rounding::{clamp, divide_or_zero, from_f16, nearest_word, to_f16};

/// Bytes: 16 × (scale in the low, minimum in the high four bits), 64 × four levels, `scale: f16`, `minimum:
/// f16`.
///
/// Byte `32 h + i` of the levels holds those of elements `128 h + i`, `+ 32`, `+ 64` and `+ 96`, lowest bits
/// first.
pub(crate) struct Q2K;

impl Block for Q2K {
    const TYPE: ElementType = ElementType::Q2K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let (scale, minimum) = (half(block, 80), half(block, 82));
        for (group, values) in values.chunks_exact_mut(16).enumerate() {
            let factors = block[group];
            let (scale, minimum) = (scale * f32::from(factors & 15), minimum * f32::from(factors >> 4));
            let levels = &block[16 + 32 * (group / 8) + 16 * (group % 2)..];
            let shift = 2 * (group / 2 % 4);
            for (value, &level) in values.iter_mut().zip(levels) {
                *value = scale * f32::from(level >> shift & 3) - minimum;
            }
        }
    }
}

impl Search for Q2K {
    const TOP: f32 = 3.0;
    const FIRST: f32 = -0.5;
    const TRIALS: usize = 16;

    #[inline(always)]
    fn penalty<L: Lanes>(difference: L) -> L {
        difference.abs()
    }
}

/// What the numbers weigh without importance: their magnitude.
struct Magnitudes;

impl<L: Lanes> Weigh<L> for Magnitudes {
    #[inline(always)]
    fn of<const N: usize>(&self, _first: usize, elements: &[L; N]) -> [L; N] {
        let mut weights = *elements;
        for weight in &mut weights {
            *weight = weight.abs();
        }
        weights
    }
}

/// The factors of 16 groups, four bits unless something went wrong, and the F16 that they are multiples of.
#[inline(always)]
fn factors<L: Lanes>(values: &[L; 16]) -> ([L::Words; 16], L::Words) {
    let mut largest = L::splat(0.0);
    for &value in values {
        largest = value.max(largest);
    }
    let inverse = divide_or_zero(15.0, largest);
    let mut factors = [L::Words::splat(0); 16];
    for (factor, &value) in factors.iter_mut().zip(values) {
        *factor = nearest_word(inverse * value);
    }
    (factors, to_f16(largest / L::splat(15.0)))
}

/// Factors of four bits of the 16 groups, and the F16 that they are multiples of.
type Factors<L> = ([<L as Lanes>::Words; 16], <L as Lanes>::Words);

/// Writes blocks: their scales and minima, and the levels nearest to the numbers for these.
#[inline(always)]
fn write<L: Lanes, S: Search>(
    values: &[f32],
    fits: &[Fit<L>; 16],
    (scale_factors, scale): Factors<L>,
    (depth_factors, depth): Factors<L>,
    blocks: &mut [u8],
) {
    const BYTES: usize = 84;
    let mut factor_bytes = scale_factors;
    for (byte, &factor) in factor_bytes.iter_mut().zip(&depth_factors) {
        *byte = (*byte | factor.up(4)) & L::Words::splat(0xff);
    }
    store4::<L>(pack::<L>(&factor_bytes), blocks, BYTES, 0);
    store_low::<L>(scale | depth.up(16), 4, blocks, BYTES, 80);

    let zero = L::splat(0.0);
    let (scale, depth): (L, L) = (from_f16(scale), from_f16(depth));
    for quarter in 0..4 {
        let (half, first) = (quarter / 2, quarter % 2);
        let mut bytes = [L::Words::splat(0); 16];
        for part in 0..4 {
            let group = 8 * half + 2 * part + first;
            let elements: [L; 16] = load(values, 256, 16 * group);
            let scale = scale * L::from_signed(factor_bytes[group] & L::Words::splat(15));
            let depth = depth * L::from_signed(factor_bytes[group].down(4));
            let kept = scale.equal(zero);
            for (byte, &element) in bytes.iter_mut().zip(&elements) {
                let mut level = clamp(nearest_word((element + depth) / scale), 0, 3);
                if kept.any() {
                    level = L::Words::select(kept, fits[group].level::<S>(element), level);
                }
                *byte = *byte | level.up(2 * part as u32);
            }
        }
        store4::<L>(pack::<L>(&bytes), blocks, BYTES, 16 + 16 * quarter);
    }
}

/// What was found of the 16 groups.
struct Groups<L> {
    fits: [Fit<L>; 16],
    scales: [L; 16],
    /// The minima without their signs.
    depths: [L; 16],
    /// The sums of the weights.
    weights: [L; 16],
}

/// Searches for scale and minimum of all groups.
#[inline(always)]
fn search_groups<L: Lanes, S: Search>(values: &[f32], weigh: &impl Weigh<L>) -> Groups<L> {
    let zero = L::splat(0.0);
    let mut fits = [Fit::<L>::empty(); 16];
    let (mut scales, mut depths, mut sums) = ([zero; 16], [zero; 16], [zero; 16]);
    for (pair, fits) in fits.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let elements: [[L; 16]; 2] = [load(values, 256, 32 * pair), load(values, 256, 32 * pair + 16)];
        let weights = [weigh.of(32 * pair, &elements[0]), weigh.of(32 * pair + 16, &elements[1])];
        (sums[2 * pair], sums[2 * pair + 1]) = (sum(&weights[0]), sum(&weights[1]));
        *fits = search::<L, S, 16, 2>(&elements, &weights);
    }
    for (group, fit) in fits.iter().enumerate() {
        (scales[group], depths[group]) = (fit.scale, zero - fit.minimum);
    }
    Groups { fits, scales, depths, weights: sums }
}

impl Encode for Q2K {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        let values = numbers.values;
        if numbers.importance.is_none() {
            let groups = search_groups::<L, Self>(values, &Magnitudes);
            let (scales, depths) = (factors(&groups.scales), factors(&groups.depths));
            return write::<L, Self>(values, &groups.fits, scales, depths, blocks);
        }
        let groups = search_groups::<L, Weighted<3>>(values, &ByBlock::new(numbers, 1.0 / 256.0, 0.0));
        let (scale_factors, scale) = search_factors(&groups.scales, &groups.weights, 15.0);
        let (depth_factors, depth) = search_factors(&groups.depths, &groups.weights, 15.0);
        let (scales, depths) = ((scale_factors, to_f16(scale)), (depth_factors, to_f16(depth)));
        write::<L, Weighted<3>>(values, &groups.fits, scales, depths, blocks);
    }
}
