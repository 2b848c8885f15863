//! Mistral's own tokenizer file: byte-level byte pairs given by rank alone (mistral-common, `tekken.py`).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::ConvertError;
use super::TokenizerError;
use super::byte_text::characters;
use super::file_names::TEKKEN_JSON;
use super::inputs::Inputs;
use super::token::{self, Token, TokenKind, checked_size};
use crate::gguf::Metadata;

/// The longest token, in bytes, that is taken apart into merges; the longest real ones have about 130.
const LONGEST_TOKEN: usize = 256;
/// The most merges; real files have about 270,000.
const MOST_MERGES: usize = 1 << 22;

/// Special tokens of files that do not list them.
const SPECIAL_TOKENS: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

#[derive(Deserialize)]
struct Tekken {
    config: Config,
    vocab: Vec<Entry>,
    special_tokens: Option<Vec<SpecialToken>>,
}

#[derive(Deserialize)]
struct Config {
    default_vocab_size: u64,
    default_num_special_tokens: u64,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    rank: u64,
    token_bytes: String,
}

#[derive(Deserialize)]
struct SpecialToken {
    token_str: String,
}

/// Writes the vocabulary with all that belongs to it; the number of tokens.
///
/// # Errors
///
/// The file is malformed, or its sizes do not fit its tokens.
pub(super) fn write(inputs: &Inputs<'_>, metadata: &mut Metadata) -> Result<u64, ConvertError> {
    let text = inputs
        .files
        .text(TEKKEN_JSON)?
        .ok_or_else(|| TokenizerError::Missing { files: vec![TEKKEN_JSON] })?;
    let tekken: Tekken = serde_json::from_str(text)
        .map_err(|error| ConvertError::Json { file: TEKKEN_JSON.to_owned(), reason: error.to_string() })?;
    let special = tekken.special_tokens()?;
    let ranks = tekken.ranks()?;
    let role =
        |text: &str| special.iter().position(|token| token == text).and_then(|id| u32::try_from(id).ok());
    let needed = |role_name: &'static str, text: &'static str| {
        role(text).ok_or(TokenizerError::MissingToken { file: TEKKEN_JSON, token: text, role: role_name })
    };
    let (begin, end, unknown) = (needed("bos", "<s>")?, needed("eos", "</s>")?, needed("unk", "<unk>")?);
    let padding = role("<pad>").unwrap_or(end);
    let mut tokens: Vec<Token> =
        special.into_iter().map(|text| Token::new(text, TokenKind::Control)).collect();
    tokens.extend(ranks.iter().map(|bytes| Token::new(characters(bytes), TokenKind::Normal)));
    let count = tokens.len() as u64;

    metadata.set("tokenizer.ggml.model", "gpt2");
    metadata.set("tokenizer.ggml.pre", "tekken");
    metadata.set("tokenizer.ggml.merges", merges(&ranks)?);
    metadata.set("tokenizer.ggml.bos_token_id", begin);
    metadata.set("tokenizer.ggml.eos_token_id", end);
    metadata.set("tokenizer.ggml.unknown_token_id", unknown);
    metadata.set("tokenizer.ggml.padding_token_id", padding);
    // The reference converter writes whole numbers here, and llama.cpp reads them too.
    let scores = vec![0_i32; tokens.len()];
    token::write(tokens, Some(scores.into()), metadata);
    metadata.set("vocab_size", count as u32);
    metadata.set("tokenizer.ggml.add_bos_token", true);
    metadata.set("tokenizer.ggml.add_eos_token", false);
    // llama.cpp has names for the templates of the older versions.
    match tekken.config.version.as_deref() {
        Some("v1") => metadata.set("tokenizer.chat_template", "mistral-v1"),
        Some("v3") => metadata.set("tokenizer.chat_template", "mistral-v3-tekken"),
        Some("v7") => metadata.set("tokenizer.chat_template", "mistral-v7-tekken"),
        _ => super::chat_template::write(inputs.files, &inputs.settings, metadata)?,
    }
    Ok(count)
}

impl Tekken {
    /// The special tokens, which come first, with fillers for those to come.
    fn special_tokens(&self) -> Result<Vec<String>, TokenizerError> {
        let mut tokens: Vec<String> = match &self.special_tokens {
            Some(listed) => listed.iter().map(|token| token.token_str.clone()).collect(),
            None => SPECIAL_TOKENS.map(str::to_owned).into(),
        };
        let count = checked_size(self.config.default_num_special_tokens)?;
        if tokens.len() as u64 > count {
            let (field, listed) =
                ("config.default_num_special_tokens", "at least as many as there are special tokens");
            return Err(TokenizerError::bad_field(TEKKEN_JSON, field, &count, listed));
        }
        tokens.extend((tokens.len() as u64..count).map(|id| format!("<SPECIAL_{id}>")));
        Ok(tokens)
    }

    /// The bytes of the other tokens in the order of their ranks.
    fn ranks(&self) -> Result<Vec<Vec<u8>>, TokenizerError> {
        let Config { default_vocab_size: size, default_num_special_tokens: special, .. } = self.config;
        let count = size.checked_sub(special).filter(|count| *count <= self.vocab.len() as u64);
        let count = count.ok_or_else(|| {
            let field = "config.default_vocab_size";
            TokenizerError::bad_field(
                TEKKEN_JSON,
                field,
                &size,
                "the number of special tokens and some of the vocabulary",
            )
        })?;
        let entries = self.vocab.iter().zip(0..count);
        let bytes = entries.map(|(entry, place)| {
            if entry.rank != place {
                let field = format!("vocab, {place}, rank");
                return Err(TokenizerError::bad_field(
                    TEKKEN_JSON,
                    field,
                    &entry.rank,
                    "ranks in ascending order without gaps",
                ));
            }
            STANDARD.decode(&entry.token_bytes).map_err(|_| {
                TokenizerError::bad_field(
                    TEKKEN_JSON,
                    format!("vocab, {place}, token_bytes"),
                    &entry.token_bytes,
                    "Base64 text",
                )
            })
        });
        bytes.collect()
    }
}

/// Every way in which a token consists of two others, tokens in the order of their ranks. Bytes are not
/// merged.
fn merges(ranks: &[Vec<u8>]) -> Result<Vec<String>, TokenizerError> {
    const BYTES: usize = 256;
    let by_bytes: HashMap<&[u8], usize> = ranks.iter().map(Vec::as_slice).zip(0..).collect();
    let mut merges = Vec::new();
    for (rank, token) in ranks.iter().enumerate().skip(BYTES) {
        let bad = |expected| {
            TokenizerError::bad_field(TEKKEN_JSON, format!("vocab, {rank}"), &characters(token), expected)
        };
        if token.len() > LONGEST_TOKEN {
            return Err(bad("a token of at most 256 bytes"));
        }
        let parts = (1..token.len()).filter_map(|middle| {
            let (left, right) = token.split_at(middle);
            Some((*by_bytes.get(left)?, *by_bytes.get(right)?, left, right))
        });
        let mut parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            return Err(bad("a token that consists of two others"));
        }
        parts.sort_by_key(|(left, right, ..)| (*left, *right));
        merges.extend(
            parts.iter().map(|(_, _, left, right)| format!("{} {}", characters(left), characters(right))),
        );
        if merges.len() > MOST_MERGES {
            return Err(bad("fewer merges before it"));
        }
    }
    Ok(merges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_apart_in_every_way() {
        let mut ranks: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        ranks.extend([b"bc".to_vec(), b"ab".to_vec(), b"abc".to_vec()]);
        assert_eq!(merges(&ranks).unwrap(), ["b c", "a b", "a bc", "ab c"]);
        ranks.push(b"xyz".to_vec());
        assert!(matches!(merges(&ranks), Err(TokenizerError::BadField { .. })));
    }
}
