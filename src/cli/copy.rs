//! `ollamake cp SOURCE DESTINATION`

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::standard_output::print_line;
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct Copy {
    /// The model to copy
    source: String,
    /// What the copy will be called
    destination: String,
}

impl Copy {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        parse_name(&self.source)?;
        parse_name(&self.destination)?;
        let body = json!({"source": self.source, "destination": self.destination});
        Client::connect(surroundings).await?.call(Method::POST, "/api/copy", &body).await?;
        Ok(print_line(format_args!("copied '{}' to '{}'", self.source, self.destination))?)
    }
}
