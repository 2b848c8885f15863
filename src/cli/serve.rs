//! `ollamake serve`

use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use super::Error;
use crate::server::{Config, Server, serve, shutdown_signal};
use crate::store::Store;

/// Where to listen and what to serve come from the environment: OLLAMA_HOST, OLLAMA_MODELS, …
#[derive(Debug, Args)]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Error> {
        let config = Config::from_environment()?;
        let store = Store::open(&config.models)?;
        let (listener, address) = listen(&config.host.authority()).await?;
        eprintln!("listening on http://{address}");
        let server = Server::new(config, store);
        serve(listener, server, shutdown_signal()).await.map_err(Error::listen(&address.to_string()))
    }
}

/// Listens on `host:port`; port 0 is any that is free.
pub(super) async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind(address).await.map_err(Error::listen(address))?;
    let bound = listener.local_addr().map_err(Error::listen(address))?;
    Ok((listener, bound))
}
