//! What is said of the commands themselves: help, completions, manual pages, commands of other programs.

use std::fs;
use std::process::{Command, Stdio};

use super::{Desk, said};
use crate::support::process::text;

/// The commands that the help lists.
fn commands(desk: &Desk) -> Vec<String> {
    let help = desk.output(&["help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let names: Vec<_> = names.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    names.into_iter().filter(|name| !name.is_empty() && name != "help").collect()
}

#[test]
fn every_option_is_explained_in_a_hundred_columns() {
    let desk = Desk::empty();
    let commands = commands(&desk);
    assert!(commands.len() > 20, "{commands:?}");
    let pages =
        commands.iter().map(|name| vec![name.as_str(), "--help"]).chain([vec!["--help"], vec!["help"]]);
    for arguments in pages {
        let mut program = desk.command(&arguments);
        let output = program.env("COLUMNS", "300").output().unwrap();
        assert!(output.status.success());
        let page = text(&output);
        for line in page.lines() {
            assert!(line.chars().count() <= 100, "{arguments:?}: {line}");
        }
        // An option that is not explained ends its line, and the next begins another.
        let lines: Vec<&str> = page.lines().chain([""]).collect();
        let is_option = |line: &str| line.starts_with("  -") || line.starts_with("      --");
        for pair in lines.windows(2).filter(|pair| is_option(pair[0])) {
            let is_explained = pair[0].trim_start().contains("  ") || pair[1].starts_with("          ");
            assert!(is_explained, "{arguments:?}: {}", pair[0]);
        }
    }
    let page = desk.output(&["list", "--help"]);
    assert!(page.contains("OLLAMA_HOST [127.0.0.1:11434]"), "{page}");
    assert!(desk.output(&["help"]).contains("Exit codes:"));
}

#[test]
fn shells_complete_every_command() {
    let desk = Desk::empty();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = desk.output(&["completions", shell]);
        for name in commands(&desk) {
            assert!(script.contains(&name), "{shell} does not know {name}");
        }
        assert!(script.contains("dry-run"), "{shell}");
        let checked = Command::new(shell).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        if let (Ok(mut child), "bash" | "zsh" | "fish") = (checked, shell) {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{shell}: {}", text(&output));
        }
    }
    assert_eq!(desk.run(&["completions", "csh"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let desk = Desk::empty();
    let told = desk.output(&["man", "pages/man1"]);
    let directory = desk.directory.path().join("pages/man1");
    let mut expected: Vec<_> = commands(&desk).iter().map(|name| format!("ollamake-{name}.1")).collect();
    expected.push("ollamake.1".to_owned());
    expected.sort();
    let mut names: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, expected);
    assert_eq!(told.lines().count(), expected.len());
    let page = fs::read_to_string(directory.join("ollamake-create.1")).unwrap();
    for part in [".TH ", "OLLAMAKE-CREATE", "quantize", "OLLAMA_HOST"] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    fs::write(desk.directory.path().join("file"), "x").unwrap();
    let output = desk.run(&["man", "file"]);
    assert!(
        output.status.code() == Some(1) && said(&output).starts_with("Error: file: "),
        "{}",
        said(&output)
    );
}

#[test]
fn commands_have_the_names_that_people_try() {
    let desk = Desk::new();
    for (alias, arguments) in
        [("ls", &[][..]), ("copy", &["m", "n"]), ("cp", &["m", "o"]), ("remove", &["n"]), ("delete", &["o"])]
    {
        desk.output(&[&[alias], arguments].concat());
    }
    for (name, says) in [
        ("run", "\"ollama run\""),
        ("ps", "\"ollamake jobs\""),
        ("stop", "\"ollamake jobs --stop ID\""),
        ("signin", "\"ollama signin\""),
        ("login", "\"docker login\""),
        ("launch", "\"ollama launch\""),
    ] {
        for arguments in [vec![name], vec![name, "m"], vec![name, "m", "--verbose", "hello there"]] {
            let output = desk.run(&arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert!(said(&output).contains(says) && !text(&output).contains("prune"), "{}", text(&output));
        }
    }
    assert!(desk.output(&["list"]).contains("m:latest"));
}
