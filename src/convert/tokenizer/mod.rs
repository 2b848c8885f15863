//! The vocabulary of a checkpoint as `tokenizer.*` metadata: tokens, types, scores, merges, special tokens, chat template.
//!
//! A family of models declares its [`Flavour`]: which formats its tokenizers come in, and what is special about them.
//! [`read`] finds the files, reads them, and writes the pairs in the order of llama.cpp's converter. Source of the rules:
//! llama.cpp, `conversion/base.py` and the files of the families beside it, and `gguf-py/gguf/vocab.py`.
//!
//! | file | what it is for |
//! |---|---|
//! | `flavour` | what a family says of its vocabulary |
//! | `json`, `settings`, `older_files` | the files of the `tokenizers` and `transformers` libraries |
//! | `inputs` | which of these files there are |
//! | `known`, `token` | their tokens by number |
//! | `byte_pair`, `sentence_piece`, `rewritten`, `unigram`, `tekken` | the kinds of vocabulary |
//! | `special_tokens`, `surrounding`, `chat_template` | what is said about texts and conversations |
//! | `pre_tokenizer`, `decoder` | how text is split before it is merged, and put together again |
//! | `modest` | what is never run because it could take for ever |

mod byte_pair;
mod chat_template;
mod decoder;
mod error;
mod flavour;
mod inputs;
mod json;
mod known;
mod modest;
mod older_files;
mod pre_tokenizer;
mod rewritten;
mod sentence_piece;
mod settings;
mod special_tokens;
mod surrounding;
mod tekken;
mod token;
mod unigram;

pub use error::{TokenizerError, TokenizerWarning};
pub use flavour::{Flavour, Format, SpacePrefix};

use super::ConvertError;
use super::files::Files;
use crate::gguf::Metadata;
use crate::safetensors::NamedSource;
use inputs::{Contents, Inputs, Splitting};
use special_tokens::{SpecialTokens, write_role};

/// The most warnings that are kept; a damaged file can give one a token.
const MOST_WARNINGS: usize = 16;

/// What the configuration of a model says of its vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// `vocab_size`.
    pub tokens: Option<u64>,
    /// `type_vocab_size`, 1 where it is not given.
    pub token_types: Option<u64>,
}

/// A vocabulary as metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// The pairs in the order in which they are to be written.
    pub metadata: Metadata,
    /// How many tokens there are.
    pub tokens: u64,
    /// What a user should know.
    pub warnings: Vec<TokenizerWarning>,
}

/// Reads the vocabulary among the files of a checkpoint.
///
/// # Errors
///
/// No file of a format of the family is there, a file is malformed, or its tokens do not fit the sizes.
pub fn read(
    sources: &[NamedSource<'_>],
    flavour: &Flavour,
    sizes: Sizes,
) -> Result<Vocabulary, ConvertError> {
    let mut inputs = Inputs::read(Files::new(sources), flavour, sizes)?;
    let mut metadata = Metadata::new();
    for (key, value) in flavour.opening {
        metadata.set(format!("tokenizer.ggml.{key}"), *value);
    }
    let format = inputs.format()?;
    if format == Format::Tekken {
        let tokens = tekken::write(&inputs, &mut metadata)?;
        return Ok(Vocabulary { metadata, tokens, warnings: Vec::new() });
    }
    if format == Format::WordPiece {
        metadata.set("tokenizer.ggml.token_type_count", sizes.checked_token_types()?);
    }
    if flavour.space_prefix == SpacePrefix::First {
        write_space_prefix(&inputs, &mut metadata);
    }
    let contents = match format {
        Format::BytePair | Format::Tekken => byte_pair::byte_pair(&mut inputs),
        Format::SentencePiece => sentence_piece::sentence_piece(&mut inputs),
        Format::SentencePieceReplaced => sentence_piece::replaced(&mut inputs),
        Format::RewrittenSentencePiece => rewritten::rewritten(&mut inputs),
        Format::MergedSentencePiece => rewritten::merged(&mut inputs),
        Format::WordPiece => byte_pair::word_piece(&mut inputs),
        Format::Unigram => unigram::unigram(&mut inputs),
    }?;
    let tokens = contents.tokens.len() as u64;
    write_contents(&mut inputs, contents, &mut metadata)?;
    write_of_family(&inputs, format, &mut metadata)?;
    let mut warnings = inputs.warnings;
    warnings.truncate(MOST_WARNINGS);
    Ok(Vocabulary { metadata, tokens, warnings })
}

/// Whether a file that is not JSON is one of a tokenizer, by its name in the checkpoint's directory.
pub(super) fn is_file(name: &str) -> bool {
    [
        sentence_piece::TOKENIZER_MODEL,
        unigram::SENTENCE_PIECE_BPE_MODEL,
        older_files::VOCAB_TXT,
        older_files::MERGES,
    ]
    .contains(&name)
        || chat_template::is_file(name)
}

/// Whether there is a SentencePiece model.
pub(super) fn has_sentence_piece(files: Files<'_>) -> bool {
    files.has(sentence_piece::TOKENIZER_MODEL)
}

/// Whether `tokenizer.json` holds a unigram model.
pub(super) fn is_unigram(files: Files<'_>) -> Result<bool, ConvertError> {
    Ok(json::TokenizerJson::read(files)?.is_some_and(|json| json.is_unigram()))
}

/// How many tokens `tokenizer.json` lists; added ones that repeat the model's own count twice.
pub(super) fn listed_tokens(files: Files<'_>) -> Result<Option<u64>, ConvertError> {
    let json = json::TokenizerJson::read(files)?;
    Ok(json.map(|json| (json.model.vocab.len() + json.added_tokens.len()) as u64))
}

impl Sizes {
    fn checked_token_types(self) -> Result<u32, TokenizerError> {
        let count = self.token_types.unwrap_or(1);
        u32::try_from(count).map_err(|_| {
            TokenizerError::bad_field("config.json", "type_vocab_size", &count, "a 32-bit number")
        })
    }
}

/// Writes what is in the files.
fn write_contents(
    inputs: &mut Inputs<'_>,
    contents: Contents,
    metadata: &mut Metadata,
) -> Result<(), ConvertError> {
    let size = contents.is_closed.then_some(contents.tokens.len() as u64);
    let mut warnings = std::mem::take(&mut inputs.warnings);
    let mut special =
        SpecialTokens::find(inputs.files, inputs.original(), &inputs.settings, size, &mut warnings)?;
    for (role, text) in inputs.flavour.roles {
        let token =
            inputs.original().and_then(|json| json.added_tokens.iter().find(|token| token.content == *text));
        let (file, token_text) = (json::TOKENIZER_JSON, *text);
        let token = token.ok_or(TokenizerError::MissingToken { file, token: token_text, role })?;
        special.set_if_open(role, token.id);
    }
    metadata.set("tokenizer.ggml.model", contents.model);
    match contents.splitting {
        Splitting::Unwritten => {}
        Splitting::Known(name) => metadata.set("tokenizer.ggml.pre", name),
        Splitting::Recognised => {
            let around = (special.id("bos"), special.id("eos"));
            let file = std::mem::take(&mut inputs.file);
            let settings = std::mem::take(&mut inputs.settings);
            let name = pre_tokenizer::recognise(&file, inputs.json()?, &settings, around, &mut warnings);
            inputs.settings = settings;
            metadata.set("tokenizer.ggml.pre", name);
        }
    }
    inputs.warnings = warnings;
    let scores = contents.with_scores.then(|| token::scores(&contents.tokens));
    token::write(contents.tokens, scores, metadata);
    for (key, value) in contents.further.iter() {
        metadata.set(key, value.clone());
    }
    if !contents.merges.is_empty() {
        metadata.set("tokenizer.ggml.merges", contents.merges);
    }
    special.write(metadata);
    chat_template::write(inputs.files, &inputs.settings, metadata)?;
    special.write_normalizer(metadata);
    Ok(())
}

/// Writes what the family knows better.
fn write_of_family(inputs: &Inputs<'_>, format: Format, metadata: &mut Metadata) -> Result<(), ConvertError> {
    let Inputs { flavour, sizes, .. } = inputs;
    for (role, id) in flavour.fixed_roles {
        write_role(role, *id, metadata);
    }
    if flavour.known_by_size {
        match sizes.tokens {
            // CodeLlama.
            Some(32_016) => write_role("eot", 32_010, metadata),
            // Small Granite models.
            Some(49_152) => metadata.set("tokenizer.ggml.add_bos_token", false),
            _ => {}
        }
    }
    if flavour.space_prefix == SpacePrefix::Last {
        write_space_prefix(inputs, metadata);
    }
    if flavour.token_types && format == Format::BytePair {
        metadata.set("tokenizer.ggml.token_type_count", sizes.checked_token_types()?);
    }
    if format != Format::BytePair {
        for (key, value) in flavour.closing {
            metadata.set(format!("tokenizer.ggml.{key}"), *value);
        }
    }
    Ok(())
}

fn write_space_prefix(inputs: &Inputs<'_>, metadata: &mut Metadata) {
    if let Some(add) = inputs.settings.flag("add_prefix_space") {
        metadata.set("tokenizer.ggml.add_space_prefix", add);
    }
}
