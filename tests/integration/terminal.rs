//! What commands look like on a terminal, against recorded screens.
//!
//! `OLLAMAKE_REWRITE_SCREENS=1` records them anew, in `tests/fixtures/screens`; look at each before it is
//! kept.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use regex::Regex;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::in_process::small_gguf;
use crate::support::process::command;
use crate::support::terminal::Terminal;

/// Columns, whether there are colours, and what the screens of both are called.
const TERMINALS: [(u16, bool, &str); 4] =
    [(80, true, "80"), (40, true, "40"), (80, false, "80-plain"), (40, false, "40-plain")];

/// A directory with a store and files to make models of.
struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(desk.directory.path().join("store")).unwrap();
        desk
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.directory.path().join(name);
        fs::write(&path, contents).unwrap();
        // What can be written to may be copied, which is told.
        fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
    }

    /// Runs a command on a terminal, of the server at `host` if there is one.
    fn on_terminal(&self, columns: u16, colour: bool, host: &str, arguments: &[&str]) -> Terminal {
        let mut command = command(Path::new("store"), arguments);
        command.current_dir(self.directory.path()).env_remove("RUST_LOG");
        command.env("TERM", "xterm-256color").env("OLLAMA_HOST", host);
        if !colour {
            command.env("NO_COLOR", "1");
        }
        Terminal::start(command, columns)
    }
}

/// Compares a screen with the recorded one. Times, rates, ports and places are none of its business.
fn assert_screen(name: &str, seen: &str) {
    let masks = [
        (r"\d+(\.\d+)? ?([KMGT]i)?B/s", "RATE"),
        (r"in \d+\.\d s", "in TIME s"),
        (r"^n \d+\.\d s$", "n TIME s"),
        (r"(\d+[hms])+$", "LEFT"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
    ];
    let mut masked = seen.to_owned();
    for (pattern, text) in masks {
        masked = Regex::new(&format!("(?m){pattern}")).unwrap().replace_all(&masked, text).into_owned();
    }
    // Figures of other lengths begin elsewhere.
    let masked = Regex::new(" +(RATE|LEFT)").unwrap().replace_all(&masked, " $1").into_owned();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/screens/{name}.txt"));
    if std::env::var_os("OLLAMAKE_REWRITE_SCREENS").is_some() {
        fs::write(&path, &masked).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    assert!(masked == recorded, "{name} was recorded as\n{recorded}\nand is\n{masked}");
}

/// A server that answers every `POST` with these lines, and stops before the last until it may go on.
async fn slow_server(lines: Vec<String>) -> (String, Arc<Notify>) {
    let may = Arc::new(Notify::new());
    let notified = may.clone();
    let answer = move |request: Request<Body>| {
        let (lines, may) = (lines.clone(), notified.clone());
        async move {
            let path = request.uri().path().to_owned();
            let is_job = ["/api/pull", "/api/create"].contains(&path.as_str());
            match (is_job, path.as_str()) {
                (true, _) => {
                    let last = lines.len() - 1;
                    let lines = stream::iter(lines.into_iter().enumerate()).then(move |(number, line)| {
                        let may = may.clone();
                        async move {
                            if number == last {
                                may.notified().await;
                            }
                            Ok::<_, std::convert::Infallible>(Bytes::from(line + "\n"))
                        }
                    });
                    Response::new(Body::from_stream(lines))
                }
                (false, "/") => StatusCode::OK.into_response(),
                (false, "/ollamake/v1/jobs") => jobs().into_response(),
                (false, _) => (StatusCode::NOT_FOUND, "404 page not found").into_response(),
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    (address, may)
}

/// What a server is at.
fn jobs() -> String {
    let asked = (time::OffsetDateTime::now_utc() - time::Duration::minutes(3))
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let job = |id: &str, state: &str, error: &str| {
        let (kind, model) = ("create", "m:latest");
        json!({"id": id, "kind": kind, "model": model, "state": state, "error": error, "asked_at": asked})
    };
    let failed = job("1b2c", "failed", "tensor \"blk.0.attn_q.weight\" has invalid data");
    json!({"jobs": [job("0a1b", "running", ""), failed]}).to_string()
}

#[test]
fn a_model_is_made_before_ones_eyes() {
    for (columns, colour, name) in TERMINALS {
        let desk = Desk::new();
        desk.put("model.gguf", small_gguf(&[]));
        desk.put("Modelfile", "FROM ./model.gguf\nSYSTEM be brief\nPARAMETER \"max_tokens\" 5\n");
        let terminal = desk.on_terminal(columns, colour, "127.0.0.1:0", &["create", "m", "-q", "q8_0"]);
        let (status, seen) = terminal.end();
        assert!(status.success(), "{seen}");
        assert_screen(&format!("create-{name}"), &seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_has_one_bar() {
    let line = |number: u8, total: u64, completed: u64| {
        let digest = format!("sha256:{}", format!("{number:02x}").repeat(32));
        let status = format!("pulling {}", &digest[7..19]);
        json!({"status": status, "digest": digest, "total": total, "completed": completed}).to_string()
    };
    let lines = vec![
        json!({"status": "pulling manifest"}).to_string(),
        line(1, 4 << 30, 0),
        line(2, 1_500, 1_500),
        line(3, 300, 0),
        line(1, 4 << 30, 1 << 30),
        line(3, 300, 300),
        json!({"status": "warning: registry.example answers slowly"}).to_string(),
        json!({"status": "success"}).to_string(),
    ];
    for (columns, colour, name) in TERMINALS {
        let (host, may) = slow_server(lines.clone()).await;
        let desk = Desk::new();
        let mut terminal = desk.on_terminal(columns, colour, &host, &["pull", "m"]);
        let wait = move || {
            let is_drawn = if !colour {
                "pulling 010101010101"
            } else if columns == 80 {
                "1.0 GiB/4.0 GiB"
            } else {
                " 25%"
            };
            let meanwhile = terminal.wait_for(is_drawn);
            may.notify_one();
            (meanwhile, terminal.end())
        };
        let (meanwhile, (status, seen)) = tokio::task::spawn_blocking(wait).await.unwrap();
        assert!(status.success(), "{seen}");
        if colour {
            assert_screen(&format!("pull-meanwhile-{name}"), &meanwhile);
        }
        assert_screen(&format!("pull-{name}"), &seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_a_table() {
    for (columns, colour, name) in TERMINALS {
        let (host, _) = slow_server(vec![String::new()]).await;
        let desk = Desk::new();
        let list = move || desk.on_terminal(columns, colour, &host, &["jobs"]).end();
        let (status, seen) = tokio::task::spawn_blocking(list).await.unwrap();
        assert!(status.success(), "{seen}");
        assert_screen(&format!("jobs-{name}"), &seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_last() {
    let lines = vec![
        json!({"status": "pulling manifest"}).to_string(),
        json!({"status": "warning: registry.example answers slowly"}).to_string(),
        json!({"error": "pull model manifest: file does not exist", "hint": "check the name"}).to_string(),
    ];
    for (columns, colour, name) in TERMINALS {
        let (host, may) = slow_server(lines.clone()).await;
        may.notify_one();
        let desk = Desk::new();
        desk.put("z.zip", b"PK\x03\x04");
        desk.put("Modelfile", "FROM ./z.zip\n");
        let both = move || {
            let pulled = desk.on_terminal(columns, colour, &host, &["pull", "none"]).end();
            (pulled, desk.on_terminal(columns, colour, &host, &["create", "m"]).end())
        };
        let ((pulled, seen), (created, refused)) = tokio::task::spawn_blocking(both).await.unwrap();
        assert_eq!((pulled.code(), created.code()), (Some(1), Some(1)), "{seen}{refused}");
        assert_screen(&format!("failures-{name}"), &(seen + &refused));
    }
}

/// A terminal that moves no cursor gets plain lines, warnings too.
#[test]
fn simple_terminals_get_lines() {
    for term in [None, Some("dumb"), Some("")] {
        let desk = Desk::new();
        desk.put("model.gguf", small_gguf(&[]));
        desk.put("Modelfile", "FROM ./model.gguf\nPARAMETER \"odd\" 5\n");
        let mut command = command(Path::new("store"), &["create", "m"]);
        command.current_dir(desk.directory.path()).env_remove("RUST_LOG");
        if let Some(term) = term {
            command.env("TERM", term);
        }
        let (status, seen) = Terminal::start(command, 200).end();
        assert!(status.success(), "{seen}");
        for line in ["adding model.gguf (", "success\n", "warning: parameter \"odd\" is not known"] {
            assert!(seen.contains(line), "{term:?}: {seen}");
        }
    }
}
