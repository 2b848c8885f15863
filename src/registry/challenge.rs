//! `WWW-Authenticate` challenges (RFC 9110, section 11; the parameters of `Bearer` are those of the
//! distribution project's token authentication).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// Longer headers are not looked at.
const LONGEST_HEADER: usize = 16 * 1024;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token that the server at `realm` issues.
    Bearer {
        /// The URL of the token server, as written.
        realm: String,
        /// The name of the service, if stated.
        service: Option<String>,
        /// The scopes, separated by blanks, if stated.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenge among the headers that we can answer; tokens are preferred to passwords.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut basic = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let Ok(text) = value.to_str() else { continue };
            if text.len() > LONGEST_HEADER {
                continue;
            }
            for (scheme, parameters) in challenges(text) {
                let parameter = |name: &str| {
                    let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.clone())
                };
                if scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                } else if scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    return Some(Self::Bearer {
                        realm,
                        service: parameter("service"),
                        scope: parameter("scope"),
                    });
                }
            }
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

/// Splits `Scheme key=value, key="value", Other key=value`. What is not understood is passed over.
fn challenges(text: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let word_end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let word = &rest[..word_end];
        let after = rest[word_end..].trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            Some(value) if !word.is_empty() => {
                let (value, remaining) = parameter_value(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((word.to_owned(), value));
                }
                rest = remaining;
            }
            Some(value) => rest = value,
            None => {
                found.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn the_usual_challenges() {
        assert_eq!(parse(&[r#"Basic realm="Registry Realm""#]), Some(Challenge::Basic));
        assert_eq!(
            parse(&[r#"Bearer realm="https://a/token",service="s",scope="repository:a/b:pull,push""#]),
            bearer("https://a/token", Some("s"), Some("repository:a/b:pull,push"))
        );
        assert_eq!(parse(&[r#"bearer  REALM = "https://a" "#]), bearer("https://a", None, None));
        assert_eq!(parse(&["Bearer realm=https://a, scope=x"]), bearer("https://a", None, Some("x")));
    }

    #[test]
    fn several_challenges_in_one_or_more_headers() {
        let both = r#"Negotiate abc==, Basic realm="x, y=\"z\"", Bearer realm="https://a""#;
        assert_eq!(parse(&[both]), bearer("https://a", None, None));
        assert_eq!(parse(&["Basic realm=x", "Bearer realm=https://a"]), bearer("https://a", None, None));
    }

    #[test]
    fn nonsense_is_no_challenge() {
        for text in
            ["", ",,,", "=", "==,=", "Bearer", "Bearer service=\"s\"", "Digest realm=x", "\"", "Bearer =x"]
        {
            assert_eq!(parse(&[text]), None, "{text}");
        }
        assert_eq!(
            parse(&[r#"Bearer realm="https://unterminated"#]),
            bearer("https://unterminated", None, None)
        );
    }
}
