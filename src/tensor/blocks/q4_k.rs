//! Q4_K and Q5_K: 256 numbers in 8 groups, each with a scale and a minimum of six bits; levels of four or
//! five bits.

use super::affine_search::{Fit, Search, Weighted, search};
use super::factor_search::search_factors;
use super::lane_blocks::{load, pack, store4};
use super::weights::{ByBlock, Weigh, sum};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Mask, Words};
use crate::tensor::rounding::{clamp, divide_or_zero, from_f16, nearest_word, to_f16};

/// Bytes: `scale: f16`, `minimum: f16`, 12 × parts of scales and minima, 128 × two levels.
///
/// - Byte `32 h + i` of the levels holds those of elements `64 h + i` (low four bits) and `64 h + 32 + i`.
/// - Of the twelve bytes, byte `g < 4` holds the scale of group `g` in its low six bits, byte `4 + g` the
///   minimum. Byte `8 + i` holds the low four bits of the scale and of the minimum of group `4 + i`, whose
///   upper two bits are the upper two bits of bytes `i` and `4 + i`.
pub(crate) struct Q4K;

/// Bytes: as [`Q4K`], but with 32 × eight fifth bits before the levels: bit `k` of byte `i` belongs to
/// element `32 k + i`.
pub(crate) struct Q5K;

/// The scale and the minimum of a group, of the twelve bytes that hold them.
fn factors(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        (low & 15 | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}

/// Decodes a block of either type; `fifth` gives the fifth bit, in its place, of an element.
#[inline(always)]
fn decode(block: &[u8], levels: &[u8], values: &mut [f32], fifth: impl Fn(usize, usize) -> u8) {
    let (scale, minimum) = (half(block, 0), half(block, 2));
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale_factor, minimum_factor) = factors(&block[4..16], group);
        let (scale, minimum) = (scale * scale_factor, minimum * minimum_factor);
        let levels = &levels[32 * (group / 2)..];
        let shift = 4 * (group % 2);
        for (i, value) in values.iter_mut().enumerate() {
            *value = scale * f32::from(levels[i] >> shift & 15 | fifth(group, i)) - minimum;
        }
    }
}

impl Block for Q4K {
    const TYPE: ElementType = ElementType::Q4K;

    fn decode(block: &[u8], values: &mut [f32]) {
        decode(block, &block[16..], values, |_, _| 0);
    }
}

impl Block for Q5K {
    const TYPE: ElementType = ElementType::Q5K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let fifths = &block[16..48];
        decode(block, &block[48..], values, |group, i| (fifths[i] >> group & 1) << 4);
    }
}

impl Search for Q4K {
    const TOP: f32 = 15.0;
    const FIRST: f32 = -1.0;
    const TRIALS: usize = 21;
}

impl Search for Q5K {
    const TOP: f32 = 31.0;
    const FIRST: f32 = -0.5;
    const TRIALS: usize = 16;
}

/// What the numbers weigh without importance: their magnitude and the root of the group's mean square.
struct Magnitudes;

impl<L: Lanes> Weigh<L> for Magnitudes {
    #[inline(always)]
    fn of<const N: usize>(&self, _first: usize, elements: &[L; N]) -> [L; N] {
        let mut sum = L::splat(0.0);
        for &element in elements {
            sum = sum + element * element;
        }
        let root = (sum * L::splat(1.0 / N as f32)).sqrt();
        let mut weights = [root; N];
        for (weight, element) in weights.iter_mut().zip(elements) {
            *weight = root + element.abs();
        }
        weights
    }
}

/// The factors of six bits of 8 groups, and the F16 that they are multiples of.
#[inline(always)]
fn six_bit_factors<L: Lanes>(values: &[L; 8]) -> ([L::Words; 8], L::Words) {
    let mut largest = L::splat(0.0);
    for &value in values {
        largest = value.max(largest);
    }
    let inverse = divide_or_zero(63.0, largest);
    let word = L::Words::splat;
    let mut factors = [word(0); 8];
    for (factor, &value) in factors.iter_mut().zip(values) {
        *factor = (nearest_word(inverse * value) & word(0xff)).min_signed(word(63));
    }
    (factors, to_f16(largest / L::splat(63.0)))
}

/// The same by the weights of the groups.
#[inline(always)]
fn searched_factors<L: Lanes>(values: &[L; 8], weights: &[L; 8]) -> Factors<L> {
    let (mut factors, scale) = search_factors(values, weights, 63.0);
    for factor in &mut factors {
        // They have six bits unless something went wrong.
        *factor = *factor & L::Words::splat(63);
    }
    (factors, to_f16(scale))
}

/// The first sixteen bytes of a block.
#[inline(always)]
fn pack_factors<L: Lanes>(
    (scales, scale): &([L::Words; 8], L::Words),
    (depths, depth): &([L::Words; 8], L::Words),
) -> [L::Words; 4] {
    let low_bits = L::Words::splat(15);
    let mut words = [*scale | depth.up(16), L::Words::splat(0), L::Words::splat(0), L::Words::splat(0)];
    for i in 0..4 {
        let (upper_scale, upper_depth) = (scales[i + 4], depths[i + 4]);
        let bytes = [
            scales[i] | upper_scale.down(4).up(6),
            depths[i] | upper_depth.down(4).up(6),
            upper_scale & low_bits | (upper_depth & low_bits).up(4),
        ];
        for (word, byte) in words[1..].iter_mut().zip(bytes) {
            *word = *word | byte.up(8 * i as u32);
        }
    }
    words
}

/// Factors of six bits of the 8 groups, and the F16 that they are multiples of.
type Factors<L> = ([<L as Lanes>::Words; 8], <L as Lanes>::Words);

/// Writes Q4_K blocks, or Q5_K blocks if `FIFTH`, of `BYTES` bytes: their scales and minima, and the levels
/// nearest to the numbers for these.
#[inline(always)]
fn write<L: Lanes, S: Search, const BYTES: usize, const FIFTH: bool>(
    values: &[f32],
    fits: &[Fit<L>; 8],
    scales: Factors<L>,
    depths: Factors<L>,
    blocks: &mut [u8],
) {
    let zero = L::splat(0.0);
    store4::<L>(pack_factors::<L>(&scales, &depths), blocks, BYTES, 0);

    let (scale, depth): (L, L) = (from_f16(scales.1), from_f16(depths.1));
    let word = L::Words::splat;
    let mut fifths = [word(0); 32];
    for pair in 0..4 {
        let mut bytes = [word(0); 32];
        for group in [2 * pair, 2 * pair + 1] {
            let elements: [L; 32] = load(values, 256, 32 * group);
            let scale = scale * L::from_signed(scales.0[group]);
            let depth = depth * L::from_signed(depths.0[group]);
            let kept = scale.equal(zero);
            for i in 0..32 {
                let mut level = clamp(nearest_word((elements[i] + depth) / scale), 0, S::TOP as i32);
                if kept.any() {
                    level = L::Words::select(kept, fits[group].level::<S>(elements[i]), level);
                }
                if FIFTH {
                    fifths[i] = fifths[i] | level.down(4).up(group as u32);
                    level = level & word(15);
                }
                bytes[i] = bytes[i] | level.up(4 * (group % 2) as u32);
            }
        }
        for (half, bytes) in bytes.as_chunks::<16>().0.iter().enumerate() {
            store4::<L>(pack::<L>(bytes), blocks, BYTES, BYTES - 128 + 32 * pair + 16 * half);
        }
    }
    if FIFTH {
        for (half, fifths) in fifths.as_chunks::<16>().0.iter().enumerate() {
            store4::<L>(pack::<L>(fifths), blocks, BYTES, 16 + 16 * half);
        }
    }
}

/// What was found of the 8 groups.
struct Groups<L> {
    fits: [Fit<L>; 8],
    scales: [L; 8],
    /// The minima without their signs.
    depths: [L; 8],
    /// The sums of the weights.
    weights: [L; 8],
}

/// Searches for scale and minimum of all groups.
#[inline(always)]
fn search_groups<L: Lanes, S: Search>(values: &[f32], weigh: &impl Weigh<L>) -> Groups<L> {
    let zero = L::splat(0.0);
    let mut fits = [Fit::<L>::empty(); 8];
    let (mut scales, mut depths, mut sums) = ([zero; 8], [zero; 8], [zero; 8]);
    for (pair, fits) in fits.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let elements: [[L; 32]; 2] = [load(values, 256, 64 * pair), load(values, 256, 64 * pair + 32)];
        let weights = [weigh.of(64 * pair, &elements[0]), weigh.of(64 * pair + 32, &elements[1])];
        (sums[2 * pair], sums[2 * pair + 1]) = (sum(&weights[0]), sum(&weights[1]));
        *fits = search::<L, S, 32, 2>(&elements, &weights);
    }
    for (group, fit) in fits.iter().enumerate() {
        (scales[group], depths[group]) = (fit.scale, zero - fit.minimum);
    }
    Groups { fits, scales, depths, weights: sums }
}

/// Quantizes to Q4_K, or to Q5_K if `FIFTH`, in blocks of `BYTES` bytes; by the search `S`, or `W` with
/// importance.
#[inline(always)]
fn encode<L: Lanes, S: Search, W: Search, const BYTES: usize, const FIFTH: bool>(
    numbers: Numbers<'_>,
    blocks: &mut [u8],
) {
    let values = numbers.values;
    if numbers.importance.is_none() {
        let groups = search_groups::<L, S>(values, &Magnitudes);
        let (scales, depths) = (six_bit_factors(&groups.scales), six_bit_factors(&groups.depths));
        return write::<L, S, BYTES, FIFTH>(values, &groups.fits, scales, depths, blocks);
    }
    let groups = search_groups::<L, W>(values, &ByBlock::new(numbers, 2.0 / 256.0, 0.0));
    let scales = searched_factors(&groups.scales, &groups.weights);
    let depths = searched_factors(&groups.depths, &groups.weights);
    write::<L, W, BYTES, FIFTH>(values, &groups.fits, scales, depths, blocks);
}

impl Encode for Q4K {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        encode::<L, Self, Weighted<15>, 144, false>(numbers, blocks);
    }
}

impl Encode for Q5K {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        encode::<L, Self, Weighted<31>, 176, true>(numbers, blocks);
    }
}
