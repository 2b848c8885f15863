//! What is asked for: a file type, or only a copy.

use super::file_type::FileType;

/// What becomes of a model as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Every tensor keeps its type: values are checked, tensors put in order, metadata changed.
    Copy,
    /// The model is quantized to this type.
    Type(FileType),
}

/// What llama-quantize calls a copy.
const COPY: &str = "COPY";

impl Target {
    /// The names of all targets, in the order in which they are listed for people.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FileType::all().map(FileType::name).chain([COPY])
    }

    /// The name as llama-quantize prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => COPY,
            Self::Type(file_type) => file_type.name(),
        }
    }
}

impl From<FileType> for Target {
    fn from(file_type: FileType) -> Self {
        Self::Type(file_type)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

/// A name that stands for none of the types; the message lists them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown quantization type {name:?}, expected one of {}",
    Target::names().collect::<Vec<_>>().join(", ")
)]
pub struct UnknownFileType {
    /// The name given.
    pub name: String,
}

impl std::str::FromStr for FileType {
    type Err = UnknownFileType;

    /// Accepts what llama-quantize accepts: names in any case, other names that people use, and numbers.
    fn from_str(name: &str) -> Result<Self, UnknownFileType> {
        Self::named(name).ok_or_else(|| UnknownFileType { name: name.to_owned() })
    }
}

impl std::str::FromStr for Target {
    type Err = UnknownFileType;

    /// Accepts the names in any case, `Q3_K`, `Q4_K` and `Q5_K` for their medium mixtures, and the numbers:
    /// what llama-quantize accepts (llama.cpp, `tools/quantize/quantize.cpp`).
    fn from_str(name: &str) -> Result<Self, UnknownFileType> {
        if name.eq_ignore_ascii_case(COPY) { Ok(Self::Copy) } else { name.parse().map(Self::Type) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_lists_the_names() {
        for unknown in ["q9_Z", "39", "1039", "-1", "", "15 "] {
            let message = unknown.parse::<Target>().unwrap_err().to_string();
            let start =
                format!("unknown quantization type {unknown:?}, expected one of F32, F16, BF16, Q1_0,");
            assert!(message.starts_with(&start), "{message}");
            for name in Target::names() {
                assert!(message.contains(name));
                assert_eq!(name.to_lowercase().parse::<Target>().unwrap().name(), name);
            }
        }
    }
}
