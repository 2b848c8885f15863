//! What a tokenizer makes of a text that every way of splitting treats differently.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use super::super::json::TokenizerJson;
use super::super::modest;
use super::super::settings::Settings;

/// The text that llama.cpp's converter tokenizes (`conversion/base.py`, `get_vocab_base_pre`).
const PROBE: &str = concat!(
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶\u{200d}🌫\u{fe0f} ",
    "(multiple emojis concatenated) ✅ 🦙🦙 3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3 ",
    "កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======= нещо на Български ",
    "''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you sure? ",
    "'M not sure I'll make it, 'D you like some tea? We'Ve a'lL",
);

/// Classes of the `transformers` library that put the first token, and the last if told to, around a text
/// whatever `tokenizer.json` says.
const CLASSES_THAT_ADD: [&str; 4] =
    ["LlamaTokenizer", "GemmaTokenizer", "CohereTokenizer", "CodeLlamaTokenizer"];

/// The SHA-256 of the token ids of the probe text, as Python prints a list, in lower-case hex digits: the
/// most faithful first, then with and without the tokens around the text, which depend on more than the files
/// say.
///
/// Empty where the tokenizer cannot be loaded, or its steps cannot be run without risk.
pub(super) fn hashes(
    file: &str,
    json: &TokenizerJson,
    settings: &Settings,
    first: Option<u32>,
    last: Option<u32>,
) -> Vec<String> {
    if !modest::are_modest(&[&json.normalizer, &json.pre_tokenizer, &json.post_processor]) {
        return Vec::new();
    }
    // The library is well tested, but not for files that were made to break it.
    let ids = catch_unwind(AssertUnwindSafe(|| tokenized(file, json, settings)));
    let Some((plain, surrounded)) = ids.ok().flatten() else { return Vec::new() };
    let around = |first: Option<u32>, last: Option<u32>| {
        first.into_iter().chain(plain.iter().copied()).chain(last).collect::<Vec<u32>>()
    };
    let class = settings.class();
    let adds = CLASSES_THAT_ADD.iter().any(|name| class.strip_suffix("Fast").unwrap_or(class) == *name);
    let of_class = adds.then(|| {
        let first = first.filter(|_| settings.flag("add_bos_token").unwrap_or(true));
        around(first, last.filter(|_| settings.flag("add_eos_token").unwrap_or(false)))
    });
    let candidates =
        of_class.into_iter().chain([surrounded, plain.clone(), around(first, None), around(first, last)]);
    let mut hashes: Vec<String> = Vec::new();
    for ids in candidates {
        let hash = hash(&ids);
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    hashes
}

/// The ids of the probe text, without and with what the file says to put around it.
fn tokenized(file: &str, json: &TokenizerJson, settings: &Settings) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut tokenizer = Tokenizer::from_bytes(file).ok()?;
    tokenizer.with_truncation(None).ok()?;
    tokenizer.with_padding(None);
    if let Some(pre_tokenizer) = with_space_prefix(&json.pre_tokenizer, settings) {
        tokenizer.with_pre_tokenizer(Some(
            serde_json::from_value::<tokenizers::PreTokenizerWrapper>(pre_tokenizer).ok()?,
        ));
    }
    if !is_quick(&tokenizer) {
        return None;
    }
    let ids = |surround| Some(tokenizer.encode(PROBE, surround).ok()?.get_ids().to_vec());
    Some((ids(false)?, ids(true)?))
}

/// The pre-tokenizer with the setting of its class, where the two differ.
fn with_space_prefix(pre_tokenizer: &Value, settings: &Settings) -> Option<Value> {
    const KEY: &str = "add_prefix_space";
    let wanted = settings.flag(KEY).unwrap_or(false);
    let stated = pre_tokenizer.get(KEY)?.as_bool()?;
    (stated != wanted).then(|| {
        let mut changed = pre_tokenizer.clone();
        changed[KEY] = wanted.into();
        changed
    })
}

/// Whether growing parts of the probe text are tokenized fast enough to go on: a regular expression can need
/// very long.
///
/// Real tokenizers need less than a millisecond; the limit allows for a busy machine. The library gives up on
/// a match after a million steps, so that what is left to lose after the last part is a few seconds.
fn is_quick(tokenizer: &Tokenizer) -> bool {
    const ENOUGH: Duration = Duration::from_secs(2);
    let started = Instant::now();
    [4, 16, 64, 256].into_iter().all(|length| {
        let part: String = PROBE.chars().take(length).collect();
        tokenizer.encode(part, false).is_ok() && started.elapsed() < ENOUGH
    })
}

fn hash(ids: &[u32]) -> String {
    let printed: Vec<String> = ids.iter().map(u32::to_string).collect();
    hex::encode(Sha256::digest(format!("[{}]", printed.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hashed_as_python_prints_them() {
        // sha256(str([1, 22, 333]).encode())
        assert_eq!(hash(&[1, 22, 333]), "276d8737d9d5a80805e0731e8d5ae18972a8e3ba721f4988f67151c6e9159068");
    }

    #[test]
    fn the_probe_is_the_agreed_text() {
        let expected = "a36179c1e2b1cfcfbfad1dc779addad2ffc778201e4cf0d538bddeafa2c526da";
        assert_eq!(hex::encode(Sha256::digest(PROBE)), expected);
    }
}
