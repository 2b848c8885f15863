//! What can be wrong with the files of a tokenizer.

/// Why a vocabulary cannot be made. Messages name the file and the field or token.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum TokenizerError {
    /// None of the files that could hold the vocabulary was given.
    #[error("the tokenizer is missing; expected {}", files.join(" or "))]
    Missing { files: Vec<&'static str> },
    /// A vocabulary of a kind that models of the class do not have, or that does not hold all that they need.
    #[error(
        "the tokenizer cannot be made of tokenizer.json alone, which is of type {kind}; the model needs {}",
        files.join(" or ")
    )]
    OtherKind { kind: String, files: Vec<&'static str> },
    /// A field that the file must have.
    #[error("{file}: {field} is missing")]
    MissingField { file: &'static str, field: &'static str },
    /// A field with a value of the wrong kind.
    #[error("{file}: {field} is {got}, expected {expected}")]
    BadField {
        file: &'static str,
        field: String,
        /// The value, shortened.
        got: String,
        expected: &'static str,
    },
    /// A file that ends too early, or whose lengths do not fit its size.
    #[error("{file} is damaged: {reason}")]
    Damaged { file: &'static str, reason: String },
    /// A vocabulary without tokens.
    #[error("{file} has no tokens")]
    Empty { file: &'static str },
    /// Two tokens with one number.
    #[error("{file}: tokens {first:?} and {second:?} both have id {id}")]
    DuplicateId { file: &'static str, id: u32, first: String, second: String },
    /// A merge of something that is not a token.
    #[error("{file}: the merges name {part:?}, which is not in the vocabulary")]
    UnknownMerge { file: &'static str, part: String },
    /// A token without a number.
    #[error("{file}: no token has id {id}, although {count} tokens are listed")]
    Gap { file: &'static str, id: u32, count: u64 },
    /// A token whose number the vocabulary does not reach.
    #[error(
        "{file}: token {token:?} has id {id}, but the vocabulary (vocab_size in config.json) ends at {size}"
    )]
    BeyondVocabulary {
        file: &'static str,
        token: String,
        id: u64,
        /// Numbers from 0 to this one, not included, are allowed.
        size: u64,
    },
    /// A size that no vocabulary has.
    #[error("vocab_size in config.json is {size}, expected at most {limit}")]
    Size { size: u64, limit: u64 },
    /// A role that this kind of model needs, and the vocabulary has no token for it.
    #[error("{file}: added_tokens has no {token:?}, which serves as {role} token of this model")]
    MissingToken { file: &'static str, token: &'static str, role: &'static str },
}

impl TokenizerError {
    /// A value of the wrong kind; long ones are cut.
    pub(super) fn bad_field(
        file: &'static str,
        field: impl Into<String>,
        got: &impl std::fmt::Display,
        expected: &'static str,
    ) -> Self {
        Self::BadField { file, field: field.into(), got: shortened(got), expected }
    }
}

/// At most 60 characters of a text.
pub(super) fn shortened(text: &impl std::fmt::Display) -> String {
    let mut text = text.to_string();
    if let Some((end, _)) = text.char_indices().nth(60) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Something that a user should know although the vocabulary was made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum TokenizerWarning {
    /// `tokenizer.ggml.pre` is `default`: text may be split in another way than the model was trained with.
    #[error(
        "the pre-tokenizer was not recognised (probe hash {}); text may be split wrongly",
        hash.as_deref().unwrap_or("unknown")
    )]
    UnknownPreTokenizer { hash: Option<String> },
    /// A token that the embeddings have no row for was left out.
    #[error("{file}: token {token:?} was left out: the vocabulary ends at vocab_size {size}")]
    TokenLeftOut { file: &'static str, token: String, size: u64 },
    /// A special token id that does not fit the vocabulary was left out.
    #[error("the id {id} of the {role} token was left out: the vocabulary does not have it")]
    SpecialTokenLeftOut { role: &'static str, id: i64 },
}
