//! JSON in the very bytes that Go's `encoding/json` writes.
//!
//! Blobs are named by the digest of their bytes, so two servers agree on a layer only if they agree
//! on its encoding: `<`, `>`, `&` and the two line separators are escaped, numbers that are whole
//! carry no fraction, maps are sorted by key, and an encoder ends its value with a line feed.
//! Structures keep the order of their fields; sort maps beforehand ([`sorted`]).

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::Formatter;

/// Encodes `value` as Go's `json.Marshal` does.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = to_line(value);
    text.pop();
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

/// Encodes `value` as Go's `json.Encoder` does: with a line feed at the end.
///
/// # Panics
///
/// If the value's own `Serialize` fails, or has a map whose keys are not strings.
pub fn to_line<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, GoFormatter);
    value.serialize(&mut serializer).expect("the crate's own types serialize");
    bytes.push(b'\n');
    bytes
}

/// `value` with the keys of every object in it in byte order, as Go writes maps.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            members.sort_by(|one, two| one.0.cmp(&two.0));
            Value::Object(members.into_iter().collect())
        }
        scalar => scalar,
    }
}

/// `value` with every number as Go reads one whose type it does not know: a 64-bit float.
pub fn with_floats(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(with_floats).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, with_floats(value))).collect(),
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other,
    }
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut written = 0;
        for (index, character) in fragment.char_indices() {
            let escape = match character {
                '<' => "\\u003c",
                '>' => "\\u003e",
                '&' => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                _ => continue,
            };
            writer.write_all(&fragment.as_bytes()[written..index])?;
            writer.write_all(escape.as_bytes())?;
            written = index + character.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write_float(writer, value.abs(), value, format!("{value:e}"))
    }

    fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        // Go decides between the notations by the value as a 32-bit float.
        write_float(writer, f64::from(value.abs()), value, format!("{value:e}"))
    }
}

/// Plain notation between 1e-6 and 1e21, else the shortest one with an exponent of Go's form:
/// a sign always, and two digits when the exponent is positive.
fn write_float<W: ?Sized + Write>(
    writer: &mut W,
    magnitude: f64,
    value: impl std::fmt::Display,
    scientific: String,
) -> io::Result<()> {
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return write!(writer, "{value}");
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.strip_prefix('-') {
        Some(digits) => write!(writer, "{mantissa}e-{digits}"),
        None => write!(writer, "{mantissa}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(to_string("a<b>&\u{2028}\u{2029}\u{8}\u{c}\n\"é"), {
            r#""a\u003cb\u003e\u0026\u2028\u2029\b\f\n\"é""#
        });
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        let cases = [
            (1.0, "1"),
            (0.5, "0.5"),
            (100000.0, "100000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-2.5e-9, "-2.5e-9"),
            (0.0, "0"),
            (-0.0, "-0"),
        ];
        for (number, text) in cases {
            assert_eq!(to_string(&number), text);
        }
        // Beyond 53 bits only floats remain of whole numbers.
        let whole = json!([[9_007_199_254_740_993_u64], {"n": -3}, u64::MAX, 1e300]);
        assert_eq!(to_string(&with_floats(whole)), {
            r#"[[9007199254740992],{"n":-3},18446744073709552000,1e+300]"#
        });
        // A decimal that many parsers miss by one unit in the last place.
        let exact: Value =
            serde_json::from_str("[0.30000000000000004, 5e-324, 2.2250738585072011e-308]").unwrap();
        assert_eq!(to_string(&exact), "[0.30000000000000004,5e-324,2.225073858507201e-308]");
        assert_eq!(to_string(&1e-5f32), "0.00001");
        assert_eq!(to_string(&0.1f32), "0.1");
    }

    #[test]
    fn maps_can_be_sorted() {
        assert_eq!(to_string(&sorted(json!({"b": {"d": 1, "c": 2}, "a": [{"z": 1, "y": 2}]}))), {
            r#"{"a":[{"y":2,"z":1}],"b":{"c":2,"d":1}}"#
        });
    }
}
