//! What kind of vocabulary the models of a family have.

/// Where the tokens may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Byte-level byte pairs: `tokenizer.json`, or `vocab.json` with `merges.txt`.
    BytePair,
    /// SentencePiece: `tokenizer.model`.
    SentencePiece,
    /// SentencePiece whose settings and `tokenizer.json` replace tokens as they stand, as Phi-3 has it.
    SentencePieceReplaced,
    /// A SentencePiece model that was rewritten as `tokenizer.json`: byte pairs over characters, bytes as a
    /// last resort.
    RewrittenSentencePiece,
    /// The same, but merged in the order of the file, as Gemma 4 has it.
    MergedSentencePiece,
    /// WordPiece: `tokenizer.json` or `vocab.txt`.
    WordPiece,
    /// SentencePiece as InternLM 2 has it: replaced likewise, and without pieces that llama.cpp cannot read.
    CleanedSentencePiece,
    /// SentencePiece as ChatGLM 3 has it: the tokens of its class follow the pieces.
    ExtendedSentencePiece,
    /// A SentencePiece model that was rewritten as `tokenizer.json`, of whose tokens nothing is known but
    /// their kind, as XVERSE has it.
    UnscoredSentencePiece,
    /// SentencePiece as Arctic has it: its settings redefine pieces.
    RedefinedSentencePiece,
    /// WordPiece, if the settings name BERT's class.
    WordPieceOfClass,
    /// Byte pairs of text that is split at spaces alone.
    Words,
    /// Ranks of byte pairs: `qwen.tiktoken`.
    Ranked,
    /// The same, as Hunyuan has it: `hy.tiktoken`.
    RankedHunyuan,
    /// PLaMo's own `tokenizer.jsonl`.
    Plamo,
    /// Unigram: `sentencepiece.bpe.model` or `tokenizer.json`.
    Unigram,
    /// Unigram as T5 has it: `tokenizer.model` or `spiece.model`.
    PlainUnigram,
    /// RWKV's own list of bytes.
    RwkvWorld,
    /// Mistral's own `tekken.json`.
    Tekken,
    /// There is none: what the model reads is no text.
    Nothing,
}

/// What a family of models says of its vocabulary.
///
/// Families that need what no constant has start from the nearest:
/// `Flavour { pad_to_multiple_of: 8, ..Flavour::BYTE_PAIR }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flavour {
    /// The formats that models of the family come in; the first whose files are there counts.
    pub formats: &'static [Format],
    /// Added tokens of byte pairs for roles (`bos`, `eos`, `unk`, `sep`, `pad`, `mask`, `eot`, `eom`) that
    /// the files leave open.
    pub roles: &'static [(&'static str, &'static str)],
    /// An added token that ends texts in place of the one that the files name, if both are there.
    pub end_of_turn: Option<&'static str>,
    /// An added token of the settings that begins texts and ends them, whatever else is said; written last.
    pub begins_and_ends: Option<&'static str>,
    /// A chat template in place of that of the files.
    pub own_template: Option<&'static str>,
    /// Keys of the configuration for roles, written after all that the other files give.
    pub keyed_roles: &'static [(&'static str, &'static str)],
    /// Roles that no token has where `config.json` gives them a negative number, whatever the other files
    /// say.
    pub deniable_roles: &'static [&'static str],
    /// Roles of added tokens whatever the files say, if the tokens are there; written after all else.
    pub final_roles: &'static [(&'static str, &'static str)],
    /// Whether the first of several tokens that end texts in `generation_config.json` ends a turn.
    pub turn_ends_first: bool,
    /// Whether the first token that ends texts in `config.json` and does not begin them ends a turn; written
    /// last.
    pub other_end_is_of_turn: bool,
    /// Tokens of byte pairs that are never text, whatever the files say.
    pub control: &'static [&'static str],
    /// Whether the file of the chat template has precedence over the settings.
    pub template_file_first: bool,
    /// Token numbers for roles whatever the files say, written after all that the files give, unless the
    /// tokens are byte-level byte pairs.
    pub fixed_roles: &'static [(&'static str, u32)],
    /// Truth values written before all else, by the last part of their key.
    pub opening: &'static [(&'static str, bool)],
    /// Truth values written after all else, unless the tokens are byte-level byte pairs.
    pub closing: &'static [(&'static str, bool)],
    /// Truth values written after all else, whatever the tokens are.
    pub always: &'static [(&'static str, bool)],
    /// Whether added tokens are taken as the files list them.
    pub added_as_listed: bool,
    /// Whether there may be a chat template beside a vocabulary in a file of its own.
    pub chat_template: bool,
    /// Whether `add_prefix_space` of the settings is written, and where.
    pub space_prefix: SpacePrefix,
    /// Whether a vocabulary of a size that only one model has gets what that model needs
    /// (CodeLlama: 32016 tokens; the code models of Granite and their kin: 49152).
    pub known_by_size: bool,
    /// The number of tokens is rounded up to a multiple of this.
    pub pad_to_multiple_of: u64,
    /// Whether the SentencePiece model of a unigram vocabulary lacks the mask token, which follows its
    /// pieces.
    pub mask_after_pieces: bool,
    /// Whether models with byte pairs have token types (segments), whose number is written last.
    pub token_types: bool,
}

/// Where `add_prefix_space` of `tokenizer_config.json` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpacePrefix {
    /// It is not written.
    Unwritten,
    /// Before the tokens, if it says something: null does not.
    First,
    /// After the tokens. Null is no.
    AfterTokens,
    /// After everything. Null is no.
    Last,
}

impl Flavour {
    const PLAIN: Self = Self {
        formats: &[],
        roles: &[],
        end_of_turn: None,
        begins_and_ends: None,
        own_template: None,
        keyed_roles: &[],
        deniable_roles: &[],
        final_roles: &[],
        turn_ends_first: false,
        other_end_is_of_turn: false,
        control: &[],
        template_file_first: false,
        fixed_roles: &[],
        opening: &[],
        closing: &[],
        always: &[],
        added_as_listed: false,
        chat_template: true,
        space_prefix: SpacePrefix::Unwritten,
        known_by_size: false,
        pad_to_multiple_of: 1,
        mask_after_pieces: false,
        token_types: false,
    };

    /// Models that read no text.
    pub const NONE: Self = Self { formats: &[Format::Nothing], ..Self::PLAIN };

    /// Byte pairs and nothing special: most families.
    pub const BYTE_PAIR: Self = Self { formats: &[Format::BytePair], ..Self::PLAIN };

    /// SentencePiece and nothing else: Baichuan, MiniCPM.
    pub const SENTENCE_PIECE: Self = Self { formats: &[Format::SentencePiece], ..Self::PLAIN };

    /// Qwen2 and Qwen3, dense and with images, DeepSeek 1.
    pub const SENTENCE_PIECE_OR_BYTE_PAIR: Self =
        Self { formats: &[Format::SentencePiece, Format::BytePair], ..Self::PLAIN };

    /// The Llama class and all that derives from it: Mistral, Mixtral, Granite, SmolLM3.
    pub const LLAMA: Self = Self {
        formats: &[Format::Tekken, Format::SentencePiece, Format::RewrittenSentencePiece, Format::BytePair],
        space_prefix: SpacePrefix::First,
        known_by_size: true,
        ..Self::PLAIN
    };

    /// Mistral's own layout.
    pub const TEKKEN: Self = Self { formats: &[Format::Tekken], ..Self::PLAIN };

    /// Gemma 1, whose CodeGemma relatives end turns with token 107.
    pub const GEMMA: Self = Self { fixed_roles: &[("eot", 107)], ..Self::GEMMA2 };

    /// Gemma 2.
    pub const GEMMA2: Self =
        Self { formats: &[Format::SentencePiece], closing: &[("add_space_prefix", false)], ..Self::PLAIN };

    /// Gemma 3 and 3n.
    pub const GEMMA3: Self = Self { formats: &[Format::SentencePiece, Format::BytePair], ..Self::GEMMA2 };

    /// Gemma 4.
    pub const GEMMA4: Self = Self {
        formats: &[Format::MergedSentencePiece],
        closing: &[("add_space_prefix", false), ("add_bos_token", true)],
        ..Self::PLAIN
    };

    /// Phi-3 and, with byte pairs, Phi-4.
    pub const PHI3: Self =
        Self { formats: &[Format::SentencePieceReplaced, Format::BytePair], ..Self::PLAIN };

    /// BERT and its kin, of which the multilingual ones have a unigram vocabulary.
    pub const WORD_PIECE: Self = Self { formats: &[Format::WordPiece, Format::Unigram], ..Self::PLAIN };

    /// RoBERTa: byte pairs with token types.
    pub const ROBERTA: Self =
        Self { formats: &[Format::BytePair, Format::WordPiece], token_types: true, ..Self::PLAIN };

    /// ModernBERT.
    pub const MODERN_BERT: Self = Self {
        opening: &[("add_bos_token", true), ("add_eos_token", true), ("add_sep_token", true)],
        ..Self::BYTE_PAIR
    };

    /// XLM-RoBERTa and its kin.
    pub const UNIGRAM: Self = Self { formats: &[Format::Unigram], ..Self::PLAIN };

    /// Nomic's encoders, of which the multilingual ones have a unigram vocabulary.
    pub const WORD_PIECE_OR_UNIGRAM: Self =
        Self { formats: &[Format::Unigram, Format::WordPiece], mask_after_pieces: true, ..Self::PLAIN };

    /// T5 and its kin, some of which have byte pairs in a SentencePiece model.
    pub const T5: Self = Self { formats: &[Format::PlainUnigram], ..Self::PLAIN };

    /// Jina's embeddings v2, those for code with byte pairs.
    pub const JINA_BERT: Self = Self {
        formats: &[Format::WordPieceOfClass, Format::Words, Format::BytePair],
        token_types: true,
        ..Self::PLAIN
    };

    /// InternLM 2.
    pub const INTERNLM2: Self =
        Self { formats: &[Format::CleanedSentencePiece], end_of_turn: Some("<|im_end|>"), ..Self::PLAIN };

    /// InternLM 3.
    pub const INTERNLM3: Self = Self {
        end_of_turn: Some("<|im_end|>"),
        space_prefix: SpacePrefix::AfterTokens,
        ..Self::SENTENCE_PIECE
    };

    /// ChatGLM 3 and what came after it.
    pub const CHATGLM: Self = Self {
        formats: &[Format::BytePair, Format::ExtendedSentencePiece],
        roles: &[("eos", "<|endoftext|>"), ("eot", "<|user|>"), ("unk", "<|endoftext|>")],
        ..Self::PLAIN
    };

    /// MPT, and SEA-LION with SentencePiece.
    pub const MPT: Self = Self {
        formats: &[Format::BytePair, Format::SentencePiece],
        fixed_roles: &[("pad", 3), ("eos", 1), ("unk", 0)],
        closing: &[("add_bos_token", false)],
        ..Self::PLAIN
    };

    /// Qwen of the first kind.
    pub const QWEN: Self = Self { formats: &[Format::Ranked], ..Self::PLAIN };

    /// Arctic.
    pub const ARCTIC: Self = Self { formats: &[Format::RedefinedSentencePiece], ..Self::PLAIN };

    /// XVERSE.
    pub const XVERSE: Self = Self { formats: &[Format::UnscoredSentencePiece], ..Self::PLAIN };

    /// DeciLM and the Nemotron models that were cut out of Llama.
    pub const DECI: Self =
        Self { formats: &[Format::RewrittenSentencePiece, Format::BytePair], ..Self::PLAIN };

    /// PLaMo 2.
    pub const PLAMO: Self = Self { formats: &[Format::Plamo], chat_template: false, ..Self::PLAIN };

    /// Hunyuan, dense.
    pub const HUNYUAN: Self = Self { deniable_roles: &["pad"], turn_ends_first: true, ..Self::BYTE_PAIR };

    /// Hunyuan that sees. The library has no class for its configuration, so all keys of it are read; that of
    /// the dense ones forgets the end of documents.
    pub const HUNYUAN_VL: Self = Self { keyed_roles: &[("eos", "eod_token_id")], ..Self::HUNYUAN };

    /// Muse Glimmer.
    pub const MUSE_GLIMMER: Self = Self { final_roles: &[("eot", "<|eot|>")], ..Self::BYTE_PAIR };

    /// Hunyuan with experts, whose class knows the beginning of texts better than its settings.
    pub const HUNYUAN_MOE: Self =
        Self { formats: &[Format::RankedHunyuan], fixed_roles: &[("bos", 127_959)], ..Self::PLAIN };

    /// Laguna, whose settings include the file of the template.
    pub const LAGUNA: Self = Self {
        other_end_is_of_turn: true,
        control: &["</assistant>"],
        template_file_first: true,
        ..Self::BYTE_PAIR
    };

    /// GLM-4.
    pub const GLM4: Self = Self {
        roles: &[
            ("eos", "<|endoftext|>"),
            ("eot", "<|user|>"),
            ("unk", "<|endoftext|>"),
            ("bos", "<|endoftext|>"),
        ],
        ..Self::BYTE_PAIR
    };

    /// GLM-4.5 and later, with experts.
    pub const GLM4_MOE: Self = Self {
        roles: &[
            ("bos", "[gMASK]"),
            ("eot", "<|user|>"),
            ("unk", "<|endoftext|>"),
            ("eom", "<|observation|>"),
        ],
        ..Self::BYTE_PAIR
    };

    /// Solar Open.
    pub const SOLAR: Self = Self {
        roles: &[
            ("eos", "<|endoftext|>"),
            ("eot", "<|endoftext|>"),
            ("unk", "<unk>"),
            ("bos", "<|startoftext|>"),
        ],
        ..Self::BYTE_PAIR
    };

    /// RWKV: two line breaks end a turn.
    pub const RWKV_WORLD: Self = Self {
        formats: &[Format::RwkvWorld],
        fixed_roles: &[("bos", 0), ("eos", 0), ("eot", 261)],
        ..Self::PLAIN
    };

    /// Nemotron-H: the token list, but not the weights, is padded.
    pub const NEMOTRON_H: Self = Self { pad_to_multiple_of: 8, ..Self::BYTE_PAIR };
}
