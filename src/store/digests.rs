//! Digests in a text, in every spelling that programs on the same store read.
//!
//! Ollama takes `sha256:` and `sha256-`, in either letter case, and JSON may write any of the two signs as an
//! escape. This search is for texts that cannot be parsed, and a second look at those that can: a digest that
//! is found in vain keeps a blob too long, one that is missed loses it.

use crate::model::Digest;

/// The hexadecimal digits of a digest.
const DIGITS: usize = 64;

/// What may stand between the name of the function and the digits: plain, or escaped as JSON and as file
/// names do.
const SEPARATORS: [&str; 5] = [":", "-", "\\u003a", "\\u002d", "%3a"];

/// Every digest that occurs in a text.
pub(super) fn digests_in(text: &[u8]) -> Vec<Digest> {
    const NAME: &[u8] = b"sha256";
    let mut digests = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| byte.eq_ignore_ascii_case(&b's')) {
        rest = &rest[at..];
        if let Some(named) = strip(rest, NAME) {
            let digits = SEPARATORS.iter().find_map(|separator| strip(named, separator.as_bytes()));
            digests.extend(digits.and_then(|digits| digest_of_digits(digits.get(..DIGITS)?)));
        }
        rest = &rest[1..];
    }
    digests
}

fn strip<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn digest_of_digits(digits: &[u8]) -> Option<Digest> {
    let mut bytes = [0; DIGITS / 2];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(Digest::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_every_spelling_and_in_torn_text() {
        let hex = "0123456789abcdef".repeat(4);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let upper = hex.to_uppercase();
        for text in [
            format!("{{\"digest\":\"sha256:{hex}\"}},{{\"digest\":\"sha256:{}", &hex[..60]),
            format!("sha256-{hex}"),
            format!("SHA256:{upper}"),
            format!("ssha256sha256\\u003A{upper}"),
            format!("sha256%3a{hex}0"),
        ] {
            assert_eq!(digests_in(text.as_bytes()), [digest], "{text}");
        }
        for text in ["", "sha256", "sha256:", "s", &hex, &format!("sha256:{}g", &hex[..63])] {
            assert_eq!(digests_in(text.as_bytes()), [], "{text}");
        }
    }
}
