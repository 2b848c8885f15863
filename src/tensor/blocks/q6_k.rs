//! Q6_K: 256 numbers in 16 groups, each with a signed scale of eight bits; levels of six bits, zero in the
//! middle.

use super::lane_blocks::{extreme, load, pack, store_low, store4};
use super::scale_search::{Fit, NEGLIGIBLE, search_steps};
use super::weights::squares;
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Mask, Words};
use crate::tensor::rounding::{clamp, from_f16, nearest_word, to_f16};

/// Bytes: 128 × two lower parts of levels, 64 × four upper parts, 16 × `scale: i8`, `scale: f16`.
///
/// For each half `h` of 128 elements: byte `64 h + i` holds the low four bits of elements `i` and `i + 64` of
/// that half for `i < 64`, and byte `32 h + i` of the upper parts the upper two bits of elements `i`, `i +
/// 32`, `i + 64` and `i + 96`, lowest bits first. Levels are stored 32 too large.
pub(crate) struct Q6K;

impl Block for Q6K {
    const TYPE: ElementType = ElementType::Q6K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 208);
        for (group, values) in values.chunks_exact_mut(16).enumerate() {
            let scale = scale * f32::from(block[192 + group] as i8);
            let (half, within) = (group / 8, group % 8);
            let lower = &block[64 * half + 16 * (within % 4)..];
            let upper = &block[128 + 32 * half + 16 * (within % 2)..];
            let (lower_shift, upper_shift) = (4 * (within / 4), 2 * (within / 2));
            for (i, value) in values.iter_mut().enumerate() {
                let level = lower[i] >> lower_shift & 15 | (upper[i] >> upper_shift & 3) << 4;
                *value = scale * (f32::from(level) - 32.0);
            }
        }
    }
}

const REACH: f32 = 32.0;

impl Encode for Q6K {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, importance, .. }: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 210;
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let mut fits = [Fit::<L>::empty(); 16];
        let mut scales = [zero; 16];
        for (group, fit) in fits.iter_mut().enumerate() {
            let elements: [L; 16] = load(values, 256, 16 * group);
            // With importance, that is itself the weight.
            let weights = match importance {
                Some(importance) => load(importance, 256, 16 * group),
                None => squares(&elements),
            };
            *fit = search_steps(&elements, &weights, REACH);
            scales[group] = fit.scale;
        }
        let (magnitude, largest) = extreme(&scales);
        // The reference writes zeros only for a block whose scales are all negligible.
        let blank = magnitude.less(L::splat(NEGLIGIBLE));
        let inverse = L::splat(-128.0) / largest;
        let mut factors = [word(0); 16];
        let mut factor_bytes = [word(0); 16];
        for group in 0..16 {
            let factor = nearest_word(inverse * scales[group]).min_signed(word(127));
            factors[group] = L::Words::select(blank, word(0), factor);
            factor_bytes[group] = factors[group] & word(0xff);
        }
        let scale = L::Words::select(blank, word(0), to_f16(L::splat(1.0) / inverse));
        store4::<L>(pack::<L>(&factor_bytes), blocks, BYTES, 192);
        store_low::<L>(scale, 2, blocks, BYTES, 208);

        let scale: L = from_f16(scale);
        for quarter in 0..4 {
            let (half, first) = (quarter / 2, quarter % 2);
            let mut lower = [[word(0); 16]; 2];
            let mut upper = [word(0); 16];
            for part in 0..4 {
                let group = 8 * half + 2 * part + first;
                let elements: [L; 16] = load(values, 256, 16 * group);
                let scale = scale * L::from_signed(factors[group]);
                let kept = scale.equal(zero);
                let any_kept = kept.any();
                for i in 0..16 {
                    let mut level = clamp(nearest_word(elements[i] / scale), -32, 31) + word(32);
                    if any_kept {
                        let searched = fits[group].level(elements[i], REACH) + word(32);
                        let searched = L::Words::select(fits[group].zero | blank, word(0), searched);
                        level = L::Words::select(kept, searched, level);
                    }
                    lower[part % 2][i] = lower[part % 2][i] | (level & word(15)).up(4 * (part / 2) as u32);
                    upper[i] = upper[i] | level.down(4).up(2 * part as u32);
                }
            }
            store4::<L>(pack::<L>(&lower[0]), blocks, BYTES, 64 * half + 16 * first);
            store4::<L>(pack::<L>(&lower[1]), blocks, BYTES, 64 * half + 32 + 16 * first);
            store4::<L>(pack::<L>(&upper), blocks, BYTES, 128 + 32 * half + 16 * first);
        }
    }
}
