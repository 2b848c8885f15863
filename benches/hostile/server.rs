//! The program itself as a process of its own, and how much memory it takes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::memory::memory;

/// A server with an empty store; it ends with this value.
pub(crate) struct Server {
    pub(crate) address: String,
    process: Child,
    store: TempDir,
}

impl Server {
    /// Starts a server, which may be told where the Hub is, and waits until it answers.
    pub(crate) fn start(hub: Option<String>) -> Self {
        let store = tempfile::tempdir().expect("a directory");
        let mut process = Command::new(env!("CARGO_BIN_EXE_ollamake"))
            .arg("serve")
            .env_clear()
            .env("OLLAMA_HOST", "127.0.0.1:0")
            .env("OLLAMA_MODELS", store.path())
            .env("RUST_LOG", "off")
            .envs(hub.map(|hub| ("HF_ENDPOINT", hub)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(process.stderr.take().expect("its messages"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("its first message");
        let address = line.trim().rsplit('/').next().expect("an address").to_owned();
        // Nothing of what it says may hold it up.
        thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        let server = Self { address, process, store };
        for _ in 0..3 {
            let mut connection = TcpStream::connect(&server.address).expect("the server listens");
            connection
                .write_all(b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .expect("a request");
            connection.read_to_end(&mut Vec::new()).expect("an answer");
        }
        server
    }

    /// The directory of its store.
    pub(crate) fn store(&self) -> &Path {
        self.store.path()
    }

    /// Bytes that are resident now; the peak is counted from here.
    pub(crate) fn forget_peak(&self) -> u64 {
        // Linux, `Documentation/filesystems/proc.rst`: 5 resets the peak.
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").expect("Linux");
        self.memory("VmRSS")
    }

    /// The most bytes that were resident at once.
    pub(crate) fn peak(&self) -> u64 {
        self.memory("VmHWM")
    }

    fn memory(&self, line: &str) -> u64 {
        memory(self.process.id(), line).expect("a running server")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
