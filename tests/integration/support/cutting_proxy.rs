//! A proxy that counts bytes and drops connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on to a server, and breaks some of them.
pub(crate) struct CuttingProxy {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    interval: u64,
    cuts: u64,
    up: AtomicU64,
    down: AtomicU64,
    cuts_made: AtomicU64,
}

impl Counts {
    /// Whether the next bytes after so many are the ones to break off at.
    fn is_cut_due(&self, moved: u64) -> bool {
        let due = |made: u64| {
            let reached = self.interval.checked_mul(made + 1).is_some_and(|limit| moved > limit);
            (made < self.cuts && reached).then_some(made + 1)
        };
        self.cuts_made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }
}

impl CuttingProxy {
    /// Whenever `interval` bytes have gone in one direction, the connection that moves the next one breaks,
    /// `cuts` times in all.
    pub(crate) async fn start(target: SocketAddr, interval: u64, cuts: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts { interval, cuts, ..Counts::default() });
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, shared.clone()));
            }
        });
        Self { address, counts, task }
    }

    /// `host:port`, as names of models hold it.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The bytes that went to the server.
    pub(crate) fn up(&self) -> u64 {
        self.counts.up.load(Ordering::Relaxed)
    }

    /// The bytes that came from the server.
    pub(crate) fn down(&self) -> u64 {
        self.counts.down.load(Ordering::Relaxed)
    }

    /// The connections that were broken.
    pub(crate) fn cuts(&self) -> u64 {
        self.counts.cuts_made.load(Ordering::Relaxed)
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: TcpStream, target: SocketAddr, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    // When one direction ends, both are dropped and with them the connections.
    tokio::select! {
        () = copy(client_reads, server_writes, &counts, &counts.up) => {}
        () = copy(server_reads, client_writes, &counts, &counts.down) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counts: &Counts, moved: &AtomicU64) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if counts.is_cut_due(moved.fetch_add(count as u64, Ordering::Relaxed)) {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
