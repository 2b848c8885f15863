//! What hostile input costs: `cargo bench --bench hostile` starts the server anew for each case, sends the
//! case, and prints a table of answers, times and peaks of memory above the idle server's. A case of less
//! than a mebibyte that takes more than 64 MiB or ten seconds, or is answered otherwise than it should be,
//! fails the run.
//!
//! The cases are those of the tests. Peaks are the resident set's, maps of files included, as Linux keeps
//! them.

#[path = "../../tests/integration/hostile/cases/mod.rs"]
mod cases;
mod loader;
#[path = "../support/memory.rs"]
mod memory;
mod server;

use std::time::{Duration, Instant};

use cases::{Case, Input};
use server::Server;

const LARGEST_INPUT: usize = 1 << 20;
const MOST_MEMORY: u64 = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(10);

struct Row {
    text: String,
    peak: u64,
    is_bounded: bool,
}

fn main() {
    if loader::is_asked_for() {
        return;
    }
    let only: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("| row | case | input | answer | peak | time |\n|---|---|--:|---|--:|--:|");
    let mut rows = Vec::new();
    for case in cases::all() {
        if only.is_empty() || only.iter().any(|row| case.row == row) {
            let row = measure(case);
            println!("{}", row.text);
            rows.push(row);
        }
    }
    let peak = rows.iter().map(|row| row.peak).max().unwrap_or_default();
    let unbounded = rows.iter().filter(|row| !row.is_bounded).count();
    println!(
        "\n{} cases, {unbounded} beyond their bounds, the highest peak {:.1} MiB",
        rows.len(),
        mebibytes(peak)
    );
    if unbounded > 0 {
        std::process::exit(1);
    }
}

fn measure(case: &Case) -> Row {
    let (outcome, time, peak) = match &case.input {
        Input::Bundle(bundle) => loader::load(bundle),
        _ => {
            let server = Server::start(case.input.hub());
            let idle = server.forget_peak();
            let start = Instant::now();
            let outcome = cases::send(&server.address, server.store(), case);
            (outcome, start.elapsed(), server.peak().saturating_sub(idle))
        }
    };
    let length = case.input.length();
    let is_bounded = case.fault(&outcome).is_none()
        && time <= MOST_TIME
        && (length >= LARGEST_INPUT || peak <= MOST_MEMORY);
    let message: serde_json::Value = serde_json::from_str(&outcome.body).unwrap_or_default();
    let message = message["error"].as_str().unwrap_or_default();
    // The rest repeats what was sent.
    let message: String = message.chars().take(90).collect();
    let text = format!(
        "| {} | {} | {} | {} {} | {:.1} MiB | {:.0} ms |{}",
        case.row,
        cell(&case.name),
        bytes(length),
        outcome.status,
        cell(&message),
        mebibytes(peak),
        time.as_secs_f64() * 1e3,
        if is_bounded { "" } else { " **beyond its bounds**" }
    );
    Row { text, peak, is_bounded }
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(char::is_control, " ")
}

fn bytes(count: usize) -> String {
    if count < 10 << 10 { format!("{count} B") } else { format!("{} KiB", count >> 10) }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
