//! Unigram vocabularies as XLM-RoBERTa and its kin have them, in llama.cpp's terms `t5`.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::ConvertError;
use super::super::files::Files;
use super::TokenizerError;
use super::contents::Contents;
use super::file_names::{SENTENCE_PIECE_BPE_MODEL, SPIECE_MODEL, TOKENIZER_JSON, TOKENIZER_MODEL};
use super::inputs::Inputs;
use super::json::Vocabulary;
use super::sentence_piece::{Model, replace, sentence_piece};
use super::settings::{ADDED_TOKENS, added_tokens_file};
use super::token::{ADDED_SCORE, Token, TokenKind, checked_size};
use crate::gguf::Metadata;

/// `model_type` of a unigram model.
const UNIGRAM: i32 = 1;
/// `model_type` of byte pairs.
const BYTE_PAIRS: i32 = 2;
/// The number that XLM-RoBERTa gives the unknown token.
const UNKNOWN_ID: u32 = 3;

/// A unigram vocabulary.
pub(super) fn unigram(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let (tokens, preparation) = match inputs.files.has(SENTENCE_PIECE_BPE_MODEL) {
        true => of_model(inputs)?,
        false => of_json(inputs)?,
    };
    let mut further = Metadata::new();
    further.set("tokenizer.ggml.add_space_prefix", preparation.space_prefix);
    further.set("tokenizer.ggml.token_type_count", inputs.sizes.checked_token_types()?);
    further.set("tokenizer.ggml.remove_extra_whitespaces", preparation.remove_spaces);
    preparation.write_charsmap(&mut further);
    Ok(Contents { further, ..Contents::with_scores("t5", tokens) })
}

/// A unigram vocabulary whose pieces keep their numbers, as T5 and its kin have it. Some of them have byte
/// pairs.
pub(super) fn plain(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    if inputs.files.has(TOKENIZER_MODEL) && kind(&Model::read(inputs.files, TOKENIZER_MODEL)?) == BYTE_PAIRS {
        return sentence_piece(inputs);
    }
    let name = if inputs.files.has(TOKENIZER_MODEL) { TOKENIZER_MODEL } else { SPIECE_MODEL };
    let model = unigram_model(inputs.files, name)?;
    let own = model.pieces.len() as u64;
    let size = checked_size(inputs.sizes.tokens.unwrap_or(own))?;
    if size < own {
        let expected = "at least as many as the tokenizer has tokens";
        return Err(TokenizerError::bad_field("config.json", "vocab_size", &size, expected).into());
    }
    let mut tokens: Vec<Token> = model.tokens().collect();
    tokens.extend((own..size).map(Token::padding));
    for (text, id) in added_tokens_file(inputs.files)? {
        let token = Token { text, score: ADDED_SCORE, kind: TokenKind::UserDefined };
        replace(&mut tokens, id, token, ADDED_TOKENS, &mut inputs.warnings);
    }
    let preparation = Preparation::of(model);
    let mut further = Metadata::new();
    further.set("tokenizer.ggml.add_space_prefix", preparation.space_prefix);
    further.set("tokenizer.ggml.remove_extra_whitespaces", preparation.remove_spaces);
    preparation.write_charsmap(&mut further);
    Ok(Contents { further, ..Contents::with_scores("t5", tokens) })
}

/// How text is prepared.
struct Preparation {
    space_prefix: bool,
    remove_spaces: bool,
    charsmap: Vec<u8>,
}

impl Preparation {
    fn of(model: Model) -> Self {
        let normalizer = model.normalizer.unwrap_or_default();
        Self {
            space_prefix: normalizer.add_dummy_prefix.unwrap_or(true),
            remove_spaces: normalizer.remove_extra_whitespaces.unwrap_or(true),
            charsmap: normalizer.precompiled_charsmap.unwrap_or_default(),
        }
    }

    fn write_charsmap(self, further: &mut Metadata) {
        if !self.charsmap.is_empty() {
            further.set("tokenizer.ggml.precompiled_charsmap", self.charsmap);
        }
    }
}

/// A SentencePiece model that chooses tokens by their scores.
fn unigram_model(files: Files<'_>, file: &'static str) -> Result<Model, ConvertError> {
    let model = Model::read(files, file)?;
    match kind(&model) {
        UNIGRAM => Ok(model),
        kind => {
            let field = "trainer_spec.model_type";
            Err(TokenizerError::bad_field(file, field, &kind, "1 (unigram)").into())
        }
    }
}

/// What kind of vocabulary a model holds.
fn kind(model: &Model) -> i32 {
    model.trainer.as_ref().and_then(|trainer| trainer.model_type).unwrap_or(UNIGRAM)
}

/// The model's tokens, with the numbers that the `transformers` library gives them: its own four special
/// tokens come first.
fn of_model(inputs: &Inputs<'_>) -> Result<(Vec<Token>, Preparation), ConvertError> {
    let model = unigram_model(inputs.files, SENTENCE_PIECE_BPE_MODEL)?;
    let own = model.pieces.len() as u64;
    let size = checked_size(inputs.sizes.tokens.unwrap_or(0).max(own))?;
    let all = model.tokens().chain((own..size).map(Token::padding));
    let mut tokens: Vec<Token> =
        ["<s>", "<pad>", "</s>"].map(|text| Token::new(text, TokenKind::Control)).into();
    tokens.push(Token::new("<unk>", TokenKind::Unknown));
    // The library moves the pieces up by one place, so that the last stands for nothing.
    let kept = usize::try_from(size.saturating_sub(4)).unwrap_or(0);
    tokens.extend(all.skip(3).take(kept));
    let after_pieces = usize::try_from(own + 1).ok().and_then(|id| tokens.get_mut(id));
    if inputs.flavour.mask_after_pieces
        && let Some(mask) = after_pieces
    {
        *mask = Token::new("<mask>", TokenKind::Control);
    }
    Ok((tokens, Preparation::of(model)))
}

fn of_json(inputs: &mut Inputs<'_>) -> Result<(Vec<Token>, Preparation), TokenizerError> {
    let json = inputs.json()?;
    let bad = |field, got: &str, expected| TokenizerError::bad_field(TOKENIZER_JSON, field, &got, expected);
    let Vocabulary::Scores(pieces) = std::mem::take(&mut json.model.vocab) else {
        return Err(bad("model.vocab", "an object", "a list of tokens and scores (a unigram model)"));
    };
    let added: Vec<(String, u32)> =
        json.added_tokens.iter().map(|token| (token.content.clone(), token.id)).collect();
    let stated_unknown = json.model.unk_id.unwrap_or(UNKNOWN_ID);
    let charsmap = charsmap(&json.normalizer).unwrap_or_default().to_owned();
    let charsmap = STANDARD
        .decode(charsmap.as_bytes())
        .map_err(|_| bad("normalizer.precompiled_charsmap", &charsmap, "Base64 text"))?;
    let settings = &inputs.settings;
    let unknown = settings.token("unk_token").and_then(|text| added.iter().find(|(added, _)| added == text));
    let unknown = unknown.map_or(stated_unknown, |(_, id)| *id);
    let special: HashSet<&str> = settings.special_tokens().into_iter().collect();
    let added: HashSet<u32> = added.into_iter().map(|(_, id)| id).collect();
    let own = pieces.len() as u64;
    let size = checked_size(inputs.sizes.tokens.unwrap_or(0).max(own))?;
    let token = |((text, score), id): ((String, f64), u32)| {
        let kind = match special.contains(text.as_str()) {
            _ if id == unknown => TokenKind::Unknown,
            true => TokenKind::Control,
            false if added.contains(&id) => TokenKind::UserDefined,
            false => TokenKind::Normal,
        };
        Token { text, score: score as f32, kind }
    };
    let mut tokens: Vec<Token> = pieces.into_iter().zip(0..).map(token).collect();
    tokens.extend((own..size).map(Token::padding));
    let preparation = Preparation {
        space_prefix: settings.flag("add_prefix_space").unwrap_or(false),
        remove_spaces: settings.flag("clean_up_tokenization_spaces").unwrap_or(false),
        charsmap,
    };
    Ok((tokens, preparation))
}

/// The map of characters in a normalizer or one of its parts.
fn charsmap(normalizer: &Value) -> Option<&str> {
    let own = normalizer.get("precompiled_charsmap").and_then(Value::as_str);
    own.or_else(|| normalizer.get("normalizers")?.as_array()?.iter().find_map(charsmap))
}
