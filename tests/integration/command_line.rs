//! The command line as a whole: what all commands have in common.

mod answers;
mod help;
mod outputs;
mod surroundings;

use std::fs;
use std::process::{Command, Output};

use ollamake::gguf::Metadata;
use ollamake::tensor::ElementType;
use tempfile::TempDir;

use crate::in_process::gguf;
use crate::support::process::{command, text};

/// A directory with a model file and a store.
struct Desk {
    directory: TempDir,
    models: TempDir,
}

impl Desk {
    /// With a file that can be quantized, and nothing in the store.
    fn empty() -> Self {
        let desk = Self { directory: tempfile::tempdir().unwrap(), models: tempfile::tempdir().unwrap() };
        let mut metadata = Metadata::new();
        metadata.set("general.architecture", "llama");
        metadata.set("llama.block_count", 1_u32);
        let tensors: [(&str, &[u64], ElementType); 2] = [
            ("blk.0.ffn_up.weight", &[256, 8], ElementType::F32),
            ("output_norm.weight", &[256], ElementType::F32),
        ];
        fs::write(desk.directory.path().join("m.gguf"), gguf(&metadata, &tensors)).unwrap();
        fs::write(desk.directory.path().join("Modelfile"), "FROM ./m.gguf\nSYSTEM be brief\n").unwrap();
        desk
    }

    /// With the model `m` as well.
    fn new() -> Self {
        let desk = Self::empty();
        desk.output(&["create", "m"]);
        desk
    }

    /// A command as people run it, who have set no log.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.models.path(), arguments);
        command.current_dir(self.directory.path()).env_remove("RUST_LOG");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that must succeed prints.
    fn output(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What a command says beside what it prints.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
