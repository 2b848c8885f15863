//! The vocabulary of a checkpoint as `tokenizer.*` metadata: tokens, types, scores, merges, special tokens,
//! chat template.
//!
//! A family of models declares its [`Flavour`]: which formats its tokenizers come in, and what is special
//! about them. [`read`] finds the files, reads them, and writes the pairs in the order of llama.cpp's
//! converter. Source of the rules: llama.cpp, `conversion/base.py` and the files of the families beside it,
//! and `gguf-py/gguf/vocab.py`.
//!
//! | file | what it is for |
//! |---|---|
//! | `vocabulary` | from the files to the metadata, in order |
//! | `flavour`, `sizes` | what a family and a configuration say of the vocabulary |
//! | `json`, `settings`, `older_files` | the files of the `tokenizers` and `transformers` libraries |
//! | `file_names`, `inputs`, `listed` | which of these files there are, and what they say at a glance |
//! | `contents` | a vocabulary before it is written |
//! | `known`, `token` | their tokens by number |
//! | `byte_pair`, `sentence_piece`, `rewritten`, `unigram` | the kinds of vocabulary |
//! | `tekken`, `ranked`, `plamo`, `byte_text` | kinds with files of their own; how bytes are written |
//! | `special_tokens`, `surrounding`, `chat_template` | what is said about texts and conversations |
//! | `pre_tokenizer`, `decoder` | how text is split before it is merged, and put together again |
//! | `modest` | what is never run because it could take for ever |

mod byte_pair;
mod byte_text;
mod chat_template;
mod contents;
mod decoder;
mod error;
mod file_names;
mod flavour;
mod inputs;
mod json;
mod known;
mod listed;
mod modest;
mod older_files;
mod plamo;
mod pre_tokenizer;
mod ranked;
mod rewritten;
mod rwkv_world;
mod sentence_piece;
mod settings;
mod sizes;
mod special_tokens;
mod surrounding;
mod tekken;
mod token;
mod unigram;
mod vocabulary;

pub use error::{TokenizerError, TokenizerWarning};
pub use flavour::{Flavour, Format, SpacePrefix};
pub use sizes::Sizes;
pub use vocabulary::{Vocabulary, read};

pub(super) use listed::{
    adds_bos, has_sentence_piece, is_file, is_unigram, listed_tokens, number_of, own_tokens,
};
