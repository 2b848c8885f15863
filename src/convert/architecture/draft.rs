//! What models share that predict tokens for another one, their target.

use std::collections::HashSet;

use crate::convert::configuration::TARGET;
use crate::convert::files::Files;
use crate::convert::rule::Rule;
use crate::convert::stored_bytes::StoredBytes;
use crate::convert::{Configuration, ConvertError, Model};
use crate::plan::{Derivation, PlannedTensor};
use crate::tensor::ElementType;

/// Embeddings, final norm and output; drafts may share the first and the last with their target.
pub(super) const ENDS: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*"),
    Rule::keep("model.norm.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
];

/// The projection of what the target's layers come to.
pub(super) const FEATURES: Rule = Rule::keep("fc.weight", "fc.weight").required();

/// Where the draft's own layer is described, in checkpoints of the library `speculators`.
pub(super) const LAYER_CONFIGURATION: &str = "transformer_layer_config";

/// The configuration of the target.
pub(super) fn target(model: &Model) -> Result<Configuration, ConvertError> {
    model.configuration.part(TARGET).ok_or_else(|| model.configuration.missing(&[TARGET]))
}

/// For each token of a draft that knows only some of the target's `tokens`, which one it is. Checkpoints hold
/// how far it lies behind.
pub(super) fn token_table(
    model: &Model,
    files: Files<'_>,
    tokens: u64,
) -> Result<Vec<PlannedTensor>, ConvertError> {
    const NAME: &str = "d2t";
    let known = model.configuration.optional_integer(&["draft_vocab_size"])?.unwrap_or(tokens);
    if known > tokens {
        let expected = format!("at most {tokens}, the tokens of the target");
        return Err(model.configuration.bad("draft_vocab_size", &known, &expected));
    }
    let bad = |reason: String| ConvertError::TokenTable { tensor: NAME.to_owned(), reason };
    let Some(stored) = StoredBytes::find(files, NAME)? else {
        let reason = format!("it is missing, and the draft knows {known} of {tokens} tokens");
        return if known == tokens { Ok(Vec::new()) } else { Err(bad(reason)) };
    };
    let offsets = stored.integers().ok_or_else(|| bad("its numbers are not whole".to_owned()))?;
    if offsets.len() as u64 != known {
        return Err(bad(format!("it has {} numbers for {known} tokens", offsets.len())));
    }
    let mut seen = HashSet::new();
    let mut places = Vec::new();
    for (own, offset) in offsets.into_iter().enumerate() {
        let token = offset.checked_add_unsigned(own as u64).and_then(|token| u64::try_from(token).ok());
        let token = token.filter(|token| *token < tokens);
        let token =
            token.ok_or_else(|| bad(format!("token {own} leads beyond the {tokens} of the target")))?;
        if !seen.insert(token) {
            return Err(bad(format!("two tokens lead to {token}")));
        }
        // Whole numbers of 24 bits are exact; there are fewer tokens.
        places.push(token as f32);
    }
    let derivation = Derivation::values(places, &[known])
        .map_err(|reason| ConvertError::Dimensions { tensor: NAME.to_owned(), reason })?;
    let tensor = PlannedTensor::new(NAME, ElementType::I64, derivation)
        .map_err(|reason| ConvertError::Shape { tensor: NAME.to_owned(), reason })?;
    Ok(vec![tensor])
}
