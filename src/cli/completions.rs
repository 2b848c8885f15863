//! `ollamake completions SHELL`

use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

use super::standard_output::{OutputError, print};

/// For bash, for example: ollamake completions bash > ~/.local/share/bash-completion/completions/ollamake
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell to complete commands in
    shell: Completed,
}

/// The shells whose completion is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
enum Completed {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl Completions {
    pub(super) fn run(self, mut program: Command) -> Result<(), OutputError> {
        let shell = match self.shell {
            Completed::Bash => Shell::Bash,
            Completed::Zsh => Shell::Zsh,
            Completed::Fish => Shell::Fish,
            Completed::Powershell => Shell::PowerShell,
        };
        let mut script = Vec::new();
        generate(shell, &mut program, "ollamake", &mut script);
        print(String::from_utf8_lossy(&script))
    }
}
