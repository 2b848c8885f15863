//! The real program: its log, and how it ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ollamake::model::Digest;
use ollamake::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::hostile::cases::client::request;
use crate::in_process::small_gguf;
use crate::support::files::unfinished;
use crate::support::large_gguf::large_gguf;
use crate::support::process::{Process, command, text};

/// Makes every machine take seconds for a model that wide kernels quantize at once.
const SLOW: (&str, &str) = ("OLLAMAKE_SIMD", "scalar");

/// `ollamake serve` on a store of its own.
struct Served {
    process: Process,
    directory: TempDir,
}

impl Served {
    fn start(variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { process: Process::start(directory.path(), variables), directory }
    }

    /// Puts a blob into the store of the server.
    fn put(&self, bytes: &[u8]) -> Digest {
        let mut writer = Store::open(self.directory.path()).unwrap().create_blob();
        writer.write_all(bytes).unwrap();
        writer.commit(None).unwrap().blob.digest()
    }

    /// Sends a request whose answer nobody has read yet.
    fn send(&self, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.process.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    /// Begins to quantize a model that takes long, at least where the kernels are `SLOW`.
    fn begin_long_job(&self) -> TcpStream {
        let digest = self.put(&large_gguf(4096, 12_000));
        let body = format!(r#"{{"model": "q", "files": {{"m.gguf": "{digest}"}}, "quantize": "q2_K"}}"#);
        let stream = self.send("/api/create", "", &body);
        wait_until(|| !self.unfinished().is_empty());
        stream
    }

    fn unfinished(&self) -> Vec<String> {
        unfinished(self.directory.path())
    }
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
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
fn a_proxy_that_is_none_is_told_at_start() {
    let server = Served::start(&[("HTTPS_PROXY", "http://me:secret@proxy.lan:port")]);
    wait_until(|| server.process.log().contains("HTTPS_PROXY"));
    assert!(!server.process.log().contains("secret"), "{}", server.process.log());
}

#[test]
fn a_job_leaves_one_line_in_the_log() {
    let mut server = Served::start(&[("OLLAMAKE_LOG", "json"), ("RUST_LOG", "info")]);
    let gguf = small_gguf(&[]);
    let digest = server.put(&gguf);
    let body = format!(r#"{{"model": "m", "files": {{"m.gguf": "{digest}"}}, "quantize": "q8_0"}}"#);
    let headers = "X-Request-Id: from-a-test\r\nConnection: close\r\n";
    assert!(rest_of(server.send("/api/create", headers, &body)).contains("success"));
    server.process.signal(Signal::TERM);
    let status = server.process.wait();
    assert!(status.success(), "{status}");
    let log = server.process.log();
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
    let mut server = Served::start(&[("OLLAMAKE_SHUTDOWN_SECONDS", "1"), ("OLLAMAKE_MAX_JOBS", "1"), SLOW]);
    let running = server.begin_long_job();
    let mut waiting = server.begin_long_job();
    let mut start = [0; 400];
    let count = waiting.read(&mut start).unwrap();
    assert!(String::from_utf8_lossy(&start[..count]).starts_with("HTTP/1.1 200"));
    server.process.signal(Signal::TERM);
    // Who waits is told at once, who works when the time is over.
    for stream in [waiting, running] {
        let answer = rest_of(stream);
        assert!(answer.contains(r#"{"error":"the job was cancelled"#), "{answer}");
    }
    assert!(server.process.wait().success());
    // What had been made durable of the one output is kept, for whoever goes on with the job, and nothing
    // else.
    let outputs: BTreeSet<_> =
        server.unfinished().into_iter().map(|name| name.trim_end_matches(".note").to_owned()).collect();
    assert!(outputs.len() <= 1, "{outputs:?}");
    let own = server.directory.path().join("ollamake/outputs");
    assert!(outputs.iter().all(|output| own.join(output).exists()), "{outputs:?}");
    assert_eq!(blobs(server.directory.path()), 1);
}

#[test]
fn what_ends_in_time_is_finished() {
    let mut server = Served::start(&[]);
    let contents = b"hello";
    let digest = Digest::of(contents);
    let mut stream = TcpStream::connect(&server.process.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /api/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
         Content-Length: 5\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let leave = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut answer = vec![0; leave.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, leave);
    stream.write_all(&contents[..2]).unwrap();
    server.process.signal(Signal::TERM);
    wait_until(|| TcpStream::connect(&server.process.address).is_err());
    stream.write_all(&contents[2..]).unwrap();
    let answer = rest_of(stream);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(server.process.wait().success());
    assert_eq!(blobs(server.directory.path()), 1);
}

#[test]
fn the_second_signal_ends_the_server_without_waiting() {
    let mut server = Served::start(&[("OLLAMAKE_SHUTDOWN_SECONDS", "100000"), SLOW]);
    let stream = server.begin_long_job();
    server.process.signal(Signal::TERM);
    wait_until(|| TcpStream::connect(&server.process.address).is_err());
    server.process.signal(Signal::TERM);
    server.process.wait();
    assert!(!rest_of(stream).contains("success"));
    assert_eq!(server.unfinished(), Vec::<String>::new());
}

#[test]
fn a_key_that_is_empty_keeps_the_server_from_starting() {
    for (variable, value) in [("OLLAMAKE_API_KEY", ""), ("OLLAMAKE_API_KEY_FILE", "/dev/null")] {
        let directory = tempfile::tempdir().unwrap();
        let output = command(directory.path(), &["serve"]).env(variable, value).output().unwrap();
        assert!(!output.status.success());
        let text = text(&output);
        assert!(text.starts_with(&format!("Error: {variable} holds no key")), "{text}");
    }
}

#[test]
fn work_is_done_and_the_end_is_orderly_when_nobody_reads_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(directory.path(), &["serve"]);
    let mut child = command.env("RUST_LOG", "debug").stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on http://") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server does not listen");
    }
    drop(log);
    let address = line.trim_end().rsplit_once("http://").unwrap().1;
    let ask = |path: &str, body: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&request(path, body)).unwrap();
        rest_of(stream)
    };
    let contents = small_gguf(&[]);
    let digest = Digest::of(&contents);
    let answer = ask(&format!("/api/blobs/{digest}"), &contents);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let body = format!(r#"{{"model": "m", "files": {{"m.gguf": "{digest}"}}}}"#);
    let answer = ask("/api/create", body.as_bytes());
    assert!(answer.contains(r#"{"status":"success"}"#), "{answer}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn who_is_asked_to_end_as_soon_as_it_listens_ends_in_order() {
    for _ in 0..5 {
        let mut served = Served::start(&[]);
        served.process.signal(Signal::TERM);
        assert!(served.process.wait().success());
    }
}
