//! PLaMo's own tokenizer file, a token a line (Preferred Networks, `tokenization_plamo.py`).

use serde::Deserialize as _;
use serde_json::Value;

use super::super::ConvertError;
use super::TokenizerError;
use super::chat_template;
use super::file_names::TOKENIZER_JSON_LINES;
use super::inputs::Inputs;
use super::settings::{TOKENIZER_CONFIG, text_of};
use super::special_tokens::write_role;
use super::token::{self, ADDED_SCORE, Token, TokenKind, checked_size};
use crate::gguf::Metadata;

/// The token that begins a turn, and so ends the one before it.
const TURN: u32 = 4;

/// Writes the vocabulary with all that belongs to it; the number of tokens.
///
/// # Errors
///
/// The file is malformed, or a token that the settings name is not in it.
pub(super) fn write(inputs: &Inputs<'_>, metadata: &mut Metadata) -> Result<u64, ConvertError> {
    let text = inputs.files.text(TOKENIZER_JSON_LINES)?;
    let text = text.ok_or_else(|| TokenizerError::Missing { files: vec![TOKENIZER_JSON_LINES] })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut tokens: Vec<Token> =
        lines.map(|(number, line)| token_of(number, line)).collect::<Result<_, TokenizerError>>()?;
    let own = tokens.len() as u64;
    let size = checked_size(inputs.sizes.tokens.unwrap_or(own).max(own))?;
    let padding =
        |number: u64| Token { text: format!("[PAD{number}]"), score: ADDED_SCORE, kind: TokenKind::Unused };
    tokens.extend((1..=size - own).map(padding));
    metadata.set("tokenizer.ggml.model", "plamo2");
    metadata.set("tokenizer.ggml.pre", "default");
    let roles = roles(inputs, &tokens)?;
    let scores = token::scores(&tokens);
    token::write(tokens, Some(scores), metadata);
    for (role, id) in roles {
        write_role(role, id, metadata);
    }
    write_role("eot", TURN, metadata);
    metadata.set("tokenizer.ggml.add_space_prefix", false);
    if inputs.flavour.chat_template {
        chat_template::write(inputs.files, &inputs.settings, metadata)?;
    }
    Ok(size)
}

/// A line: text, score, and, if it is not a normal token, its kind.
fn token_of(number: usize, line: &str) -> Result<Token, TokenizerError> {
    let bad = |expected| {
        TokenizerError::bad_field(TOKENIZER_JSON_LINES, format!("line {}", number + 1), &line, expected)
    };
    let mut reader = serde_json::Deserializer::from_str(line);
    let fields = Vec::<Value>::deserialize(&mut reader).map_err(|_| bad("a list"))?;
    let (text, score) = match &fields[..] {
        [Value::String(text), score, ..] => (text, score.as_f64()),
        _ => return Err(bad("a list of a text and a score")),
    };
    let score = score.ok_or_else(|| bad("a list of a text and a score"))? as f32;
    let kind = match fields.get(2).and_then(Value::as_str) {
        Some("UNKNOWN") => TokenKind::Unknown,
        Some("CONTROL") => TokenKind::Control,
        Some("BYTE") => TokenKind::Byte,
        _ if text.starts_with("<|plamo:") && text.ends_with("|>") => TokenKind::Control,
        _ => TokenKind::Normal,
    };
    Ok(Token { text: text.clone(), score, kind })
}

/// The tokens that the settings give a role.
fn roles(inputs: &Inputs<'_>, tokens: &[Token]) -> Result<Vec<(&'static str, u32)>, TokenizerError> {
    let named = ["bos", "eos", "pad", "sep", "unk"].into_iter().filter_map(|role| {
        let text = inputs.settings.values.get(&format!("{role}_token")).and_then(text_of)?;
        Some((role, text))
    });
    let id = |(role, text): (&'static str, &str)| {
        let place = tokens.iter().position(|token| token.text == text);
        let id = place.and_then(|place| u32::try_from(place).ok());
        let expected = "a token of tokenizer.jsonl";
        let field = format!("{role}_token");
        Ok((role, id.ok_or_else(|| TokenizerError::bad_field(TOKENIZER_CONFIG, field, &text, expected))?))
    };
    named.map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_token() {
        let token = token_of(0, r#"["<|plamo:op|>", 0.0, "NORMAL"]"#).unwrap();
        assert_eq!((token.kind, token.score), (TokenKind::Control, 0.0));
        assert_eq!(token_of(0, r#"["a", -1.5, "BYTE", 7, null]"#).unwrap().kind, TokenKind::Byte);
        for broken in ["", "{}", "[1, 2]", r#"["a"]"#, r#"["a", "b"]"#] {
            assert!(token_of(0, broken).is_err(), "{broken}");
        }
    }
}
