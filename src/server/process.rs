//! The server as a process of its own, or as a part of another one.

use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::signals::Signals;
use super::{Server, cache, resume, serve};
use crate::config::{Config, LogFormat, OpenStoreError};
use crate::store::{PruneOptions, Store, Unread};

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum StartError {
    /// The operating system does not let it listen.
    #[error("cannot serve on {address} (OLLAMA_HOST): {source}{}", remedy(source))]
    Listen { address: String, source: io::Error },
    /// There is nothing to serve.
    #[error(transparent)]
    Store(#[from] OpenStoreError),
}

/// What to do about an address that cannot be had.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there, perhaps Ollama: stop it, or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address: choose another one",
        io::ErrorKind::PermissionDenied => "; this user may not listen there: choose a port from 1024 on",
        _ => "",
    }
}

/// Serves until the process is asked to end.
///
/// # Errors
/// The server cannot start.
pub async fn run(config: Config) -> Result<(), StartError> {
    raise_file_limit();
    let store = config.open_store()?;
    let address = config.host.authority();
    let failed = |source| StartError::Listen { address: address.clone(), source };
    let listener = TcpListener::bind(&address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let server = Server::new(config, store);
    let stop = stop_signal(&server).map_err(failed)?;
    announce(bound, server.config().log_format);
    if server.config().prune {
        let store = server.store().clone();
        tokio::task::spawn_blocking(move || prune(&store));
    }
    tokio::spawn(resume::go_on(Arc::clone(&server)));
    tokio::spawn(forget_uploads(server.store().clone()));
    tokio::spawn(cache::keep(Arc::clone(&server)));
    serve(listener, server, stop).await.map_err(failed)
}

/// How often uploads are looked for that have expired.
const FORGETTING: Duration = Duration::from_secs(600);

/// Removes uploads that have expired, as long as the process lives.
async fn forget_uploads(store: Store) {
    loop {
        tokio::time::sleep(FORGETTING).await;
        let store = store.clone();
        let forgotten = tokio::task::spawn_blocking(move || store.remove_expired_uploads()).await;
        if let Ok(Err(error)) = forgotten {
            tracing::warn!(%error, "uploads that have expired cannot be removed");
        }
    }
}

/// Starts a server on a free port of this machine, which lives as long as the process; answers with its
/// address.
///
/// # Errors
/// What the operating system says.
pub async fn embed(config: Config, store: Store) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::new(config, store);
    tokio::spawn(resume::go_on(Arc::clone(&server)));
    tokio::spawn(serve(listener, server, std::future::pending()));
    Ok(address)
}

/// Tells where the server listens, whatever is logged.
fn announce(address: SocketAddr, format: LogFormat) {
    let text = format!("listening on http://{address}");
    let line = match format {
        LogFormat::Text => text,
        LogFormat::Json => json!({"level": "INFO", "message": text}).to_string(),
    };
    // Nobody may be left who reads it.
    let _ = writeln!(io::stderr(), "{line}");
}

/// What a crash or an interrupted client has left goes at every start.
fn prune(store: &Store) {
    match store.prune(PruneOptions::default()) {
        Ok(report) if report.unread.is_empty() => {
            tracing::info!(blobs = report.blobs.len(), bytes = report.freed, "pruned the store");
        }
        Ok(report) => {
            for unread in report.unread {
                let Unread { place, problem, .. } = unread;
                tracing::warn!(
                    place,
                    problem,
                    "no blob is pruned as long as this cannot be read or understood"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "the store could not be pruned"),
    }
}

/// Many systems allow a process only 1024 open files unless it asks for more, and every connection and every
/// blob in use is one.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// How long the server has to end itself after the second signal.
const LAST_MOMENT: Duration = Duration::from_secs(3);

/// Completes at the first signal to end; the second ends the server without waiting for what is under way.
fn stop_signal(server: &Arc<Server>) -> io::Result<impl Future<Output = ()> + use<>> {
    let mut signals = Signals::listen()?;
    let server = Arc::clone(server);
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        signals.next().await;
        drop(stop);
        signals.next().await;
        server.hurry();
        tokio::time::sleep(LAST_MOMENT).await;
        // Something does not end. What it leaves in the store is removed at the next start.
        std::process::exit(1);
    });
    Ok(async move { drop(stopped.await) })
}
