//! What a token is for (llama.cpp, `llama_token_type`).

/// An ordinary token.
pub(super) const NORMAL: i32 = 1;
/// Stands for what the vocabulary cannot express.
pub(super) const UNKNOWN: i32 = 2;
/// Directs the model and is not text.
pub(super) const CONTROL: i32 = 3;
/// Text that is never split.
pub(super) const USER_DEFINED: i32 = 4;
/// A number without a meaning.
pub(super) const UNUSED: i32 = 5;
/// One byte.
pub(super) const BYTE: i32 = 6;

/// The score of a token that takes part in no merge.
pub(super) const SCORE_ADDED: f32 = -1000.0;
/// The score of a number without a meaning.
pub(super) const SCORE_UNUSED: f32 = -10_000.0;

/// The stand-in for a number without a meaning.
pub(super) fn padding(id: u64) -> String {
    format!("[PAD{id}]")
}

/// Whether a token is meant to direct the model although its file does not say so (command-r, deepseek-coder,
/// Gemma).
pub(super) fn looks_special(token: &str) -> bool {
    let between = |start: &str, end: &str| token.starts_with(start) && token.ends_with(end);
    matches!(token, "<pad>" | "<mask>" | "<2mass>" | "[@BOS@]")
        || between("<|", "|>")
        || between("<｜", "｜>")
        || between("<unused", ">")
}

/// The text of a user-defined token: SentencePiece's mark for a space becomes one.
pub(super) fn with_spaces(token: &str) -> String {
    token.replace('\u{2581}', " ")
}
