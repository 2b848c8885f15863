//! From a token back to the text that it stands for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tokenizers::{Decoder as _, DecoderWrapper};

use super::modest;
use super::settings::Settings;

/// The decoder of a tokenizer.
pub(super) struct Decoder {
    /// None where tokens are their text.
    decoder: Option<DecoderWrapper>,
    clean_up_spaces: bool,
}

impl Decoder {
    /// The decoder that `tokenizer.json` describes. One that cannot be run without risk decodes every token
    /// to itself.
    pub(super) fn new(description: &Value, settings: &Settings) -> Self {
        let safe = modest::are_modest(&[description]) && modest::has_no_expression(description);
        let decoder = safe.then(|| serde_json::from_value(description.clone()).ok()).flatten();
        let clean_up_spaces = settings.flag("clean_up_tokenization_spaces").unwrap_or(false);
        Self { decoder, clean_up_spaces }
    }

    /// The text of one token by itself.
    pub(super) fn decode(&self, token: &str) -> String {
        let decoded = self.decoder.as_ref().and_then(|decoder| {
            // The library is well tested, but not for descriptions that were made to break it.
            catch_unwind(AssertUnwindSafe(|| decoder.decode(vec![token.to_owned()]))).ok()?.ok()
        });
        let text = decoded.unwrap_or_else(|| token.to_owned());
        if self.clean_up_spaces { without_stray_spaces(text) } else { text }
    }
}

/// What the `transformers` library does to decoded text when the settings ask for it.
fn without_stray_spaces(text: String) -> String {
    const JOINED: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    if !text.contains(' ') {
        return text;
    }
    JOINED.iter().fold(text, |text, (spaced, joined)| text.replace(spaced, joined))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_decoded_as_the_file_says() {
        let decode =
            |description: Value, token: &str| Decoder::new(&description, &Settings::default()).decode(token);
        assert_eq!(decode(Value::Null, "Ġa"), "Ġa");
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true});
        assert_eq!(decode(bytes.clone(), "Ġa"), " a");
        assert_eq!(decode(bytes, "<|end of text|>"), "<|end of text|>");
        let replace = json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "});
        assert_eq!(decode(replace, "▁▁"), "  ");
        let risky = json!({"type": "Replace", "pattern": {"Regex": "(a+)+b"}, "content": " "});
        assert_eq!(decode(risky, "aab"), "aab");
    }
}
