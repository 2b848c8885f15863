//! Values that are more than text: parameters and versions.

use serde_json::Value;

use crate::model::{ParameterKind, parameter_kind};

/// The value of a parameter in the type that its name wants; what that is, if the text is not of it.
pub(super) fn typed(name: &str, text: &str) -> Result<Value, &'static str> {
    let Some(kind) = parameter_kind(name) else { return Ok(text.into()) };
    let value = match kind {
        ParameterKind::Integer => text.parse::<i64>().ok().map(Value::from),
        ParameterKind::Float => float(text),
        ParameterKind::Boolean => boolean(text).map(Value::from),
        ParameterKind::Strings => Some(text.into()),
    };
    value.ok_or(kind.description())
}

/// A number with the precision of 32 bits, which is what the runtime keeps (Ollama, `api.FormatParams`).
fn float(text: &str) -> Option<Value> {
    let number: f32 = text.parse().ok()?;
    // By way of the shortest decimal, so that 0.1 stays 0.1.
    let number: f64 = number.to_string().parse().ok()?;
    number.is_finite().then(|| number.into())
}

/// What Go's `strconv.ParseBool` accepts.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Some(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Whether the text is a semantic version as Go understands it (`golang.org/x/mod/semver`): `1`, `1.2`, or
/// `1.2.3` with a pre-release and build, and perhaps a leading `v`.
pub(super) fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, release) = text.split_once('-').map_or((text, None), |(core, release)| (core, Some(release)));
    let numbers: Vec<&str> = core.split('.').collect();
    let complete = numbers.len() == 3 || (numbers.len() < 3 && build.is_none() && release.is_none());
    let identifiers = |part: &str, numeric: fn(&str) -> bool| {
        part.split('.').all(|name| {
            let digits = name.bytes().all(|byte| byte.is_ascii_digit());
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && (!digits || numeric(name))
        })
    };
    complete
        && numbers.into_iter().all(is_number)
        && release.is_none_or(|part| identifiers(part, is_number))
        && build.is_none_or(|part| identifiers(part, |_| true))
}

/// Digits without a needless zero.
fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_have_the_types_of_their_names() {
        assert_eq!(typed("temperature", "0.1"), Ok(json!(0.1)));
        assert_eq!(typed("temperature", "0.123456789"), Ok(json!(0.12345679)));
        assert_eq!(typed("num_ctx", "-1"), Ok(json!(-1)));
        assert_eq!(typed("use_mmap", "F"), Ok(json!(false)));
        assert_eq!(typed("some_day", "1"), Ok(json!("1")));
        for (name, text) in
            [("num_ctx", "1.5"), ("temperature", "hot"), ("temperature", "inf"), ("use_mmap", "no")]
        {
            assert!(typed(name, text).is_err(), "{name} {text}");
        }
    }

    #[test]
    fn versions_are_those_of_go() {
        for good in ["0.14.0", "v0.14.0", "1", "1.2", "1.2.3-rc1", "1.2.3-rc.1+x.01", "1.2.3+b-c"] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "", "v", "a", "1.", "01.2.3", "1.2.3.4", "1.2-rc1", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.3-é",
            "vv1",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
