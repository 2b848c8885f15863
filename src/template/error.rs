//! Why a template was refused, in Go's words.
//!
//! Clients and people know these messages from Ollama, which passes on what Go's `text/template` says; they
//! are therefore kept to the letter (Go 1.27, `text/template/parse`).

use thiserror::Error;

/// A template that Go would not accept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: :{line}: {problem}")]
pub struct TemplateError {
    /// The line that Go reports, from 1: where the parser had read to, which may lie after the culprit.
    pub line: usize,
    /// What is wrong there.
    #[source]
    pub problem: SyntaxError,
    /// Whether the text looks like a template of Jinja, as checkpoints have them, and not of Go.
    pub is_jinja: bool,
}

impl TemplateError {
    /// What to do about it, where it is known.
    pub fn hint(&self) -> Option<&'static str> {
        self.is_jinja.then_some("this looks like a Jinja template; TEMPLATE takes one of Go's text/template")
    }
}

/// One way in which a template can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
pub enum SyntaxError {
    #[error("{error}{}", started(error, *action))]
    Lexical {
        error: LexicalError,
        /// The line on which the surrounding action began, when that is another one.
        action: Option<usize>,
    },
    #[error("unexpected {token} in {context}")]
    Unexpected { token: String, context: &'static str },
    #[error("unexpected {keyword}")]
    StrayKeyword { keyword: &'static str },
    #[error("unexpected {{{{else}}}} in {context}")]
    ElseInDefinition { context: &'static str },
    #[error("expected end; found {{{{else}}}}")]
    SecondElse,
    #[error("unexpected EOF")]
    UnexpectedEof,
    #[error("{{{{{keyword}}}}} outside {{{{range}}}}")]
    OutsideRange { keyword: &'static str },
    #[error("missing value for {context}")]
    MissingValue { context: &'static str },
    #[error("non executable command in pipeline stage {stage}")]
    NotExecutable { stage: usize },
    #[error("too many declarations in {context}")]
    TooManyDeclarations { context: &'static str },
    #[error("range can only initialize variables")]
    RangeInitializes,
    #[error("function {name} not defined")]
    UndefinedFunction { name: String },
    #[error("undefined variable {name}")]
    UndefinedVariable { name: String },
    #[error("unexpected . after term {term}")]
    FieldOfLiteral { term: String },
    #[error("max expression depth exceeded")]
    TooDeep,
    #[error("template: multiple definition of template {name}")]
    MultipleDefinition { name: String },
    #[error("undefined template specified: pass it data, as in {{{{template \"name\" .}}}}")]
    TemplateWithoutData,
    #[error(transparent)]
    Literal(#[from] LiteralError),
}

/// The text of a constant is malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
pub enum LiteralError {
    #[error("invalid syntax")]
    Quoted,
    #[error("malformed character constant: {0}")]
    Character(String),
    #[error("illegal number syntax: {0}")]
    Number(String),
    #[error("integer overflow: {0}")]
    Overflow(String),
}

/// Text that is not a token of the language.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
pub enum LexicalError {
    #[error("unclosed action")]
    UnclosedAction,
    #[error("unclosed comment")]
    UnclosedComment,
    #[error("comment ends before closing delimiter")]
    CommentEnd,
    #[error("unclosed left paren")]
    UnclosedParenthesis,
    #[error("unexpected right paren")]
    UnexpectedParenthesis,
    #[error("expected :=")]
    ExpectedDeclaration,
    #[error("unrecognized character in action: {0}")]
    UnrecognizedCharacter(String),
    #[error("bad character {0}")]
    BadCharacter(String),
    #[error("bad number syntax: {0}")]
    BadNumber(String),
    #[error("unterminated character constant")]
    UnterminatedCharacter,
    #[error("unterminated quoted string")]
    UnterminatedString,
    #[error("unterminated raw quoted string")]
    UnterminatedRawString,
}

fn started(error: &LexicalError, action: Option<usize>) -> String {
    match (action, error) {
        (None, _) => String::new(),
        (Some(line), LexicalError::UnclosedAction) => format!(" started at :{line}"),
        (Some(line), _) => format!(" in action started at :{line}"),
    }
}
