//! Prompt templates: Go `text/template`, and the chat formats of known models.
//!
//! A model's template is stored at create and run later, by Ollama. Here it is only *read*: a template that
//! Go's `template.Parse` would refuse is refused, with the same words, before anything is stored; and what
//! the template uses tells what the model can do. Nothing in this room executes a template.
//!
//! The parser follows the grammar of Go 1.27's `text/template/parse` with the functions that Ollama
//! registers. Complex numbers, which Go's templates can state and no model's does, are refused. It keeps its
//! own stack, so nesting costs heap in proportion to the text and never the thread's stack, and the template
//! need not be trusted.
//!
//! One rule of Ollama lies outside Go: when a template uses neither `.Messages` nor `.Response`, Ollama acts
//! at execution as though it ended in `{{ .Response }}`. The stored text is unaffected, and so is everything
//! here.

pub mod chat;
mod error;
mod functions;
mod lex;
mod literal;
mod node;
mod parse;
mod pipeline;
mod thinking;

use std::collections::BTreeSet;

pub use error::{LexicalError, LiteralError, SyntaxError, TemplateError};
pub use thinking::ThinkingTags;

use node::Node;

/// A template that Go accepts, and what it uses.
///
/// ```
/// use ollamake::template::Template;
///
/// let template = Template::parse("{{ range .Messages }}{{ .Role }}: {{ .Content }}{{ end }}")?;
/// assert!(template.uses("messages") && !template.uses("tools"));
///
/// let error = Template::parse("{{ if }}").unwrap_err();
/// assert_eq!(error.to_string(), "template: :1: missing value for if");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    variables: BTreeSet<String>,
    thinking: Option<ThinkingTags>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What Go's `template.New("").Funcs(...).Parse` says. In addition, as in Ollama, a `{{template "name"}}`
    /// that passes no data is refused.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_go(text).map_err(|error| TemplateError { is_jinja: looks_like_jinja(text), ..error })
    }

    fn parse_go(text: &str) -> Result<Self, TemplateError> {
        let mut variables = BTreeSet::new();
        let mut without_data = None;
        let mut thinking = thinking::Search::new();
        parse::parse(text, &mut |node| {
            if let Node::Template { data: None, line } = node {
                without_data.get_or_insert(*line);
            }
            for name in node.pipe().iter().flat_map(|reference| &reference.names) {
                if !variables.contains(*name) {
                    variables.insert(name.to_lowercase());
                }
            }
            thinking.visit(node);
        })?;
        if let Some(line) = without_data {
            return Err(TemplateError { line, problem: SyntaxError::TemplateWithoutData, is_jinja: false });
        }
        Ok(Self { text: text.to_owned(), variables, thinking: thinking.result() })
    }

    /// The text that was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every name of a field or variable that the template uses, in lower case, as Ollama's `Template.Vars`
    /// collects them: `{{ range .Messages }}{{ $x.Role }}{{ end }}` uses `$x`, `messages` and `role`. Fields
    /// of a parenthesised expression or of a function's result do not count.
    #[must_use]
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// Whether the template uses the field `name` (lower case), such as `messages`, `tools` or `suffix`.
    #[must_use]
    pub fn uses(&self, name: &str) -> bool {
        self.variables.contains(name)
    }

    /// The texts that surround a message's thinking, when the template shows it.
    #[must_use]
    pub fn thinking_tags(&self) -> Option<&ThinkingTags> {
        self.thinking.as_ref()
    }
}

/// Whether a text has what only Jinja's templates have: statements, comments, or elements in brackets.
fn looks_like_jinja(text: &str) -> bool {
    ["{%", "{#", "messages[", "['"].iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_collected_in_lower_case() {
        let template =
            Template::parse("{{ range $m := .Messages }}{{ $m.Role }}{{ (index .Tools 0).Name }}{{ end }}");
        let variables: Vec<String> = template.unwrap().variables().iter().cloned().collect();
        assert_eq!(variables, ["$m", "messages", "role"]);
    }

    #[test]
    fn a_template_call_needs_data() {
        assert!(Template::parse(r#"{{define "x"}}{{end}}{{template "x" .}}"#).is_ok());
        let error = Template::parse("{{define \"x\"}}{{end}}\n{{template \"x\"}}").unwrap_err();
        assert_eq!((error.line, error.problem), (2, SyntaxError::TemplateWithoutData));
    }
}
