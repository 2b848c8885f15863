//! `ollamake rm MODEL…`

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct Remove {
    #[arg(required = true)]
    models: Vec<String>,
}

impl Remove {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        self.models.iter().try_for_each(|model| parse_name(model).map(drop))?;
        let client = Client::connect(surroundings).await?;
        for model in &self.models {
            client.call(Method::DELETE, "/api/delete", &json!({"model": model})).await?;
            println!("deleted '{model}'");
        }
        Ok(())
    }
}
