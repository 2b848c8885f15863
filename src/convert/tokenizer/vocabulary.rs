//! From the files of a vocabulary to its metadata, in the order of llama.cpp's converter.

use serde_json::Value;

use super::super::ConvertError;
use super::super::files::Files;
use super::contents::{Contents, Splitting};
use super::file_names::TOKENIZER_JSON;
use super::flavour::{Flavour, Format, SpacePrefix};
use super::inputs::Inputs;
use super::settings::object;
use super::sizes::Sizes;
use super::special_tokens::{SpecialTokens, write_role};
use super::{
    TokenizerError, TokenizerWarning, byte_pair, chat_template, plamo, pre_tokenizer, ranked, rewritten,
    rwkv_world, sentence_piece, tekken, token, unigram,
};
use crate::gguf::Metadata;
use crate::safetensors::NamedSource;

/// The most warnings that are kept; a damaged file can give one a token.
const MOST_WARNINGS: usize = 16;

/// A vocabulary as metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// The pairs in the order in which they are to be written; keys without a dot are the architecture's.
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
    if format == Format::Nothing {
        metadata.set("tokenizer.ggml.model", "none");
        return Ok(Vocabulary { metadata, tokens: 0, warnings: Vec::new() });
    }
    if format == Format::Tekken {
        let tokens = tekken::write(&inputs, &mut metadata)?;
        return Ok(Vocabulary { metadata, tokens, warnings: Vec::new() });
    }
    if format == Format::Plamo {
        let tokens = plamo::write(&inputs, &mut metadata)?;
        return Ok(Vocabulary { metadata, tokens, warnings: Vec::new() });
    }
    if matches!(format, Format::WordPiece | Format::WordPieceOfClass) {
        metadata.set("tokenizer.ggml.token_type_count", sizes.checked_token_types()?);
    }
    if flavour.space_prefix == SpacePrefix::First {
        write_space_prefix(&inputs, &mut metadata);
    }
    let contents = match format {
        Format::BytePair | Format::Tekken | Format::Plamo | Format::Nothing => {
            byte_pair::byte_pair(&mut inputs)
        }
        Format::Words => byte_pair::words(&mut inputs),
        Format::Ranked => ranked::qwen(&mut inputs),
        Format::RankedHunyuan => ranked::hunyuan(&mut inputs),
        Format::SentencePiece => sentence_piece::sentence_piece(&mut inputs),
        Format::SentencePieceReplaced => sentence_piece::replaced(&mut inputs),
        Format::CleanedSentencePiece => sentence_piece::cleaned(&mut inputs),
        Format::RedefinedSentencePiece => sentence_piece::redefined(&mut inputs),
        Format::ExtendedSentencePiece => sentence_piece::extended(&mut inputs),
        Format::RewrittenSentencePiece => rewritten::rewritten(&mut inputs),
        Format::UnscoredSentencePiece => rewritten::unscored(&mut inputs),
        Format::MergedSentencePiece => rewritten::merged(&mut inputs),
        Format::WordPiece | Format::WordPieceOfClass => byte_pair::word_piece(&mut inputs),
        Format::Unigram => unigram::unigram(&mut inputs),
        Format::PlainUnigram => unigram::plain(&mut inputs),
        Format::RwkvWorld => rwkv_world::rwkv_world(&mut inputs),
    }?;
    let tokens = contents.tokens.len() as u64;
    write_contents(&mut inputs, format, contents, &mut metadata)?;
    write_of_family(&inputs, format, &mut metadata)?;
    let mut warnings = inputs.warnings;
    warnings.truncate(MOST_WARNINGS);
    Ok(Vocabulary { metadata, tokens, warnings })
}

/// Writes what is in the files.
fn write_contents(
    inputs: &mut Inputs<'_>,
    format: Format,
    contents: Contents,
    metadata: &mut Metadata,
) -> Result<(), ConvertError> {
    let size = contents.is_closed.then_some(contents.tokens.len() as u64);
    let mut warnings = std::mem::take(&mut inputs.warnings);
    let mut special = SpecialTokens::find(inputs, size, &mut warnings)?;
    complete_roles(inputs, format, &contents, &mut special)?;
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
    if inputs.flavour.space_prefix == SpacePrefix::AfterTokens {
        write_space_prefix(inputs, metadata);
    }
    if !contents.merges.is_empty() {
        metadata.set("tokenizer.ggml.merges", contents.merges);
    }
    special.write(metadata);
    let settings = &inputs.settings;
    match inputs.flavour.template_file_first {
        true => chat_template::write_file(inputs.files, settings, metadata)?,
        false => chat_template::write(inputs.files, settings, metadata)?,
    }
    special.write_normalizer(metadata);
    Ok(())
}

/// Gives tokens the roles that the kind of vocabulary and the family know of.
fn complete_roles(
    inputs: &Inputs<'_>,
    format: Format,
    contents: &Contents,
    special: &mut SpecialTokens,
) -> Result<(), ConvertError> {
    let added = inputs.original().map_or(&[][..], |json| &json.added_tokens);
    if special.is_empty() {
        contents.roles_if_none.iter().for_each(|(role, id)| special.set_if_open(role, *id));
    }
    contents.roles_if_open.iter().for_each(|(role, id)| special.set_if_open(role, *id));
    if format == Format::BytePair {
        for (role, text) in inputs.flavour.roles {
            let token = added.iter().find(|token| token.content == *text);
            let (file, token_text) = (TOKENIZER_JSON, *text);
            let token = token.ok_or(TokenizerError::MissingToken { file, token: token_text, role })?;
            special.set_if_open(role, token.id);
        }
    }
    if let Some(text) = inputs.flavour.end_of_turn {
        let of_settings = inputs.settings.added_tokens()?;
        let mut known = added.iter().chain(&of_settings);
        if let Some(token) = known.find(|token| token.content == text) {
            special.replace("eos", token.id);
        }
    }
    Ok(())
}

/// Writes what the family knows better.
fn write_of_family(inputs: &Inputs<'_>, format: Format, metadata: &mut Metadata) -> Result<(), ConvertError> {
    let Inputs { flavour, sizes, .. } = inputs;
    write_stated_roles(inputs, metadata)?;
    let added = inputs.original().map_or(&[][..], |json| &json.added_tokens);
    for (role, text) in flavour.final_roles {
        if let Some(token) = added.iter().find(|token| token.content == *text) {
            write_role(role, token.id, metadata);
        }
    }
    if format != Format::BytePair {
        for (role, id) in flavour.fixed_roles {
            write_role(role, *id, metadata);
        }
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
    if flavour.token_types && matches!(format, Format::BytePair | Format::Words) {
        metadata.set("tokenizer.ggml.token_type_count", sizes.checked_token_types()?);
    }
    if format != Format::BytePair {
        for (key, value) in flavour.closing {
            metadata.set(format!("tokenizer.ggml.{key}"), *value);
        }
    }
    for (key, value) in flavour.always {
        metadata.set(format!("tokenizer.ggml.{key}"), *value);
    }
    if let Some(template) = flavour.own_template {
        metadata.set(chat_template::KEY, template);
    }
    if let Some(text) = flavour.begins_and_ends
        && let Some(token) = inputs.settings.added_tokens()?.iter().find(|token| token.content == text)
    {
        ["bos", "eos"].iter().for_each(|role| write_role(role, token.id, metadata));
    }
    Ok(())
}

/// Writes the roles that the configuration and the settings of generation know better than the tokenizer.
fn write_stated_roles(inputs: &Inputs<'_>, metadata: &mut Metadata) -> Result<(), ConvertError> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let configuration = object(inputs.files, "config.json")?.unwrap_or_default();
    for (role, key) in inputs.flavour.keyed_roles {
        if let Some(id) = configuration.get(*key).and_then(id) {
            write_role(role, id, metadata);
        }
    }
    if inputs.flavour.turn_ends_first {
        let generation = object(inputs.files, "generation_config.json")?.unwrap_or_default();
        let ends = generation.get("eos_token_id").and_then(Value::as_array);
        if let Some(first) = ends.filter(|ends| ends.len() >= 2).and_then(|ends| id(&ends[0])) {
            write_role("eot", first, metadata);
        }
    }
    if inputs.flavour.other_end_is_of_turn {
        let begins = configuration.get("bos_token_id").and_then(id);
        let ends = configuration.get("eos_token_id").and_then(Value::as_array);
        let mut others = ends.into_iter().flatten().filter_map(id).filter(|end| Some(*end) != begins);
        if let Some(end) = others.next() {
            write_role("eot", end, metadata);
        }
    }
    Ok(())
}

fn write_space_prefix(inputs: &Inputs<'_>, metadata: &mut Metadata) {
    let stated = inputs.settings.values.get("add_prefix_space");
    let null_is_no = inputs.flavour.space_prefix != SpacePrefix::First;
    if let Some(add) = stated.and_then(|add| add.as_bool().or(null_is_no.then_some(false))) {
        metadata.set("tokenizer.ggml.add_space_prefix", add);
    }
}
