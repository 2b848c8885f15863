//! What the files of a vocabulary are called.

/// Everything, in the notation of the `tokenizers` library.
pub(super) const TOKENIZER_JSON: &str = "tokenizer.json";
/// SentencePiece.
pub(super) const TOKENIZER_MODEL: &str = "tokenizer.model";
/// The SentencePiece model of T5 and its kin, in older checkpoints.
pub(super) const SPIECE_MODEL: &str = "spiece.model";
/// The SentencePiece model of a unigram vocabulary.
pub(super) const SENTENCE_PIECE_BPE_MODEL: &str = "sentencepiece.bpe.model";
/// Byte pairs: texts and numbers.
pub(super) const VOCAB_JSON: &str = "vocab.json";
/// Byte pairs: a merge a line.
pub(super) const MERGES: &str = "merges.txt";
/// WordPiece: a token a line.
pub(super) const VOCAB_TXT: &str = "vocab.txt";
/// Ranks of byte pairs, as Qwen of the first kind has them.
pub(super) const QWEN_TIKTOKEN: &str = "qwen.tiktoken";
/// The same, as Hunyuan has them.
pub(super) const HUNYUAN_TIKTOKEN: &str = "hy.tiktoken";
/// PLaMo's own file.
pub(super) const TOKENIZER_JSON_LINES: &str = "tokenizer.jsonl";
/// RWKV's own file.
pub(super) const RWKV_VOCABULARY: &str = "rwkv_vocab_v20230424.txt";
/// Mistral's own file.
pub(super) const TEKKEN_JSON: &str = "tekken.json";

/// The files that something in the notation of `tokenizer.json` was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) vocabulary: &'static str,
    pub(super) merges: &'static str,
}
