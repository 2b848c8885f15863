//! SentencePiece: `tokenizer.model`, in llama.cpp's terms `llama`.

use prost::Message;

use super::super::ConvertError;
use super::super::files::Files;
use super::contents::{Contents, Splitting};
use super::file_names::{TOKENIZER_JSON, TOKENIZER_MODEL};
use super::inputs::Inputs;
use super::settings::{ADDED_TOKENS, TOKENIZER_CONFIG, added_tokens_file};
use super::token::{self, ADDED_SCORE, Token, TokenKind, UNUSED_SCORE};
use super::{TokenizerError, TokenizerWarning};

/// The model, as far as it is needed (SentencePiece, `src/sentencepiece_model.proto`, `ModelProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct Model {
    #[prost(message, repeated, tag = "1")]
    pub(super) pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    pub(super) trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    pub(super) normalizer: Option<Normalizer>,
}

/// A token (`ModelProto.SentencePiece`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct Piece {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

/// How the model was trained (`TrainerSpec`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct Trainer {
    /// 1 is unigram, 2 byte pairs.
    #[prost(int32, optional, tag = "3")]
    pub(super) model_type: Option<i32>,
    /// Whether what the pieces cannot express is expressed by bytes.
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

/// How text is prepared (`NormalizerSpec`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    pub(super) add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub(super) remove_extra_whitespaces: Option<bool>,
}

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    ///
    /// The file is missing, far too long, cut off or damaged, or has no tokens.
    pub(super) fn read(files: Files<'_>, file: &'static str) -> Result<Self, ConvertError> {
        let bytes = files.bytes(file)?.ok_or_else(|| TokenizerError::Missing { files: vec![file] })?;
        let model = Self::decode(bytes)
            .map_err(|error| TokenizerError::Damaged { file, reason: error.to_string() })?;
        if model.pieces.is_empty() {
            return Err(TokenizerError::Empty { file }.into());
        }
        Ok(model)
    }

    /// The pieces as tokens. Beside bytes SentencePiece never uses a piece that is the byte zero.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> {
        let has_bytes = self.trainer.as_ref().and_then(|trainer| trainer.byte_fallback).unwrap_or(false);
        self.pieces.iter().map(Piece::token).map(move |token| match token.text.as_str() {
            "\0" if has_bytes => Token { kind: TokenKind::Unused, ..token },
            _ => token,
        })
    }
}

impl Piece {
    /// The token; SentencePiece numbers the kinds as llama.cpp does, but knows user-defined pieces as normal
    /// ones.
    fn token(&self) -> Token {
        let kind = match self.kind {
            Some(2) => TokenKind::Unknown,
            Some(3) => TokenKind::Control,
            Some(5) => TokenKind::Unused,
            Some(6) => TokenKind::Byte,
            _ => TokenKind::Normal,
        };
        Token { text: self.text.clone().unwrap_or_default(), score: self.score.unwrap_or_default(), kind }
    }
}

/// A SentencePiece vocabulary with the tokens that were added to it.
pub(super) fn sentence_piece(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let mut tokens = tokens_of_model(inputs)?;
    for (text, id) in added_tokens_file(inputs.files)? {
        let token = Token { text, score: ADDED_SCORE, kind: TokenKind::UserDefined };
        replace(&mut tokens, id, token, ADDED_TOKENS, &mut inputs.warnings);
    }
    for added in inputs.settings.added_tokens()? {
        let token = if added.special || token::looks_special(&added.content) {
            Token { text: added.content, score: ADDED_SCORE, kind: TokenKind::Control }
        } else {
            token::user_defined(&added.content)
        };
        replace(&mut tokens, added.id, token, TOKENIZER_CONFIG, &mut inputs.warnings);
    }
    Ok(Contents::with_scores("llama", tokens))
}

/// A SentencePiece vocabulary whose added tokens are taken as they stand, those of `tokenizer.json` included.
pub(super) fn replaced(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let tokens = tokens_of_model(inputs)?;
    with_replaced(inputs, tokens)
}

/// A SentencePiece vocabulary of whose pieces the settings redefine some, as Arctic has it: special ones
/// count as pieces of the model, others take part in no merge.
pub(super) fn redefined(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let mut tokens = tokens_of_model(inputs)?;
    let unknown =
        inputs.settings.values.get("unk_token").and_then(serde_json::Value::as_str).map(str::to_owned);
    for added in inputs.settings.added_tokens()? {
        let kind = match added.special {
            true if Some(&added.content) == unknown.as_ref() => TokenKind::Unknown,
            true => TokenKind::Control,
            false => TokenKind::UserDefined,
        };
        let score = if added.special { 0.0 } else { UNUSED_SCORE };
        let token = Token { text: added.content, score, kind };
        replace(&mut tokens, added.id, token, TOKENIZER_CONFIG, &mut inputs.warnings);
    }
    Ok(Contents::with_scores("llama", tokens))
}

/// A vocabulary like that of [`replaced`], as InternLM 2 has it: one piece is the byte zero, which ends
/// strings in C, and others stand for nothing.
pub(super) fn cleaned(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let mut tokens = tokens_of_model(inputs)?;
    for token in &mut tokens {
        if token.text == "\0" {
            "🐉".clone_into(&mut token.text);
        } else if token.text.starts_with("[UNUSED") {
            token.kind = TokenKind::Unused;
        }
    }
    let normalizer = Model::read(inputs.files, TOKENIZER_MODEL)?.normalizer.unwrap_or_default();
    let mut contents = with_replaced(inputs, tokens)?;
    let prefix = normalizer.add_dummy_prefix.unwrap_or(true);
    contents.further.set("tokenizer.ggml.add_space_prefix", prefix);
    Ok(contents)
}

/// The pieces and, after them, the tokens that ChatGLM 3's class knows by itself (Z.ai,
/// `tokenization_chatglm.py`).
pub(super) fn extended(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    const FIRST: [&str; 3] = ["<unk>", "<bos>", "<eos>"];
    const FURTHER: [&str; 9] = [
        "[MASK]",
        "[gMASK]",
        "[sMASK]",
        "sop",
        "eop",
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|observation|>",
    ];
    let model = Model::read(inputs.files, TOKENIZER_MODEL)?;
    let mut tokens: Vec<Token> = model.tokens().collect();
    tokens.iter_mut().zip(FIRST).for_each(|(token, text)| text.clone_into(&mut token.text));
    tokens.extend(FURTHER.map(|text| Token::new(text, TokenKind::Control)));
    let known = tokens.len() as u64;
    let size = token::checked_size(inputs.sizes.tokens.unwrap_or(known))?;
    tokens.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    tokens.extend((known..size).map(|id| Token { score: 0.0, ..Token::padding(id) }));
    Ok(Contents { splitting: Splitting::Known("chatglm-spm"), ..Contents::with_scores("llama", tokens) })
}

fn with_replaced(inputs: &mut Inputs<'_>, mut tokens: Vec<Token>) -> Result<Contents, ConvertError> {
    for (text, id) in added_tokens_file(inputs.files)? {
        let token = Token { text, score: ADDED_SCORE, kind: TokenKind::UserDefined };
        replace(&mut tokens, id, token, ADDED_TOKENS, &mut inputs.warnings);
    }
    let of_json = inputs.original().map_or_else(Vec::new, |json| json.added_tokens.clone());
    let of_settings = inputs.settings.added_tokens()?.into_iter().map(|added| (TOKENIZER_CONFIG, added));
    let of_json = of_json.into_iter().map(|added| (TOKENIZER_JSON, added));
    for (file, added) in of_settings.chain(of_json) {
        let size = tokens.len() as u64;
        let beyond = TokenizerError::BeyondVocabulary {
            file,
            token: added.content.clone(),
            id: added.id.into(),
            size,
        };
        let kind = if added.special { TokenKind::Control } else { TokenKind::UserDefined };
        let place = usize::try_from(added.id).ok().and_then(|id| tokens.get_mut(id)).ok_or(beyond)?;
        *place = Token { text: added.content, score: ADDED_SCORE, kind };
    }
    Ok(Contents::with_scores("llama", tokens))
}

/// The tokens of the model, cut or padded to the size that the configuration says.
fn tokens_of_model(inputs: &mut Inputs<'_>) -> Result<Vec<Token>, ConvertError> {
    let model = Model::read(inputs.files, TOKENIZER_MODEL)?;
    let pieces = model.pieces.len() as u64;
    let size = token::checked_size(inputs.sizes.tokens.filter(|size| *size > 0).unwrap_or(pieces))?;
    let mut tokens: Vec<Token> = model.tokens().collect();
    if let Some(first) = usize::try_from(size).ok().and_then(|size| tokens.get(size)) {
        let token = first.text.clone();
        inputs.warnings.push(TokenizerWarning::TokenLeftOut { file: TOKENIZER_MODEL, token, size });
    }
    tokens.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    tokens.extend((pieces..size).map(Token::padding));
    Ok(tokens)
}

/// Puts a token of `file` in its place; one beyond the vocabulary is left out, since there are no embeddings
/// for it.
pub(super) fn replace(
    tokens: &mut [Token],
    id: u32,
    token: Token,
    file: &'static str,
    warnings: &mut Vec<TokenizerWarning>,
) {
    let size = tokens.len() as u64;
    match usize::try_from(id).ok().and_then(|id| tokens.get_mut(id)) {
        Some(place) => *place = token,
        None => warnings.push(TokenizerWarning::TokenLeftOut { file, token: token.text, size }),
    }
}
