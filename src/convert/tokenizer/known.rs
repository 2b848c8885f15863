//! The tokens that `tokenizer.json` and the settings know, by number.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, HashSet};

use super::json::{AddedToken, TOKENIZER_JSON, TokenizerJson, Vocabulary};
use super::settings::{Settings, TOKENIZER_CONFIG};
use super::{TokenizerError, TokenizerWarning, token};

/// A token with a number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KnownToken {
    pub(super) text: String,
    /// For tokens that are recognised before the text is split.
    pub(super) added: Option<Added>,
}

/// How an added token is to be treated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Added {
    /// It directs the model.
    pub(super) special: bool,
    /// It is recognised in normalized text.
    pub(super) normalized: bool,
}

/// All known tokens.
#[derive(Debug)]
pub(super) struct KnownTokens {
    tokens: BTreeMap<u32, KnownToken>,
    /// How many the model itself has.
    pub(super) own: u64,
}

impl KnownTokens {
    /// Takes the vocabulary out of `json`, and adds what the settings know beyond it. Numbers are less than `size`.
    ///
    /// # Errors
    ///
    /// Two tokens have one number, or a token of the file has a number that the vocabulary does not reach.
    pub(super) fn collect(
        json: &mut TokenizerJson,
        settings: &Settings,
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) -> Result<Self, TokenizerError> {
        let mut collection = Collection::default();
        collection.own_tokens(std::mem::take(&mut json.model.vocab));
        let own = collection.tokens.len() as u64;
        for token in &json.added_tokens {
            collection.added_token(token);
        }
        for token in settings.added_tokens()? {
            collection.token_of_settings(token, size, warnings);
        }
        for text in settings.special_tokens() {
            collection.special_token_of_settings(text, size, warnings);
        }
        Ok(Self { tokens: collection.into_tokens(size)?, own })
    }

    /// The number of tokens.
    pub(super) fn len(&self) -> u64 {
        self.tokens.len() as u64
    }

    /// A token by its number.
    pub(super) fn get(&self, id: u32) -> Option<&KnownToken> {
        self.tokens.get(&id)
    }

    /// All tokens by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &KnownToken)> {
        self.tokens.iter().map(|(id, token)| (*id, token))
    }

    /// How many tokens the model to be has: what the configuration says, or as many as are known.
    pub(super) fn size(&self, stated: Option<u64>, multiple: u64) -> Result<u64, TokenizerError> {
        let size = token::checked_size(stated.unwrap_or(self.len()))?;
        let (last, known) =
            self.tokens.last_key_value().ok_or(TokenizerError::Empty { file: TOKENIZER_JSON })?;
        if u64::from(*last) >= size {
            let (token, id) = (known.text.clone(), u64::from(*last));
            return Err(TokenizerError::BeyondVocabulary { file: TOKENIZER_JSON, token, id, size });
        }
        token::checked_size(size.next_multiple_of(multiple))
    }
}

/// Tokens by text while they are collected.
#[derive(Default)]
struct Collection {
    tokens: HashMap<String, (u32, Option<Added>)>,
    taken: HashSet<u32>,
    /// One more than the largest number.
    next: u64,
}

impl Collection {
    fn own_tokens(&mut self, vocabulary: Vocabulary) {
        match vocabulary {
            Vocabulary::Ids(tokens) => {
                for (text, id) in tokens {
                    self.insert(text, id, None);
                }
            }
            Vocabulary::Scores(tokens) => {
                for ((text, _), id) in tokens.into_iter().zip(0..) {
                    self.insert(text, id, None);
                }
            }
        }
    }

    /// A token that is also one of the model's own keeps that number, as in the `tokenizers` library.
    fn added_token(&mut self, token: &AddedToken) {
        let added = Some(Added { special: token.special, normalized: token.normalized });
        match self.tokens.get_mut(&token.content) {
            Some((_, flags)) => *flags = added,
            None => self.insert(token.content.clone(), token.id, added),
        }
    }

    fn token_of_settings(
        &mut self,
        mut token: AddedToken,
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) {
        if !self.tokens.contains_key(&token.content) {
            if self.taken.contains(&token.id) {
                match self.next_id(&token.content, size, warnings) {
                    Some(id) => token.id = id,
                    None => return,
                }
            } else if !fits(token.id.into(), &token.content, size, warnings) {
                return;
            }
        }
        self.added_token(&token);
    }

    fn special_token_of_settings(
        &mut self,
        text: &str,
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) {
        let added = Some(Added { special: true, normalized: false });
        match self.tokens.get_mut(text) {
            Some((_, flags)) => *flags = flags.or(added),
            None => {
                if let Some(id) = self.next_id(text, size, warnings) {
                    self.insert(text.to_owned(), id, added);
                }
            }
        }
    }

    fn next_id(&self, text: &str, size: Option<u64>, warnings: &mut Vec<TokenizerWarning>) -> Option<u32> {
        u32::try_from(self.next).ok().filter(|_| fits(self.next, text, size, warnings))
    }

    fn insert(&mut self, text: String, id: u32, added: Option<Added>) {
        self.taken.insert(id);
        self.next = self.next.max(u64::from(id) + 1);
        match self.tokens.entry(text) {
            Entry::Occupied(mut entry) => *entry.get_mut() = (id, added),
            Entry::Vacant(entry) => _ = entry.insert((id, added)),
        }
    }

    fn into_tokens(self, size: Option<u64>) -> Result<BTreeMap<u32, KnownToken>, TokenizerError> {
        let mut tokens: BTreeMap<u32, KnownToken> = BTreeMap::new();
        for (text, (id, added)) in self.tokens {
            if let Some(other) = tokens.get(&id) {
                // The order of a hash map is not that of the file; the message is the same every time.
                let (first, second) = (other.text.clone().min(text.clone()), other.text.clone().max(text));
                return Err(TokenizerError::DuplicateId { file: TOKENIZER_JSON, id, first, second });
            }
            tokens.insert(id, KnownToken { text, added });
        }
        if let Some((size, (last, known))) = size.zip(tokens.last_key_value())
            && u64::from(*last) >= size
        {
            let (token, id) = (known.text.clone(), u64::from(*last));
            return Err(TokenizerError::BeyondVocabulary { file: TOKENIZER_JSON, token, id, size });
        }
        Ok(tokens)
    }
}

/// Whether a number that only the settings ask for exists; where it does not, there are no embeddings for the token.
fn fits(id: u64, text: &str, size: Option<u64>, warnings: &mut Vec<TokenizerWarning>) -> bool {
    match size {
        Some(size) if id >= size => {
            let token = text.to_owned();
            warnings.push(TokenizerWarning::TokenLeftOut { file: TOKENIZER_CONFIG, token, size });
            false
        }
        _ => true,
    }
}
