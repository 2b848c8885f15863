//! From text to tokens (the rules: Go 1.27, `text/template/parse`, `lex.go`).

use super::error::LexicalError;
use crate::model::go_text::{code_point, is_word, quoted};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Error(LexicalError),
    EndOfText,
    /// Text outside actions.
    Text,
    LeftDelimiter,
    RightDelimiter,
    LeftParenthesis,
    RightParenthesis,
    /// A run of white space.
    Space,
    Pipe,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// Any other ASCII character, such as a comma.
    Character,
    CharacterConstant,
    Number,
    /// `"..."`
    String,
    /// A string between backquotes.
    RawString,
    Boolean,
    /// `$` or `$name`
    Variable,
    /// `.name`
    Field,
    Identifier,
    /// `.`
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

#[derive(Debug, Clone)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    /// The line on which it starts, from 1.
    pub line: usize,
}

impl Token<'_> {
    /// The token as messages name it.
    pub(super) fn shown(&self) -> String {
        match &self.kind {
            Kind::EndOfText => "EOF".to_owned(),
            Kind::Error(error) => error.to_string(),
            Kind::Dot
            | Kind::Nil
            | Kind::Block
            | Kind::Break
            | Kind::Continue
            | Kind::Define
            | Kind::Else
            | Kind::End
            | Kind::If
            | Kind::Range
            | Kind::Template
            | Kind::With => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let end = self.text.char_indices().nth(10).map_or(self.text.len(), |(index, _)| index);
                format!("{}...", quoted(&self.text[..end]))
            }
            _ => quoted(self.text),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

pub(super) struct Lexer<'t> {
    text: &'t str,
    /// Where the token begins that is being read, and on which line.
    start: usize,
    line: usize,
    /// How far the text has been read.
    position: usize,
    inside_action: bool,
    /// Open parentheses of the action.
    depth: usize,
}

type Scanned = Result<Kind, LexicalError>;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, start: 0, line: 1, position: 0, inside_action: false, depth: 0 }
    }

    /// The next token; after an error or the end the answers mean nothing.
    pub(super) fn next(&mut self) -> Token<'t> {
        let scanned = if self.inside_action { self.inside() } else { self.outside() };
        match scanned {
            Ok(token) => token,
            Err(error) => Token { kind: Kind::Error(error), text: "", line: self.line },
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let accepted = self.peek().is_some_and(wanted);
        if accepted {
            self.advance();
        }
        accepted
    }

    fn accept_run(&mut self, wanted: impl Fn(char) -> bool) {
        while self.accept(&wanted) {}
    }

    fn pending(&self) -> &'t str {
        &self.text[self.start..self.position]
    }

    /// Drops what was read since the last token.
    fn skip(&mut self) {
        self.line += self.pending().bytes().filter(|byte| *byte == b'\n').count();
        self.start = self.position;
    }

    fn emit(&mut self, kind: Kind) -> Token<'t> {
        let token = Token { kind, text: self.pending(), line: self.line };
        self.skip();
        token
    }

    fn outside(&mut self) -> Result<Token<'t>, LexicalError> {
        loop {
            let Some(length) = self.rest().find(LEFT) else {
                self.position = self.text.len();
                let kind = if self.position > self.start { Kind::Text } else { Kind::EndOfText };
                return Ok(self.emit(kind));
            };
            if length > 0 {
                let after = self.position + length;
                let mut text = &self.rest()[..length];
                if has_left_trim(&self.text[after + LEFT.len()..]) {
                    text = text.trim_end_matches(is_space);
                }
                self.position += text.len();
                let token = self.emit(Kind::Text);
                self.position = after;
                self.skip();
                if !token.text.is_empty() {
                    return Ok(token);
                }
            }
            self.position += LEFT.len();
            let trim = if has_left_trim(self.rest()) { 2 } else { 0 };
            if self.text[self.position + trim..].starts_with("/*") {
                self.position += trim;
                self.skip();
                self.comment()?;
                continue;
            }
            let token = self.emit(Kind::LeftDelimiter);
            self.position += trim;
            self.skip();
            self.inside_action = true;
            self.depth = 0;
            return Ok(token);
        }
    }

    fn comment(&mut self) -> Result<(), LexicalError> {
        let open = "/*".len();
        let length = self.rest()[open..].find("*/").ok_or(LexicalError::UnclosedComment)?;
        self.position += open + length + "*/".len();
        if self.right_delimiter().is_none() {
            return Err(LexicalError::CommentEnd);
        }
        self.skip();
        self.close_action();
        Ok(())
    }

    /// The length of the trim marker (possibly 0) before the right delimiter, if the text continues with one.
    fn right_delimiter(&self) -> Option<usize> {
        let rest = self.rest();
        let trimmed = rest.strip_prefix(is_space).and_then(|rest| rest.strip_prefix('-'));
        if trimmed.is_some_and(|rest| rest.starts_with(RIGHT)) {
            Some(2)
        } else {
            rest.starts_with(RIGHT).then_some(0)
        }
    }

    /// Reads the right delimiter, which is known to be there, and trims what follows.
    fn close_action(&mut self) -> Token<'t> {
        let trim = self.right_delimiter().unwrap_or_default();
        self.position += trim;
        self.skip();
        self.position += RIGHT.len();
        let token = self.emit(Kind::RightDelimiter);
        if trim > 0 {
            self.accept_run(is_space);
            self.skip();
        }
        self.inside_action = false;
        token
    }

    fn inside(&mut self) -> Result<Token<'t>, LexicalError> {
        if self.right_delimiter().is_some() {
            if self.depth > 0 {
                return Err(LexicalError::UnclosedParenthesis);
            }
            return Ok(self.close_action());
        }
        let kind = self.action_token()?;
        Ok(self.emit(kind))
    }

    fn action_token(&mut self) -> Scanned {
        let before = self.position;
        let Some(c) = self.advance() else { return Err(LexicalError::UnclosedAction) };
        match c {
            _ if is_space(c) => {
                // The last space may belong to a trim marker.
                while self.right_delimiter() != Some(2) && self.accept(is_space) {}
                Ok(Kind::Space)
            }
            '=' => Ok(Kind::Assign),
            ':' if self.accept(|c| c == '=') => Ok(Kind::Declare),
            ':' => Err(LexicalError::ExpectedDeclaration),
            '|' => Ok(Kind::Pipe),
            '"' => self.quoted('"', LexicalError::UnterminatedString, Kind::String),
            '\'' => self.quoted('\'', LexicalError::UnterminatedCharacter, Kind::CharacterConstant),
            '`' => match self.rest().find('`') {
                Some(length) => {
                    self.position += length + 1;
                    Ok(Kind::RawString)
                }
                None => Err(LexicalError::UnterminatedRawString),
            },
            '$' => self.name(Kind::Variable),
            '.' if self.rest().starts_with(|c: char| !c.is_ascii_digit()) => {
                if self.at_terminator() {
                    Ok(Kind::Dot)
                } else {
                    self.name(Kind::Field)
                }
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.position = before;
                self.number()
            }
            _ if is_word(c) => {
                let kind = self.name(Kind::Identifier)?;
                Ok(keyword(self.pending()).unwrap_or(kind))
            }
            '(' => {
                self.depth += 1;
                Ok(Kind::LeftParenthesis)
            }
            ')' if self.depth == 0 => Err(LexicalError::UnexpectedParenthesis),
            ')' => {
                self.depth -= 1;
                Ok(Kind::RightParenthesis)
            }
            ' '..='~' => Ok(Kind::Character),
            _ => Err(LexicalError::UnrecognizedCharacter(code_point(c))),
        }
    }

    fn name(&mut self, kind: Kind) -> Scanned {
        self.accept_run(is_word);
        match self.peek() {
            Some(c) if !self.at_terminator() => Err(LexicalError::BadCharacter(code_point(c))),
            _ => Ok(kind),
        }
    }

    /// Whether a name may end here. It breaks `.X.Y` in two and refuses `$x+2`.
    fn at_terminator(&self) -> bool {
        let ends = |c| is_space(c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '(');
        self.peek().is_none_or(ends) || self.rest().starts_with(RIGHT)
    }

    fn quoted(&mut self, quote: char, unterminated: LexicalError, kind: Kind) -> Scanned {
        loop {
            match self.advance() {
                None | Some('\n') => return Err(unterminated),
                Some('\\') if matches!(self.advance(), None | Some('\n')) => return Err(unterminated),
                Some(c) if c == quote => return Ok(kind),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Scanned {
        let mut well_formed = self.scan_number();
        if well_formed && matches!(self.peek(), Some('+' | '-')) {
            // A complex number of Go, or nothing at all.
            self.scan_number();
            well_formed = false;
        }
        if well_formed { Ok(Kind::Number) } else { Err(LexicalError::BadNumber(quoted(self.pending()))) }
    }

    /// Reads what looks like a number; whether it is one is for the parser to say.
    fn scan_number(&mut self) -> bool {
        self.accept(|c| matches!(c, '+' | '-'));
        let mut radix = 10;
        if self.accept(|c| c == '0') {
            radix = match self.peek() {
                Some('x' | 'X') => 16,
                Some('o' | 'O') => 8,
                Some('b' | 'B') => 2,
                _ => 10,
            };
            if radix != 10 {
                self.advance();
            }
        }
        let digit = |c: char| c == '_' || c.is_digit(radix);
        self.accept_run(digit);
        if self.accept(|c| c == '.') {
            self.accept_run(digit);
        }
        let exponent = |c| matches!((radix, c), (10, 'e' | 'E') | (16, 'p' | 'P'));
        if self.accept(exponent) {
            self.accept(|c| matches!(c, '+' | '-'));
            self.accept_run(|c| c == '_' || c.is_ascii_digit());
        }
        !self.accept(is_word)
    }
}

fn keyword(word: &str) -> Option<Kind> {
    Some(match word {
        "true" | "false" => Kind::Boolean,
        "nil" => Kind::Nil,
        "block" => Kind::Block,
        "break" => Kind::Break,
        "continue" => Kind::Continue,
        "define" => Kind::Define,
        "else" => Kind::Else,
        "end" => Kind::End,
        "if" => Kind::If,
        "range" => Kind::Range,
        "template" => Kind::Template,
        "with" => Kind::With,
        _ => return None,
    })
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn has_left_trim(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}
