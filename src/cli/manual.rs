//! `ollamake man DIRECTORY`

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use super::CliError;
use super::new_file::NewFile;
use super::standard_output::print_line;

/// One page for the program and one for each command; man finds them where MANPATH leads to, in a directory
/// man1.
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// Where the pages go; it is made if it is not there
    directory: PathBuf,
}

impl Manual {
    pub(super) fn run(self, mut program: Command) -> Result<(), CliError> {
        fs::create_dir_all(&self.directory).map_err(CliError::file(&self.directory))?;
        program.build();
        self.write(&program)?;
        let listed = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
        program.get_subcommands().filter(listed).try_for_each(|command| self.write(command))
    }

    fn write(&self, command: &Command) -> Result<(), CliError> {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = self.directory.join(format!("{name}.1"));
        let mut page = Vec::new();
        let man = Man::new(command.clone()).title(name.to_uppercase()).section("1");
        man.render(&mut page).map_err(CliError::file(&path))?;
        put(&path, &page).map_err(CliError::file(&path))?;
        Ok(print_line(path.display())?)
    }
}

/// Writes a file that appears when it is complete.
fn put(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let mut file = NewFile::create(path)?;
    std::io::Write::write_all(&mut file, contents)?;
    file.complete()?;
    file.publish()
}
