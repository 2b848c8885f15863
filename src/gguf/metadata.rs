//! Metadata: the key-value pairs of a file to be written.

use super::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, GgufError, Value};

/// The key-value pairs of a file, in file order; keys are unique.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
}

impl Metadata {
    /// No pairs at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pairs whose keys are known to differ.
    pub(super) fn from_unique(pairs: impl Iterator<Item = (String, Value)>) -> Self {
        Self { entries: pairs.collect() }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets `key`: a new key goes to the end, a known one keeps its place.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let key = key.into();
        let value = value.into();
        match self.entries.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key, value)),
        }
    }

    /// Removes `key` and returns what it had.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(index).1)
    }

    /// The pairs in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What `general.architecture` says.
    ///
    /// # Errors
    /// The key is missing or not a string.
    pub fn architecture(&self) -> Result<&str, GgufError> {
        let key = "general.architecture";
        let value = self.get(key).ok_or_else(|| GgufError::MissingKey { key: key.into() })?;
        value.as_str().ok_or_else(|| GgufError::KeyType {
            key: key.into(),
            got: value.value_type(),
            expected: "a string",
        })
    }

    /// The value of `<architecture>.<name>` as a count.
    ///
    /// # Errors
    /// The architecture is missing, or the value is not an integer from 0 to 2^32-1.
    pub fn architecture_count(&self, name: &str) -> Result<Option<u32>, GgufError> {
        let key = format!("{}.{name}", self.architecture()?);
        let Some(value) = self.get(&key) else { return Ok(None) };
        match value.as_u64().and_then(|count| u32::try_from(count).ok()) {
            Some(count) => Ok(Some(count)),
            None => Err(GgufError::KeyType {
                key,
                got: value.value_type(),
                expected: "an integer from 0 to 4294967295",
            }),
        }
    }

    /// The number of layers that the file states.
    ///
    /// # Errors
    /// It is missing, or not from 1 to 512, the most that llama.cpp loads (`LLAMA_MAX_LAYERS`).
    pub fn block_count(&self) -> Result<u32, GgufError> {
        let key = || format!("{}.block_count", self.architecture().unwrap_or_default());
        match self.architecture_count("block_count")? {
            None => Err(GgufError::MissingKey { key: key() }),
            Some(count @ 1..=512) => Ok(count),
            Some(count) => Err(GgufError::BlockCount { key: key(), got: count }),
        }
    }

    /// The alignment of tensor data in bytes.
    ///
    /// # Errors
    /// `general.alignment` is not a `u32` or no power of two.
    pub fn alignment(&self) -> Result<u64, GgufError> {
        match self.get(ALIGNMENT_KEY) {
            None => Ok(DEFAULT_ALIGNMENT),
            Some(&Value::U32(alignment)) => checked_alignment(alignment),
            Some(value) => Err(GgufError::KeyType {
                key: ALIGNMENT_KEY.into(),
                got: value.value_type(),
                expected: "u32",
            }),
        }
    }
}

/// Powers of two only, as ggml demands, and none so large that padding dwarfs the data.
pub(super) fn checked_alignment(alignment: u32) -> Result<u64, GgufError> {
    const LARGEST: u32 = 1 << 20;
    if alignment.is_power_of_two() && alignment <= LARGEST {
        Ok(alignment.into())
    } else {
        Err(GgufError::Alignment { got: alignment })
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut metadata = Self::new();
        pairs.into_iter().for_each(|(key, value)| metadata.set(key, value));
        metadata
    }
}
