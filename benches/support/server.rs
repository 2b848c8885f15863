//! The server as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that is a process. It is killed with this value.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Serves a store.
    pub(crate) fn ollamake(models: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ollamake"));
        command.arg("serve").env_clear().stdin(Stdio::null()).stderr(Stdio::piped());
        command.envs([("OLLAMA_MODELS", models), ("HOME", models)]).env("OLLAMA_HOST", "127.0.0.1:0");
        let mut child = command.spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("listening on http://").map(|(_, address)| address.trim().to_owned())
        });
        // Nobody waits for a log that nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.expect("it listens") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
