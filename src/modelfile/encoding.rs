//! From bytes to text: UTF-8, or UTF-16 as editors of Windows write it.

use std::borrow::Cow;

use super::error::ModelfileError;

/// The text of a file that may carry a byte order mark. Without one, a zero beside the first letter tells
/// UTF-16: commands are written in ASCII.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ModelfileError> {
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => utf_8(text),
        [0xff, 0xfe, text @ ..] => utf_16(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => utf_16(text, u16::from_be_bytes),
        [1..=0xff, 0, ..] => utf_16(bytes, u16::from_le_bytes),
        [0, 1..=0xff, ..] => utf_16(bytes, u16::from_be_bytes),
        text => utf_8(text),
    }
}

fn utf_8(bytes: &[u8]) -> Result<Cow<'_, str>, ModelfileError> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        let (text, rest) = bytes.split_at(error.valid_up_to());
        let wrong = &rest[..error.error_len().unwrap_or(rest.len())];
        // Lines as they are counted everywhere else.
        let text = String::from_utf8_lossy(text);
        let line = 1 + text.matches('\n').count() + text.replace("\r\n", "\n").matches('\r').count();
        ModelfileError::Encoding { line, got: hex::encode(wrong) }
    })
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, ModelfileError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    let line = |text: &str| 1 + text.matches('\n').count();
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match decoded {
            Ok(c) => text.push(c),
            Err(half) => {
                let got = format!("{:04x}", half.unpaired_surrogate());
                return Err(ModelfileError::Encoding { line: line(&text), got });
            }
        }
    }
    match rest {
        [] => Ok(Cow::Owned(text)),
        half => Err(ModelfileError::Encoding { line: line(&text), got: hex::encode(half) }),
    }
}
