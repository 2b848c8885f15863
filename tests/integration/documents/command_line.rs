//! The page about the command line: what `--help` says.

use std::fmt::Write as _;

use clap::CommandFactory;
use ollamake::cli::Arguments;

use super::generated::{made_by, page_is};

#[test]
fn the_page_says_what_help_says() {
    let mut program = Arguments::command().term_width(100);
    program.build();
    let mut page = String::from("# The command line\n\n") + &made_by("command_line");
    page += "\nWhat each command says of itself when it is asked with `--help`. The variables of the \
             environment are in [Settings](../settings.md).\n";
    for command in program.get_subcommands_mut() {
        if command.get_name() == "help" || command.is_hide_set() {
            continue;
        }
        // The settings have a page of their own.
        *command = std::mem::take(command).after_long_help(None::<&str>);
        let help = command.render_long_help().to_string();
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        let (name, help) = (command.get_name(), help.join("\n"));
        write!(page, "\n## ollamake {name}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    }
    page_is("reference/command-line.md", &page);
}
