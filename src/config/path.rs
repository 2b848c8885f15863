//! Paths that would have been expanded, had a shell read them: service managers, compose and `.env` files
//! do not.

use std::path::{Path, PathBuf};

use super::error::ConfigError;

/// The path in the variable `name`, with the home directory in place of `~`, `$HOME` or `${HOME}` at its
/// beginning.
pub(super) fn expanded(name: &'static str, text: &str, home: Option<&str>) -> Result<PathBuf, ConfigError> {
    let (first, rest) = text.split_once('/').unwrap_or((text, ""));
    match (first, home) {
        ("~" | "$HOME" | "${HOME}", Some(home)) => Ok(Path::new(home).join(rest.trim_start_matches('/'))),
        (first, _) if first.starts_with(['~', '$', '%']) => {
            Err(ConfigError::Unexpanded { name, value: text.to_owned() })
        }
        _ => Ok(PathBuf::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_known_and_nothing_else() {
        let home = Some("/home/me");
        for (text, path) in [
            ("~/m", "/home/me/m"),
            ("~", "/home/me"),
            ("$HOME/a/b", "/home/me/a/b"),
            ("${HOME}//m", "/home/me/m"),
            ("/srv/$x/~m", "/srv/$x/~m"),
            ("./~/m", "./~/m"),
            ("m", "m"),
        ] {
            assert_eq!(expanded("V", text, home).unwrap(), PathBuf::from(path), "{text}");
        }
        for text in ["~you/m", "$DATA/m", "%APPDATA%/m"] {
            assert!(expanded("V", text, home).is_err(), "{text}");
        }
        assert!(expanded("V", "~/m", None).is_err());
    }
}
