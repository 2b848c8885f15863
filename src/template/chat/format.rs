//! What is declared of a chat format.

/// A way of writing conversations. A Jinja text describes it if it contains what the declaration says.
#[derive(Debug)]
pub struct ChatFormat {
    /// What status lines call it: Ollama's name where Ollama knows the format.
    pub name: &'static str,
    /// The texts that end an answer.
    pub stop: &'static [&'static str],
    file: &'static str,
    all: &'static [&'static str],
    /// At least one of these, unless there are none.
    any: &'static [&'static str],
    none: &'static [&'static str],
}

impl ChatFormat {
    /// A format with the file of its template and the texts that end an answer.
    pub(super) const fn new(name: &'static str, file: &'static str, stop: &'static [&'static str]) -> Self {
        Self { name, stop, file, all: &[], any: &[], none: &[] }
    }

    /// Described by texts that contain all of these.
    pub(super) const fn with(self, all: &'static [&'static str]) -> Self {
        Self { all, ..self }
    }

    /// Only by those that contain one of these too.
    pub(super) const fn with_one_of(self, any: &'static [&'static str]) -> Self {
        Self { any, ..self }
    }

    /// Only by those that contain none of these.
    pub(super) const fn without(self, none: &'static [&'static str]) -> Self {
        Self { none, ..self }
    }

    pub(super) fn is_described_by(&self, jinja: &str) -> bool {
        let has = |mark: &&str| jinja.contains(*mark);
        self.all.iter().all(has)
            && (self.any.is_empty() || self.any.iter().any(has))
            && !self.none.iter().any(has)
    }

    /// The format's Go template.
    #[must_use]
    pub fn template(&self) -> &'static str {
        // The line end that closes the file is not part of the template.
        self.file.strip_suffix('\n').unwrap_or(self.file)
    }
}
