//! `ollamake push MODEL`

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::progress::Progress;
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct Push {
    /// The model: [host/][namespace/]model[:tag]
    model: String,
    /// Send it to the library (OLLAMAKE_LIBRARY), where names without a registry are looked up first
    #[arg(long)]
    library: bool,
    /// Speak HTTP where the name states no scheme, and allow http://; certificates are verified all the same
    #[arg(long)]
    insecure: bool,
    /// Print what the server says as JSON, a line for each event
    #[arg(long)]
    json: bool,
}

impl Push {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        parse_name(&self.model)?;
        let body = json!({"model": self.model, "insecure": self.insecure, "library": self.library});
        let progress = Progress::new(surroundings.quiet);
        let client = Client::connect(surroundings).await?;
        client.transfer("/api/push", &body, self.json, &progress).await
    }
}
