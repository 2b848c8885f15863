//! What a vocabulary is made from.

use std::borrow::Cow;

use serde_json::Value;

use super::super::ConvertError;
use super::super::files::Files;
use super::decoder::Decoder;
use super::file_names::{
    HUNYUAN_TIKTOKEN, Origin, QWEN_TIKTOKEN, RWKV_VOCABULARY, SENTENCE_PIECE_BPE_MODEL, SPIECE_MODEL,
    TEKKEN_JSON, TOKENIZER_JSON, TOKENIZER_JSON_LINES, TOKENIZER_MODEL, VOCAB_JSON, VOCAB_TXT,
};
use super::flavour::{Flavour, Format};
use super::json::TokenizerJson;
use super::known::KnownTokens;
use super::settings::Settings;
use super::sizes::Sizes;
use super::{TokenizerError, TokenizerWarning};

/// The parsed files and what the configuration and the family's declaration say.
pub(super) struct Inputs<'a> {
    pub(super) files: Files<'a>,
    pub(super) flavour: &'a Flavour,
    pub(super) sizes: Sizes,
    pub(super) settings: Settings,
    /// `tokenizer.json`, or what older files come to in its notation.
    pub(super) file: Cow<'a, str>,
    /// The same, parsed.
    json: Option<TokenizerJson>,
    /// The files that it was read from.
    origin: Origin,
    pub(super) warnings: Vec<TokenizerWarning>,
}

impl<'a> Inputs<'a> {
    /// Reads the files that every kind of vocabulary needs.
    pub(super) fn read(files: Files<'a>, flavour: &'a Flavour, sizes: Sizes) -> Result<Self, ConvertError> {
        let json = TokenizerJson::read(files)?;
        Ok(Self {
            files,
            flavour,
            sizes,
            settings: Settings::read(files)?,
            file: Cow::Borrowed(files.text(TOKENIZER_JSON)?.unwrap_or_default()),
            origin: Origin { vocabulary: TOKENIZER_JSON, merges: TOKENIZER_JSON },
            json,
            warnings: Vec::new(),
        })
    }

    /// The first format of the family whose files are there.
    pub(super) fn format(&self) -> Result<Format, ConvertError> {
        let formats = self.flavour.formats;
        let missing = || {
            let mut files: Vec<&str> = Vec::new();
            for file in formats.iter().flat_map(|format| files_of(*format)) {
                // Several formats are kept in the same file.
                if !files.contains(file) {
                    files.push(file);
                }
            }
            match self.original() {
                Some(json) => TokenizerError::OtherKind { kind: json.kind(), files },
                None => TokenizerError::Missing { files },
            }
        };
        Ok(formats.iter().copied().find(|format| self.has(*format)).ok_or_else(missing)?)
    }

    fn has(&self, format: Format) -> bool {
        match format {
            // The file says of what kind it is, whatever the class of the model may suggest.
            Format::BytePair => self.has_original_of("BPE") || self.files.has(VOCAB_JSON),
            Format::SentencePiece
            | Format::CleanedSentencePiece
            | Format::RedefinedSentencePiece
            | Format::ExtendedSentencePiece => self.files.has(TOKENIZER_MODEL),
            // Phi-4 has byte pairs, which the class tells.
            Format::SentencePieceReplaced => {
                self.files.has(TOKENIZER_MODEL) && self.settings.class() != "GPT2Tokenizer"
            }
            Format::RewrittenSentencePiece => {
                self.json.as_ref().is_some_and(TokenizerJson::is_rewritten_sentence_piece)
            }
            Format::MergedSentencePiece | Format::UnscoredSentencePiece => self.has_original(),
            Format::WordPieceOfClass => {
                self.settings.class().starts_with("BertTokenizer") && self.has(Format::WordPiece)
            }
            Format::Words => {
                let splits = self.original().and_then(|json| json.pre_tokenizer.get("type")?.as_str());
                splits == Some("Whitespace")
            }
            Format::Ranked => self.files.has(QWEN_TIKTOKEN),
            Format::RankedHunyuan => self.files.has(HUNYUAN_TIKTOKEN),
            Format::Plamo => self.files.has(TOKENIZER_JSON_LINES),
            Format::Nothing => true,
            Format::PlainUnigram => self.files.has(TOKENIZER_MODEL) || self.files.has(SPIECE_MODEL),
            Format::WordPiece => self.has_original_of("WordPiece") || self.files.has(VOCAB_TXT),
            Format::Unigram => {
                self.files.has(SENTENCE_PIECE_BPE_MODEL)
                    || self.json.as_ref().is_some_and(TokenizerJson::is_unigram)
            }
            Format::RwkvWorld => self.files.has(RWKV_VOCABULARY),
            Format::Tekken => !self.has_original() && self.files.has(TEKKEN_JSON),
        }
    }

    /// Puts `file`, older files in the notation of `tokenizer.json`, in its place.
    pub(super) fn substitute(&mut self, origin: Origin, file: String) -> Result<(), ConvertError> {
        self.json = Some(TokenizerJson::parse(origin.vocabulary, &file)?);
        self.file = Cow::Owned(file);
        self.origin = origin;
        Ok(())
    }

    /// Whether `tokenizer.json` was given.
    pub(super) fn has_original(&self) -> bool {
        self.original().is_some()
    }

    /// Whether `tokenizer.json` was given and does not say that it is of another kind.
    fn has_original_of(&self, kind: &str) -> bool {
        self.original().is_some_and(|json| json.model.kind.as_deref().is_none_or(|stated| stated == kind))
    }

    /// `tokenizer.json`, if it was given.
    pub(super) fn original(&self) -> Option<&TokenizerJson> {
        self.json.as_ref().filter(|_| self.origin.vocabulary == TOKENIZER_JSON)
    }

    /// `tokenizer.json` or what stands in its place.
    pub(super) fn json(&mut self) -> Result<&mut TokenizerJson, TokenizerError> {
        self.json.as_mut().ok_or_else(|| TokenizerError::Missing { files: vec![TOKENIZER_JSON] })
    }

    /// From tokens back to text.
    pub(super) fn decoder(&self) -> Decoder {
        let description = self.json.as_ref().map_or(&Value::Null, |json| &json.decoder);
        Decoder::new(description, &self.settings)
    }

    /// The tokens that `tokenizer.json` and the settings know.
    pub(super) fn known_tokens(&mut self) -> Result<KnownTokens, TokenizerError> {
        let json =
            self.json.as_mut().ok_or_else(|| TokenizerError::Missing { files: vec![TOKENIZER_JSON] })?;
        KnownTokens::collect(json, self.origin, &self.settings, self.sizes.tokens, &mut self.warnings)
    }
}

/// The files that a format comes in, any one of which would do.
fn files_of(format: Format) -> &'static [&'static str] {
    match format {
        Format::BytePair => &[TOKENIZER_JSON, "vocab.json with merges.txt"],
        Format::WordPiece | Format::WordPieceOfClass => &[TOKENIZER_JSON, VOCAB_TXT],
        Format::SentencePiece
        | Format::SentencePieceReplaced
        | Format::CleanedSentencePiece
        | Format::RedefinedSentencePiece
        | Format::ExtendedSentencePiece => &[TOKENIZER_MODEL],
        Format::RewrittenSentencePiece
        | Format::MergedSentencePiece
        | Format::UnscoredSentencePiece
        | Format::Words => &[TOKENIZER_JSON],
        Format::Ranked => &[QWEN_TIKTOKEN],
        Format::RankedHunyuan => &[HUNYUAN_TIKTOKEN],
        Format::Plamo => &[TOKENIZER_JSON_LINES],
        Format::Nothing => &[],
        Format::PlainUnigram => &[TOKENIZER_MODEL, SPIECE_MODEL],
        Format::Unigram => &[SENTENCE_PIECE_BPE_MODEL, TOKENIZER_JSON],
        Format::RwkvWorld => &[RWKV_VOCABULARY],
        Format::Tekken => &[TEKKEN_JSON],
    }
}
