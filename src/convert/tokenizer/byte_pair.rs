//! Byte-level byte-pair vocabularies, in llama.cpp's terms "gpt2".

use super::json::{TOKENIZER_JSON, TokenizerJson};
use super::library::Library;
use super::special::SpecialTokens;
use super::{pre_tokenizer, token_types as types};
use crate::convert::parameters::Parameters;
use crate::convert::{ConvertError, Source, Warning};

/// A byte-level byte-pair vocabulary as large as the configuration says.
pub(in crate::convert) fn byte_pair(
    source: &Source<'_>,
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    write(source, 1, &[], out, warnings)
}

/// As [`byte_pair`], with the number of tokens rounded up to a multiple of `multiple`.
pub(in crate::convert) fn byte_pair_padded(
    source: &Source<'_>,
    multiple: u64,
    roles: &[(&'static str, &str)],
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    write(source, multiple, roles, out, warnings)
}

/// Writes the vocabulary; `roles` gives tokens roles that the files do not.
fn write(
    source: &Source<'_>,
    multiple: u64,
    roles: &[(&'static str, &str)],
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let json = TokenizerJson::read(source.files)?;
    let library = Library::load(source.files)?;
    let (tokens, kinds) = tokens(source, &library, multiple)?;
    let mut special = SpecialTokens::load(source.files, json.as_ref(), None)?;
    for (role, token) in roles {
        let id = library
            .id(token)
            .ok_or_else(|| ConvertError::tokenizer(TOKENIZER_JSON, format!("token {token} is missing")))?;
        special.set(role, id.into());
    }
    let pre = pre_tokenizer(&library, &special, warnings);
    out.set_plain("tokenizer.ggml.model", "gpt2");
    out.set_plain("tokenizer.ggml.pre", pre);
    out.set_plain("tokenizer.ggml.tokens", tokens);
    out.set_plain("tokenizer.ggml.token_type", kinds);
    special.write_with_merges(json, source.files, out)
}

/// The name of the pre-tokenizer; an unknown one is worth a warning, since text may be split wrongly.
pub(super) fn pre_tokenizer(
    library: &Library,
    special: &SpecialTokens,
    warnings: &mut Vec<Warning>,
) -> &'static str {
    let first = special.id("bos").and_then(|id| u32::try_from(id).ok());
    pre_tokenizer::recognise(library.tokenizer(), first).unwrap_or_else(|| {
        warnings.push(Warning::UnknownPreTokenizer);
        pre_tokenizer::UNKNOWN
    })
}

/// Texts and types of all tokens; ids without a token become padding.
pub(super) fn tokens(
    source: &Source<'_>,
    library: &Library,
    multiple: u64,
) -> Result<(Vec<String>, Vec<i32>), ConvertError> {
    let count = source.model.configuration.optional_integer(&["vocab_size"])?.unwrap_or(library.len());
    let count = count.next_multiple_of(multiple);
    if library.last_id() >= count {
        return Err(ConvertError::tokenizer(
            TOKENIZER_JSON,
            format!("token id {} does not fit the vocab_size {count} of config.json", library.last_id()),
        ));
    }
    let mut tokens = Vec::new();
    let mut kinds = Vec::new();
    for id in 0..count {
        let known = u32::try_from(id).ok().and_then(|id| Some((id, library.token(id)?)));
        let (token, kind) = match known {
            None => (types::padding(id), types::UNUSED),
            Some((id, token)) => match library.added(id) {
                None => (token.to_owned(), types::NORMAL),
                Some(added) => {
                    let token = if added.normalized { token.to_owned() } else { library.normalized(token) };
                    if added.special || types::looks_special(&token) {
                        (token, types::CONTROL)
                    } else {
                        (types::with_spaces(&token), types::USER_DEFINED)
                    }
                }
            },
        };
        tokens.push(token);
        kinds.push(kind);
    }
    Ok((tokens, kinds))
}
