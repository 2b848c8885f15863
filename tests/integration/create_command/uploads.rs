//! Long files are uploaded so that a lost connection costs little.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use ollamake::model::Digest;

use super::Desk;
use crate::support::cutting_proxy::CuttingProxy;
use crate::support::large_gguf::large_gguf;
use crate::support::process::{Process, command, text};

/// More than what is sent again as a whole.
const LONG: u64 = (64 << 20) + 1;

impl Desk {
    /// Runs a command that asks the server at an address, from a machine with another store.
    async fn run_at(&self, address: &str, arguments: &'static [&'static str]) -> String {
        let other = tempfile::tempdir().unwrap();
        let mut command = command(other.path(), arguments);
        command.current_dir(self.directory.path()).env("OLLAMA_HOST", address);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_upload_goes_on_after_each_lost_connection() {
    let desk = Desk::new();
    let contents = large_gguf(4096, LONG / 2 / 4096 + 1);
    desk.put("m.gguf", &contents);
    let server = Process::start(desk.models.path(), &[]);
    let proxy = CuttingProxy::start(server.address.parse().unwrap(), 12_000_000, 5).await;
    let said = desk.run_at(&proxy.host(), &["create", "m"]).await;
    assert_eq!(proxy.cuts(), 5, "{said}");
    assert!(said.contains("trying again"), "{said}");
    let sent = proxy.up();
    assert!(sent < contents.len() as u64 * 11 / 10, "{sent} bytes were sent for {}", contents.len());
    assert!(desk.weights("m") == contents);
    // The record has gone with its purpose.
    assert_eq!(std::fs::read_dir(desk.models.path().join("ollamake/uploads")).unwrap().count(), 0);
}

/// What was asked of a server, but for the contents of long bodies.
type Asked = Arc<Mutex<Vec<(Method, String, usize)>>>;

/// Answers as a server that knows only Ollama's routes.
async fn answer(request: Request<Body>, asked: Asked) -> Response {
    let (parts, body) = request.into_parts();
    let length = to_bytes(body, usize::MAX).await.unwrap().len();
    let path = parts.uri.path().to_owned();
    asked.lock().unwrap().push((parts.method.clone(), path.clone(), length));
    match (parts.method, path.as_str()) {
        (Method::HEAD, "/") => StatusCode::OK.into_response(),
        (Method::POST, "/api/create") => "{\"status\":\"success\"}\n".into_response(),
        (Method::POST, path) if path.starts_with("/api/blobs/") => StatusCode::CREATED.into_response(),
        _ => (StatusCode::NOT_FOUND, "404 page not found").into_response(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_go_on_gets_long_files_in_one_piece() {
    let desk = Desk::new();
    let contents = large_gguf(4096, LONG / 2 / 4096 + 1);
    desk.put("m.gguf", &contents);
    let asked = Asked::default();
    let app = Router::new().fallback({
        let asked = asked.clone();
        move |request: Request<Body>| answer(request, asked.clone())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    desk.run_at(&address, &["create", "m"]).await;
    let blob = format!("/api/blobs/{}", Digest::of(&contents));
    let asked = asked.lock().unwrap();
    let paths: Vec<_> = asked.iter().map(|(method, path, length)| (method, path.as_str(), *length)).collect();
    assert_eq!(
        paths[..4],
        [
            (&Method::HEAD, "/", 0),
            (&Method::HEAD, blob.as_str(), 0),
            (&Method::POST, "/ollamake/v1/uploads", 0),
            (&Method::POST, blob.as_str(), contents.len()),
        ]
    );
}
