//! IQ3_XXS and IQ3_S: 256 numbers, four to a point of a codebook with levels from 0 to 7, and signs.

use super::codebook::{self, Codebook};
use super::lane_blocks::{load, store_low};
use super::lattice_scales::{odd_multiples, pack_fours};
use super::lattice_search::{Polish, Settings, Trials, search};
use super::signs::{Unsigned, signed, with_eighth};
use super::weights::{ByBlock, Weigh};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};

/// Bytes: `scale: f16`, 64 × index, 8 × `u32`: 4 × seven signs and a factor of four bits of 32 numbers.
pub(crate) struct Iq3Xxs;

/// Bytes: `scale: f16`, 64 × lower eight bits of an index, 8 × the ninth bits of eight indices, 32 × eight
/// signs, 4 × two factors of 32 numbers each.
pub(crate) struct Iq3S;

/// What the levels of IQ3_XXS stand for when they are decoded.
const VALUES_XXS: [f32; 8] = [4.0, 12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 62.0];

/// The same of IQ3_S.
const VALUES_S: [f32; 8] = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0];

impl Block for Iq3Xxs {
    const TYPE: ElementType = ElementType::Iq3Xxs;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (k, values) in values.chunks_exact_mut(4).enumerate() {
            let group = &block[66 + 4 * (k / 8)..];
            let signs = u32::from_le_bytes([group[0], group[1], group[2], group[3]]);
            let scale = scale * (0.5 + (signs >> 28) as f32) * 0.5;
            let signs = with_eighth((signs >> (7 * (k / 2 % 4)) & 127) as u8) >> (4 * (k % 2));
            for (i, value) in values.iter_mut().enumerate() {
                let level = codebook::IQ3_XXS.level(usize::from(block[2 + k]), i);
                *value = signed(scale * VALUES_XXS[level], signs, i);
            }
        }
    }
}

impl Block for Iq3S {
    const TYPE: ElementType = ElementType::Iq3S;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (k, values) in values.chunks_exact_mut(4).enumerate() {
            let index = usize::from(block[2 + k]) | usize::from(block[66 + k / 8] >> (k % 8) & 1) << 8;
            let factor = block[106 + k / 16] >> (4 * (k / 8 % 2)) & 15;
            let scale = scale * (1.0 + 2.0 * f32::from(factor));
            let signs = block[74 + k / 2] >> (4 * (k % 2));
            for (i, value) in values.iter_mut().enumerate() {
                *value = signed(scale * VALUES_S[codebook::IQ3_S.level(index, i)], signs, i);
            }
        }
    }
}

/// Eight points that share a scale.
struct Group<L: Lanes> {
    scale: L,
    indices: [L::Words; 8],
    signs: [L::Words; 4],
}

/// Finds the eight points of 32 numbers, of which `most` is the largest. `opposite` are the signs of all
/// negative numbers; groups that are not `used` are zero.
#[inline(always)]
fn search_group<L: Lanes>(
    settings: Settings,
    unsigned: &Unsigned<L, 32, 4>,
    weights: &[L; 32],
    opposite: u32,
    most: L,
    used: L::Mask,
) -> Group<L> {
    let zero = L::splat(0.0);
    let fit = search::<L, 32, 4, 8>(settings, &unsigned.numbers, weights, most, most / L::splat(15.0));
    let signs = unsigned.stored(used, fit.scale.less(zero), opposite);
    let mut indices = fit.indices;
    for index in &mut indices {
        *index = L::Words::select(used, *index, L::Words::splat(0));
    }
    Group { scale: L::select(used, fit.scale.abs(), zero), indices, signs }
}

/// The lower eight bits of eight indices as two words, and their ninth bits.
#[inline(always)]
fn pack_indices<W: Words>(indices: &[W; 8]) -> ([W; 2], W) {
    let (mut lower, mut ninths) = ([W::splat(0); 2], W::splat(0));
    for (k, &index) in indices.iter().enumerate() {
        lower[k / 4] = lower[k / 4] | (index & W::splat(255)).up(8 * (k % 4) as u32);
        ninths = ninths | index.down(8).up(k as u32);
    }
    (lower, ninths)
}

const fn settings(codebook: &'static Codebook, reach: i32, polish: Polish) -> Settings {
    Settings { codebook, trials: Trials { reach, fineness: 0.2 }, polish }
}

impl Encode for Iq3Xxs {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 98;
        const SETTINGS: Settings = settings(&codebook::IQ3_XXS, 15, Polish::Moved);
        let weigh = ByBlock::<L>::new(numbers, 2.0 / 256.0, 0.0);
        let mut scales = [L::splat(0.0); 8];
        let mut signs = [L::Words::splat(0); 8];
        for group in 0..8 {
            let elements: [L; 32] = load(numbers.values, 256, 32 * group);
            let weights = weigh.of(32 * group, &elements);
            let unsigned = Unsigned::even(&elements, &weights);
            let most = unsigned.largest();
            let used = !most.less(L::splat(1e-8));
            let found = search_group(SETTINGS, &unsigned, &weights, 127, most, used);
            scales[group] = found.scale;
            let [a, b, c, d] = found.signs;
            signs[group] = a | b.up(7) | c.up(14) | d.up(21);
            let ([first, second], _) = pack_indices(&found.indices);
            store_low::<L>(first, 4, blocks, BYTES, 2 + 8 * group);
            store_low::<L>(second, 4, blocks, BYTES, 6 + 8 * group);
        }
        let (factors, scale) = odd_multiples(&scales, 15, 1.0125);
        store_low::<L>(scale, 2, blocks, BYTES, 0);
        for group in 0..8 {
            store_low::<L>(signs[group] | factors[group].up(28), 4, blocks, BYTES, 66 + 4 * group);
        }
    }
}

impl Encode for Iq3S {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 110;
        const SETTINGS: Settings = settings(&codebook::IQ3_S, 9, Polish::GroupsWithMoved);
        let weigh = ByBlock::<L>::new(numbers, 2.0 / 256.0, 0.0);
        let mut scales = [L::splat(0.0); 8];
        let mut stored = [[L::Words::splat(0); 3]; 8];
        let mut written = L::splat(0.0);
        for group in 0..8 {
            let elements: [L; 32] = load(numbers.values, 256, 32 * group);
            let weights = weigh.of(32 * group, &elements);
            let unsigned = Unsigned::new(&elements);
            let most = unsigned.largest();
            let used = !most.equal(L::splat(0.0));
            let found = search_group(SETTINGS, &unsigned, &weights, 255, most, used);
            scales[group] = found.scale;
            let [a, b, c, d] = found.signs;
            let ([first, second], ninths) = pack_indices(&found.indices);
            store_low::<L>(ninths, 1, blocks, BYTES, 66 + group);
            // The reference writes indices and signs of a group after those of the last group that was not
            // zero.
            let parts = [first, second, a | b.up(8) | c.up(16) | d.up(24)];
            for (slot, stored) in stored[..=group].iter_mut().enumerate() {
                let here = used & written.equal(L::splat(slot as f32));
                for (stored, part) in stored.iter_mut().zip(parts) {
                    *stored = L::Words::select(here, part, *stored);
                }
            }
            written = L::select(used, written + L::splat(1.0), written);
        }
        for (slot, [first, second, signs]) in stored.into_iter().enumerate() {
            store_low::<L>(first, 4, blocks, BYTES, 2 + 8 * slot);
            store_low::<L>(second, 4, blocks, BYTES, 6 + 8 * slot);
            store_low::<L>(signs, 4, blocks, BYTES, 74 + 4 * slot);
        }
        let (factors, scale) = odd_multiples(&scales, 15, 1.033);
        store_low::<L>(scale, 2, blocks, BYTES, 0);
        store_low::<L>(pack_fours(&factors), 4, blocks, BYTES, 106);
    }
}
