//! `ollamake serve`

use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::Error;
use crate::config::{Config, LogFormat};
use crate::server::{Server, Signals, serve};
use crate::store::{PruneOptions, Store, Unread};

/// Where to listen and what to serve come from the environment: OLLAMA_HOST, OLLAMA_MODELS, …
#[derive(Debug, Args)]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Error> {
        let config = Config::from_environment()?;
        raise_file_limit();
        let store = Store::open(&config.models).map_err(Error::open_store(&config.models))?;
        let (listener, address) = listen(&config.host.authority()).await?;
        let server = Server::new(config, store);
        let stop = stop_signal(&server).map_err(Error::listen(&address.to_string()))?;
        announce(address, server.config().log_format);
        if server.config().prune {
            let store = server.store().clone();
            tokio::task::spawn_blocking(move || prune(&store));
        }
        serve(listener, server, stop).await.map_err(Error::listen(&address.to_string()))
    }
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

/// Many systems allow a process only 1024 open files unless it asks for more, and every connection and every blob
/// in use is one.
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

/// Listens on `host:port`; port 0 is any that is free.
pub(super) async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind(address).await.map_err(Error::listen(address))?;
    let bound = listener.local_addr().map_err(Error::listen(address))?;
    Ok((listener, bound))
}
