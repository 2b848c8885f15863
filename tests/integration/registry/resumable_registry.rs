//! A registry that keeps every byte of an interrupted upload, as the specification has it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;
use futures_util::StreamExt as _;

use super::stub::answer;
use ollamake::model::Digest;

/// The registry; it ends with this value.
pub(crate) struct ResumableRegistry {
    address: SocketAddr,
    contents: Arc<Mutex<Contents>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Contents {
    /// Bytes that it has room for, if that is limited.
    room: Option<usize>,
    sessions: HashMap<String, Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    manifest: Vec<u8>,
}

impl Contents {
    /// Whether so many bytes more fit in.
    fn has_room_for(&self, count: usize) -> bool {
        let taken: usize = self.sessions.values().chain(self.blobs.values()).map(Vec::len).sum();
        self.room.is_none_or(|room| taken + count <= room)
    }
}

impl ResumableRegistry {
    pub(crate) async fn start() -> Self {
        Self::with_room(None).await
    }

    /// One that has room for so many bytes, if that is limited.
    pub(crate) async fn with_room(room: Option<usize>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let contents = Arc::new(Mutex::new(Contents { room, ..Contents::default() }));
        let app = axum::Router::new().fallback(serve).with_state(contents.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, contents, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives it all the room that there is.
    pub(crate) fn make_room(&self) {
        self.contents.lock().unwrap().room = None;
    }

    /// Bytes of what was begun and has not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.contents.lock().unwrap().sessions.values().map(Vec::len).sum()
    }

    pub(crate) fn has(&self, blob: &[u8]) -> bool {
        let contents = self.contents.lock().unwrap();
        contents.blobs.get(&Digest::of(blob).to_string()).is_some_and(|stored| stored == blob)
    }

    pub(crate) fn manifest(&self) -> Vec<u8> {
        self.contents.lock().unwrap().manifest.clone()
    }
}

impl Drop for ResumableRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(contents): State<Arc<Mutex<Contents>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let last = path.rsplit('/').next().unwrap().to_owned();
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let digest = url::form_urlencoded::parse(query).find(|(key, _)| key == "digest");
    let digest = digest.map(|(_, value)| value.into_owned());
    let position = || contents.lock().unwrap().sessions.get(&last).map(Vec::len);
    let progress = |status| {
        let range = format!("0-{}", position().unwrap_or(0).saturating_sub(1));
        answer(status, &[("location", &path), ("range", &range)], "")
    };
    match (&parts.method, path.contains("/uploads/")) {
        (&Method::POST, true) => {
            let mut contents = contents.lock().unwrap();
            // No session has the name of one that has ended, which may still be written to.
            let session = format!("session-{}", rand::random::<u64>());
            contents.sessions.insert(session.clone(), Vec::new());
            answer(202, &[("location", &session)], "")
        }
        (&Method::GET, true) if position().is_some() => progress(204),
        (&Method::DELETE, true) if position().is_some() => {
            contents.lock().unwrap().sessions.remove(&last);
            answer(204, &[], "")
        }
        (&Method::PATCH | &Method::PUT, true) if position().is_some() => {
            let range = parts.headers.get("content-range").map(|value| value.to_str().unwrap().to_owned());
            let start = range.map(|range| range.split_once('-').unwrap().0.parse::<usize>().unwrap());
            if start.is_some_and(|start| Some(start) != position()) {
                return progress(416);
            }
            // What a broken connection still delivers late is written where it belongs, not where the next
            // request has got to.
            let mut at = start.or_else(&position).unwrap_or(0);
            let mut body = body.into_data_stream();
            while let Some(Ok(bytes)) = body.next().await {
                let mut contents = contents.lock().unwrap();
                if !contents.has_room_for(bytes.len()) {
                    return answer(
                        507,
                        &[],
                        r#"{"errors":[{"code":"DENIED","message":"the disk is full"}]}"#,
                    );
                }
                let Some(session) = contents.sessions.get_mut(&last) else { break };
                session.resize(session.len().max(at + bytes.len()), 0);
                session[at..at + bytes.len()].copy_from_slice(&bytes);
                at += bytes.len();
            }
            let Some(digest) = digest else { return progress(202) };
            let mut contents = contents.lock().unwrap();
            // A request of a client that was killed may have ended it.
            let Some(blob) = contents.sessions.remove(&last) else { return answer(404, &[], "") };
            if Digest::of(&blob).to_string() != digest {
                return answer(400, &[], r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
            }
            contents.blobs.insert(digest, blob);
            answer(201, &[], "")
        }
        (&Method::PUT, false) => {
            let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            contents.lock().unwrap().manifest = bytes.to_vec();
            answer(201, &[], "")
        }
        _ => answer(404, &[], ""),
    }
}
