//! What a person should know of a plan that can be carried out.

use std::collections::BTreeMap;

use super::choice::{Choice, Outcome, Reason};
use super::scheme::Scheme;
use super::target::Target;
use crate::model::nearest_part;
use crate::tensor::ElementType;

/// One thing to know.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum Warning {
    /// Tensors whose rows do not fit the types that they would have got.
    #[error(
        "{fallen} of {quantized} tensors have rows that are not a multiple of {}; stored as {}",
        list(blocks.iter().map(ToString::to_string), "or"),
        list(stored.iter().map(|(kind, count)| of_several(*kind, *count, stored.len())), "and")
    )]
    FellBack { fallen: usize, quantized: usize, blocks: Vec<usize>, stored: Vec<(ElementType, usize)> },
    /// A pattern that matches no tensor.
    #[error("pattern {pattern:?} matches no tensor; the nearest name is {nearest:?}")]
    Unmatched { pattern: String, nearest: String },
    /// A pattern that matches only what is not quantized.
    #[error("pattern {pattern:?} changes nothing: the tensors that it matches are not quantized")]
    OnlyKept { pattern: String },
    /// A pattern that comes too late.
    #[error(
        "pattern {pattern:?} changes nothing: other patterns or options decide about the tensors that it \
         matches"
    )]
    Shadowed { pattern: String },
    /// Patterns for a target that knows no exceptions.
    #[error("the types by pattern change nothing: {target} knows no exceptions")]
    NoExceptions { target: Target },
    /// Tensors that the importance matrix says nothing of.
    #[error(
        "the importance matrix has no values for {missing} of {quantized} tensors that are quantized, such \
         as {example:?}"
    )]
    Unweighted { missing: usize, quantized: usize, example: String },
    /// Values for an embedding of another size, which the reference passes over too.
    #[error("the importance matrix has {got} values for {tensor:?}, expected {expected}; they are not used")]
    Embedding { tensor: String, got: u64, expected: u64 },
}

fn of_several(element_type: ElementType, count: usize, types: usize) -> String {
    if types == 1 { element_type.to_string() } else { format!("{element_type} ({count})") }
}

/// `a, b and c`.
fn list(parts: impl Iterator<Item = String>, last: &str) -> String {
    let mut parts: Vec<String> = parts.collect();
    match parts.pop() {
        Some(end) if !parts.is_empty() => format!("{} {last} {end}", parts.join(", ")),
        other => other.unwrap_or_default(),
    }
}

/// The warning that tensors fell back to other types, if any did.
pub(super) fn fell_back(choices: &[Choice]) -> Option<Warning> {
    let quantized = choices.iter().filter(|choice| choice.reason != Reason::Kept).count();
    let mut blocks = Vec::new();
    let mut stored: BTreeMap<ElementType, usize> = BTreeMap::new();
    for choice in choices {
        if let Some(wished) = choice.replaced {
            blocks.push(wished.block_len());
            *stored.entry(choice.element_type).or_default() += 1;
        }
    }
    let fallen = blocks.len();
    blocks.sort_unstable();
    blocks.dedup();
    let stored = stored.into_iter().collect();
    (fallen > 0).then_some(Warning::FellBack { fallen, quantized, blocks, stored })
}

/// The warnings about patterns that have changed nothing.
pub(super) fn idle_patterns(scheme: &Scheme, outcomes: &[Outcome], names: &[&str]) -> Vec<Warning> {
    /// More would not be read.
    const MOST: usize = 16;
    /// As many names as are looked through for the nearest.
    const MOST_NAMES: usize = 1 << 13;
    let knows_exceptions = match scheme.target {
        Target::Copy => false,
        Target::Type(file_type) => file_type.base_type().is_quantized(),
    };
    if !knows_exceptions {
        let has_some = !scheme.tensor_types.is_empty();
        return has_some.then_some(Warning::NoExceptions { target: scheme.target }).into_iter().collect();
    }
    let idle = scheme.tensor_types.iter().zip(outcomes).filter_map(|(tensor_type, outcome)| {
        let pattern = tensor_type.pattern.to_string();
        match outcome {
            Outcome::Unmatched => {
                let known = names.iter().copied().take(MOST_NAMES);
                let nearest = nearest_part(&plain(&pattern), known).unwrap_or_default().to_owned();
                Some(Warning::Unmatched { pattern, nearest })
            }
            Outcome::OnlyKept => Some(Warning::OnlyKept { pattern }),
            Outcome::Shadowed => Some(Warning::Shadowed { pattern }),
            Outcome::Decisive => None,
        }
    });
    idle.take(MOST).collect()
}

/// A pattern without what is no part of a name.
fn plain(pattern: &str) -> String {
    pattern
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || ['_', '.', '-'].contains(letter))
        .collect()
}
