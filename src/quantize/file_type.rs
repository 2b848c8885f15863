//! File types: what a model as a whole is quantized to.

use crate::gguf::{Metadata, Value};
use crate::tensor::ElementType;

/// What a model can be quantized to. Most are mixtures: the name says what most tensors get. In the order in
/// which they are listed for people: from few bits to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileType {
    /// All 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// Bfloat16.
    Bf16,
    /// One bit and scales.
    Q1_0,
    /// 2 bits, scales.
    Q2_0,
    /// 1.6 bits by codebook; needs an importance matrix.
    Iq1S,
    /// 1.8 bits by codebook; needs an importance matrix.
    Iq1M,
    /// 2.1 bits by codebook; needs an importance matrix.
    Iq2Xxs,
    /// 2.3 bits by codebook; needs an importance matrix.
    Iq2Xs,
    /// 2.5 bits by codebook; needs an importance matrix.
    Iq2S,
    /// 2.7 bits by codebook; needs an importance matrix.
    Iq2M,
    /// Three values and a scale, packed most tightly.
    Tq1_0,
    /// Three values and a scale in 2 bits.
    Tq2_0,
    /// 2 bits, the important tensors 3 or 4.
    Q2K,
    /// 2 bits, with few exceptions; needs an importance matrix.
    Q2KS,
    /// 3.1 bits by codebook; needs an importance matrix.
    Iq3Xxs,
    /// 3.3 bits by codebook; needs an importance matrix.
    Iq3Xs,
    /// 3.4 bits by codebook.
    Iq3S,
    /// 3.4 bits by codebook, the important tensors 4.
    Iq3M,
    /// 3 bits.
    Q3KS,
    /// 3 bits, the important tensors 4 or 5.
    Q3KM,
    /// 3 bits, the important tensors 5.
    Q3KL,
    /// 4 bits on an uneven scale, for any width.
    Iq4Nl,
    /// 4 bits on an uneven scale, smaller.
    Iq4Xs,
    /// 4 bits, scales.
    Q4_0,
    /// 4 bits, scales and minima.
    Q4_1,
    /// Experts as 4-bit floats that share exponents, everything else 8 bits.
    Mxfp4Moe,
    /// 4 bits, the first layers' important tensors 5.
    Q4KS,
    /// 4 bits, half of the important tensors 6.
    Q4KM,
    /// 5 bits, scales.
    Q5_0,
    /// 5 bits, scales and minima.
    Q5_1,
    /// 5 bits.
    Q5KS,
    /// 5 bits, half of the important tensors 6.
    Q5KM,
    /// 6 bits.
    Q6K,
    /// 8 bits, scales.
    Q8_0,
}

use FileType::*;

/// What there is to know of a type.
struct Row {
    file_type: FileType,
    name: &'static str,
    /// Another name that people use.
    alias: Option<&'static str>,
    /// The number in `general.file_type`.
    id: u32,
    /// What most tensors get.
    base: ElementType,
}

const fn row(file_type: FileType, name: &'static str, id: u32, base: ElementType) -> Row {
    Row { file_type, name, alias: None, id, base }
}

const fn medium(
    file_type: FileType,
    name: &'static str,
    alias: &'static str,
    id: u32,
    base: ElementType,
) -> Row {
    Row { file_type, name, alias: Some(alias), id, base }
}

/// One line a type: the type, its name, its number (llama.cpp, `enum llama_ftype`) and what most tensors get
/// (`llama_ftype_get_default_type`). In the order of the variants.
const TABLE: [Row; 35] = [
    row(F32, "F32", 0, ElementType::F32),
    row(F16, "F16", 1, ElementType::F16),
    row(Bf16, "BF16", 32, ElementType::Bf16),
    row(Q1_0, "Q1_0", 40, ElementType::Q1_0),
    row(Q2_0, "Q2_0", 41, ElementType::Q2_0),
    row(Iq1S, "IQ1_S", 24, ElementType::Iq1S),
    row(Iq1M, "IQ1_M", 31, ElementType::Iq1M),
    row(Iq2Xxs, "IQ2_XXS", 19, ElementType::Iq2Xxs),
    row(Iq2Xs, "IQ2_XS", 20, ElementType::Iq2Xs),
    row(Iq2S, "IQ2_S", 28, ElementType::Iq2Xs),
    row(Iq2M, "IQ2_M", 29, ElementType::Iq2S),
    row(Tq1_0, "TQ1_0", 36, ElementType::Tq1_0),
    row(Tq2_0, "TQ2_0", 37, ElementType::Tq2_0),
    row(Q2K, "Q2_K", 10, ElementType::Q2K),
    row(Q2KS, "Q2_K_S", 21, ElementType::Q2K),
    row(Iq3Xxs, "IQ3_XXS", 23, ElementType::Iq3Xxs),
    row(Iq3Xs, "IQ3_XS", 22, ElementType::Iq3S),
    row(Iq3S, "IQ3_S", 26, ElementType::Iq3S),
    row(Iq3M, "IQ3_M", 27, ElementType::Iq3S),
    row(Q3KS, "Q3_K_S", 11, ElementType::Q3K),
    medium(Q3KM, "Q3_K_M", "Q3_K", 12, ElementType::Q3K),
    row(Q3KL, "Q3_K_L", 13, ElementType::Q3K),
    row(Iq4Nl, "IQ4_NL", 25, ElementType::Iq4Nl),
    row(Iq4Xs, "IQ4_XS", 30, ElementType::Iq4Xs),
    row(Q4_0, "Q4_0", 2, ElementType::Q4_0),
    row(Q4_1, "Q4_1", 3, ElementType::Q4_1),
    row(Mxfp4Moe, "MXFP4_MOE", 38, ElementType::Mxfp4),
    row(Q4KS, "Q4_K_S", 14, ElementType::Q4K),
    medium(Q4KM, "Q4_K_M", "Q4_K", 15, ElementType::Q4K),
    row(Q5_0, "Q5_0", 8, ElementType::Q5_0),
    row(Q5_1, "Q5_1", 9, ElementType::Q5_1),
    row(Q5KS, "Q5_K_S", 16, ElementType::Q5K),
    medium(Q5KM, "Q5_K_M", "Q5_K", 17, ElementType::Q5K),
    row(Q6K, "Q6_K", 18, ElementType::Q6K),
    row(Q8_0, "Q8_0", 7, ElementType::Q8_0),
];

/// The metadata key that holds the number.
pub const FILE_TYPE_KEY: &str = "general.file_type";

impl FileType {
    /// All types, in their order.
    pub fn all() -> impl ExactSizeIterator<Item = FileType> {
        TABLE.iter().map(|row| row.file_type)
    }

    /// The number in `general.file_type`.
    pub fn id(self) -> u32 {
        self.row().id
    }

    /// The type with this number, if it is one of those made here.
    pub fn from_id(id: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.id == id).map(|row| row.file_type)
    }

    /// What the metadata of a file say that it is, if it is one of the types made here.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        metadata.get(FILE_TYPE_KEY).and_then(Value::as_u64).and_then(|id| Self::from_id(id.try_into().ok()?))
    }

    /// The name as llama-quantize and Ollama print it: `Q4_K_M`, `F16`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What most tensors get.
    pub fn base_type(self) -> ElementType {
        self.row().base
    }

    fn row(self) -> &'static Row {
        // The table is in the order of the variants, so the search ends at the right row.
        &TABLE[TABLE.partition_point(|row| row.file_type < self)]
    }

    /// Accepts the names in any case, `Q3_K`, `Q4_K` and `Q5_K` for their medium mixtures, and the numbers.
    pub(super) fn named(name: &str) -> Option<Self> {
        let is_name = |row: &&Row| {
            std::iter::once(row.name).chain(row.alias).any(|known| known.eq_ignore_ascii_case(name))
        };
        let named = TABLE.iter().find(is_name).map(|row| row.file_type);
        named.or_else(|| Self::from_id(name.parse().ok()?))
    }
}

impl std::fmt::Display for FileType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_number_and_its_names() {
        for file_type in FileType::all() {
            assert_eq!(file_type.row().file_type, file_type);
            assert_eq!(FileType::from_id(file_type.id()), Some(file_type));
            assert_eq!(file_type.name().to_lowercase().parse(), Ok(file_type));
        }
        for (alias, file_type) in [("q4_K", Q4KM), ("Q5_k", Q5KM), ("q3_k", Q3KM), ("15", Q4KM), ("0", F32)] {
            assert_eq!(alias.parse(), Ok(file_type));
        }
    }
}
