//! What a running command shows: bars on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::io::{IsTerminal, Write as _, stderr};
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

/// The progress of one command.
pub(super) struct Progress {
    bars: MultiProgress,
    terminal: bool,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    status: String,
    /// One bar for each digest or status that counts bytes.
    counting: HashMap<String, ProgressBar>,
}

impl Progress {
    /// On standard error.
    pub(super) fn new() -> Self {
        let terminal = stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), terminal, shown: Mutex::default() }
    }

    /// A bar that counts `length` bytes; elsewhere than on a terminal its message as a line.
    pub(super) fn bar(&self, message: String, length: u64) -> ProgressBar {
        const TEMPLATE: &str =
            "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
        if !self.terminal {
            let _ = writeln!(stderr(), "{message}");
        }
        let style = ProgressStyle::with_template(TEMPLATE).expect("the template is valid");
        self.bars.add(ProgressBar::new(length).with_style(style).with_message(message))
    }

    /// Shows one status line of a job: `status`, and for transfers `digest`, `total` and `completed`.
    pub(super) fn status(&self, line: &Value) {
        let status = line["status"].as_str().unwrap_or_default();
        let mut shown = self.shown.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(total) = line["total"].as_u64() {
            let key = line["digest"].as_str().unwrap_or(status).to_owned();
            let bar = shown.counting.entry(key).or_insert_with(|| self.bar(status.to_owned(), total));
            bar.set_position(line["completed"].as_u64().unwrap_or(0));
        } else if shown.status != status {
            status.clone_into(&mut shown.status);
            self.line(status);
        }
    }

    /// Shows a line.
    pub(super) fn line(&self, text: &str) {
        if self.terminal {
            // A failing terminal must not fail the command.
            self.bars.println(text).unwrap_or_default();
        } else {
            let _ = writeln!(stderr(), "{text}");
        }
    }
}
