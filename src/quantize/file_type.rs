//! File types: what a model as a whole is quantized to.

use crate::gguf::{Metadata, Value};
use crate::tensor::ElementType;

/// What a model can be quantized to here, with the number that `general.file_type` gives it (llama.cpp, `enum
/// llama_ftype`). Most are mixtures: the name says what most tensors get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum FileType {
    /// All 32-bit floats.
    F32 = 0,
    /// 16-bit floats.
    F16 = 1,
    /// 4 bits, scales.
    Q4_0 = 2,
    /// 4 bits, scales and minima.
    Q4_1 = 3,
    /// 8 bits, scales.
    Q8_0 = 7,
    /// 5 bits, scales.
    Q5_0 = 8,
    /// 5 bits, scales and minima.
    Q5_1 = 9,
    /// 2 bits, the important tensors 3 or 4.
    Q2K = 10,
    /// 3 bits.
    Q3KS = 11,
    /// 3 bits, the important tensors 4 or 5.
    Q3KM = 12,
    /// 3 bits, the important tensors 5.
    Q3KL = 13,
    /// 4 bits, the first layers' important tensors 5.
    Q4KS = 14,
    /// 4 bits, half of the important tensors 6.
    Q4KM = 15,
    /// 5 bits.
    Q5KS = 16,
    /// 5 bits, half of the important tensors 6.
    Q5KM = 17,
    /// 6 bits.
    Q6K = 18,
    /// Bfloat16.
    Bf16 = 32,
}

use FileType::*;

/// One line a type: type, name, other names that people use, what most tensors get.
const TABLE: [(FileType, &str, &[&str], ElementType); 17] = [
    (F32, "F32", &[], ElementType::F32),
    (F16, "F16", &[], ElementType::F16),
    (Bf16, "BF16", &[], ElementType::Bf16),
    (Q2K, "Q2_K", &[], ElementType::Q2K),
    (Q3KS, "Q3_K_S", &[], ElementType::Q3K),
    (Q3KM, "Q3_K_M", &["Q3_K"], ElementType::Q3K),
    (Q3KL, "Q3_K_L", &[], ElementType::Q3K),
    (Q4_0, "Q4_0", &[], ElementType::Q4_0),
    (Q4_1, "Q4_1", &[], ElementType::Q4_1),
    (Q4KS, "Q4_K_S", &[], ElementType::Q4K),
    (Q4KM, "Q4_K_M", &["Q4_K"], ElementType::Q4K),
    (Q5_0, "Q5_0", &[], ElementType::Q5_0),
    (Q5_1, "Q5_1", &[], ElementType::Q5_1),
    (Q5KS, "Q5_K_S", &[], ElementType::Q5K),
    (Q5KM, "Q5_K_M", &["Q5_K"], ElementType::Q5K),
    (Q6K, "Q6_K", &[], ElementType::Q6K),
    (Q8_0, "Q8_0", &[], ElementType::Q8_0),
];

/// The metadata key that holds the number.
pub const FILE_TYPE_KEY: &str = "general.file_type";

impl FileType {
    /// All types, in the order in which they are listed for people.
    pub fn all() -> impl ExactSizeIterator<Item = FileType> {
        TABLE.iter().map(|row| row.0)
    }

    /// The number in `general.file_type`.
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// The type with this number, if it is one of those made here.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::all().find(|file_type| file_type.id() == id)
    }

    /// What the metadata of a file say that it is, if it is one of the types made here.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        metadata.get(FILE_TYPE_KEY).and_then(Value::as_u64).and_then(|id| Self::from_id(id.try_into().ok()?))
    }

    /// The name as llama-quantize and Ollama print it: `Q4_K_M`, `F16`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What most tensors get.
    pub fn base_type(self) -> ElementType {
        self.row().3
    }

    fn row(self) -> &'static (FileType, &'static str, &'static [&'static str], ElementType) {
        // Every type has its line; the test below sees to it.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }
}

impl std::fmt::Display for FileType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

/// A name that stands for none of the types; the message lists them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown quantization type {name:?}, expected one of {}", names().join(", "))]
pub struct UnknownFileType {
    /// The name given.
    pub name: String,
}

fn names() -> Vec<&'static str> {
    FileType::all().map(FileType::name).collect()
}

impl std::str::FromStr for FileType {
    type Err = UnknownFileType;

    /// Accepts the names in any case, and `Q3_K`, `Q4_K` and `Q5_K` for their medium mixtures.
    fn from_str(name: &str) -> Result<Self, UnknownFileType> {
        TABLE
            .iter()
            .find(|row| std::iter::once(&row.1).chain(row.2).any(|known| known.eq_ignore_ascii_case(name)))
            .map(|row| row.0)
            .ok_or_else(|| UnknownFileType { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_number_and_its_names() {
        for file_type in FileType::all() {
            assert_eq!(file_type.row().0, file_type);
            assert_eq!(FileType::from_id(file_type.id()), Some(file_type));
            assert_eq!(file_type.name().to_lowercase().parse(), Ok(file_type));
        }
        assert_eq!("q4_K".parse(), Ok(Q4KM));
        assert_eq!("Q5_k".parse(), Ok(Q5KM));
        assert_eq!("q3_k".parse(), Ok(Q3KM));
    }

    #[test]
    fn the_error_lists_the_types() {
        let message = "q9_Z".parse::<FileType>().unwrap_err().to_string();
        assert!(
            message.starts_with("unknown quantization type \"q9_Z\", expected one of F32, F16, BF16, Q2_K,")
        );
        assert!(FileType::all().all(|file_type| message.contains(file_type.name())));
    }
}
