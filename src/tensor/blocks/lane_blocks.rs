//! Between blocks in memory and lanes.

use crate::tensor::lanes::{Lanes, MOST_LANES, Words};

/// Elements `first..first + N` of every block, of blocks of `block_len` elements.
#[inline(always)]
pub(super) fn load<L: Lanes, const N: usize>(values: &[f32], block_len: usize, first: usize) -> [L; N] {
    let mut elements = [L::splat(0.0); N];
    for (four, elements) in elements.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *elements = L::load4(&values[first + 4 * four..], block_len);
    }
    elements
}

/// The lanes of each element in memory, for [picking](pick) those of one lane.
#[inline(always)]
pub(super) fn by_lane<L: Lanes, const N: usize>(elements: &[L; N]) -> [[u32; MOST_LANES]; N] {
    let mut rows = [[0; MOST_LANES]; N];
    for (row, element) in rows.iter_mut().zip(elements) {
        *row = element.to_bits().to_array();
    }
    rows
}

/// `D` elements of one lane, from `first` on.
#[inline(always)]
pub(super) fn pick<const D: usize>(rows: &[[u32; MOST_LANES]], first: usize, lane: usize) -> [f32; D] {
    let mut picked = [0.0; D];
    for (picked, row) in picked.iter_mut().zip(&rows[first..]) {
        *picked = f32::from_bits(row[lane]);
    }
    picked
}

/// Writes the low `bytes` bytes of each lane at `offset` of its block, of blocks of `block_bytes` bytes.
#[inline(always)]
pub(super) fn store_low<L: Lanes>(
    words: L::Words,
    bytes: usize,
    blocks: &mut [u8],
    block_bytes: usize,
    offset: usize,
) {
    let words = words.to_array();
    for (block, word) in blocks.chunks_exact_mut(block_bytes).zip(words) {
        block[offset..offset + bytes].copy_from_slice(&word.to_le_bytes()[..bytes]);
    }
}

/// Writes sixteen bytes, of four words, at `offset` of each block, of blocks of `block_bytes` bytes.
#[inline(always)]
pub(super) fn store4<L: Lanes>(words: [L::Words; 4], blocks: &mut [u8], block_bytes: usize, offset: usize) {
    Words::store4(words, &mut blocks[offset..], block_bytes);
}

/// Sixteen bytes as four words; byte `i` is that of `bytes[i]`, whose upper bits are 0.
#[inline(always)]
pub(super) fn pack<L: Lanes>(bytes: &[L::Words; 16]) -> [L::Words; 4] {
    let mut words = [bytes[0]; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = bytes[0] | bytes[1].up(8) | bytes[2].up(16) | bytes[3].up(24);
    }
    words
}

/// The largest magnitude among the elements of each block, and the first element that has it.
#[inline(always)]
pub(super) fn extreme<L: Lanes, const N: usize>(elements: &[L; N]) -> (L, L) {
    let (mut magnitude, mut extreme) = (L::splat(0.0), L::splat(0.0));
    for &element in elements {
        let larger = magnitude.less(element.abs());
        magnitude = L::select(larger, element.abs(), magnitude);
        extreme = L::select(larger, element, extreme);
    }
    (magnitude, extreme)
}

/// The smallest and the largest element of each block.
#[inline(always)]
pub(super) fn range<L: Lanes, const N: usize>(elements: &[L; N]) -> (L, L) {
    let (mut low, mut high) = (elements[0], elements[0]);
    for &element in &elements[1..] {
        low = element.min(low);
        high = element.max(high);
    }
    (low, high)
}
