//! The values of run-time parameters as people read and write them.

use serde_json::Value;

/// The values of a parameter: those of a list, or the one.
pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        single => std::slice::from_ref(single),
    }
}

/// A parameter's value as a Modelfile has it. Whole numbers are written as such, whatever their size; Go
/// would write large ones with an exponent, which its own parser of Modelfiles then refuses.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(float)) => float_text(float),
            (None, None) => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A number as Go's `fmt` prints it: with an exponent of at least two digits where that is less than -4.
fn float_text(float: f64) -> String {
    let text = format!("{float:e}");
    match text.split_once("e-") {
        Some((mantissa, exponent)) if float.abs() < 1e-4 => format!("{mantissa}e-{exponent:0>2}"),
        _ => float.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_plain() {
        let cases = [
            (json!(128.0), "128"),
            (json!(0.5), "0.5"),
            (json!(1_048_576), "1048576"),
            (json!(true), "true"),
            (json!(0.0001), "0.0001"),
            (json!(0.00001), "1e-05"),
            (json!(-1.25e-7), "-1.25e-07"),
            (json!(5e-324), "5e-324"),
            (json!(0.0), "0"),
        ];
        for (value, text) in cases {
            assert_eq!(plain(&value), text);
        }
    }
}
