//! Starts a server on a free port with a store of its own, makes a model from `examples/tiny` through
//! the API, and lists it: all that a program needs to embed the server.
//!
//! ```sh
//! cargo run --example embed
//! ```

use std::error::Error;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use tokio::net::TcpListener;

use ollamake::config::Config;
use ollamake::server::{Server, serve};
use ollamake::store::Store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let api = format!("http://{}/api", listener.local_addr()?);
    println!("serving on {api}");
    let server = Server::new(Config::for_store(store.path()), Store::open(store.path())?);
    tokio::spawn(serve(listener, server, std::future::pending()));

    let gguf = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny/tiny.gguf"))?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&gguf)));
    let client = reqwest::Client::builder().no_proxy().build()?;
    client.post(format!("{api}/blobs/{digest}")).body(gguf).send().await?.error_for_status()?;

    let request = json!({
        "model": "tiny",
        "files": {"tiny.gguf": digest},
        "system": "You are a very small model.",
        "parameters": {"temperature": 0.5},
        "quantize": "q4_K_M",
    });
    let mut answer = client.post(format!("{api}/create")).json(&request).send().await?.error_for_status()?;
    while let Some(lines) = answer.chunk().await? {
        print!("{}", String::from_utf8_lossy(&lines));
    }

    let tags: Value = client.get(format!("{api}/tags")).send().await?.json().await?;
    for model in tags["models"].as_array().into_iter().flatten() {
        println!("{}  {}  {} bytes", model["name"], model["details"]["quantization_level"], model["size"]);
    }
    Ok(())
}
