//! Processes measured from outside, the same way whoever's they are.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::memory::memory;
use super::processor_time::processor_time;

/// What was seen of a process.
pub(crate) struct Figures {
    /// Seconds.
    pub(crate) wall: f64,
    /// Seconds of all threads.
    pub(crate) processor: f64,
    /// Bytes of anonymous memory at the worst moment seen.
    pub(crate) anonymous: u64,
    /// Bytes that it caused to be written to disks.
    pub(crate) written: u64,
    /// What it wrote to its standard output, if that was piped.
    pub(crate) said: String,
}

impl Figures {
    /// Prints them as a line of the table that [`print_heading`] begins.
    pub(crate) fn print(&self, name: &str, label: &str) {
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "{name:8} {label:>24} {:>8.2} {:>9.2} {:>12.1} {:>12.1}",
            self.wall,
            self.processor,
            mebibytes(self.anonymous),
            mebibytes(self.written)
        );
        std::io::stdout().flush().expect("standard output");
    }
}

/// Prints what stands above the columns of figures.
pub(crate) fn print_heading() {
    println!(
        "{:8} {:>24} {:>8} {:>9} {:>12} {:>12}",
        "type", "", "wall s", "CPU s", "anon MiB", "written MiB"
    );
}

/// Prints a ratio or a verdict in the column of the wall time.
pub(crate) fn print_verdict(name: &str, label: &str, verdict: impl std::fmt::Display) {
    println!("{name:8} {label:>24} {verdict:>8}");
}

/// Runs a command and looks at it every few milliseconds.
pub(crate) fn observe(command: &mut Command) -> Figures {
    let start = Instant::now();
    let mut child = command.spawn().expect("start the process");
    let mut figures = Figures { wall: 0.0, processor: 0.0, anonymous: 0, written: 0, said: String::new() };
    loop {
        figures.look(&child);
        if let Some(status) = child.try_wait().expect("wait for the process") {
            assert!(status.success(), "the process failed: {status}");
            figures.wall = start.elapsed().as_secs_f64();
            if let Some(mut said) = child.stdout.take() {
                said.read_to_string(&mut figures.said).expect("what the process said");
            }
            return figures;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Figures {
    fn look(&mut self, child: &Child) {
        // The process may be gone between two looks; what was seen last counts.
        if let Some(bytes) = memory(child.id(), "RssAnon") {
            self.anonymous = self.anonymous.max(bytes);
        }
        if let Some(bytes) = written(child.id()) {
            self.written = self.written.max(bytes);
        }
        if let Some(time) = processor_time(child.id()) {
            self.processor = self.processor.max(time.as_secs_f64());
        }
    }
}

/// Bytes that a process caused to be written to disks so far (Linux, `proc_pid_io(5)`).
fn written(process: u32) -> Option<u64> {
    let counts = std::fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    counts.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

/// Maps a file that nobody writes to while this program runs.
#[expect(unsafe_code, reason = "a memory map of a file is unsafe in Rust whatever one does")]
pub(crate) fn map(path: &std::path::Path) -> memmap2::Mmap {
    let file = std::fs::File::open(path).expect("open a file to map");
    // SAFETY: what the benchmarks map are files of their own, finished before.
    unsafe { memmap2::Mmap::map(&file) }.expect("map the file")
}
