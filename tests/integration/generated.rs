//! Matrices by generator, as the descriptions of expected values name them: integer arithmetic and exact scaling by
//! powers of two only, so every machine makes the same bytes.

use ollamake::tensor::{ElementType, quantize};

/// Number `index` of the stream of `seed`: SplitMix64 in counter form.
fn random(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Roughly normal, standard deviation about 0.018: the sum of four 16-bit numbers around zero, scaled.
fn gauss(seed: u64, index: u64) -> f32 {
    let z = random(seed, index);
    let sum = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    (sum as i64 - 131_070) as f32 / (1 << 21) as f32
}

fn element(variant: &str, seed: u64, index: u64) -> f32 {
    let g = gauss(seed, index);
    match variant {
        "gauss" => g,
        "outliers" if index.is_multiple_of(97) => g * 64.0,
        "outliers" => g,
        "positive" => g.abs(),
        "positive-offset" => g + 1.0,
        "alternating" if index.is_multiple_of(2) => g,
        "alternating" => -gauss(seed, index - 1),
        "sparse" if index.is_multiple_of(31) => g,
        "sparse" => 0.0,
        "mixed-scales" => g / (1 << (index / 32 % 16)) as f32,
        _ => panic!("no variant {variant:?}"),
    }
}

/// The first `count` elements of a variant.
pub(crate) fn matrix(variant: &str, seed: u64, count: u64) -> Vec<f32> {
    (0..count).map(|index| element(variant, seed, index)).collect()
}

/// The elements as they are stored in a type of plain floats.
pub(crate) fn stored(element_type: ElementType, values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * element_type.block_bytes()];
    quantize(element_type, values, values.len(), &mut bytes).unwrap();
    bytes
}

#[test]
fn the_generator_gives_its_known_values() {
    let known = [
        ("gauss", [0xbc368a00_u32, 0x3c9e8300, 0x3cec1300, 0x3a88a000, 0xbc8e8b00]),
        ("outliers", [0xbf368a00, 0x3c9e8300, 0x3cec1300, 0x3a88a000, 0xbc8e8b00]),
        ("positive", [0x3c368a00, 0x3c9e8300, 0x3cec1300, 0x3a88a000, 0x3c8e8b00]),
        ("alternating", [0xbc368a00, 0x3c368a00, 0x3cec1300, 0x3bc5d800, 0x3c9d4900]),
        ("sparse", [0xbc368a00, 0, 0, 0, 0]),
        ("mixed-scales", [0xbc368a00, 0x3c9e8300, 0x3cec1300, 0x3a08a000, 0xb50e8b00]),
        ("positive-offset", [0x3f7d25d8, 0x3f827a0c, 0x3f83b04c, 0x3f802228, 0x3f7b8ba8]),
    ];
    for (variant, bits) in known {
        let got = [0, 1, 2, 33, 8191].map(|index| element(variant, 1, index).to_bits());
        assert_eq!(got, bits, "{variant}");
    }
}
