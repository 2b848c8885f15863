//! From tokens to nodes: actions, bodies and definitions (the grammar: Go 1.27, `text/template/parse`).
//!
//! Open bodies are kept on a stack of our own, and a definition is parsed in a [`Scope`] of its own, as Go
//! parses it in a tree of its own. Which line a message names depends on that scope and on how far it has
//! read.

use std::collections::HashMap;

use super::error::{SyntaxError, TemplateError};
use super::lex::{Kind, Lexer, Token};
use super::literal;
use super::node::{Body, Node};
use crate::model::go_text::quoted_bytes;

/// Reads a template and shows its nodes, with those of its definitions in place, to `visit`. What was shown
/// counts only if Go accepts the template, that is, if there is no error in the end.
pub(super) fn parse<'t>(text: &'t str, visit: &mut dyn FnMut(&Node<'t>)) -> Result<(), TemplateError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        pushed_back: Vec::new(),
        scope: Scope::new(),
        frames: Vec::new(),
        definitions: HashMap::new(),
        visit,
    };
    parser.template()
}

/// The state of one template: the main one or that of a `define` or `block`.
pub(super) struct Scope<'t> {
    /// The variables that are visible, each with the number of its declarations, and their order.
    visible: HashMap<&'t str, usize>,
    declared: Vec<&'t str>,
    ranges: usize,
    /// The line of the last token read from the text.
    line: usize,
    /// The line on which the current action began, or 0 outside one.
    action_line: usize,
    /// Whether nothing but white space has been met.
    empty: bool,
}

impl<'t> Scope<'t> {
    fn new() -> Self {
        let visible = HashMap::from([("$", 1)]);
        Self { visible, declared: Vec::new(), ranges: 0, line: 0, action_line: 0, empty: true }
    }

    pub(super) fn declare(&mut self, name: &'t str) {
        self.declared.push(name);
        *self.visible.entry(name).or_default() += 1;
    }

    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.visible.get(name).is_some_and(|count| *count > 0)
    }

    fn forget_after(&mut self, count: usize) {
        for name in self.declared.drain(count..) {
            self.visible.entry(name).and_modify(|count| *count -= 1);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    Range,
    With,
}

impl Control {
    fn context(self) -> &'static str {
        match self {
            Control::If => "if",
            Control::Range => "range",
            Control::With => "with",
        }
    }
}

/// An open body.
enum Frame<'t> {
    Control {
        control: Control,
        /// How many variables there were before it.
        variables: usize,
        in_else: bool,
    },
    Definition {
        context: &'static str,
        name: Vec<u8>,
        outer: Box<Scope<'t>>,
    },
}

pub(super) struct Parser<'t, 'v> {
    lexer: Lexer<'t>,
    /// Tokens to be read again, the next one last.
    pushed_back: Vec<Token<'t>>,
    pub(super) scope: Scope<'t>,
    frames: Vec<Frame<'t>>,
    /// The templates defined so far, and whether each is empty.
    definitions: HashMap<Vec<u8>, bool>,
    visit: &'v mut dyn FnMut(&Node<'t>),
}

const BLOCK: &str = "block clause";
const DEFINE: &str = "define clause";
const TEMPLATE: &str = "template clause";

impl<'t> Parser<'t, '_> {
    pub(super) fn next(&mut self) -> Token<'t> {
        self.pushed_back.pop().unwrap_or_else(|| {
            let token = self.lexer.next();
            self.scope.line = token.line;
            token
        })
    }

    pub(super) fn next_non_space(&mut self) -> Token<'t> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    pub(super) fn push_back(&mut self, token: Token<'t>) {
        self.pushed_back.push(token);
    }

    pub(super) fn error(&self, problem: SyntaxError) -> TemplateError {
        TemplateError { line: self.scope.line, problem, is_jinja: false }
    }

    pub(super) fn literal<T>(&self, checked: Result<T, super::LiteralError>) -> Result<T, TemplateError> {
        checked.map_err(|error| self.error(error.into()))
    }

    pub(super) fn unexpected(&self, token: &Token<'t>, context: &'static str) -> TemplateError {
        self.error(match &token.kind {
            Kind::Error(error) => {
                let line = self.scope.action_line;
                let action = (line != 0 && line != token.line).then_some(line);
                SyntaxError::Lexical { error: error.clone(), action }
            }
            _ => SyntaxError::Unexpected { token: token.shown(), context },
        })
    }

    fn expect(&mut self, kind: &Kind, context: &'static str) -> Result<(), TemplateError> {
        let token = self.next_non_space();
        if token.kind == *kind { Ok(()) } else { Err(self.unexpected(&token, context)) }
    }

    fn push(&mut self, node: Node<'t>) {
        self.scope.empty &= matches!(&node, Node::Text(text) if text.trim().is_empty());
        (self.visit)(&node);
    }

    fn template(&mut self) -> Result<(), TemplateError> {
        loop {
            let token = self.next_non_space();
            match token.kind {
                Kind::EndOfText if self.frames.is_empty() => return self.define(Vec::new()),
                Kind::EndOfText => return Err(self.error(SyntaxError::UnexpectedEof)),
                Kind::Text => self.push(Node::Text(token.text)),
                Kind::LeftDelimiter => self.action(token.line)?,
                _ => return Err(self.unexpected(&token, "input")),
            }
        }
    }

    fn action(&mut self, line: usize) -> Result<(), TemplateError> {
        let token = self.next_non_space();
        if token.kind == Kind::Define && self.frames.is_empty() {
            return self.definition();
        }
        self.scope.action_line = line;
        match token.kind {
            // The bodies of these are read before the action is over.
            Kind::If => return self.open(Control::If),
            Kind::Range => return self.open(Control::Range),
            Kind::With => return self.open(Control::With),
            Kind::Block => return self.block(),
            Kind::Break => self.in_range("break", "{{break}}")?,
            Kind::Continue => self.in_range("continue", "{{continue}}")?,
            Kind::Else => return self.else_action(),
            Kind::End => self.end()?,
            Kind::Template => self.call()?,
            _ => {
                self.push_back(token);
                let pipe = self.pipeline("command")?;
                self.push(Node::Action(pipe));
            }
        }
        self.scope.action_line = 0;
        Ok(())
    }

    fn in_range(&mut self, keyword: &'static str, context: &'static str) -> Result<(), TemplateError> {
        self.expect(&Kind::RightDelimiter, context)?;
        if self.scope.ranges == 0 {
            return Err(self.error(SyntaxError::OutsideRange { keyword }));
        }
        self.push(Node::Action(Vec::new()));
        Ok(())
    }

    fn open(&mut self, control: Control) -> Result<(), TemplateError> {
        let variables = self.scope.declared.len();
        let pipe = self.pipeline(control.context())?;
        let body = if control == Control::Range { Body::Range } else { Body::Branch };
        self.scope.ranges += usize::from(control == Control::Range);
        self.push(Node::Open(body, pipe));
        self.frames.push(Frame::Control { control, variables, in_else: false });
        Ok(())
    }

    fn else_action(&mut self) -> Result<(), TemplateError> {
        let token = self.next_non_space();
        // `else if` and `else with` stand for a nested body that ends with the outer one.
        let nested = match token.kind {
            Kind::If => Some(Control::If),
            Kind::With => Some(Control::With),
            Kind::RightDelimiter => None,
            _ => return Err(self.unexpected(&token, "else")),
        };
        self.scope.action_line = 0;
        let (control, in_else) = match self.frames.last_mut() {
            Some(Frame::Control { control, in_else, .. }) => (*control, in_else),
            Some(Frame::Definition { context, outer, .. }) => {
                let line = if *context == BLOCK { outer.line } else { self.scope.line };
                return Err(TemplateError {
                    line,
                    problem: SyntaxError::ElseInDefinition { context },
                    is_jinja: false,
                });
            }
            None => return Err(self.error(SyntaxError::StrayKeyword { keyword: "{{else}}" })),
        };
        if *in_else {
            return Err(self.error(SyntaxError::SecondElse));
        }
        if nested == Some(control) {
            let pipe = self.pipeline(control.context())?;
            self.push(Node::Else(Some(pipe)));
            return Ok(());
        }
        *in_else = true;
        self.scope.ranges -= usize::from(control == Control::Range);
        self.push(Node::Else(None));
        if nested.is_some() {
            self.push_back(token);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), TemplateError> {
        self.expect(&Kind::RightDelimiter, "end")?;
        match self.frames.pop() {
            Some(Frame::Control { control, variables, in_else }) => {
                self.scope.ranges -= usize::from(control == Control::Range && !in_else);
                self.scope.forget_after(variables);
            }
            Some(Frame::Definition { name, outer, .. }) => {
                self.define(name)?;
                self.scope = *outer;
            }
            None => return Err(self.error(SyntaxError::StrayKeyword { keyword: "{{end}}" })),
        }
        (self.visit)(&Node::End);
        Ok(())
    }

    fn definition(&mut self) -> Result<(), TemplateError> {
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let token = self.next_non_space();
        let name = self.name(&token, DEFINE)?;
        self.expect(&Kind::RightDelimiter, DEFINE)?;
        self.begin(DEFINE, name, outer);
        Ok(())
    }

    fn block(&mut self) -> Result<(), TemplateError> {
        let token = self.next_non_space();
        let name = self.name(&token, BLOCK)?;
        let pipe = self.pipeline(BLOCK)?;
        self.push(Node::Template { data: Some(pipe), line: token.line });
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        self.begin(BLOCK, name, outer);
        Ok(())
    }

    fn begin(&mut self, context: &'static str, name: Vec<u8>, outer: Scope<'t>) {
        (self.visit)(&Node::Open(Body::Definition, Vec::new()));
        self.frames.push(Frame::Definition { context, name, outer: Box::new(outer) });
    }

    fn call(&mut self) -> Result<(), TemplateError> {
        let token = self.next_non_space();
        self.name(&token, TEMPLATE)?;
        let next = self.next_non_space();
        let data = if next.kind == Kind::RightDelimiter {
            None
        } else {
            self.push_back(next);
            Some(self.pipeline(TEMPLATE)?)
        };
        self.push(Node::Template { data, line: token.line });
        Ok(())
    }

    fn name(&self, token: &Token<'t>, context: &'static str) -> Result<Vec<u8>, TemplateError> {
        match token.kind {
            Kind::String | Kind::RawString => self.literal(literal::string(token.text)),
            _ => Err(self.unexpected(token, context)),
        }
    }

    /// Enters the template that the current scope is of. Only an empty one may be defined again.
    fn define(&mut self, name: Vec<u8>) -> Result<(), TemplateError> {
        let empty = self.scope.empty;
        if self.definitions.get(&name).is_none_or(|earlier_empty| *earlier_empty) {
            self.definitions.insert(name, empty);
        } else if !empty {
            return Err(self.error(SyntaxError::MultipleDefinition { name: quoted_bytes(&name) }));
        }
        Ok(())
    }
}
