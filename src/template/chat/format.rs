//! What is declared of a chat format.

/// A way of writing conversations.
#[derive(Debug)]
pub struct ChatFormat {
    /// What status lines call it: Ollama's name where Ollama knows the format.
    pub name: &'static str,
    pub(super) marks: Marks,
    pub(super) file: &'static str,
    /// The texts that end an answer.
    pub stop: &'static [&'static str],
}

/// What a Jinja text contains that describes a format.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) all: &'static [&'static str],
    /// At least one of these, unless there are none.
    pub(super) any: &'static [&'static str],
    pub(super) none: &'static [&'static str],
}

impl Marks {
    pub(super) fn are_in(&self, jinja: &str) -> bool {
        let has = |mark: &&str| jinja.contains(*mark);
        self.all.iter().all(has)
            && (self.any.is_empty() || self.any.iter().any(has))
            && !self.none.iter().any(has)
    }
}

impl ChatFormat {
    /// The format's Go template.
    #[must_use]
    pub fn template(&self) -> &'static str {
        // The line end that closes the file is not part of the template.
        self.file.strip_suffix('\n').unwrap_or(self.file)
    }
}
