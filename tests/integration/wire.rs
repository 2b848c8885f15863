//! Recorded conversations with two genuine servers, replayed.
//!
//! Every exchange is sent in its order to a fresh store; status, content type and body of our answer are
//! compared with the recorded ones. [`differences`] lists where we answer otherwise on purpose. The files
//! that were uploaded are made again ([`models`]), so digests that depend on weights differ: they are
//! translated, and those of quantized layers are learnt where they are first told. Digests of templates,
//! system prompts, licenses, parameters and messages must be the recorded ones.

mod compare;
mod differences;
mod models;
mod recording;

use axum::body::Body;
use hyper::Request;
use ollamake::registry::Proxies;

use crate::in_process::{Answer, InProcess};
use compare::Translation;
use differences::{CHANGED_SINCE_0_24, DIFFERENCES, Difference, NOT_REPEATED, Ours, unsupported};
use models::{File, digests, files};
use recording::{Exchange, Recorded, read};

const OLLAMA_0_33: &str = include_str!("../fixtures/wire/ollama-0.33.md");
const OLLAMA_0_24: &str = include_str!("../fixtures/wire/ollama-0.24.md");

struct Replay {
    server: InProcess,
    files: Vec<File>,
    translation: Translation,
}

impl Replay {
    fn new(renames_layers: bool) -> Self {
        let files = files();
        let translation = Translation::new(digests(&files), renames_layers);
        // Nothing may leave this machine, as nothing left the recorded ones.
        let nowhere = |name: &str| match name {
            "HTTP_PROXY" | "HTTPS_PROXY" => Some("http://127.0.0.1:1".to_owned()),
            "NO_PROXY" => Some("127.0.0.1".to_owned()),
            _ => None,
        };
        let server = InProcess::with(|config| config.registry.proxies = Proxies::from_environment(nowhere));
        Self { server, files, translation }
    }

    async fn send(&self, exchange: &Exchange) -> Answer {
        let path = self.translation.digests(&exchange.path);
        let mut request = Request::builder().method(exchange.method.as_str()).uri(path);
        if !exchange.headers.iter().any(|(name, _)| name == "Host") {
            request = request.header("Host", "127.0.0.1:11434");
        }
        for (name, value) in &exchange.headers {
            request = request.header(name, value);
        }
        let left_out = exchange.body.starts_with('<') && exchange.body.ends_with(" bytes>");
        let body = match self.files.iter().find(|file| left_out && exchange.path.contains(file.recorded)) {
            Some(file) => Body::from(file.bytes.clone()),
            None => Body::from(self.translation.digests(&exchange.body)),
        };
        self.server.send(request.body(body).unwrap()).await
    }
}

async fn replay(text: &str, renames_layers: bool) {
    let (exchanges, told_otherwise) = read(text);
    let mut replay = Replay::new(renames_layers);
    let mut part = String::new();
    let mut repeated = 0;
    for exchange in &exchanges {
        if NOT_REPEATED.iter().any(|(section, _)| *section == exchange.section) {
            continue;
        }
        if exchange.part != part {
            part.clone_from(&exchange.part);
            replay = Replay::new(renames_layers);
            // The recording tells this upload in words: a thousand bytes, with leave to send them.
            replay.server.upload(&[b'z'; 1000]).await;
        }
        let answer = replay.send(exchange).await;
        let context = || {
            format!(
                "{}: {} {}\n{}\ntheirs: {} {}\nours: {} {}",
                exchange.name,
                exchange.method,
                exchange.path,
                exchange.body,
                exchange.answer.status,
                exchange.answer.body,
                answer.status,
                answer.body
            )
        };
        let is_older = !renames_layers && CHANGED_SINCE_0_24.contains(&exchange.name.as_str());
        match DIFFERENCES.iter().find(|difference| difference.exchange == exchange.name) {
            Some(difference) => assert_difference(difference, exchange, &answer, &context),
            None if is_older => assert_eq!(answer.status.as_u16(), exchange.answer.status, "{}", context()),
            None => {
                assert_eq!(answer.status.as_u16(), exchange.answer.status, "{}", context());
                assert_headers(&exchange.answer, &answer, &context);
                replay.translation.assert_same(exchange, &answer, &context);
            }
        }
        repeated += 1;
    }
    println!(
        "{repeated} of {} exchanges repeated; told in another form: {told_otherwise:?}",
        exchanges.len()
    );
    assert!(repeated > 150);
}

/// The headers that say something, in a conversation that is not over a socket.
fn assert_headers(theirs: &Recorded, ours: &Answer, context: &dyn Fn() -> String) {
    for (name, value) in &theirs.headers {
        if matches!(name.as_str(), "date" | "content-length" | "transfer-encoding" | "connection") {
            continue;
        }
        let values: Vec<_> = ours.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(values.join(", "), *value, "{name} of {}", context());
    }
    if !theirs.headers.contains_key("content-type") {
        assert!(!ours.headers.contains_key("content-type"), "{}", context());
    }
}

fn assert_difference(
    difference: &Difference,
    exchange: &Exchange,
    answer: &Answer,
    context: &dyn Fn() -> String,
) {
    let tell = || format!("{}\n({})", context(), difference.reason);
    let status = answer.status.as_u16();
    let recorded = exchange.answer.body.lines().last().unwrap_or_default();
    match difference.ours {
        Ours::SameErrorEarly => {
            let theirs: serde_json::Value = serde_json::from_str(recorded).unwrap();
            assert_eq!(
                (status, answer.error().as_str()),
                (400, theirs["error"].as_str().unwrap()),
                "{}",
                tell()
            );
        }
        Ours::Error(expected, text) => {
            let text = if text.contains(' ') { text.to_owned() } else { unsupported(text) };
            assert_eq!((status, answer.error()), (expected, text), "{}", tell());
        }
        Ours::ErrorAfter(expected, lines, part) => {
            let told: Vec<_> =
                answer.statuses().into_iter().filter(|line| !line.starts_with("pushing ")).collect();
            assert_eq!(
                (status, told),
                (expected, lines.iter().map(|&line| line.into()).collect()),
                "{}",
                tell()
            );
            assert!(answer.error().contains(part), "{}", tell());
        }
        Ours::Status(expected) => assert_eq!(status, expected, "{}", tell()),
        Ours::Body(text) => assert_eq!((status, answer.body.as_str()), (200, text), "{}", tell()),
        Ours::Success => {
            assert_eq!(
                (status, answer.statuses().last().map(String::as_str)),
                (200, Some("success")),
                "{}",
                tell()
            );
        }
    }
    assert!(!answer.body.contains("/blobs/"), "{}", tell());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conversation_with_0_33_is_repeated() {
    replay(OLLAMA_0_33, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conversation_with_0_24_is_repeated() {
    replay(OLLAMA_0_24, false).await;
}

#[test]
fn every_difference_is_met() {
    let recorded = [OLLAMA_0_33, OLLAMA_0_24].map(|text| read(text).0);
    for difference in DIFFERENCES {
        let is_met = recorded.iter().flatten().any(|exchange| exchange.name == difference.exchange);
        assert!(is_met, "{} is not in the recordings", difference.exchange);
        assert!(!difference.reason.is_empty());
    }
}
