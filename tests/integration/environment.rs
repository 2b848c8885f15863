//! What the environment of the program says, and what it cannot mean.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;

use crate::support::process::{Process, command, text};

/// A server below a path, as behind a reverse proxy, that notes which paths it is asked for.
async fn server_below() -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let app = Router::new().fallback(move |request: Request| {
        let noted = noted.clone();
        async move {
            let path = request.uri().path().to_owned();
            noted.lock().unwrap().push(path.clone());
            let body = match path.rsplit('/').next().unwrap() {
                "tags" => r#"{"models":[]}"#,
                "show" => r#"{"modelfile":"FROM x","details":{},"model_info":{}}"#,
                _ => "{\"status\":\"success\"}\n",
            };
            Response::new(Body::from(body))
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (format!("http://{address}/sub/path/"), asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_finds_a_server_below_a_path() {
    let (host, asked) = server_below().await;
    let directory = tempfile::tempdir().unwrap();
    let modelfile = directory.path().join("Modelfile");
    std::fs::write(&modelfile, "FROM x\n").unwrap();
    for arguments in [
        &["list"][..],
        &["show", "m"],
        &["cp", "m", "n"],
        &["rm", "m"],
        &["pull", "m"],
        &["push", "me/m"],
        &["create", "m", "-f", modelfile.to_str().unwrap()],
    ] {
        let mut program = command(directory.path(), arguments);
        program.env("OLLAMA_HOST", &host);
        let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert!(asked.len() >= 2, "{arguments:?}: {asked:?}");
        assert!(asked.iter().all(|path| path.starts_with("/sub/path")), "{arguments:?}: {asked:?}");
        assert!(asked.iter().any(|path| path.starts_with("/sub/path/api/")), "{arguments:?}: {asked:?}");
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    for (variable, value) in [
        ("OLLAMA_HOST", "127.0.0.1:99999"),
        ("OLLAMA_HOST", ":abc"),
        ("OLLAMA_MODELS", "$DATA/models"),
        ("OLLAMA_MODELS", "~nobody/models"),
        ("OLLAMA_ORIGINS", "https://a.example/path"),
    ] {
        let mut server = command(directory.path(), &["serve"]);
        let output = server.env(variable, value).current_dir(directory.path()).output().unwrap();
        assert!(!output.status.success(), "{variable}={value}");
        let told = text(&output);
        assert!(told.contains(variable) && told.contains(value), "{told}");
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "{variable}={value}");
    }
}

#[test]
fn an_address_that_is_taken_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let mut server = command(directory.path(), &["serve"]);
    let output = server.env("OLLAMA_HOST", taken.to_string()).output().unwrap();
    drop(listener);
    let told = text(&output);
    assert!(!output.status.success() && told.contains(&format!("{taken} (OLLAMA_HOST)")), "{told}");
    assert!(told.contains("another program listens there"), "{told}");
}

#[test]
fn the_home_directory_is_known_by_its_signs() {
    let directory = tempfile::tempdir().unwrap();
    for (value, place) in [("~/tilde", "tilde"), ("$HOME/variable", "variable"), ("${HOME}/braces", "braces")]
    {
        let output =
            command(directory.path(), &["cp", "a", "b"]).env("OLLAMA_MODELS", value).output().unwrap();
        assert!(text(&output).contains("model \"a\" not found"), "{}", text(&output));
        assert!(directory.path().join(place).join("blobs").is_dir(), "{value}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_told_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(directory.path(), &[("HTTPS_PROXY", "gopher://me:secret@proxy.example")]);
    let log = server.log();
    assert!(log.contains("HTTPS_PROXY") && !log.contains("secret"), "{log}");
}
