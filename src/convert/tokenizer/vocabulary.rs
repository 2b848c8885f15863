//! From the files of a vocabulary to its metadata, in the order of llama.cpp's converter.

use super::super::ConvertError;
use super::super::files::Files;
use super::contents::{Contents, Splitting};
use super::file_names::TOKENIZER_JSON;
use super::flavour::{Flavour, Format, SpacePrefix};
use super::inputs::Inputs;
use super::sizes::Sizes;
use super::special_tokens::{SpecialTokens, write_role};
use super::{
    TokenizerError, TokenizerWarning, byte_pair, chat_template, pre_tokenizer, rewritten, sentence_piece,
    tekken, token, unigram,
};
use crate::gguf::Metadata;
use crate::safetensors::NamedSource;

/// The most warnings that are kept; a damaged file can give one a token.
const MOST_WARNINGS: usize = 16;

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
        let (file, token_text) = (TOKENIZER_JSON, *text);
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
