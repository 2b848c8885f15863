//! A proxy that counts bytes and drops connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on to a server; each one breaks when it has moved so many bytes.
pub(super) struct CuttingProxy {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
    cuts_left: AtomicU64,
    cuts_made: AtomicU64,
}

impl CuttingProxy {
    /// Breaks the first `cuts` connections that move more than `limit` bytes in one direction.
    pub(super) async fn start(target: SocketAddr, limit: u64, cuts: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts { cuts_left: AtomicU64::new(cuts), ..Counts::default() });
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target, limit, shared.clone()));
            }
        });
        Self { address, counts, task }
    }

    /// `host:port`, as names of models hold it.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The bytes that went to the server.
    pub(super) fn up(&self) -> u64 {
        self.counts.up.load(Ordering::Relaxed)
    }

    /// The bytes that came from the server.
    pub(super) fn down(&self) -> u64 {
        self.counts.down.load(Ordering::Relaxed)
    }

    /// The connections that were broken.
    pub(super) fn cuts(&self) -> u64 {
        self.counts.cuts_made.load(Ordering::Relaxed)
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: TcpStream, target: SocketAddr, limit: u64, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    // When one direction ends, both are dropped and with them the connections.
    tokio::select! {
        () = copy(client_reads, server_writes, limit, &counts, &counts.up) => {}
        () = copy(server_reads, client_writes, limit, &counts, &counts.down) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    limit: u64,
    counts: &Counts,
    moved: &AtomicU64,
) {
    let mut buffer = vec![0; 32 * 1024];
    let mut here = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        here += count as u64;
        let take = |left: u64| left.checked_sub(1);
        if here > limit && counts.cuts_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            counts.cuts_made.fetch_add(1, Ordering::Relaxed);
            return;
        }
        moved.fetch_add(count as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
