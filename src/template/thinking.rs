//! The texts around a message's thinking.
//!
//! Ollama (`thinking/template.go`) takes a model to be one that thinks when its template, while it ranges
//! over `.Messages`, shows `.Thinking` between two texts, as in
//! `{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ end }}`.

use super::node::{Body, Node, Reference};

/// What opens and what closes the thinking part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinkingTags {
    /// Such as `<think>`.
    pub opening: String,
    /// Such as `</think>`.
    pub closing: String,
}

/// The first and the last node of a body, when they are text.
#[derive(Default)]
struct List<'t> {
    begun: bool,
    first: Option<&'t str>,
    last: Option<&'t str>,
}

/// An open body: the list that its nodes join, and whether the innermost range is over the messages.
struct Level {
    list: usize,
    in_messages: bool,
}

/// The search for the tags, fed with all nodes in order.
pub(super) struct Search<'t> {
    lists: Vec<List<'t>>,
    levels: Vec<Level>,
    /// The list around each use of `.Thinking`, in order.
    uses: Vec<usize>,
    /// How many bodies are open from the outermost definition on. Definitions do not count.
    in_definition: usize,
}

impl<'t> Search<'t> {
    pub(super) fn new() -> Self {
        Self { lists: vec![List::default()], levels: Vec::new(), uses: Vec::new(), in_definition: 0 }
    }

    fn list(&self) -> usize {
        self.levels.last().map_or(0, |level| level.list)
    }

    fn in_messages(&self) -> bool {
        self.levels.last().is_some_and(|level| level.in_messages)
    }

    fn append(&mut self, text: Option<&'t str>) {
        let index = self.list();
        let list = &mut self.lists[index];
        if !list.begun {
            list.first = text;
            list.begun = true;
        }
        list.last = text;
    }

    fn new_list(&mut self) -> usize {
        self.lists.push(List::default());
        self.lists.len() - 1
    }

    fn note_uses(&mut self, pipe: &[Reference<'_>]) {
        if self.in_messages() && pipe.iter().any(|reference| reference.is_field("Thinking")) {
            self.uses.push(self.list());
        }
    }

    pub(super) fn visit(&mut self, node: &Node<'t>) {
        match node {
            Node::Open(Body::Definition, _) => self.in_definition += 1,
            Node::Open(..) if self.in_definition > 0 => self.in_definition += 1,
            Node::End if self.in_definition > 0 => self.in_definition -= 1,
            _ if self.in_definition > 0 => {}
            Node::Text(text) => self.append(Some(text)),
            Node::Action(pipe) => {
                self.append(None);
                self.note_uses(pipe);
            }
            Node::Template { data, .. } => {
                self.append(None);
                self.note_uses(data.as_deref().unwrap_or_default());
            }
            Node::Open(body, pipe) => {
                self.append(None);
                let in_messages = match body {
                    Body::Range => pipe.iter().any(|reference| reference.is_field("Messages")),
                    _ => self.in_messages(),
                };
                // A range's own pipeline is read within the range but stands in the list around it.
                self.levels.push(Level { list: self.list(), in_messages });
                self.note_uses(pipe);
                let list = self.new_list();
                self.levels.last_mut().expect("just pushed").list = list;
            }
            Node::Else(_) => {
                // What `else if` reads stands in a list without text, and so never has tags around it.
                let list = self.new_list();
                if let Some(level) = self.levels.last_mut() {
                    level.list = list;
                }
            }
            Node::End => {
                self.levels.pop();
            }
        }
    }

    pub(super) fn result(self) -> Option<ThinkingTags> {
        let latest = |text: fn(&List<'t>) -> Option<&'t str>| {
            let found = self.uses.iter().rev().find_map(|list| text(&self.lists[*list]));
            found.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Some(ThinkingTags { opening: latest(|list| list.first)?, closing: latest(|list| list.last)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;

    fn tags(text: &str) -> Option<(String, String)> {
        let template = Template::parse(text).unwrap();
        template.thinking_tags().map(|tags| (tags.opening.clone(), tags.closing.clone()))
    }

    #[test]
    fn tags_are_the_texts_around_thinking() {
        let found = Some(("<think>".to_owned(), "</think>".to_owned()));
        let shown =
            "{{ range .Messages }}{{ if .Thinking }} <think>{{ .Thinking }}</think>\n{{ end }}{{ end }}";
        assert_eq!(tags(shown), found);
        let nested = "{{ range $i, $_ := .Messages }}{{ with .X }}<think>{{ if (and .Y .Thinking) }}a{{ end \
                      }}</think>{{ end }}{{ end }}";
        assert_eq!(tags(nested), found);
    }

    #[test]
    fn thinking_elsewhere_has_no_tags() {
        assert_eq!(tags("{{ range .Messages }}{{ .Thinking }}{{ end }}"), None);
        assert_eq!(tags("<a>{{ .Thinking }}</a>"), None);
        assert_eq!(tags("{{ range .Messages }}<a>{{ range .Thinking }}{{ end }}</a>{{ end }}"), None);
        assert_eq!(tags("{{ range .Messages }}<a>{{ $.Thinking }}</a>{{ end }}"), None);
        let elsewhere = "{{ range .Messages }}<a>{{ .Thinking }}</a>{{ end }}";
        let defined =
            format!(r#"{{{{ range .Messages }}}}{{{{ end }}}}{{{{ define "x" }}}}{elsewhere}{{{{ end }}}}"#);
        assert_eq!(tags(&defined), None);
    }
}
