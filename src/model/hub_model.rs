//! Models of the Hugging Face Hub: `hf.co/OWNER/REPOSITORY`, with `:QUANTIZATION` of one of its GGUF files,
//! or `@REVISION`, a branch, a tag or a commit.
//!
//! The first spelling is Ollama's, whose names they are; what a repository may be called is the Hub's rule
//! (`huggingface_hub`, `utils/_validators.py`).

use std::fmt;
use std::str::FromStr;

use super::name::DEFAULT_TAG;
use super::{InvalidName, Name};

/// The names under which the Hub is known, of which the first is written.
const HOSTS: [&str; 2] = ["hf.co", "huggingface.co"];

/// The longest name of an owner or of a repository, in bytes.
const LONGEST_PART: usize = 96;
/// The longest revision, in bytes.
const LONGEST_REVISION: usize = 255;

/// A model of the Hub. Owner and repository are each one safe part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// Whose it is.
    pub owner: String,
    /// What it is called.
    pub repository: String,
    /// Which of several GGUF files is meant, by what it is quantized to.
    pub quantization: Option<String>,
    /// The branch, tag or commit.
    pub revision: Option<String>,
}

impl HubModel {
    /// The model of the Hub that a text means, or nothing if it begins with another host.
    ///
    /// # Errors
    /// It begins as a model of the Hub, and is none.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidName> {
        let rest = text.strip_prefix("https://").unwrap_or(text);
        match rest.split_once('/') {
            Some((host, rest)) if is_hub(host) => rest.parse().map(Some),
            _ => Ok(None),
        }
    }

    /// The model of the Hub that a model's name means, if it means one.
    pub fn of_name(name: &Name) -> Option<Self> {
        is_hub(name.host()).then(|| Self {
            owner: name.namespace().to_owned(),
            repository: name.model().to_owned(),
            quantization: Some(name.tag().to_owned()),
            revision: None,
        })
    }

    /// Its name in the registry that the Hub is for GGUF files. At a commit it has none.
    pub fn name(&self) -> Option<Name> {
        let tag = self.quantization.as_deref().unwrap_or(DEFAULT_TAG);
        match self.revision {
            None => Name::from_parts(HOSTS[0], &self.owner, &self.repository, tag).ok(),
            Some(_) => None,
        }
    }

    /// Without what is only meant of it: whose repository, and which.
    pub fn place(&self) -> String {
        format!("{}/{}/{}", HOSTS[0], self.owner, self.repository)
    }
}

/// Whether a host is the Hub.
fn is_hub(host: &str) -> bool {
    HOSTS.iter().any(|hub| host.eq_ignore_ascii_case(hub))
}

impl fmt::Display for HubModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place())?;
        match (&self.quantization, &self.revision) {
            (Some(quantization), _) => write!(formatter, ":{quantization}"),
            (None, Some(revision)) => write!(formatter, "@{revision}"),
            (None, None) => Ok(()),
        }
    }
}

impl FromStr for HubModel {
    type Err = InvalidName;

    /// Takes what stands behind the host apart.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let rule = |problem: &str| {
            let shown: String = text.chars().take(LONGEST_PART).collect();
            let reason = format!(
                "one of the Hub is hf.co/owner/repository, with :quantization or @revision; {shown:?} \
                 {problem}"
            );
            InvalidName::because(text, reason)
        };
        let Some((owner, rest)) = text.split_once('/') else { return Err(rule("has no repository")) };
        let (rest, revision) = match rest.split_once('@') {
            Some((rest, revision)) => (rest, Some(revision)),
            None => (rest, None),
        };
        let (repository, quantization) = match rest.split_once(':') {
            Some((repository, quantization)) => (repository, Some(quantization)),
            None => (rest, None),
        };
        if !is_part(owner) || !is_part(repository) {
            return Err(rule("may have letters, digits, '-', '_' and '.' in either name"));
        }
        if quantization.is_some_and(|quantization| !is_part(quantization)) {
            return Err(rule("has no quantization that a file could be named after"));
        }
        if revision.is_some_and(|revision| !is_revision(revision)) {
            return Err(rule("has no revision that a branch, tag or commit could be called"));
        }
        if quantization.is_some() && revision.is_some() {
            return Err(rule("has both; a revision is taken with its only model"));
        }
        let own = |text: &str| text.to_owned();
        let (owner, repository) = (own(owner), own(repository));
        Ok(Self { owner, repository, quantization: quantization.map(own), revision: revision.map(own) })
    }
}

fn is_part(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LONGEST_PART).contains(&text.len())
        && text.bytes().all(is_plain)
        && !text.starts_with(['-', '.'])
        && !text.contains("..")
}

/// Whether git would take it as the name of a branch, as far as that matters for an address.
fn is_revision(text: &str) -> bool {
    (1..=LONGEST_REVISION).contains(&text.len())
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\^~:?*[".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, String, Option<String>, Option<String>)> {
        let HubModel { owner, repository, quantization, revision } = HubModel::parse(text).ok()??;
        Some((owner, repository, quantization, revision))
    }

    #[test]
    fn repositories_with_and_without_more() {
        let some = |text: &str| Some(text.to_owned());
        let of = |quantization, revision| Some(("o".to_owned(), "r.1".to_owned(), quantization, revision));
        assert_eq!(parsed("hf.co/o/r.1"), of(None, None));
        assert_eq!(parsed("https://HuggingFace.co/o/r.1:Q4_K_M"), of(some("Q4_K_M"), None));
        assert_eq!(parsed("hf.co/o/r.1@refs/pr/1"), of(None, some("refs/pr/1")));
        assert_eq!(HubModel::parse("host.example/o/r"), Ok(None));
        assert_eq!(HubModel::parse("hf.co"), Ok(None));
        let name = "hf.co/o/r:Q4".parse().unwrap();
        assert_eq!(HubModel::of_name(&name).unwrap().to_string(), "hf.co/o/r:Q4");
    }

    #[test]
    fn nothing_leads_out_of_its_place() {
        for bad in [
            "",
            "o",
            "o/",
            "/r",
            "o/r/s",
            "../r",
            "o/..",
            "o/.r",
            "o/r@",
            "o/r:",
            "o/r@..",
            "o/r@a/../b",
            "o/r@a//b",
            "o/r@a b",
            "o/r@a\\b",
            "o/r:q@v",
            "o/r?x",
            "o/r%2f",
            "ö/r",
            "o/r@\u{e9}",
        ] {
            assert!(HubModel::parse(&format!("hf.co/{bad}")).is_err(), "{bad}");
        }
        let long = format!("hf.co/o/{}", "x".repeat(100_000));
        assert!(HubModel::parse(&long).unwrap_err().reason().len() < 400);
    }
}
