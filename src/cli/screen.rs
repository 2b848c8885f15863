//! What standard error is, where progress, warnings and errors go: a screen that can be drawn on, or a place
//! for plain lines.

use std::io::{IsTerminal, Write, stderr};

use rustix::termios::tcgetwinsize;

/// The width of a terminal that does not tell.
const USUAL_WIDTH: usize = 80;
/// Narrower ones are treated as if they had this width.
const LEAST_WIDTH: usize = 20;

/// How standard error is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    /// A terminal with colours and a bar that moves.
    Drawn,
    /// Lines without control characters, each as long as it is.
    Lines,
    /// Only warnings and errors.
    Quiet,
}

impl Screen {
    /// What standard error is. Who sets `NO_COLOR` (<https://no-color.org>), or has a terminal that moves no
    /// cursor, gets lines.
    pub(super) fn of_stderr(quiet: bool) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let moves = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        match quiet {
            true => Self::Quiet,
            false if stderr().is_terminal() && moves && !is_set("NO_COLOR") => Self::Drawn,
            false => Self::Lines,
        }
    }

    /// How many columns there are.
    pub(super) fn width(self) -> usize {
        let told = tcgetwinsize(stderr()).map_or(0, |size| usize::from(size.ws_col));
        if told == 0 { USUAL_WIDTH } else { told.max(LEAST_WIDTH) }
    }

    /// Writes a line that begins with a word of its own colour. Nobody may be left who reads it.
    pub(super) fn tell(self, label: Label, text: impl std::fmt::Display) {
        let (word, colour) = match label {
            Label::Warning => ("warning", 33),
            Label::Error => ("Error", 31),
        };
        let _ = match self {
            Self::Drawn => writeln!(stderr(), "\x1b[1;{colour}m{word}:\x1b[0m {text}"),
            Self::Lines | Self::Quiet => writeln!(stderr(), "{word}: {text}"),
        };
    }
}

/// What a line begins with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Label {
    Warning,
    Error,
}

/// Tells why a command failed.
pub fn tell_error(error: impl std::fmt::Display) {
    Screen::of_stderr(false).tell(Label::Error, error);
}

/// A text of at most so many characters: the end, which tells files apart, stays, and of the rest the
/// beginning.
pub(super) fn shortened(text: &str, width: usize) -> String {
    const GAP: &str = "...";
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(GAP.len());
    let (front, back) = (kept - kept / 2, kept / 2);
    let start: String = text.chars().take(front).collect();
    let end: String = text.chars().skip(length - back).collect();
    start + GAP + &end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_long_name_stay() {
        for (width, text) in [
            (40, "model-00001-of-00007.safetensors"),
            (20, "model-000...etensors"),
            (9, "mod...ors"),
            (3, "..."),
        ] {
            assert_eq!(shortened("model-00001-of-00007.safetensors", width), text);
        }
        assert_eq!(shortened("größer", 6), "größer");
    }
}
