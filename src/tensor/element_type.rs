//! The element types of ggml tensors.

/// How the elements of a tensor are stored: the numbers, names and block sizes of ggml
/// (llama.cpp, `ggml/include/ggml.h` and `ggml/src/ggml-common.h`).
///
/// A row of a tensor is a whole number of *blocks*, each of [`block_len`](Self::block_len) elements in
/// [`block_bytes`](Self::block_bytes) bytes; plain numbers are blocks of one. Ids that ggml has withdrawn
/// (4, 5, 31 to 33, 36 to 38) are not types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum ElementType {
    /// IEEE binary32.
    F32 = 0,
    /// IEEE binary16.
    F16 = 1,
    /// 4 bits, one scale.
    Q4_0 = 2,
    /// 4 bits, scale and minimum.
    Q4_1 = 3,
    /// 5 bits, one scale.
    Q5_0 = 6,
    /// 5 bits, scale and minimum.
    Q5_1 = 7,
    /// 8 bits, one scale.
    Q8_0 = 8,
    /// 8 bits, scale and sum; only met inside computations.
    Q8_1 = 9,
    /// 2 bits, 16 groups with scale and minimum.
    Q2K = 10,
    /// 3 bits, 16 groups with a scale.
    Q3K = 11,
    /// 4 bits, 8 groups with scale and minimum.
    Q4K = 12,
    /// 5 bits, 8 groups with scale and minimum.
    Q5K = 13,
    /// 6 bits, 16 groups with a scale.
    Q6K = 14,
    /// 8 bits with sums; only met inside computations.
    Q8K = 15,
    /// Codebook, 2.062 bits.
    Iq2Xxs = 16,
    /// Codebook, 2.312 bits.
    Iq2Xs = 17,
    /// Codebook, 3.062 bits.
    Iq3Xxs = 18,
    /// Codebook, 1.562 bits.
    Iq1S = 19,
    /// Codebook, 4.5 bits.
    Iq4Nl = 20,
    /// Codebook, 3.438 bits.
    Iq3S = 21,
    /// Codebook, 2.562 bits.
    Iq2S = 22,
    /// Codebook, 4.25 bits.
    Iq4Xs = 23,
    /// 8-bit signed integers.
    I8 = 24,
    /// 16-bit signed integers.
    I16 = 25,
    /// 32-bit signed integers.
    I32 = 26,
    /// 64-bit signed integers.
    I64 = 27,
    /// IEEE binary64.
    F64 = 28,
    /// Codebook, 1.75 bits.
    Iq1M = 29,
    /// Bfloat16: the upper half of a binary32.
    Bf16 = 30,
    /// Ternary, 1.69 bits.
    Tq1_0 = 34,
    /// Ternary, 2.06 bits.
    Tq2_0 = 35,
    /// 4-bit floats (E2M1) with a power-of-two scale (E8M0).
    Mxfp4 = 39,
    /// 4-bit floats (E2M1) with four scales (UE4M3).
    Nvfp4 = 40,
    /// Signs, one scale.
    Q1_0 = 41,
    /// 2 bits, one scale.
    Q2_0 = 42,
}

use ElementType::*;

/// One line a type: type, name, elements a block, bytes a block; in the order of the ids.
const TABLE: [(ElementType, &str, usize, usize); 35] = [
    (F32, "F32", 1, 4),
    (F16, "F16", 1, 2),
    (Q4_0, "Q4_0", 32, 18),
    (Q4_1, "Q4_1", 32, 20),
    (Q5_0, "Q5_0", 32, 22),
    (Q5_1, "Q5_1", 32, 24),
    (Q8_0, "Q8_0", 32, 34),
    (Q8_1, "Q8_1", 32, 36),
    (Q2K, "Q2_K", 256, 84),
    (Q3K, "Q3_K", 256, 110),
    (Q4K, "Q4_K", 256, 144),
    (Q5K, "Q5_K", 256, 176),
    (Q6K, "Q6_K", 256, 210),
    (Q8K, "Q8_K", 256, 292),
    (Iq2Xxs, "IQ2_XXS", 256, 66),
    (Iq2Xs, "IQ2_XS", 256, 74),
    (Iq3Xxs, "IQ3_XXS", 256, 98),
    (Iq1S, "IQ1_S", 256, 50),
    (Iq4Nl, "IQ4_NL", 32, 18),
    (Iq3S, "IQ3_S", 256, 110),
    (Iq2S, "IQ2_S", 256, 82),
    (Iq4Xs, "IQ4_XS", 256, 136),
    (I8, "I8", 1, 1),
    (I16, "I16", 1, 2),
    (I32, "I32", 1, 4),
    (I64, "I64", 1, 8),
    (F64, "F64", 1, 8),
    (Iq1M, "IQ1_M", 256, 56),
    (Bf16, "BF16", 1, 2),
    (Tq1_0, "TQ1_0", 256, 54),
    (Tq2_0, "TQ2_0", 256, 66),
    (Mxfp4, "MXFP4", 32, 17),
    (Nvfp4, "NVFP4", 64, 36),
    (Q1_0, "Q1_0", 128, 18),
    (Q2_0, "Q2_0", 64, 18),
];

impl ElementType {
    /// All types, in the order of their ids.
    pub fn all() -> impl ExactSizeIterator<Item = ElementType> {
        TABLE.iter().map(|row| row.0)
    }

    /// The number that stands for the type in a GGUF file.
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// The type of a number in a GGUF file; `None` for withdrawn and unknown numbers.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::all().find(|element_type| element_type.id() == id)
    }

    /// The name as ggml's tools and Ollama print it, in capitals: `F16`, `Q4_K`, `IQ2_XXS`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The type of a name in any case (`q4_k`, `Q4_K`, `bf16`).
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// The number of elements in a block.
    pub fn block_len(self) -> usize {
        self.row().2
    }

    /// The number of bytes in a block.
    pub fn block_bytes(self) -> usize {
        self.row().3
    }

    /// Whether a block holds more than one element.
    pub fn is_quantized(self) -> bool {
        self.block_len() > 1
    }

    fn row(self) -> &'static (ElementType, &'static str, usize, usize) {
        // The table is in the order of the variants, so the search ends at the right row.
        let index = TABLE.partition_point(|row| row.0 < self);
        &TABLE[index]
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_id_and_its_name() {
        for element_type in ElementType::all() {
            assert_eq!(ElementType::from_id(element_type.id()), Some(element_type));
            assert_eq!(ElementType::from_name(&element_type.name().to_lowercase()), Some(element_type));
            assert_eq!(element_type.row().0, element_type);
        }
    }

    #[test]
    fn withdrawn_ids_are_not_types() {
        for id in [4, 5, 31, 32, 33, 36, 37, 38, 43, u32::MAX] {
            assert_eq!(ElementType::from_id(id), None);
        }
    }
}
