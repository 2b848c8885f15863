//! Byte pairs given by rank alone, as Qwen of the first kind (`qwen.tiktoken`) and Hunyuan (`hy.tiktoken`)
//! have them.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::ConvertError;
use super::TokenizerError;
use super::byte_text::characters;
use super::contents::{Contents, Splitting};
use super::file_names::{HUNYUAN_TIKTOKEN, QWEN_TIKTOKEN};
use super::inputs::Inputs;
use super::token::{Token, TokenKind, checked_size};
use crate::gguf::Metadata;

/// The longest token, in bytes, that is taken apart into merges; the longest real ones have about 130.
const LONGEST_TOKEN: usize = 256;
/// The most tokens that the classes add without a meaning.
const EXTRA: u64 = 205;

/// What a class knows of its vocabulary beside the ranks.
struct Class {
    /// The file of the ranks.
    file: &'static str,
    /// How text is split before it is merged.
    splitting: &'static str,
    /// The tokens that follow the ranks.
    control: &'static [&'static str],
    /// Whether a token may be one that merges of lower ranks do not lead to.
    unreachable: bool,
}

/// Qwen of the first kind (`tokenization_qwen.py`). The token that ends texts has all roles.
pub(super) fn qwen(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let class = Class {
        file: QWEN_TIKTOKEN,
        splitting: "qwen2",
        control: &["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        unreachable: false,
    };
    let (contents, end) = ranked(inputs, &class)?;
    let (roles_if_none, roles_if_open) = (vec![("bos", end), ("eos", end)], vec![("unk", end)]);
    Ok(Contents { roles_if_none, roles_if_open, ..contents })
}

/// Hunyuan with experts (`tokenization_hy.py`).
pub(super) fn hunyuan(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let class = Class {
        file: HUNYUAN_TIKTOKEN,
        splitting: "hunyuan",
        control: &["<|endoftext|>", "<|startoftext|>", "<|bos|>", "<|eos|>", "<|pad|>"],
        unreachable: true,
    };
    Ok(ranked(inputs, &class)?.0)
}

/// The vocabulary: the ranks, and after them the tokens that the class knows by itself, whose first number is
/// given too.
fn ranked(inputs: &mut Inputs<'_>, class: &Class) -> Result<(Contents, u32), ConvertError> {
    let text = inputs.files.text(class.file)?;
    let text = text.ok_or_else(|| TokenizerError::Missing { files: vec![class.file] })?;
    let ranks = ranks(class.file, text)?;
    let mut tokens: Vec<Token> =
        ranks.iter().map(|bytes| Token::new(characters(bytes), TokenKind::Normal)).collect();
    let end = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
    let control = |text: String| Token::new(text, TokenKind::Control);
    tokens.extend(class.control.iter().map(|text| control((*text).to_owned())));
    let named = tokens.len() as u64;
    let size = checked_size(inputs.sizes.tokens.unwrap_or(named + EXTRA))?;
    let least = if class.unreachable { named } else { named + EXTRA };
    if size < least {
        let expected = "at least as many as the tokenizer has tokens";
        return Err(TokenizerError::bad_field("config.json", "vocab_size", &size, expected).into());
    }
    tokens.extend((0..EXTRA.min(size - named)).map(|number| control(format!("<|extra_{number}|>"))));
    tokens.extend((tokens.len() as u64..size).map(Token::padding));
    let contents = Contents {
        model: "gpt2",
        splitting: Splitting::Known(class.splitting),
        tokens,
        with_scores: false,
        merges: merges(class, &ranks)?,
        is_closed: false,
        further: Metadata::new(),
        roles_if_none: Vec::new(),
        roles_if_open: Vec::new(),
    };
    Ok((contents, end))
}

/// The bytes of the tokens in the order of their ranks: a line holds them in Base64, and their rank.
fn ranks(file: &'static str, text: &str) -> Result<Vec<Vec<u8>>, TokenizerError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
    let ranks = lines.map(|(place, line)| {
        let bad = |expected| TokenizerError::bad_field(file, format!("line {}", place + 1), &line, expected);
        let (bytes, rank) = line.split_once(' ').ok_or_else(|| bad("Base64 text and a rank"))?;
        if rank.trim().parse() != Ok(place) {
            return Err(bad("ranks in ascending order without gaps"));
        }
        STANDARD.decode(bytes).map_err(|_| bad("Base64 text and a rank"))
    });
    let ranks: Vec<Vec<u8>> = ranks.collect::<Result<_, _>>()?;
    checked_size(ranks.len() as u64)?;
    Ok(ranks)
}

/// The last merge that leads to each token, in the order of the tokens' ranks. Bytes are not merged.
fn merges(class: &Class, ranks: &[Vec<u8>]) -> Result<Vec<String>, TokenizerError> {
    let by_bytes: HashMap<&[u8], usize> = ranks.iter().map(Vec::as_slice).zip(0..).collect();
    let mut merges = Vec::new();
    for (rank, token) in ranks.iter().enumerate().filter(|(_, token)| token.len() > 1) {
        let bad = |expected| {
            TokenizerError::bad_field(class.file, format!("rank {rank}"), &characters(token), expected)
        };
        if token.len() > LONGEST_TOKEN {
            return Err(bad("a token of at most 256 bytes"));
        }
        match parts_below(&by_bytes, token, rank)[..] {
            [left, right] => merges.push(format!("{} {}", characters(left), characters(right))),
            _ if class.unreachable => {}
            _ => return Err(bad("a token that consists of two of lower ranks")),
        }
    }
    Ok(merges)
}

/// What merging makes of the bytes of a token with the ranks below its own: the pair of the lowest rank
/// first.
fn parts_below<'t>(ranks: &HashMap<&[u8], usize>, token: &'t [u8], limit: usize) -> Vec<&'t [u8]> {
    // Where the parts begin, and where the last ends.
    let mut ends: Vec<usize> = (0..=token.len()).collect();
    loop {
        let pairs = ends.windows(3).enumerate();
        let rank = |pair: &[usize]| ranks.get(&token[pair[0]..pair[2]]).copied().filter(|rank| *rank < limit);
        let lowest = pairs.filter_map(|(place, pair)| Some((rank(pair)?, place))).min();
        match lowest {
            Some((_, place)) => ends.remove(place + 1),
            None => return ends.windows(2).map(|part| &token[part[0]..part[1]]).collect(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Class = Class { file: QWEN_TIKTOKEN, splitting: "qwen2", control: &[], unreachable: false };

    #[test]
    fn tokens_are_merged_in_the_order_of_ranks() {
        let ranks: Vec<Vec<u8>> =
            [&b"a"[..], b"b", b"c", b"bc", b"ab", b"abc"].iter().map(|token| token.to_vec()).collect();
        assert_eq!(merges(&STRICT, &ranks).unwrap(), ["b c", "a b", "a bc"]);
        let unreachable: Vec<Vec<u8>> =
            [&b"a"[..], b"b", b"abb"].iter().map(|token| token.to_vec()).collect();
        assert!(merges(&STRICT, &unreachable).is_err());
        assert!(merges(&Class { unreachable: true, ..STRICT }, &unreachable).unwrap().is_empty());
    }

    #[test]
    fn ranks_stand_one_a_line() {
        assert_eq!(ranks(QWEN_TIKTOKEN, "YQ== 0\nYmM= 1\n").unwrap(), [b"a".to_vec(), b"bc".to_vec()]);
        for broken in ["YQ== 1\n", "YQ==\n", "? 0\n"] {
            assert!(ranks(QWEN_TIKTOKEN, broken).is_err(), "{broken}");
        }
    }
}
