//! `ollamake pull MODEL`

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::progress::Progress;
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct Pull {
    /// The model: [host/][namespace/]model[:tag]
    model: String,
    /// Speak HTTP where the name states no scheme, and allow http://; certificates are verified all the same
    #[arg(long)]
    insecure: bool,
    /// Print what the server says as JSON, a line for each event
    #[arg(long)]
    json: bool,
}

impl Pull {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        parse_name(&self.model)?;
        let body = json!({"model": self.model, "insecure": self.insecure});
        let progress = Progress::new(surroundings.quiet);
        let client = Client::connect(surroundings).await?;
        client.transfer("/api/pull", &body, self.json, &progress).await
    }
}
