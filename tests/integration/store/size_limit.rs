//! A server that may not write long files.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::contract::leftovers;
use crate::support::noise::noise;
use ollamake::model::Digest;

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_beyond_the_limit_of_the_process_is_an_error_like_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Command::new("sh")
        .args(["-c", "ulimit -f 256; exec \"$0\" serve", env!("CARGO_BIN_EXE_ollamake")])
        .env("OLLAMA_HOST", "127.0.0.1:0")
        .env("OLLAMA_MODELS", directory.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(server.stderr.take().unwrap());
    let _running = Running(server);
    let mut lines = output.lines().map(Result::unwrap);
    let address = lines.find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned())).unwrap();
    let upload = |bytes: &[u8]| {
        let mut connection = TcpStream::connect(&address).unwrap();
        let digest = Digest::of(bytes);
        let length = bytes.len();
        write!(
            connection,
            "POST /api/blobs/{digest} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        )
        .unwrap();
        // The server may answer before it has read everything.
        let _ = connection.write_all(bytes);
        let mut answer = String::new();
        let _ = connection.read_to_string(&mut answer);
        answer
    };
    let refused = upload(&noise(1, 1 << 20));
    assert!(refused.starts_with("HTTP/1.1 507"), "{refused}");
    assert!(refused.contains("no space left in the model store"), "{refused}");
    let taken = upload(&noise(2, 1 << 10));
    assert!(taken.starts_with("HTTP/1.1 201"), "{taken}");
    assert_eq!(leftovers(directory.path()), 0);
    assert_eq!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count(), 1);
}
