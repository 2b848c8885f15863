//! Bundles are loaded by the command line and not by the server, so a process of its own loads each: this
//! program once more, which tells what that has cost it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cases::{self, Outcome};
use crate::memory::memory;

/// What this program is called with to load a bundle from standard input into the store of a directory.
const FLAG: &str = "--load-into";

/// Loads a bundle, if this program was called for that.
pub(crate) fn is_asked_for() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(flag), Some(directory)) = (arguments.next(), arguments.next()) else { return false };
    if flag != FLAG {
        return false;
    }
    // Linux, `Documentation/filesystems/proc.rst`: 5 resets the peak.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let own = |line: &str| memory(std::process::id(), line).expect("Linux");
    let (idle, start) = (own("VmRSS"), Instant::now());
    let outcome = cases::client::load(Path::new(&directory), std::io::stdin().lock());
    let (time, peak) = (start.elapsed().as_micros(), own("VmHWM").saturating_sub(idle));
    println!("{} {time} {peak} {}", outcome.status, outcome.body);
    true
}

/// Has a process load a bundle: what came of it, how long that took, and the most memory that it took.
pub(crate) fn load(bundle: &[u8]) -> (Outcome, Duration, u64) {
    let store = tempfile::tempdir().expect("a directory");
    let mut process = Command::new(std::env::current_exe().expect("this program"))
        .arg(FLAG)
        .arg(store.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    // It need not read all of it.
    let _ = process.stdin.take().expect("its input").write_all(bundle);
    let mut told = String::new();
    process.stdout.take().expect("its output").read_to_string(&mut told).expect("its answer");
    process.wait().expect("it ends");
    let mut parts = told.trim_end().splitn(4, ' ');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok()).expect("a number");
    let (status, time, peak) = (number(), number(), number());
    let status = u16::try_from(status).expect("a status");
    let outcome = Outcome { status, body: parts.next().unwrap_or_default().to_owned() };
    (outcome, Duration::from_micros(time), peak)
}
