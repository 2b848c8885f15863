//! Recognising how a tokenizer splits text before it merges: the value of `tokenizer.ggml.pre`.
//!
//! llama.cpp knows ways of splitting by name. A tokenizer has a name if it makes of a probe text what a known
//! one makes of it ([`probe`] and [`names`]), or, since that depends on the vocabulary too, if its file
//! describes the same steps ([`structure`]).

mod names;
mod probe;
mod structure;

pub(super) use structure::QWEN2;

use super::TokenizerWarning;
use super::json::TokenizerJson;
use super::settings::Settings;

/// What is written for a tokenizer that nobody knows.
const UNKNOWN: &str = "default";

/// The name of the way in which a tokenizer splits text.
///
/// `file` is the text of `tokenizer.json`, `json` the same in part. `first` and `last` are the numbers of the
/// tokens that begin and end a text.
pub(super) fn recognise(
    file: &str,
    json: &TokenizerJson,
    settings: &Settings,
    (first, last): (Option<u32>, Option<u32>),
    warnings: &mut Vec<TokenizerWarning>,
) -> &'static str {
    let hashes = probe::hashes(file, json, settings, first, last);
    let by_hash = hashes.iter().find_map(|hash| names::name_of(hash));
    if let Some(name) = by_hash.or_else(|| structure::name_of(json)) {
        return name;
    }
    warnings.push(TokenizerWarning::UnknownPreTokenizer { hash: hashes.into_iter().next() });
    UNKNOWN
}
