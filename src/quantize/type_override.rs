//! Types for tensors by patterns of their names.

use super::pattern::{InvalidPattern, Pattern};
use crate::model::nearest;
use crate::tensor::ElementType;

/// Tensors whose names a pattern matches get a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeOverride {
    /// What is searched in the names.
    pub pattern: Pattern,
    /// What they get.
    pub element_type: ElementType,
}

/// Why a text gives no type to tensors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum InvalidOverride {
    /// There is no `=` in it.
    #[error("{text:?} gives no type to tensors, expected PATTERN=TYPE, such as \"attn_v=q8_0\"")]
    NoType { text: String },
    /// The pattern is invalid.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// The type is unknown.
    #[error(transparent)]
    Type(#[from] InvalidType),
}

impl std::str::FromStr for TypeOverride {
    type Err = InvalidOverride;

    /// Reads `PATTERN=TYPE`. The first `=` separates: a pattern has none.
    fn from_str(text: &str) -> Result<Self, InvalidOverride> {
        let no_type = || InvalidOverride::NoType { text: text.to_owned() };
        let (pattern, element_type) = text.split_once('=').ok_or_else(no_type)?;
        Self::new(pattern, element_type)
    }
}

impl TypeOverride {
    /// An override from the texts of its pattern and its type.
    ///
    /// # Errors
    /// Either of them is invalid.
    pub fn new(pattern: &str, element_type: &str) -> Result<Self, InvalidOverride> {
        Ok(Self { pattern: pattern.parse()?, element_type: target_type(element_type)? })
    }
}

impl std::fmt::Display for TypeOverride {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}={}", self.pattern, self.element_type.name().to_lowercase())
    }
}

/// A name that stands for no type that a tensor could get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown tensor type {name:?}; the nearest that can be made is {nearest}")]
pub struct InvalidType {
    /// The name given.
    pub name: String,
    /// One that there is.
    pub nearest: &'static str,
}

/// The type that a name stands for, in any case, if tensors can be made of it.
///
/// # Errors
/// There is no such type, or it is one of integers or of intermediate results.
pub fn target_type(name: &str) -> Result<ElementType, InvalidType> {
    ElementType::from_name(name).filter(|&element_type| is_target(element_type)).ok_or_else(|| {
        let known = ElementType::all().filter(|&known| is_target(known)).map(ElementType::name);
        let nearest = nearest(&name.to_uppercase(), known, 1).first().copied().unwrap_or_default();
        InvalidType { name: name.to_owned(), nearest }
    })
}

fn is_target(element_type: ElementType) -> bool {
    use ElementType::*;
    !matches!(element_type, I8 | I16 | I32 | I64 | F64 | Q8_1 | Q8K)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_read_as_they_are_written() {
        for (text, written) in
            [("ATTN_V=Q8_0", "attn_v=q8_0"), (r"blk\.\d+=iq4_NL", r"blk\.\d+=iq4_nl"), ("a=nvfp4", "a=nvfp4")]
        {
            assert_eq!(text.parse::<TypeOverride>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_override_is_refused() {
        for (text, says) in [
            ("attn_v", "expected PATTERN=TYPE"),
            ("=q8_0", "must not be empty"),
            ("a=", "unknown tensor type \"\""),
            ("a=q4_k_m", "unknown tensor type \"q4_k_m\"; the nearest that can be made is Q4_K"),
            ("a=i32", "unknown tensor type \"i32\""),
            ("a=b=q8_0", "unknown tensor type \"b=q8_0\""),
            ("(=q8_0", "is not a regular expression"),
        ] {
            let message = text.parse::<TypeOverride>().unwrap_err().to_string();
            assert!(message.contains(says), "{text}: {message}");
        }
    }
}
