//! Pipelines: declarations, commands, operands and parentheses.
//!
//! An open parenthesis is an entry on a stack of our own, up to the depth at which Go gives up.

use super::error::{SyntaxError, TemplateError};
use super::functions;
use super::lex::{Kind, Token};
use super::literal;
use super::node::{Pipe, Reference};
use super::parse::Parser;
use crate::model::go_text::quoted;

/// How deep parentheses may nest (Go: `maxStackDepth`).
const MAX_DEPTH: usize = 10_000;

const PARENTHESIZED: &str = "parenthesized pipeline";

/// A pipeline that is not over.
struct Open {
    context: &'static str,
    /// What has been collected before it.
    references: usize,
    /// Its complete commands, and the operands of the current one.
    commands: usize,
    operands: usize,
    /// The first stage but the initial one that starts with a constant.
    not_executable: Option<usize>,
}

impl Open {
    fn new(context: &'static str, references: usize) -> Self {
        Self { context, references, commands: 0, operands: 0, not_executable: None }
    }

    fn end(&self) -> Kind {
        if self.context == PARENTHESIZED { Kind::RightParenthesis } else { Kind::RightDelimiter }
    }
}

enum Term<'t> {
    Reference(Reference<'t>),
    /// A constant or `.`, with its text: it has no fields and cannot be a later stage.
    Constant(&'t str),
    Function,
    /// A parenthesised pipeline, and what had been collected before it.
    Parenthesized(usize),
}

/// What the parser expects next.
enum Expect<'t> {
    Command,
    Operand,
    FieldsOf(Term<'t>),
    Separator,
}

impl<'t> Parser<'t, '_> {
    /// Reads a pipeline up to and including the right delimiter.
    pub(super) fn pipeline(&mut self, context: &'static str) -> Result<Pipe<'t>, TemplateError> {
        let mut references = Pipe::new();
        let mut innermost = Open::new(context, 0);
        let mut outer: Vec<Open> = Vec::new();
        let mut expect = Expect::Command;
        self.declarations(context)?;
        loop {
            expect = match expect {
                Expect::Command => {
                    let token = self.next_non_space();
                    if token.kind == innermost.end() {
                        self.check(&innermost)?;
                        let Some(around) = outer.pop() else { return Ok(references) };
                        let inner = std::mem::replace(&mut innermost, around);
                        Expect::FieldsOf(Term::Parenthesized(inner.references))
                    } else if starts_operand(&token.kind) {
                        self.push_back(token);
                        innermost.operands = 0;
                        Expect::Operand
                    } else {
                        return Err(self.unexpected(&token, innermost.context));
                    }
                }
                Expect::Operand => {
                    let token = self.next_non_space();
                    if token.kind == Kind::LeftParenthesis {
                        if outer.len() >= MAX_DEPTH {
                            return Err(self.error(SyntaxError::TooDeep));
                        }
                        let inner = Open::new(PARENTHESIZED, references.len());
                        outer.push(std::mem::replace(&mut innermost, inner));
                        self.declarations(PARENTHESIZED)?;
                        Expect::Command
                    } else if let Some(term) = self.term(&token)? {
                        Expect::FieldsOf(term)
                    } else {
                        self.push_back(token);
                        Expect::Separator
                    }
                }
                Expect::FieldsOf(term) => {
                    if matches!(term, Term::Constant(_)) && innermost.commands > 0 && innermost.operands == 0
                    {
                        innermost.not_executable.get_or_insert(innermost.commands + 1);
                    }
                    self.fields(term, &mut references)?;
                    innermost.operands += 1;
                    Expect::Separator
                }
                Expect::Separator => {
                    let token = self.next();
                    match token.kind {
                        Kind::Space => Expect::Operand,
                        Kind::Pipe | Kind::RightDelimiter | Kind::RightParenthesis => {
                            if token.kind != Kind::Pipe {
                                self.push_back(token);
                            }
                            innermost.commands += 1;
                            Expect::Command
                        }
                        _ => return Err(self.unexpected(&token, "operand")),
                    }
                }
            };
        }
    }

    /// Reads `$x :=`, `$x =` or, in a range, `$x, $y :=`.
    fn declarations(&mut self, context: &'static str) -> Result<(), TemplateError> {
        for declared in 1.. {
            let variable = self.next_non_space();
            if variable.kind != Kind::Variable {
                self.push_back(variable);
                break;
            }
            let after = self.next();
            let space = (after.kind == Kind::Space).then(|| after.clone());
            let next = if space.is_some() { self.next_non_space() } else { after };
            if matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.scope.declare(variable.text);
                break;
            }
            if next.kind != Kind::Character || next.text != "," {
                // It is an operand.
                self.push_back(next);
                space.into_iter().for_each(|space| self.push_back(space));
                self.push_back(variable);
                break;
            }
            self.scope.declare(variable.text);
            if context != "range" || declared > 1 {
                return Err(self.error(SyntaxError::TooManyDeclarations { context }));
            }
            let second = self.next_non_space();
            if !matches!(second.kind, Kind::Variable | Kind::RightDelimiter | Kind::RightParenthesis) {
                return Err(self.error(SyntaxError::RangeInitializes));
            }
            self.push_back(second);
        }
        Ok(())
    }

    fn check(&self, pipeline: &Open) -> Result<(), TemplateError> {
        if pipeline.commands == 0 {
            return Err(self.error(SyntaxError::MissingValue { context: pipeline.context }));
        }
        match pipeline.not_executable {
            Some(stage) => Err(self.error(SyntaxError::NotExecutable { stage })),
            None => Ok(()),
        }
    }

    /// The term that the token is, if it is one.
    fn term(&self, token: &Token<'t>) -> Result<Option<Term<'t>>, TemplateError> {
        let text = token.text;
        let constant = match token.kind {
            Kind::Identifier if functions::is_defined(text) => return Ok(Some(Term::Function)),
            Kind::Identifier => return Err(self.error(SyntaxError::UndefinedFunction { name: quoted(text) })),
            Kind::Variable if self.scope.is_declared(text) => {
                return Ok(Some(Term::Reference(Reference { names: vec![text] })));
            }
            Kind::Variable => return Err(self.error(SyntaxError::UndefinedVariable { name: quoted(text) })),
            Kind::Field => return Ok(Some(Term::Reference(Reference { names: vec![&text[1..]] }))),
            Kind::Dot | Kind::Nil | Kind::Boolean => Ok(()),
            Kind::CharacterConstant => literal::character(text),
            Kind::Number => literal::number(text),
            Kind::String | Kind::RawString => literal::string(text).map(|_| ()),
            _ => return Ok(None),
        };
        self.literal(constant).map(|()| Some(Term::Constant(text)))
    }

    /// Reads the fields that follow a term directly, as in `.A.B` or `(index .A 1).B`.
    fn fields(&mut self, term: Term<'t>, references: &mut Pipe<'t>) -> Result<(), TemplateError> {
        let mut fields = Vec::new();
        let rest = loop {
            let token = self.next();
            if token.kind != Kind::Field {
                break token;
            }
            fields.push(&token.text[1..]);
        };
        self.push_back(rest);
        match term {
            Term::Constant(text) if !fields.is_empty() => {
                Err(self.error(SyntaxError::FieldOfLiteral { term: quoted(text) }))
            }
            Term::Reference(mut reference) => {
                reference.names.extend(fields);
                references.push(reference);
                Ok(())
            }
            Term::Parenthesized(before) if !fields.is_empty() => {
                // Ollama does not look into an expression whose fields are taken.
                references.truncate(before);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn starts_operand(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Boolean
            | Kind::CharacterConstant
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Nil
            | Kind::RawString
            | Kind::String
            | Kind::Variable
            | Kind::LeftParenthesis
    )
}
