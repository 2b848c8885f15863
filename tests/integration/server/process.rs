//! The real program: its log, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ollamake::model::Digest;
use ollamake::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::limits::large_gguf;
use crate::in_process::small_gguf;
use crate::support::bytes::digest_of;

/// `ollamake serve` on a store of its own. It is killed if a test fails.
struct Process {
    child: Child,
    address: String,
    directory: TempDir,
    /// What it wrote to its log.
    log: Option<JoinHandle<String>>,
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ollamake"))
            .arg("serve")
            .env("OLLAMA_HOST", "127.0.0.1:0")
            .env("OLLAMA_MODELS", directory.path())
            .env_remove("RUST_LOG")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on http://") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server did not start");
        }
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, address, directory, log: Some(log) }
    }

    /// Puts a blob into the store of the server.
    fn put(&self, bytes: &[u8]) -> Digest {
        let mut writer = Store::open(self.directory.path()).unwrap().create_blob();
        writer.write_all(bytes).unwrap();
        writer.commit(None).unwrap().blob.digest()
    }

    /// Sends a request whose answer nobody has read yet.
    fn send(&self, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    /// Begins to quantize a model that takes long.
    fn begin_long_job(&self) -> TcpStream {
        let digest = self.put(&large_gguf());
        let body = format!(r#"{{"model": "q", "files": {{"m.gguf": "{digest}"}}, "quantize": "q2_K"}}"#);
        let stream = self.send("/api/create", "", &body);
        wait_until(|| !self.temporary().is_empty());
        stream
    }

    /// Files under way.
    fn temporary(&self) -> Vec<String> {
        let directory = self.directory.path().join("ollamake");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            let names = std::fs::read_dir(entry.path()).unwrap().flatten();
            found.extend(names.map(|file| file.file_name().to_string_lossy().into_owned()));
        }
        found
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process has ended.
    fn wait(&mut self) -> (ExitStatus, String) {
        let mut status = None;
        wait_until_some(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap(), self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    wait_until_some(condition);
}

fn wait_until_some(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn rest_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is cut off has been read, too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn blobs(directory: &Path) -> usize {
    std::fs::read_dir(directory.join("blobs")).unwrap().count()
}

#[test]
fn a_job_leaves_one_line_in_the_log() {
    let mut process = Process::start(&[("OLLAMAKE_LOG", "json")]);
    let gguf = small_gguf(&[]);
    let digest = process.put(&gguf);
    let body = format!(r#"{{"model": "m", "files": {{"m.gguf": "{digest}"}}, "quantize": "q8_0"}}"#);
    let headers = "X-Request-Id: from-a-test\r\nConnection: close\r\n";
    assert!(rest_of(process.send("/api/create", headers, &body)).contains("success"));
    process.signal(Signal::TERM);
    let (status, log) = process.wait();
    assert!(status.success(), "{status}");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let jobs: Vec<_> = lines.filter(|line| line["message"] == "job ended").collect();
    let [job] = &jobs[..] else { panic!("{log}") };
    assert_eq!((&job["kind"], &job["outcome"]), (&"create".into(), &"succeeded".into()));
    assert!(job["model"].as_str().unwrap().ends_with("m:latest"), "{job}");
    assert_eq!(job["bytes_in"], gguf.len());
    assert!(job["bytes_out"].as_u64().unwrap() > 0);
    assert_eq!(job["warnings"], 0);
    for phase in ["prepare", "wait", "transfer", "convert", "quantize", "write", "sync", "finish"] {
        assert!(job[format!("{phase}_seconds")].is_f64(), "{phase}: {job}");
    }
    if cfg!(target_os = "linux") {
        assert!(job["peak_process_memory"].as_u64().unwrap() > 1 << 20);
    }
    assert_eq!(job["span"]["id"], "from-a-test");
}

#[test]
fn a_job_that_cannot_end_in_time_is_cancelled_and_told_so() {
    let mut process = Process::start(&[("OLLAMAKE_SHUTDOWN_SECONDS", "1"), ("OLLAMAKE_MAX_JOBS", "1")]);
    let running = process.begin_long_job();
    let mut waiting = process.begin_long_job();
    let mut start = [0; 400];
    let count = waiting.read(&mut start).unwrap();
    assert!(String::from_utf8_lossy(&start[..count]).starts_with("HTTP/1.1 200"));
    process.signal(Signal::TERM);
    // Who waits is told at once, who works when the time is over.
    for stream in [waiting, running] {
        let answer = rest_of(stream);
        assert!(answer.contains(r#"{"error":"the job was cancelled"#), "{answer}");
    }
    assert!(process.wait().0.success());
    assert_eq!(process.temporary(), Vec::<String>::new());
    assert_eq!(blobs(process.directory.path()), 1);
}

#[test]
fn what_ends_in_time_is_finished() {
    let mut process = Process::start(&[]);
    let contents = b"hello";
    let digest = digest_of(contents);
    let mut stream = TcpStream::connect(&process.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /api/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let leave = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut answer = vec![0; leave.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, leave);
    stream.write_all(&contents[..2]).unwrap();
    process.signal(Signal::TERM);
    wait_until(|| TcpStream::connect(&process.address).is_err());
    stream.write_all(&contents[2..]).unwrap();
    let answer = rest_of(stream);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(process.wait().0.success());
    assert_eq!(blobs(process.directory.path()), 1);
}

#[test]
fn the_second_signal_ends_the_server_without_waiting() {
    let mut process = Process::start(&[("OLLAMAKE_SHUTDOWN_SECONDS", "100000")]);
    let stream = process.begin_long_job();
    process.signal(Signal::TERM);
    wait_until(|| TcpStream::connect(&process.address).is_err());
    process.signal(Signal::TERM);
    process.wait();
    assert!(!rest_of(stream).contains("success"));
    assert_eq!(process.temporary(), Vec::<String>::new());
}

#[test]
fn a_key_that_is_empty_keeps_the_server_from_starting() {
    for (variable, value) in [("OLLAMAKE_API_KEY", ""), ("OLLAMAKE_API_KEY_FILE", "/dev/null")] {
        let directory = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_ollamake"))
            .arg("serve")
            .env("OLLAMA_HOST", "127.0.0.1:0")
            .env("OLLAMA_MODELS", directory.path())
            .env(variable, value)
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.starts_with(&format!("Error: {variable} holds no key")), "{text}");
    }
}
