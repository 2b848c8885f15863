//! Bytes as the printable characters that byte-level vocabularies write them with (GPT-2, `encoder.py`).

/// The characters of several bytes.
pub(super) fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| character(*byte)).collect()
}

/// Printable bytes stand for themselves; the others follow in order after the last byte.
fn character(byte: u8) -> char {
    let shifted = match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => return byte.into(),
        0..=b' ' => u32::from(byte),
        0x7f..=0xa0 => u32::from(byte) - 0x7f + 33,
        0xad => 67,
    };
    char::from_u32(0x100 + shifted).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_different_characters() {
        assert_eq!(characters(b" a\n"), "ĠaĊ");
        let all: std::collections::HashSet<char> = (0..=255).map(character).collect();
        assert_eq!(all.len(), 256);
        assert_eq!([0x7f, 0xa0, 0xad].map(character), ['ġ', 'ł', 'Ń']);
    }
}
