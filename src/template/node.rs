//! What a template consists of, as a sequence.
//!
//! The nodes come in the order of the text; a body opens with [`Node::Open`] and closes with [`Node::End`].
//! They are looked at one by one and never kept, so a template costs little more memory than its text.

/// A field or variable that a pipeline reads: `.A.B` has the names `A`, `B`, and `$x.A` has `$x`, `A`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference<'t> {
    pub names: Vec<&'t str>,
}

impl Reference<'_> {
    /// Whether this is the field `name` of the current value, or something inside it.
    pub(super) fn is_field(&self, name: &str) -> bool {
        self.names.first() == Some(&name)
    }
}

/// What a pipeline reads, parentheses included.
pub(super) type Pipe<'t> = Vec<Reference<'t>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'t> {
    /// Text to be copied, after trimming.
    Text(&'t str),
    /// `{{pipeline}}`, and `{{break}}` and `{{continue}}` with an empty one.
    Action(Pipe<'t>),
    /// `{{template "name" pipeline}}`, or the call that `{{block}}` makes. `line` is where it stands.
    Template {
        data: Option<Pipe<'t>>,
        line: usize,
    },
    /// The header of a body that the next unmatched [`Node::End`] closes.
    Open(Body, Pipe<'t>),
    /// `{{else}}`, or `{{else if pipeline}}` and `{{else with pipeline}}`.
    Else(Option<Pipe<'t>>),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// `{{if}}` or `{{with}}`.
    Branch,
    Range,
    /// The body of `{{define}}` or `{{block}}`, a template of its own.
    Definition,
}

impl<'t> Node<'t> {
    /// What the node itself reads.
    pub(super) fn pipe(&self) -> &[Reference<'t>] {
        match self {
            Node::Action(pipe) | Node::Open(_, pipe) => pipe,
            Node::Template { data, .. } | Node::Else(data) => data.as_deref().unwrap_or_default(),
            Node::Text(_) | Node::End => &[],
        }
    }
}
