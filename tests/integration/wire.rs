//! Recorded conversations with two genuine servers, replayed.

mod models;
mod recording;

use std::collections::HashMap;

use axum::body::Body;
use hyper::Request;
use serde_json::Value;

use crate::in_process::{Answer, InProcess, digest_of};
use models::{File, digests, files};
use recording::{Exchange, Recorded, read};

const OLLAMA_0_33: &str = include_str!("../fixtures/wire/ollama-0.33.md");
const OLLAMA_0_24: &str = include_str!("../fixtures/wire/ollama-0.24.md");

struct Replay {
    server: InProcess,
    files: Vec<File>,
    /// Recorded hexadecimal digits and ours.
    digests: HashMap<String, String>,
}

impl Replay {
    fn ours(&self, text: &str) -> String {
        self.digests.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    async fn send(&self, exchange: &Exchange) -> Answer {
        let mut request = Request::builder().method(exchange.method.as_str()).uri(self.ours(&exchange.path));
        let has_host = exchange.headers.iter().any(|(name, _)| name == "Host");
        if !has_host {
            request = request.header("Host", "127.0.0.1:11434");
        }
        for (name, value) in &exchange.headers {
            request = request.header(name, value);
        }
        let left_out = exchange.body.starts_with('<') && exchange.body.ends_with(" bytes>");
        let body = match self.files.iter().find(|file| left_out && exchange.path.contains(file.recorded)) {
            Some(file) => Body::from(file.bytes.clone()),
            None => Body::from(self.ours(&exchange.body)),
        };
        self.server.send(request.body(body).unwrap()).await
    }
}

#[tokio::test]
async fn explore() {
    for text in [OLLAMA_0_33, OLLAMA_0_24] {
        let (exchanges, others) = read(text);
        println!("{} exchanges, others: {others:?}", exchanges.len());
        let files = files();
        println!("lengths {:?}", files.iter().map(|f| f.bytes.len()).collect::<Vec<_>>());
        let mut part = String::new();
        let mut replay = Replay { server: InProcess::new(), digests: digests(&files), files };
        for exchange in exchanges {
            if exchange.part != part {
                part = exchange.part.clone();
                replay.server = InProcess::new();
            }
            let answer = replay.send(&exchange).await;
            let expected = replay.ours(&exchange.answer.body);
            let content_type = answer.headers.get("content-type").map(|v| v.to_str().unwrap().to_owned());
            let body = answer.body.trim().to_owned();
            let same = answer.status.as_u16() == exchange.answer.status
                && content_type.as_deref() == exchange.answer.headers.get("content-type").map(String::as_str)
                && (body == expected || exchange.answer.is_cut && exchange.answer.body.len() > 100000);
            if !same {
                println!(
                    "\n#### {} | {}\n>>> {} {}\n{}",
                    exchange.section,
                    exchange.name,
                    exchange.method,
                    exchange.path,
                    &exchange.body.chars().take(300).collect::<String>()
                );
                println!(
                    "theirs {} {:?}\n{}",
                    exchange.answer.status,
                    exchange.answer.headers.get("content-type"),
                    expected.chars().take(1500).collect::<String>()
                );
                println!(
                    "ours {} {:?}\n{}",
                    answer.status,
                    content_type,
                    body.chars().take(1500).collect::<String>()
                );
            }
        }
    }
    let _ = digest_of(b"");
    let _: Option<(Recorded, Value)> = None;
}
