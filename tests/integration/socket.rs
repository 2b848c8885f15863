//! A server behind a real socket, and a client that can misbehave.

use std::sync::Arc;
use std::time::Duration;

use ollamake::config::Config;
use ollamake::server::{Server, serve};
use ollamake::store::Store;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::files::unfinished;

/// A server on a free port of this machine.
pub(crate) struct Listening {
    pub(crate) address: String,
    pub(crate) store: Store,
    pub(crate) directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<()>,
}

impl Listening {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let mut config = Config::for_store(directory.path());
        configure(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server: Arc<Server> = Server::new(config, store.clone());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            serve(listener, server, async { drop(stopped.await) }).await.unwrap();
        });
        Self { address, store, directory, stop: Some(stop), running }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection(TcpStream::connect(&self.address).await.unwrap())
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        timeout(Duration::from_secs(20), &mut self.running).await.expect("the server stops").unwrap();
    }

    /// What lies in the directories where uploads and results grow.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        unfinished(self.directory.path())
    }

    /// The files of finished blobs.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join("blobs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

/// A connection without manners.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// What comes until this text has come, or until the connection ends.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        let reading = async {
            loop {
                let count = self.0.read(&mut buffer).await.unwrap_or(0);
                received.extend_from_slice(&buffer[..count]);
                if count == 0 || String::from_utf8_lossy(&received).contains(text) {
                    break;
                }
            }
        };
        timeout(Duration::from_secs(30), reading).await.expect("an answer");
        String::from_utf8_lossy(&received).into_owned()
    }

    /// Everything until the server closes the connection.
    pub(crate) async fn read_to_end(&mut self) -> String {
        self.read_until("\u{0}never\u{0}").await
    }
}
