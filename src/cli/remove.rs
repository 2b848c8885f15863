//! `ollamake rm MODEL…`

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::standard_output::print_line;
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The models to remove
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
}

impl Remove {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        self.models.iter().try_for_each(|model| parse_name(model).map(drop))?;
        let client = Client::connect_to_look(surroundings).await?;
        for model in &self.models {
            client.call(Method::DELETE, "/api/delete", &json!({"model": model})).await?;
            print_line(format_args!("deleted '{model}'"))?;
        }
        Ok(())
    }
}
