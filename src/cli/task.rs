//! Something that takes time and counts its bytes: a bar as wide as the screen, with how fast it goes and how
//! long it will take.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::format::bytes;
use super::screen::shortened;

/// On narrower screens there is a percentage in place of a bar.
const WIDE: usize = 70;
/// Columns beside the name and the bar: sizes, rate and time.
const FIGURES: usize = 42;

/// How often a bar is drawn, whether or not anything has happened: time goes on.
const BEAT: Duration = Duration::from_millis(100);

/// A bar. Dropping it takes it away.
#[derive(Debug)]
pub(super) struct Task {
    bar: ProgressBar,
    /// Columns for the name.
    room: usize,
}

impl Task {
    pub(super) fn new(bar: ProgressBar, width: usize, name: &str) -> Self {
        let (template, room) = if width >= WIDE {
            // What is left of the name's share is the bar's.
            ("{msg} [{wide_bar:.cyan}] {done}/{all} {rate:>9} {left:>6}", (width - FIGURES) * 3 / 4)
        } else {
            ("{msg} {percent:>3}% {rate:>9} {left:>6}", width.saturating_sub(24))
        };
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        let style = style
            .with_key("done", |state: &ProgressState, out: &mut dyn Write| put(out, &bytes(state.pos())))
            .with_key("all", |state: &ProgressState, out: &mut dyn Write| {
                put(out, &bytes(state.len().unwrap_or(0)))
            })
            .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                put(out, &format!("{}/s", bytes(state.per_sec() as u64)))
            })
            .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
                put(out, &left(state.eta().as_secs()))
            })
            .progress_chars("=> ");
        bar.set_style(style);
        let task = Self { bar, room };
        task.name(name);
        if !task.bar.is_hidden() {
            task.bar.enable_steady_tick(BEAT);
        }
        task
    }

    /// Calls it otherwise from now on.
    pub(super) fn name(&self, name: &str) {
        self.bar.set_message(shortened(name, self.room));
    }

    pub(super) fn set_length(&self, length: u64) {
        self.bar.set_length(length);
    }

    pub(super) fn set_position(&self, position: u64) {
        self.bar.set_position(position);
    }

    pub(super) fn add(&self, count: u64) {
        self.bar.inc(count);
    }

    /// A second hand on the same bar.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Takes it away.
    pub(super) fn finish(self) {
        drop(self);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A figure that cannot be written leaves a gap.
fn put(out: &mut dyn Write, text: &str) {
    out.write_str(text).unwrap_or_default();
}

/// How long it will take: `7s`, `3m05s`, `2h10m`.
fn left(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (185, "3m05s"), (7800, "2h10m"), (360_000, "100h00m")]
        {
            assert_eq!(left(seconds), text);
        }
    }
}
