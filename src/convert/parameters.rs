//! Writing the metadata of an architecture: keys under its prefix, with the types that llama.cpp reads.

use super::ConvertError;
use crate::gguf::{Metadata, Value};

/// The metadata of a file to be made, and the prefix of its architecture's keys.
#[derive(Debug)]
pub(super) struct Parameters {
    metadata: Metadata,
    architecture: &'static str,
}

impl Parameters {
    /// Metadata that so far says only which architecture it is for.
    pub(super) fn new(architecture: &'static str) -> Self {
        let mut metadata = Metadata::new();
        metadata.set("general.architecture", architecture);
        Self { metadata, architecture }
    }

    /// Sets `<architecture>.<key>`.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.metadata.set(format!("{}.{key}", self.architecture), value);
    }

    /// Sets a 32-bit unsigned number.
    ///
    /// # Errors
    /// The number needs more bits.
    pub(super) fn count(&mut self, key: &str, number: u64) -> Result<(), ConvertError> {
        let value = checked_u32(key, number)?;
        self.set(key, value);
        Ok(())
    }

    /// Sets a 32-bit float.
    pub(super) fn float(&mut self, key: &str, number: f64) {
        self.set(key, number as f32);
    }

    /// Sets a list of numbers, one a layer.
    ///
    /// # Errors
    /// A number needs more than 31 bits.
    pub(super) fn counts(&mut self, key: &str, numbers: &[u64]) -> Result<(), ConvertError> {
        let numbers = numbers.iter().map(|&number| checked_i32(key, number));
        let numbers: Vec<i32> = numbers.collect::<Result<_, _>>()?;
        self.set(key, numbers);
        Ok(())
    }

    /// Sets a list of 32-bit floats, one a layer.
    pub(super) fn floats(&mut self, key: &str, numbers: &[f64]) {
        self.set(key, numbers.iter().map(|number| *number as f32).collect::<Vec<f32>>());
    }

    /// Sets a key that is not the architecture's.
    pub(super) fn set_plain(&mut self, key: &str, value: impl Into<Value>) {
        self.metadata.set(key, value);
    }

    /// Whether a key that is not the architecture's is set.
    pub(super) fn has_plain(&self, key: &str) -> bool {
        self.metadata.get(key).is_some()
    }

    /// What has been set.
    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub(super) fn into_metadata(self) -> Metadata {
        self.metadata
    }
}

fn checked_u32(key: &str, number: u64) -> Result<u32, ConvertError> {
    u32::try_from(number).map_err(|_| ConvertError::bad_value("config.json", key, &number, "a 32-bit number"))
}

fn checked_i32(key: &str, number: u64) -> Result<i32, ConvertError> {
    i32::try_from(number).map_err(|_| ConvertError::bad_value("config.json", key, &number, "a 31-bit number"))
}
