//! The numbers that expected values were computed from.
//!
//! Matrices and importance vectors are described by a *variant*, a seed and a size, and made from integers of
//! SplitMix64 in counter form by exact operations only, so that every implementation gets the same bits.

/// Number `index` of the stream of `seed`.
fn splitmix64(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A bell curve of integers around zero: the sum of four uniform numbers of 16 bits.
fn bell(z: u64) -> i32 {
    ((z & 0xffff) + ((z >> 16) & 0xffff) + ((z >> 32) & 0xffff) + (z >> 48)) as i32 - 131_070
}

/// 2 to the power of `exponent`, exactly, down to the smallest subnormal number.
fn power(exponent: i32) -> f32 {
    if exponent >= -126 {
        f32::from_bits(((exponent + 127) as u32) << 23)
    } else {
        f32::from_bits(1 << (exponent + 149))
    }
}

/// Bit patterns at the edges of the formats: zeros, subnormal numbers, infinities, NaNs, and numbers midway
/// between two of F16 and BF16.
const SPECIALS: [u32; 64] = [
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff,
    0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff,
    0x7fa00000, 0x7f808000, 0x7f80ffff, 0x7f810000, 0x477fe000, 0x477fefff, 0x477ff000, 0x477fffff,
    0x47800000, 0xc77ff000, 0x38800000, 0x387fffff, 0x387fc000, 0x387fe000, 0x33800000, 0x33800001,
    0x33000000, 0x33000001, 0x32ffffff, 0x337fffff, 0xb3000001, 0x3f800000, 0x3f801000, 0x3f803000,
    0x3f801001, 0x3f800fff, 0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x00008000, 0x00018000,
    0x00007fff, 0x00400000, 0x7f7f8000, 0x7f7f7fff, 0xff7f8000, 0x3eaaaaab, 0x40490fdb, 0xc0490fdb,
    0x3dcccccd, 0x42c80000, 0x38ffe000, 0x38fff000, 0x33c00000, 0x34000000, 0x34400000, 0x34c00000,
];

/// The matrix of `rows` rows of `columns` numbers that `variant` and `seed` describe.
///
/// # Panics
///
/// If there is no such variant.
pub(crate) fn matrix(variant: &str, seed: u64, rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|index| element(variant, seed, index as u64, columns as u64)).collect()
}

/// The importance vector of `columns` numbers that `kind` and `seed` describe.
///
/// # Panics
///
/// If there is no such kind.
pub(crate) fn importance(kind: &str, seed: u64, columns: usize) -> Vec<f32> {
    let element = |index| {
        let z = splitmix64(seed, index);
        match kind {
            "uniform" => (1 + (z >> 52)) as f32 * power(-10),
            "spiky" => power(((z >> 58) % 24) as i32 - 12),
            "ones" => 1.0,
            "zeros" => 0.0,
            _ => panic!("no importance kind {kind}"),
        }
    };
    (0..columns as u64).map(element).collect()
}

fn element(variant: &str, seed: u64, index: u64, columns: u64) -> f32 {
    let z = splitmix64(seed, index);
    let b = bell(z) as f32;
    let gauss = |z: u64| bell(z) as f32 * power(-21);
    let g = gauss(z);
    let (column, block, within) = ((index % columns) as f32, index / 32, index % 32);
    let sign = if z >> 63 == 1 { -1.0 } else { 1.0 };
    let exponent = ((z >> 40) & 7) as i32;
    let block_sign = if block % 2 == 0 { 1.0 } else { -1.0 };
    match variant {
        "gauss" => g,
        "outliers" => {
            if index.is_multiple_of(97) {
                64.0 * g
            } else {
                g
            }
        }
        "zeros" => 0.0,
        "constant" => 0.125,
        "constant-neg" => -0.125,
        "positive" => g.abs(),
        "negative" => 0.0 - g.abs(),
        "tiny" => b * power(-141),
        "large" => b * power(-9),
        "alternating" => {
            if index.is_multiple_of(2) {
                g
            } else {
                // Not a negation: zeros are positive.
                0.0 - gauss(splitmix64(seed, index - 1))
            }
        }
        "sparse" => {
            if index.is_multiple_of(31) {
                g
            } else {
                0.0
            }
        }
        "ramp" => column / 256.0,
        "ramp-signed" => (column - (columns / 2) as f32) / 256.0,
        "equal-blocks" => gauss(splitmix64(seed, 32 * block)),
        "halfway-8bit" if within == 0 => 127.0 * power(-7),
        "halfway-8bit" => ((z % 509) as f32 - 254.0) * power(-8),
        "halfway-4bit" if within == 0 => -8.0 * power(-5),
        "halfway-4bit" => ((z % 31) as f32 - 15.0) * power(-6),
        "halfway-f16" => sign * (2048 + 2 * (z & 1023) + 1) as f32 * power(-11 - exponent),
        "halfway-bf16" => sign * (256 + 2 * (z & 127) + 1) as f32 * power(-8 - exponent),
        "subnormal-f32" => b * power(-149),
        "minus-zero" => -0.0,
        "pow2-edge" => {
            let exponent = (block % 40) as i32 - 20;
            let top = [1.0 - power(-24), 1.0, 1.0 + power(-23)][(block % 3) as usize];
            if within == 0 { block_sign * top * power(exponent) } else { b * power(exponent - 18) }
        }
        "ternary" => ((z % 3) as f32 - 1.0) / 2.0,
        "mixed-scales" => g * power(-((block % 16) as i32)),
        "one-hot" => {
            if index % 256 == (37 * (index / 256)) % 256 {
                g
            } else {
                0.0
            }
        }
        "positive-offset" => g + 1.0,
        "log2-edge" => {
            let exponent = (block % 48) as i32 - 40;
            let below = 1 + ((splitmix64(seed, 32 * block) >> 40) & 7);
            let top = 1.0 - below as f32 * power(-24);
            if within == 0 { block_sign * top * power(exponent) } else { b * power(exponent - 18) }
        }
        "specials" => f32::from_bits(SPECIALS[(index % 64) as usize]),
        "raw-bits" => f32::from_bits(z as u32),
        _ => panic!("no variant {variant}"),
    }
}
