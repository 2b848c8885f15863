//! The tokens that `tokenizer.json` and the settings know, by number.

use std::collections::{HashMap, HashSet};

use super::error::shortened;
use super::file_names::Origin;
use super::json::{AddedToken, Merge, TokenizerJson, Vocabulary};
use super::settings::{Settings, TOKENIZER_CONFIG};
use super::{TokenizerError, TokenizerWarning, token};

/// A token with a number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KnownToken {
    pub(super) id: u32,
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

/// All known tokens; there is at least one.
#[derive(Debug)]
pub(super) struct KnownTokens {
    /// In the order of their numbers, which differ.
    pub(super) tokens: Vec<KnownToken>,
    /// How many the model itself has.
    pub(super) own: u64,
    /// One more than the largest number.
    end: u64,
}

impl KnownTokens {
    /// Takes the vocabulary out of `json`, and adds what the settings know beyond it. Numbers are less than
    /// `size`.
    ///
    /// # Errors
    ///
    /// There are no tokens, two have one number, or one of the file has a number that the vocabulary does not
    /// reach.
    pub(super) fn collect(
        json: &mut TokenizerJson,
        origin: Origin,
        settings: &Settings,
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) -> Result<Self, TokenizerError> {
        let mut collection = Collection { tokens: HashMap::new(), end: 0, origin, size, warnings };
        collection.own_tokens(std::mem::take(&mut json.model.vocab));
        let own = collection.tokens.len() as u64;
        collection.check_merges(json.model.merges.as_deref().unwrap_or_default())?;
        for token in &json.added_tokens {
            collection.added_token(token);
        }
        collection.tokens_of_settings(settings.added_tokens()?);
        for text in settings.special_tokens() {
            collection.special_token_of_settings(text);
        }
        let end = collection.end;
        Ok(Self { tokens: collection.into_tokens()?, own, end })
    }

    /// How many tokens the model to be has: what the configuration says, or as many as reach to the last
    /// known one.
    pub(super) fn size(&self, stated: Option<u64>, multiple: u64) -> Result<u64, TokenizerError> {
        let size = token::checked_size(stated.unwrap_or(self.end))?;
        token::checked_size(size.next_multiple_of(multiple))
    }
}

/// Tokens by text while they are collected.
struct Collection<'a> {
    tokens: HashMap<String, (u32, Option<Added>)>,
    /// One more than the largest number.
    end: u64,
    origin: Origin,
    size: Option<u64>,
    warnings: &'a mut Vec<TokenizerWarning>,
}

impl Collection<'_> {
    fn own_tokens(&mut self, vocabulary: Vocabulary) {
        match vocabulary {
            Vocabulary::Ids(tokens) => {
                self.tokens.reserve(tokens.len());
                tokens.into_iter().for_each(|(text, id)| self.insert(text, id, None));
            }
            Vocabulary::Scores(tokens) => {
                self.tokens.reserve(tokens.len());
                tokens.into_iter().zip(0..).for_each(|((text, _), id)| self.insert(text, id, None));
            }
        }
    }

    /// What is merged has to be tokens of the model.
    fn check_merges(&self, merges: &[Merge]) -> Result<(), TokenizerError> {
        let unknown = |part: &&String| !self.tokens.contains_key(part.as_str());
        match merges.iter().flat_map(|merge| [&merge.left, &merge.right]).find(unknown) {
            Some(part) => {
                Err(TokenizerError::UnknownMerge { file: self.origin.merges, part: shortened(part) })
            }
            None => Ok(()),
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

    /// Tokens of the settings that the file does not have get the number that they ask for if it is free.
    fn tokens_of_settings(&mut self, tokens: Vec<AddedToken>) {
        let is_new = |collection: &Self, token: &AddedToken| !collection.tokens.contains_key(&token.content);
        let mut taken: HashSet<u32> = HashSet::new();
        if tokens.iter().any(|token| is_new(self, token)) {
            taken.extend(self.tokens.values().map(|(id, _)| *id));
        }
        for mut token in tokens {
            if is_new(self, &token) {
                let wanted = if taken.contains(&token.id) { self.end } else { token.id.into() };
                match self.checked_id(wanted, &token.content) {
                    Some(id) => token.id = id,
                    None => continue,
                }
                taken.insert(token.id);
            }
            self.added_token(&token);
        }
    }

    fn special_token_of_settings(&mut self, text: &str) {
        let added = Some(Added { special: true, normalized: false });
        match self.tokens.get_mut(text) {
            Some((_, flags)) => *flags = flags.or(added),
            None => {
                if let Some(id) = self.checked_id(self.end, text) {
                    self.insert(text.to_owned(), id, added);
                }
            }
        }
    }

    /// A number that only the settings ask for, if the vocabulary reaches it; there are no embeddings beyond.
    fn checked_id(&mut self, id: u64, text: &str) -> Option<u32> {
        if let Some(size) = self.size.filter(|size| id >= *size) {
            let token = text.to_owned();
            self.warnings.push(TokenizerWarning::TokenLeftOut { file: TOKENIZER_CONFIG, token, size });
            return None;
        }
        u32::try_from(id).ok()
    }

    fn insert(&mut self, text: String, id: u32, added: Option<Added>) {
        self.end = self.end.max(u64::from(id) + 1);
        self.tokens.insert(text, (id, added));
    }

    fn into_tokens(self) -> Result<Vec<KnownToken>, TokenizerError> {
        let token = |(text, (id, added))| KnownToken { id, text, added };
        let mut tokens: Vec<KnownToken> = self.tokens.into_iter().map(token).collect();
        tokens.sort_unstable_by(|one, other| (one.id, &one.text).cmp(&(other.id, &other.text)));
        let file = self.origin.vocabulary;
        for pair in tokens.windows(2) {
            if let [one, other] = pair
                && one.id == other.id
            {
                let (first, second) = (one.text.clone(), other.text.clone());
                return Err(TokenizerError::DuplicateId { file, id: one.id, first, second });
            }
        }
        let last = tokens.last().ok_or(TokenizerError::Empty { file })?;
        let (id, size) = (u64::from(last.id), self.size.unwrap_or(token::MOST_TOKENS));
        if id >= size {
            return Err(TokenizerError::BeyondVocabulary { file, token: last.text.clone(), id, size });
        }
        Ok(tokens)
    }
}
