//! Where outputs go: pipes that nobody reads, devices that are full, standard output in the place of a file.

use std::fs::{self, File};
use std::process::{Output, Stdio};

use ollamake::gguf::Gguf;

use super::{Desk, said};
use crate::support::process::text;

/// Commands that print something, each of which a desk with a model can run.
const PRINTING: [&[&str]; 19] = [
    &["list"],
    &["list", "--json"],
    &["show", "m"],
    &["show", "-v", "m"],
    &["show", "m", "--modelfile"],
    &["create", "n", "-q", "q8_0", "--dry-run"],
    &["create", "n", "--json"],
    &["cp", "m", "copy"],
    &["rm", "copy"],
    &["save", "m"],
    &["export", "m", "-"],
    &["fsck"],
    &["prune", "--dry-run"],
    &["compare", "m", "m"],
    &["jobs"],
    &["recipe", "m"],
    &["architectures"],
    &["completions", "bash"],
    &["quantize", "--dry-run", "m.gguf", "o.gguf", "q4_0"],
];

impl Desk {
    fn run_into(&self, arguments: &[&str], stdout: Stdio) -> Output {
        let mut command = self.command(arguments);
        command.stdout(stdout).stderr(Stdio::piped());
        command.spawn().unwrap().wait_with_output().unwrap()
    }
}

#[test]
fn a_pipe_that_nobody_reads_ends_a_command_quietly() {
    let desk = Desk::new();
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = desk.run_into(arguments, writer.into());
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("Error") && !said.contains("panic"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_full_device_is_one_line() {
    let desk = Desk::new();
    for arguments in PRINTING {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = desk.run_into(&[&["--quiet"], arguments].concat(), full.into());
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        let expected = "Error: standard output cannot be written: No space left on device";
        assert!(said.starts_with(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_file_may_go_to_standard_output() {
    let desk = Desk::new();
    let original = fs::read(desk.directory.path().join("m.gguf")).unwrap();
    assert!(desk.run(&["export", "m", "-"]).stdout == original);
    let made = desk.run(&["quantize", "m.gguf", "-", "q8_0"]);
    assert!(made.status.success(), "{}", said(&made));
    desk.output(&["quantize", "m.gguf", "o.gguf", "q8_0"]);
    assert!(made.stdout == fs::read(desk.directory.path().join("o.gguf")).unwrap());
    assert_eq!(Gguf::parse(&made.stdout).unwrap().tensors()[1].element_type.name(), "Q8_0");
    assert!(!desk.directory.path().join("-").exists());
    for (arguments, says) in [
        (&["quantize", "-", "o.gguf", "q8_0"][..], "standard input cannot be quantized"),
        (&["quantize", "--keep-split", "m.gguf", "-", "q8_0"], "--keep-split makes several files"),
        (&["quantize", "m.gguf", "-", "q8_0", "--json"], "--json needs a file"),
        (&["export", "m", "-", "--json"], "--json needs a file"),
        (&["export", "m", "-", "--hard-link"], "--hard-link needs a file"),
    ] {
        let output = desk.run(arguments);
        assert!(!output.status.success() && said(&output).contains(says), "{}", text(&output));
    }
}

#[test]
fn an_answer_for_programs_is_alone_on_standard_output() {
    let desk = Desk::new();
    let output = desk.run(&["quantize", "m.gguf", "o.gguf", "q8_0", "--json", "--quality"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["files"][0]["file"], "o.gguf", "{answer}");
    assert!(said(&output).contains(" %"), "{}", said(&output));
}

#[test]
fn who_wants_quiet_hears_warnings_and_errors() {
    let desk = Desk::empty();
    fs::write(desk.directory.path().join("odd"), "FROM ./m.gguf\nPARAMETER \"odd\" 1\n").unwrap();
    let output = desk.run(&["create", "m", "-f", "odd", "--quiet"]);
    assert_eq!(text(&output), "warning: parameter \"odd\" is not known, and stored all the same\n");
    let output = desk.run(&["--quiet", "pull", "bad name"]);
    assert!(text(&output).starts_with("Error: invalid model name: \"bad name\""), "{}", text(&output));
    let output = desk.run(&["quantize", "m.gguf", "o.gguf", "q8_0", "--quiet"]);
    assert_eq!(text(&output), "");
}

#[test]
fn a_command_ends_with_what_it_made() {
    let desk = Desk::empty();
    let output = desk.run(&["create", "m", "-q", "q8_0"]);
    let last = said(&output).lines().last().unwrap().to_owned();
    let size = "m:latest: ";
    assert!(last.starts_with(size) && last.contains(" bits per weight, in "), "{last}");
    let output = desk.run(&["quantize", "m.gguf", "o.gguf", "q8_0"]);
    let last = said(&output).lines().last().unwrap().to_owned();
    assert!(last.starts_with("o.gguf: ") && last.contains(" bits per weight, in "), "{last}");
}
