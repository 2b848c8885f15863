//! RWKV's own vocabulary: bytes, a token a line, as Python writes them.

use super::super::ConvertError;
use super::TokenizerError;
use super::contents::{Contents, Splitting};
use super::error::shortened;
use super::file_names::RWKV_VOCABULARY;
use super::inputs::Inputs;
use super::token::{Token, TokenKind, checked_size};

/// How many tokens released models have.
const USUAL_SIZE: u64 = 65_536;

/// A vocabulary of bytes.
pub(super) fn rwkv_world(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let missing = || TokenizerError::Missing { files: vec![RWKV_VOCABULARY] };
    let text = inputs.files.text(RWKV_VOCABULARY)?.ok_or_else(missing)?;
    let mut tokens = vec![Token::new("<s>", TokenKind::Control)];
    for line in text.lines() {
        let bad = || TokenizerError::Damaged {
            file: RWKV_VOCABULARY,
            reason: format!(
                "expected a number, a token as Python writes it and its length, got {}",
                shortened(&line)
            ),
        };
        let (_, rest) = line.split_once(' ').ok_or_else(bad)?;
        let (literal, length) = rest.rsplit_once(' ').ok_or_else(bad)?;
        let bytes = literal_bytes(literal).ok_or_else(bad)?;
        if length.trim().parse() != Ok(bytes.len()) {
            return Err(bad().into());
        }
        tokens.push(Token::new(represented(&bytes), TokenKind::Normal));
    }
    let size = checked_size(inputs.sizes.tokens.unwrap_or(USUAL_SIZE))?;
    let own = tokens.len() as u64;
    if own > size {
        let token = tokens[usize::try_from(size).unwrap_or(0)].text.clone();
        return Err(TokenizerError::BeyondVocabulary { file: RWKV_VOCABULARY, token, id: size, size }.into());
    }
    tokens.extend((own..size).map(Token::padding));
    let contents = Contents::with_scores("rwkv", tokens);
    Ok(Contents { splitting: Splitting::Unwritten, with_scores: false, ..contents })
}

/// The bytes of a Python literal: a string, in UTF-8, or bytes.
fn literal_bytes(literal: &str) -> Option<Vec<u8>> {
    let (is_bytes, quoted) = match literal.strip_prefix('b') {
        Some(rest) => (true, rest),
        None => (false, literal),
    };
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let code = match character {
            '\\' => escaped(&mut characters)?,
            other if is_bytes && !other.is_ascii() => return None,
            other => u32::from(other),
        };
        match is_bytes {
            true => bytes.push(u8::try_from(code).ok()?),
            false => bytes.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Some(bytes)
}

fn escaped(characters: &mut std::str::Chars<'_>) -> Option<u32> {
    let digits = match characters.next()? {
        'n' => return Some(10),
        'r' => return Some(13),
        't' => return Some(9),
        same @ ('\\' | '\'' | '"') => return Some(same.into()),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let text: String = characters.take(digits).collect();
    (text.len() == digits).then(|| u32::from_str_radix(&text, 16).ok()).flatten()
}

/// Bytes as Python represents them, without its quotes.
fn represented(bytes: &[u8]) -> String {
    // Python takes the quotes that it need not escape.
    let escapes_quotes = bytes.contains(&b'\'') && bytes.contains(&b'"');
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\'' if escapes_quotes => text.push_str("\\'"),
            b' '..=b'~' => text.push(byte.into()),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_and_represented() {
        for (literal, bytes, text) in [
            (r"'\x00'", &b"\0"[..], r"\x00"),
            (r#""'""#, b"'", "'"),
            (r#"'\'"'"#, b"'\"", r#"\'""#),
            (r"'\n\\é'", b"\n\\\xc3\xa9", r"\n\\\xc3\xa9"),
            (r"b'\xff '", b"\xff ", r"\xff "),
        ] {
            assert_eq!(literal_bytes(literal).as_deref(), Some(bytes), "{literal}");
            assert_eq!(represented(bytes), text);
        }
        for bad in ["", "'", "a", r"'\x0'", "b'é'", "'a\""] {
            assert_eq!(literal_bytes(bad), None, "{bad}");
        }
    }
}
