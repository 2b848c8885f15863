//! A SentencePiece vocabulary that looks like Llama's: control tokens, bytes, and pieces made of syllables.
//!
//! The format is that of SentencePiece's `sentencepiece_model.proto`, of which only what a converter reads is
//! written.

use prost::Message;

#[derive(Message)]
struct Model {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, required, tag = "2")]
    trainer: Trainer,
    #[prost(message, required, tag = "3")]
    normalizer: Normalizer,
}

#[derive(Message)]
struct Piece {
    #[prost(string, required, tag = "1")]
    text: String,
    #[prost(float, required, tag = "2")]
    score: f32,
    #[prost(int32, required, tag = "3")]
    kind: i32,
}

#[derive(Message)]
struct Trainer {
    #[prost(int32, required, tag = "3")]
    model_type: i32,
    #[prost(int32, required, tag = "4")]
    vocabulary_size: i32,
    #[prost(bool, required, tag = "35")]
    byte_fallback: bool,
}

#[derive(Message)]
struct Normalizer {
    #[prost(string, required, tag = "1")]
    name: String,
    #[prost(bool, required, tag = "3")]
    add_dummy_prefix: bool,
    #[prost(bool, required, tag = "4")]
    remove_extra_whitespaces: bool,
}

const BYTE_PAIR: i32 = 2;
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

/// The bytes of `tokenizer.model` for so many tokens.
pub(crate) fn sentence_piece(tokens: usize) -> Vec<u8> {
    let special =
        [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)].map(|(text, kind)| (text.to_owned(), kind));
    let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), BYTE));
    let ordinary = (0..).map(|number| (syllables(number), NORMAL));
    let texts = special.into_iter().chain(bytes).chain(ordinary).take(tokens);
    let score = |kind, place: usize| if kind == NORMAL { -((place - 259) as f32) } else { 0.0 };
    let pieces = texts
        .enumerate()
        .map(|(place, (text, kind))| Piece { text, score: score(kind, place), kind })
        .collect();
    let trainer = Trainer { model_type: BYTE_PAIR, vocabulary_size: tokens as i32, byte_fallback: true };
    let normalizer =
        Normalizer { name: "identity".to_owned(), add_dummy_prefix: true, remove_extra_whitespaces: false };
    Model { pieces, trainer, normalizer }.encode_to_vec()
}

/// A word of its own for every number; every other one begins a word.
fn syllables(number: usize) -> String {
    const CONSONANTS: &[u8] = b"bdfghklmnprstvwz";
    const VOWELS: &[u8] = b"aeiou";
    let mut text = if number.is_multiple_of(2) { "\u{2581}".to_owned() } else { String::new() };
    let mut rest = number / 2 + 1;
    while rest > 0 {
        let syllable = rest % 80;
        text.extend([CONSONANTS[syllable / 5], VOWELS[syllable % 5]].map(char::from));
        rest /= 80;
    }
    text
}
