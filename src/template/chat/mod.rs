//! Chat formats: how a model expects a conversation to be written.
//!
//! A model's own description is the Jinja text in `tokenizer.chat_template`. Ollama runs Go templates, so a
//! model that comes without one is given ours for its format, together with the texts at which an answer
//! ends.
//!
//! A format is recognised by its special tokens and turn headings, wherever they stand in the Jinja text:
//! these are what the model was trained on, and they survive the many ways in which such texts are rewritten.
//! A text that shows no known set of them has no format; a guess would be worse.
//!
//! Each format is one row of the table in [`formats`] and one file with its template. The templates are
//! written from the turn structure of the formats; where a model's Jinja text adds a system message of its
//! own when there is none (the model's name, the date), ours does not.

mod format;
mod formats;

pub use format::ChatFormat;

/// The format that a model's Jinja text describes.
#[must_use]
pub fn recognize(jinja: &str) -> Option<&'static ChatFormat> {
    formats::FORMATS.iter().find(|format| format.is_described_by(jinja))
}

/// All formats, in the order in which they are tried.
#[must_use]
pub fn formats() -> &'static [ChatFormat] {
    formats::FORMATS
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::super::Template;
    use super::*;

    #[test]
    fn every_template_parses_and_shows_the_conversation() {
        for format in formats() {
            let template =
                Template::parse(format.template()).unwrap_or_else(|error| panic!("{}: {error}", format.name));
            for name in ["messages", "role", "content"] {
                assert!(template.uses(name), "{} does not use {name}", format.name);
            }
            assert!(!format.stop.is_empty() && !format.template().contains('\r'), "{}", format.name);
        }
    }

    #[test]
    fn the_chatml_template_is_the_plain_idiom() {
        let chatml = recognize("<|im_start|>user\n...<|im_end|>").unwrap();
        let expected = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n\
                        {{ end }}<|im_start|>assistant\n";
        assert_eq!((chatml.name, chatml.template()), ("chatml", expected));
        assert_eq!(chatml.stop, ["<|im_start|>", "<|im_end|>"]);
        // The layer that a genuine Ollama made for this format.
        let digest = hex::encode(Sha256::digest(chatml.template()));
        assert_eq!(digest, "e3b2721cec511e3a627ae0993753abbf5c72cdf4cfcdbc8f5c33ce15c4c4e04b");
    }

    #[test]
    fn thinking_and_tools_show() {
        let template = |name| formats().iter().find(|format| format.name == name).unwrap().template();
        let qwen3 = Template::parse(template("qwen3-with-tools")).unwrap();
        let tags = qwen3.thinking_tags().unwrap();
        assert_eq!((tags.opening.as_str(), tags.closing.as_str()), ("<think>", "</think>"));
        assert!(qwen3.uses("tools"));
        assert!(!Template::parse(template("zephyr")).unwrap().uses("tools"));
    }
}
