//! Names of models: `[scheme://][host/][namespace/]model[:tag]`.
//!
//! Grammar, limits and defaults: Ollama, `types/model/name.go`.

use std::fmt;
use std::str::FromStr;

/// The host of the public registry, which a name without a host is of.
pub const PUBLIC_HOST: &str = "registry.ollama.ai";
/// What newer versions of Ollama call the same host in their directories, and people in names.
pub const PUBLIC_HOST_ALIAS: &str = "ollama.com";
/// The namespace of a name that has none.
pub(crate) const DEFAULT_NAMESPACE: &str = "library";
/// The tag of one that has none.
pub(crate) const DEFAULT_TAG: &str = "latest";

/// A valid, fully qualified model name. Every part is one safe path component.
///
/// Names are equal without regard to letter case; the case that was written is kept for display.
#[derive(Clone)]
pub struct Name {
    scheme: Option<Scheme>,
    host: String,
    namespace: String,
    model: String,
    tag: String,
}

/// How a registry is spoken to, when the name says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Why a text is not a model name. Clients know the message; the reason stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid model name")]
pub struct InvalidName {
    /// What was given.
    text: String,
    reason: String,
}

impl InvalidName {
    pub(super) fn because(text: &str, reason: impl fmt::Display) -> Self {
        let text = text.chars().take(LONGEST_SHOWN).collect();
        Self { text, reason: format!("a name is [host/][namespace/]model[:tag]; {reason}") }
    }

    /// The rule, and which part breaks it.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What was given, and why it is not a name.
    pub fn hint(&self) -> String {
        format!("{:?} is not a name: {}", self.text, self.reason)
    }
}

impl Name {
    /// A name from its four parts. Both names of the public registry's host become one.
    pub fn from_parts(host: &str, namespace: &str, model: &str, tag: &str) -> Result<Self, InvalidName> {
        let parts =
            [(Part::Tag, tag), (Part::Model, model), (Part::Namespace, namespace), (Part::Host, host)];
        if let Some((part, text)) = parts.into_iter().find(|(part, text)| !part.accepts(text)) {
            let whole = format!("{host}/{namespace}/{model}:{tag}");
            return Err(InvalidName::because(&whole, part.complaint(text)));
        }
        Ok(Self {
            scheme: None,
            host: if is_public(host) { PUBLIC_HOST } else { host }.to_owned(),
            namespace: namespace.to_owned(),
            model: model.to_owned(),
            tag: tag.to_owned(),
        })
    }

    /// The scheme, if one was written.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The registry's host, with its port if one was written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The model's own name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Host, namespace, model and tag, each a path component.
    pub fn parts(&self) -> [&str; 4] {
        [&self.host, &self.namespace, &self.model, &self.tag]
    }

    /// The shortest text that means this name; model and tag are always there.
    pub fn short(&self) -> String {
        if self.host != PUBLIC_HOST {
            format!("{}/{}/{}:{}", self.host, self.namespace, self.model, self.tag)
        } else if !self.namespace.eq_ignore_ascii_case(DEFAULT_NAMESPACE) {
            format!("{}/{}:{}", self.namespace, self.model, self.tag)
        } else {
            format!("{}:{}", self.model, self.tag)
        }
    }

    fn folded(&self) -> [String; 4] {
        self.parts().map(str::to_ascii_lowercase)
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.contains('@') {
            return Err(InvalidName::because(text, "a digest cannot take the place of the tag"));
        }
        let mut rest = text;
        let mut tag = DEFAULT_TAG;
        if let Some(colon) = rest.rfind(':')
            && rest.rfind('/').is_none_or(|slash| slash < colon)
        {
            (rest, tag) = (&rest[..colon], &rest[colon + 1..]);
        }
        let (rest, model) = match rest.rsplit_once('/') {
            Some((rest, model)) => (Some(rest), model),
            None => (None, rest),
        };
        let (rest, namespace) = match rest {
            None => (None, DEFAULT_NAMESPACE),
            Some(rest) => match rest.rsplit_once('/') {
                Some((rest, namespace)) => (Some(rest), namespace),
                None => (None, rest),
            },
        };
        let (scheme, host) = match rest {
            None => (None, PUBLIC_HOST),
            Some(rest) => match rest.split_once("://") {
                None => (None, rest),
                Some(("http", host)) => (Some(Scheme::Http), host),
                Some(("https", host)) => (Some(Scheme::Https), host),
                Some(_) => {
                    let reason = "before a host there may be http:// or https://";
                    return Err(InvalidName::because(text, reason));
                }
            },
        };
        match Self::from_parts(host, namespace, model, tag) {
            Ok(name) => Ok(Self { scheme, ..name }),
            Err(InvalidName { reason, .. }) => {
                Err(InvalidName { text: text.chars().take(LONGEST_SHOWN).collect(), reason })
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}:{}", self.host, self.namespace, self.model, self.tag)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        std::iter::zip(self.parts(), other.parts()).all(|(one, two)| one.eq_ignore_ascii_case(two))
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(&other.folded())
    }
}

fn is_public(host: &str) -> bool {
    [PUBLIC_HOST, PUBLIC_HOST_ALIAS].iter().any(|public| host.eq_ignore_ascii_case(public))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Namespace,
    Model,
    Tag,
}

impl Part {
    /// One to 80 characters of `A-Za-z0-9_-`, not beginning with `-`; dots except in a namespace and at the
    /// beginning, colons in a host only. A host may have 255, as file systems allow; Ollama takes 350 and
    /// then fails.
    fn accepts(self, text: &str) -> bool {
        let longest = if self == Part::Host { 255 } else { 80 };
        (1..=longest).contains(&text.len())
            && text.bytes().enumerate().all(|(index, byte)| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' => true,
                b'-' => index > 0,
                b'.' => index > 0 && self != Part::Namespace,
                b':' => index > 0 && self == Part::Host,
                _ => false,
            })
    }
}

impl Part {
    /// What is wrong with a text that is not accepted.
    fn complaint(self, text: &str) -> String {
        let shown: String = text.chars().take(LONGEST_SHOWN).collect();
        match self {
            _ if text.is_empty() => format!("its {self} is empty"),
            Self::Host if text.starts_with('[') => {
                format!("the host {shown:?} is an address in brackets: give that registry a name")
            }
            Self::Host if text.contains('/') => {
                format!("{shown:?} cannot all be the host: a registry's names have two parts here")
            }
            Self::Namespace if text.contains(['.', ':']) => {
                format!(
                    "the namespace {shown:?} looks like a host, behind which a namespace and a model \
                     are needed"
                )
            }
            Self::Host => format!("the host {shown:?} may have only letters, digits, '-', '_', '.' and ':'"),
            Self::Namespace => {
                format!("the namespace {shown:?} may have only letters, digits, '-' and '_', 80 at most")
            }
            _ => format!("the {self} {shown:?} may have only letters, digits, '-', '_' and '.', 80 at most"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Host => "host",
            Self::Namespace => "namespace",
            Self::Model => "model",
            Self::Tag => "tag",
        })
    }
}

/// So many characters of what is wrong are shown.
const LONGEST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_have_defaults() {
        let name: Name = "llama3".parse().unwrap();
        assert_eq!(name.to_string(), "registry.ollama.ai/library/llama3:latest");
        assert_eq!(name.short(), "llama3:latest");
        assert_eq!("me/m".parse::<Name>().unwrap().short(), "me/m:latest");
        assert_eq!(
            "ex.com:5000/ns/m:tag".parse::<Name>().unwrap().parts(),
            ["ex.com:5000", "ns", "m", "tag"]
        );
    }

    #[test]
    fn the_public_registry_has_two_names() {
        for text in ["ollama.com/library/m", "Registry.Ollama.AI/library/m:latest", "OLLAMA.COM/library/m"] {
            let name: Name = text.parse().unwrap();
            assert_eq!((name.short().as_str(), name.host()), ("m:latest", PUBLIC_HOST), "{text}");
        }
        assert_eq!("ollama.com:443/a/m".parse::<Name>().unwrap().short(), "ollama.com:443/a/m:latest");
    }

    #[test]
    fn a_scheme_is_kept_apart() {
        let name: Name = "http://127.0.0.1:1/library/foo".parse().unwrap();
        assert_eq!(name.scheme(), Some(Scheme::Http));
        assert_eq!(name.host(), "127.0.0.1:1");
    }

    #[test]
    fn case_does_not_distinguish() {
        assert_eq!("T3".parse::<Name>().unwrap(), "t3".parse::<Name>().unwrap());
    }

    #[test]
    fn the_part_that_is_wrong_is_told() {
        for (text, reason) in [
            ("host.example/a/b/c/m", "\"host.example/a/b\" cannot all be the host"),
            ("host.example/t/m@sha256:0123", "a digest cannot take the place of the tag"),
            ("[::1]:5000/t/m", "the host \"[::1]:5000\" is an address in brackets"),
            ("host.example/m", "the namespace \"host.example\" looks like a host"),
            ("localhost:5000/m", "the namespace \"localhost:5000\" looks like a host"),
            ("bad name", "the model \"bad name\" may have"),
            ("m:", "its tag is empty"),
            ("ftp://h/n/m", "http:// or https://"),
        ] {
            let error = text.parse::<Name>().unwrap_err();
            assert!(error.reason().contains(reason), "{text}: {}", error.reason());
            assert_eq!(error.to_string(), "invalid model name");
        }
        assert!("x".repeat(100_000).parse::<Name>().unwrap_err().reason().len() < 300);
    }

    #[test]
    fn no_part_can_leave_its_directory() {
        for bad in [
            "",
            "bad name!!",
            "a/b/c/d/e",
            "..",
            "../x",
            "a/..",
            "a:..",
            "x/",
            "/x",
            ":",
            "x:",
            "a//b",
            ".hidden",
            "ftp://h/n/m",
            "n.s/m",
            "m:-t",
            "ä",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert!("m".repeat(80).parse::<Name>().is_ok());
        assert!("m".repeat(81).parse::<Name>().is_err());
    }
}
