//! IQ2_XXS, IQ2_XS and IQ2_S: 256 numbers, eight to a point of a codebook with levels 0, 1 and 2, and signs.

use super::codebook::{self, Codebook};
use super::factor_search::search_factors;
use super::lane_blocks::{load, store_low};
use super::lattice_scales::{odd_multiples, pack_fours};
use super::lattice_search::{Polish, Settings, Trials, search};
use super::scale_search::NEGLIGIBLE;
use super::signs::{Unsigned, signed, with_eighth};
use super::weights::{ByBlock, Weigh};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};

/// Bytes: `scale: f16`, 8 × (4 × index, `u32`: 4 × seven signs and a factor of four bits).
pub(crate) struct Iq2Xxs;

/// Bytes: `scale: f16`, 32 × `u16`: index of nine bits and seven signs, 8 × two factors of 16 numbers each.
pub(crate) struct Iq2Xs;

/// Bytes: `scale: f16`, 32 × lower eight bits of an index, 32 × eight signs, 8 × upper two bits of four
/// indices, 8 × two factors of 16 numbers each.
pub(crate) struct Iq2S;

/// What the levels stand for when they are decoded.
const VALUES: [f32; 3] = [8.0, 25.0, 43.0];

/// Decodes eight numbers.
fn decode_point(codebook: &'static Codebook, index: usize, signs: u8, scale: f32, values: &mut [f32]) {
    for (i, value) in values.iter_mut().enumerate() {
        *value = signed(scale * VALUES[codebook.level(index, i)], signs, i);
    }
}

/// The scale of a factor of four bits.
fn scale_of(scale: f32, factor: u8) -> f32 {
    scale * (0.5 + f32::from(factor)) * 0.25
}

impl Block for Iq2Xxs {
    const TYPE: ElementType = ElementType::Iq2Xxs;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (group, values) in block[2..].chunks_exact(8).zip(values.chunks_exact_mut(32)) {
            let signs = u32::from_le_bytes([group[4], group[5], group[6], group[7]]);
            let scale = scale_of(scale, (signs >> 28) as u8);
            for (k, values) in values.chunks_exact_mut(8).enumerate() {
                let signs = with_eighth((signs >> (7 * k) & 127) as u8);
                decode_point(&codebook::IQ2_XXS, usize::from(group[k]), signs, scale, values);
            }
        }
    }
}

impl Block for Iq2Xs {
    const TYPE: ElementType = ElementType::Iq2Xs;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let word = u16::from_le_bytes([block[2 + 2 * k], block[3 + 2 * k]]);
            let scale = scale_of(scale, block[66 + k / 4] >> (4 * (k / 2 % 2)) & 15);
            let (index, signs) = (usize::from(word & 511), with_eighth((word >> 9) as u8));
            decode_point(&codebook::IQ2_XS, index, signs, scale, values);
        }
    }
}

impl Block for Iq2S {
    const TYPE: ElementType = ElementType::Iq2S;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let upper = usize::from(block[66 + k / 4] >> (2 * (k % 4)) & 3);
            let scale = scale_of(scale, block[74 + k / 4] >> (4 * (k / 2 % 2)) & 15);
            decode_point(
                &codebook::IQ2_S,
                usize::from(block[2 + k]) | upper << 8,
                block[34 + k],
                scale,
                values,
            );
        }
    }
}

impl Encode for Iq2Xxs {
    const NEEDS_IMPORTANCE: bool = true;

    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 66;
        const SETTINGS: Settings = Settings {
            codebook: &codebook::IQ2_XXS,
            trials: Trials { reach: 6, fineness: 0.1 },
            polish: Polish::All,
        };
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let by_block = ByBlock::<L>::new(numbers, 1.0 / 256.0, 0.0);
        let mut scales = [zero; 8];
        let mut signs = [word(0); 8];
        for group in 0..8 {
            let elements: [L; 32] = load(numbers.values, 256, 32 * group);
            let weights = by_block.of(32 * group, &elements);
            let unsigned = Unsigned::<L, 32, 4>::even(&elements, &weights);
            // The trials start from the scale of a search without the codebook.
            let (_, scale) = search_factors(&unsigned.numbers, &weights, 4.0);
            let most = scale * L::splat(3.0);
            let fit = search::<L, 32, 8, 4>(SETTINGS, &unsigned.numbers, &weights, most, scale);
            let used = !unsigned.largest().less(L::splat(NEGLIGIBLE)) & zero.less(most);
            scales[group] = L::select(used, fit.scale.abs(), zero);
            let stored = unsigned.stored(used, fit.scale.less(zero), 127);
            let mut indices = word(0);
            for (k, (index, stored)) in fit.indices.into_iter().zip(stored).enumerate() {
                indices = indices | index.up(8 * k as u32);
                signs[group] = signs[group] | stored.up(7 * k as u32);
            }
            let indices = L::Words::select(used, indices, word(0));
            store_low::<L>(indices, 4, blocks, BYTES, 2 + 8 * group);
        }
        let (factors, scale) = odd_multiples(&scales, 15, 1.0);
        store_low::<L>(scale, 2, blocks, BYTES, 0);
        for group in 0..8 {
            store_low::<L>(signs[group] | factors[group].up(28), 4, blocks, BYTES, 6 + 8 * group);
        }
    }
}

/// What IQ2_XS and IQ2_S search with, for sixteen numbers at a time.
const fn settings(codebook: &'static Codebook) -> Settings {
    Settings { codebook, trials: Trials { reach: 9, fineness: 0.1 }, polish: Polish::Moved }
}

/// Two points that share a scale.
struct Pair<L: Lanes> {
    scale: L,
    indices: [L::Words; 2],
    signs: [L::Words; 2],
}

/// Finds the two points of sixteen numbers. `opposite` are the signs of all negative numbers; groups whose
/// numbers are all smaller than `negligible` are zero.
#[inline(always)]
fn search_pair<L: Lanes>(
    settings: Settings,
    unsigned: &Unsigned<L, 16, 2>,
    weights: &[L; 16],
    opposite: u32,
    negligible: f32,
) -> Pair<L> {
    let zero = L::splat(0.0);
    let most = unsigned.largest();
    let fit = search::<L, 16, 8, 2>(settings, &unsigned.numbers, weights, most, most / L::splat(5.0));
    let used = !most.less(L::splat(negligible));
    let signs = unsigned.stored(used, fit.scale.less(zero), opposite);
    let mut indices = fit.indices;
    for index in &mut indices {
        *index = L::Words::select(used, *index, L::Words::splat(0));
    }
    Pair { scale: L::select(used, fit.scale.abs(), zero), indices, signs }
}

impl Encode for Iq2Xs {
    const NEEDS_IMPORTANCE: bool = true;

    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 74;
        let by_block = ByBlock::<L>::new(numbers, 1.0 / 256.0, 0.0);
        let mut scales = [L::splat(0.0); 16];
        for (group, scale) in scales.iter_mut().enumerate() {
            let elements: [L; 16] = load(numbers.values, 256, 16 * group);
            let weights = by_block.of(16 * group, &elements);
            let unsigned = Unsigned::even(&elements, &weights);
            let pair = search_pair(settings(&codebook::IQ2_XS), &unsigned, &weights, 127, NEGLIGIBLE);
            *scale = pair.scale;
            let (first, second) = (pair.indices[0], pair.indices[1].up(16));
            let words = first | pair.signs[0].up(9) | second | pair.signs[1].up(25);
            store_low::<L>(words, 4, blocks, BYTES, 2 + 4 * group);
        }
        let (factors, scale) = odd_multiples(&scales, 15, 1.0);
        store_low::<L>(scale, 2, blocks, BYTES, 0);
        store_low::<L>(pack_fours(&factors[..8]), 4, blocks, BYTES, 66);
        store_low::<L>(pack_fours(&factors[8..]), 4, blocks, BYTES, 70);
    }
}

impl Encode for Iq2S {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 82;
        let word = L::Words::splat;
        // Without importance, there is a quarter of the typical square in every weight.
        let weigh = ByBlock::<L>::new(numbers, 2.0 / 256.0, 0.25);
        let mut scales = [L::splat(0.0); 16];
        for four in 0..8 {
            let (mut lower, mut signs, mut upper) = (word(0), word(0), word(0));
            for half in 0..2 {
                let group = 2 * four + half;
                let elements: [L; 16] = load(numbers.values, 256, 16 * group);
                let unsigned = Unsigned::new(&elements);
                let weights = weigh.of(16 * group, &elements);
                let pair = search_pair(settings(&codebook::IQ2_S), &unsigned, &weights, 255, 1e-8);
                scales[group] = pair.scale;
                for k in 0..2 {
                    let place = (2 * half + k) as u32;
                    lower = lower | (pair.indices[k] & word(255)).up(8 * place);
                    upper = upper | pair.indices[k].down(8).up(2 * place);
                    signs = signs | pair.signs[k].up(8 * place);
                }
            }
            store_low::<L>(lower, 4, blocks, BYTES, 2 + 4 * four);
            store_low::<L>(signs, 4, blocks, BYTES, 34 + 4 * four);
            store_low::<L>(upper, 1, blocks, BYTES, 66 + four);
        }
        let (factors, scale) = odd_multiples(&scales, 15, 0.9875);
        store_low::<L>(scale, 2, blocks, BYTES, 0);
        store_low::<L>(pack_fours(&factors[..8]), 4, blocks, BYTES, 74);
        store_low::<L>(pack_fours(&factors[8..]), 4, blocks, BYTES, 78);
    }
}
