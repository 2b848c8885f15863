//! What a running command shows: on a screen lines and below them one bar, elsewhere plain lines. Warnings
//! come last, where they are seen.

use std::collections::BTreeSet;
use std::io::{Write as _, stderr};
use std::sync::{Mutex, MutexGuard};

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::Value;

use super::counted::{Counted, LineOfBytes};
use super::screen::{Label, Screen, shortened};
use super::standard_output::{OutputError, print_line};
use super::task::Task;
use crate::locked::locked;

/// The progress of one command, on standard error.
pub(super) struct Progress {
    screen: Screen,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    status: String,
    /// What the server counts the bytes of, and the bar that shows it.
    counted: Option<(Counted, Task)>,
    /// The bar below the lines, if there is one.
    bar: Option<ProgressBar>,
    warnings: Vec<String>,
    told: BTreeSet<String>,
}

impl Progress {
    /// Of a command that may have been asked to say nothing.
    pub(super) fn new(quiet: bool) -> Self {
        Self { screen: Screen::of_stderr(quiet), shown: Mutex::default() }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        locked(&self.shown)
    }

    /// Begins something that counts `length` bytes, in place of what was counted before. Elsewhere than on a
    /// screen its name is a line.
    pub(super) fn task(&self, name: &str, length: u64) -> Task {
        let mut shown = self.shown();
        shown.counted = None;
        self.begin(&mut shown, name, length)
    }

    fn begin(&self, shown: &mut Shown, name: &str, length: u64) -> Task {
        if self.screen == Screen::Lines && !name.is_empty() {
            self.write(shown, name);
        }
        let target = match self.screen {
            Screen::Drawn => ProgressDrawTarget::stderr(),
            Screen::Lines | Screen::Quiet => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        if let Some(before) = shown.bar.replace(bar.clone()) {
            before.finish_and_clear();
        }
        Task::new(bar, self.screen.width(), name)
    }

    /// Shows a line of a job, or prints it as it is for programs.
    pub(super) fn tell(&self, line: &Value, as_json: bool) -> Result<(), OutputError> {
        if as_json {
            return print_line(line);
        }
        self.status(line);
        Ok(())
    }

    /// Shows one status line of a job: `status`, and for transfers `digest`, `total` and `completed`.
    pub(super) fn status(&self, line: &Value) {
        let status = line["status"].as_str().unwrap_or_default();
        if let Some(warning) = status.strip_prefix("warning: ") {
            return self.warn(warning);
        }
        let mut shown = self.shown();
        if let Some(bytes) = LineOfBytes::of(line) {
            self.count(&mut shown, &bytes);
        } else if shown.status != status {
            status.clone_into(&mut shown.status);
            self.end_counting(&mut shown);
            let fitting = if self.screen == Screen::Drawn { self.fitting(status) } else { status.to_owned() };
            self.write(&shown, &fitting);
        }
    }

    /// Shows how far a transfer, or a file that is made, has come.
    fn count(&self, shown: &mut Shown, line: &LineOfBytes<'_>) {
        if shown.counted.as_ref().is_none_or(|(counted, _)| !counted.is_of(line)) {
            self.end_counting(shown);
            let task = self.begin(shown, "", line.total);
            shown.counted = Some((Counted::new(line), task));
        }
        let Some((counted, task)) = &mut shown.counted else { return };
        let is_new = counted.note(line);
        task.name(&counted.name());
        task.set_length(counted.total());
        task.set_position(counted.completed());
        if is_new && self.screen == Screen::Lines && !line.is_small() {
            self.write(shown, line.status);
        }
    }

    /// Ends the bar of the server's bytes. Elsewhere than on a screen it says how many small ones there were.
    fn end_counting(&self, shown: &mut Shown) {
        let Some((counted, task)) = shown.counted.take() else { return };
        task.finish();
        if let (Screen::Lines, Some(small)) = (self.screen, counted.small()) {
            self.write(shown, &small);
        }
    }

    /// Shows a line.
    pub(super) fn line(&self, text: &str) {
        self.write(&self.shown(), text);
    }

    fn write(&self, shown: &Shown, text: &str) {
        match (self.screen, &shown.bar) {
            (Screen::Quiet, _) => {}
            (Screen::Drawn, Some(bar)) if !bar.is_finished() => bar.println(text),
            (Screen::Drawn | Screen::Lines, _) => {
                let _ = writeln!(stderr(), "{text}");
            }
        }
    }

    /// A line that is no wider than the screen, with short digests.
    fn fitting(&self, text: &str) -> String {
        let words = text.split(' ').map(|word| match word.split_once("sha256:") {
            Some((before, hex)) if hex.len() >= 64 => format!("{before}{}", hex.get(..12).unwrap_or(hex)),
            _ => word.to_owned(),
        });
        let line = words.collect::<Vec<_>>().join(" ");
        // Terminals differ in what they do after the last column.
        shortened(&line, self.screen.width() - 1)
    }

    /// Keeps a warning for the end. One that was kept is not kept again.
    pub(super) fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        let mut shown = self.shown();
        if shown.told.insert(warning.clone()) {
            shown.warnings.push(warning);
        }
    }

    /// The warnings so far.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.shown().told.iter().cloned().collect()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut shown = self.shown();
        self.end_counting(&mut shown);
        if let Some(bar) = shown.bar.take() {
            bar.finish_and_clear();
        }
        for warning in &shown.warnings {
            self.screen.tell(Label::Warning, warning);
        }
    }
}
