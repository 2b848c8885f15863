//! The program itself, as a process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// So much of the log is kept, and of a line; what follows is not looked at.
const LONGEST_LOG: usize = 1 << 20;

/// A command of the program on the store in `models`, with nothing of this process's environment.
pub(crate) fn command(models: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ollamake"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command.envs([("OLLAMA_MODELS", models), ("HOME", models)]);
    command.envs([("OLLAMA_HOST", "127.0.0.1:0"), ("RUST_LOG", "warn")]);
    command
}

/// Runs a command to its end.
pub(crate) fn run(models: &Path, arguments: &[&str]) -> Output {
    command(models, arguments).output().unwrap()
}

/// The last line of what a server answers to a request of Ollama's API.
pub(crate) async fn last_line(server: &Process, path: &str, body: Value) -> Value {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.post(format!("http://{}/api/{path}", server.address)).json(&body).send().await.unwrap();
    serde_json::from_str(answer.text().await.unwrap().lines().last().unwrap()).unwrap()
}

/// What a command wrote, both streams.
pub(crate) fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Runs a server on a store of blobs that are old enough, until it has looked what to prune; what it said.
pub(crate) fn serve_until_pruned(models: &Path) -> String {
    let long_ago = SystemTime::now() - Duration::from_secs(7200);
    for entry in fs::read_dir(models.join("blobs")).unwrap() {
        File::open(entry.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
    }
    let server = Process::start(models, &[("RUST_LOG", "info")]);
    let (start, mut log) = (Instant::now(), String::new());
    while !log.contains("prune") {
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not prune: {log}");
        std::thread::sleep(Duration::from_millis(5));
        log += &server.log();
    }
    log
}

/// A server process. It is killed with this value.
pub(crate) struct Process {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a server on a free port and waits until it listens.
    pub(crate) fn start(models: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command(models, &["serve"]);
        command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, first) = mpsc::channel();
        let reader = std::thread::spawn({
            let log = log.clone();
            move || {
                let mut line = String::new();
                while let Ok(1..) = (&mut lines).take(LONGEST_LOG as u64).read_line(&mut line) {
                    if let Some((_, address)) = line.trim_end().split_once("listening on http://") {
                        // In JSON, the line ends the text and the object.
                        let _ = sender.send(address.trim_end_matches(['"', '}']).to_owned());
                    } else {
                        let mut log = log.lock().unwrap();
                        if log.len() < LONGEST_LOG {
                            log.push_str(&line);
                        }
                    }
                    line.clear();
                }
            }
        });
        let address = match first.recv_timeout(Duration::from_secs(30)) {
            Ok(address) => address,
            Err(error) => {
                let _ = child.kill();
                panic!("the server does not listen ({error}): {}", log.lock().unwrap());
            }
        };
        Self { child, address, log, reader: Some(reader) }
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, wherever it is.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended, for at most half a minute.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reader.take().into_iter().for_each(|reader| reader.join().unwrap());
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it logged since the last call: warnings and errors, unless `RUST_LOG` says otherwise.
    pub(crate) fn log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
