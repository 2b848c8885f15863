//! WordPiece vocabularies, in llama.cpp's terms "bert".

use super::byte_pair::{pre_tokenizer, tokens};
use super::json::TokenizerJson;
use super::library::Library;
use super::special::SpecialTokens;
use super::token_types::CONTROL;
use crate::convert::parameters::Parameters;
use crate::convert::{ConvertError, Source, Warning};

/// A WordPiece vocabulary: where words begin is marked instead of where they go on.
pub(in crate::convert) fn word_piece(
    source: &Source<'_>,
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let json = TokenizerJson::read(source.files)?;
    let library = Library::load(source.files)?;
    let (mut tokens, kinds) = tokens(source, &library, 1)?;
    for (token, kind) in tokens.iter_mut().zip(&kinds) {
        if *kind != CONTROL {
            *token = match token.strip_prefix("##") {
                Some(rest) => rest.to_owned(),
                None => format!("\u{2581}{token}"),
            };
        }
    }
    let special = SpecialTokens::load(source.files, json.as_ref(), Some(tokens.len() as u64))?;
    let segments = source.model.configuration.optional_integer(&["type_vocab_size"])?.unwrap_or(1);
    out.set_plain(
        "tokenizer.ggml.token_type_count",
        super::super::parameters::checked_u32("type_vocab_size", segments)?,
    );
    out.set_plain("tokenizer.ggml.model", "bert");
    out.set_plain("tokenizer.ggml.pre", pre_tokenizer(&library, &special, warnings));
    out.set_plain("tokenizer.ggml.tokens", tokens);
    out.set_plain("tokenizer.ggml.token_type", kinds);
    special.write(out);
    Ok(())
}
