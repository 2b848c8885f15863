//! Layers that are JSON, as others write them.

use serde::de::DeserializeOwned;

use super::{LONGEST_CONFIG, LONGEST_TEXT, MediaType, Message, ModelConfig, Parameters};

/// Reads a layer's JSON. A layer without bytes, and `null`, say nothing, as in Go; that is no damage.
pub fn layer_json<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    match bytes.trim_ascii() {
        [] => Ok(T::default()),
        _ => Ok(serde_json::from_slice::<Option<T>>(bytes)?.unwrap_or_default()),
    }
}

impl MediaType {
    /// The most bytes that a layer of this kind may have, if it is one that is read as a whole.
    pub fn longest(&self) -> Option<usize> {
        match self {
            Self::Config => Some(LONGEST_CONFIG),
            Self::Template
            | Self::Prompt
            | Self::System
            | Self::License
            | Self::Parameters
            | Self::Messages => Some(LONGEST_TEXT),
            Self::Model | Self::Projector | Self::Adapter | Self::Draft | Self::Other(_) => None,
        }
    }

    /// Whether everything that reads layers of this kind can read one with these contents.
    pub fn check(&self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        match self {
            Self::Config => layer_json::<ModelConfig>(bytes).map(drop),
            Self::Parameters => layer_json::<Parameters>(bytes).map(drop),
            Self::Messages => layer_json::<Vec<Message>>(bytes).map(drop),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_not_damage() {
        for nothing in ["", " \n", "null", "null\n"] {
            for kind in [MediaType::Config, MediaType::Parameters, MediaType::Messages] {
                assert!(kind.check(nothing.as_bytes()).is_ok(), "{kind}: {nothing:?}");
            }
            assert_eq!(layer_json::<ModelConfig>(nothing.as_bytes()).unwrap(), ModelConfig::default());
        }
        for (kind, odd) in [
            (MediaType::Config, "not JSON"),
            (MediaType::Config, "1"),
            (MediaType::Parameters, "[]"),
            (MediaType::Parameters, "{"),
            (MediaType::Messages, "{}"),
        ] {
            assert!(kind.check(odd.as_bytes()).is_err(), "{kind}: {odd}");
        }
        assert!(MediaType::System.check(b"{").is_ok());
    }
}
