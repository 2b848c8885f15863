//! `ollamake serve`

use clap::Args;

use super::Error;
use crate::server::{Config, Server};

/// Where to listen and what to serve come from the environment: OLLAMA_HOST, OLLAMA_MODELS, …
#[derive(Debug, Args)]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Error> {
        let server = Server::bind(Config::from_environment()?).await?;
        eprintln!("listening on http://{}", server.local_address());
        server.run().await;
        Ok(())
    }
}
