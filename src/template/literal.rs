//! Whether the text of a constant is well formed (the rules: Go's `strconv`).

use super::error::LiteralError;
use crate::model::go_text::quoted;

/// The bytes that a quoted or raw string stands for.
pub(super) fn string(text: &str) -> Result<Vec<u8>, LiteralError> {
    if let Some(raw) = text.strip_prefix('`') {
        return Ok(raw.trim_end_matches('`').replace('\r', "").into_bytes());
    }
    let mut rest = text.get(1..text.len().saturating_sub(1)).ok_or(LiteralError::Quoted)?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        rest = unescape(rest, '"', &mut bytes).ok_or(LiteralError::Quoted)?;
    }
    Ok(bytes)
}

/// Checks `'c'`.
pub(super) fn character(text: &str) -> Result<(), LiteralError> {
    let body = text.strip_prefix('\'').filter(|body| *body != "'").ok_or(LiteralError::Quoted)?;
    match unescape(body, '\'', &mut Vec::new()) {
        Some("'") => Ok(()),
        Some(_) => Err(LiteralError::Character(text.to_owned())),
        None => Err(LiteralError::Quoted),
    }
}

/// Reads one character or escape, appends its bytes and gives what follows.
fn unescape<'t>(text: &'t str, quote: char, bytes: &mut Vec<u8>) -> Option<&'t str> {
    let mut characters = text.chars();
    let first = characters.next()?;
    if first != '\\' {
        bytes.extend(first.encode_utf8(&mut [0; 4]).bytes());
        return Some(characters.as_str());
    }
    let plain = match characters.next()? {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        c @ ('\'' | '"') if c == quote => c as u8,
        'x' => return numeric(characters.as_str(), 2, 16, bytes),
        'u' => return numeric(characters.as_str(), 4, 16, bytes),
        'U' => return numeric(characters.as_str(), 8, 16, bytes),
        '0'..='7' => return numeric(&text[1..], 3, 8, bytes),
        _ => return None,
    };
    bytes.push(plain);
    Some(characters.as_str())
}

/// `\xFF` and `\377` are bytes; the longer escapes are code points.
fn numeric<'t>(text: &'t str, length: usize, radix: u32, bytes: &mut Vec<u8>) -> Option<&'t str> {
    let digits = text.get(..length).filter(|digits| digits.chars().all(|c| c.is_digit(radix)))?;
    let value = u32::from_str_radix(digits, radix).ok()?;
    if length <= 3 {
        bytes.push(u8::try_from(value).ok()?);
    } else {
        bytes.extend(char::from_u32(value)?.encode_utf8(&mut [0; 4]).bytes());
    }
    Some(&text[length..])
}

/// Checks a number.
pub(super) fn number(text: &str) -> Result<(), LiteralError> {
    if is_integer(text) {
        return Ok(());
    }
    match float(text) {
        Some(()) if text.contains(['.', 'e', 'E', 'p', 'P']) => Ok(()),
        Some(()) => Err(LiteralError::Overflow(quoted(text))),
        None => Err(LiteralError::Number(quoted(text))),
    }
}

/// Whether the text is a 64-bit integer, signed or unsigned.
fn is_integer(text: &str) -> bool {
    let (magnitude, limit) = match text.as_bytes().first() {
        Some(b'-') => (&text[1..], 1 << 63),
        Some(b'+') => (&text[1..], (1 << 63) - 1),
        _ => (text, u64::MAX),
    };
    let prefix = if magnitude.len() >= 3 { magnitude.get(..2).unwrap_or_default() } else { "" };
    let (radix, digits) = match prefix {
        "0x" | "0X" => (16, &magnitude[2..]),
        "0o" | "0O" => (8, &magnitude[2..]),
        "0b" | "0B" => (2, &magnitude[2..]),
        _ if magnitude.starts_with('0') => (8, magnitude),
        _ => (10, magnitude),
    };
    let digits = digits.replace('_', "");
    !digits.starts_with(['+', '-'])
        && underscores_separate_digits(magnitude)
        && u64::from_str_radix(&digits, radix).is_ok_and(|value| value <= limit)
}

/// Checks a decimal or hexadecimal floating-point number, which 64 bits must hold.
fn float(text: &str) -> Option<()> {
    let magnitude = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed = !magnitude.starts_with(['+', '-']) && underscores_separate_digits(magnitude);
    let plain = magnitude.replace('_', "");
    let hexadecimal = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X"));
    if !well_formed || plain.is_empty() {
        return None;
    }
    let is_finite = match hexadecimal {
        Some(digits) => hexadecimal_is_finite(digits)?,
        None if !plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-')) => {
            return None;
        }
        None => plain.parse::<f64>().ok()?.is_finite(),
    };
    is_finite.then_some(())
}

/// Whether `digits` (after `0x`) fit a 64-bit float, or nothing if they are not a number.
fn hexadecimal_is_finite(digits: &str) -> Option<bool> {
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More than ten digits only say "far out of range".
    let size = unsigned.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
    let exponent = if exponent.starts_with('-') { -size } else { size };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let nibbles: Vec<u32> =
        whole.chars().chain(fraction.chars()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if nibbles.is_empty() {
        return None;
    }
    let mut bits = nibbles.iter().flat_map(|nibble| (0..4).rev().map(move |bit| nibble >> bit & 1 == 1));
    let Some(leading_zeros) = bits.position(|bit| bit) else { return Some(true) };
    // The value lies in [2^top, 2^(top+1)).
    let bit_count = i64::try_from(whole.len() * 4).ok()? - i64::try_from(leading_zeros).ok()?;
    let top = bit_count - 1 + exponent;
    // 53 ones and a half round up to the next power of two.
    let rounds_up = bits.take(53).filter(|bit| *bit).count() == 53;
    Some(top < 1023 || top == 1023 && !rounds_up)
}

/// Underscores may only stand between digits, or between a base prefix and a digit.
fn underscores_separate_digits(magnitude: &str) -> bool {
    let bytes = magnitude.as_bytes();
    let prefixed = bytes.len() >= 2 && bytes[0] == b'0' && matches!(bytes[1] | 0x20, b'b' | b'o' | b'x');
    let hexadecimal = prefixed && bytes[1] | 0x20 == b'x';
    let is_digit = |index: usize| {
        bytes.get(index).is_some_and(|byte| byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit())
    };
    (0..bytes.len()).filter(|index| bytes[*index] == b'_').all(|index| {
        let before = index > 0 && (is_digit(index - 1) || prefixed && index == 2);
        before && is_digit(index + 1)
    })
}
