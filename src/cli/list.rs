//! `ollamake list [PREFIX]`

use clap::Args;
use serde::Deserialize;
use time::OffsetDateTime;

use super::client::Client;
use super::format;
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only models whose name begins so
    prefix: Option<String>,
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    digest: String,
    size: u64,
    /// Why it cannot be used.
    #[serde(default)]
    damaged: String,
    #[serde(with = "time::serde::rfc3339")]
    modified_at: OffsetDateTime,
}

impl List {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let tags: Tags = serde_json::from_value(Client::connect(surroundings).await?.get("/api/tags").await?)
            .map_err(|error| CliError::Server(format!("unexpected answer to /api/tags: {error}")))?;
        let prefix = self.prefix.unwrap_or_default().to_lowercase();
        let now = OffsetDateTime::now_utc();
        let mut rows = vec![["NAME", "ID", "SIZE", "MODIFIED"].map(str::to_owned)];
        for model in tags.models.into_iter().filter(|model| model.name.to_lowercase().starts_with(&prefix)) {
            let id = model.digest.chars().take(12).collect();
            let mut age = format::age(model.modified_at, now);
            if !model.damaged.is_empty() {
                age = format!("{age} (damaged: {})", model.damaged);
            }
            rows.push([model.name, id, format::bytes(model.size), age]);
        }
        print!("{}", format::table(&rows));
        Ok(())
    }
}
