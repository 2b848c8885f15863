//! `ollamake push MODEL`

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::progress::Progress;
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct Push {
    model: String,
    /// Speak HTTP where the name states no scheme, and allow http://; certificates are verified all the same
    #[arg(long)]
    insecure: bool,
}

impl Push {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        parse_name(&self.model)?;
        let body = json!({"model": self.model, "insecure": self.insecure});
        Client::connect(surroundings).await?.job("/api/push", &body, &Progress::new()).await
    }
}
