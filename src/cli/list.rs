//! `ollamake list [PREFIX]`

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::client::Client;
use super::format;
use super::standard_output::{print, print_line};
use super::{CliError, Surroundings};

#[derive(Debug, Args)]
pub(super) struct List {
    /// List only models whose names begin with this
    prefix: Option<String>,
    /// Print the answer of /api/tags
    #[arg(long)]
    json: bool,
    /// List also what only the library (OLLAMAKE_LIBRARY) has, and tell what it has of the others
    #[arg(long)]
    library: bool,
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
    /// What the library has under this name.
    #[serde(default)]
    library: String,
    #[serde(with = "time::serde::rfc3339")]
    modified_at: OffsetDateTime,
}

impl List {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let path = if self.library { "/api/tags?library=true" } else { "/api/tags" };
        let mut answer = match Client::connect_to_look(surroundings).await {
            // Where there is no store there is no model.
            Err(CliError::OpenStore(error)) if error.is_absence() => json!({"models": []}),
            client => client?.get(path).await?,
        };
        let prefix = self.prefix.unwrap_or_default().to_lowercase();
        if let Some(models) = answer["models"].as_array_mut() {
            let begins = |model: &Value| model["name"].as_str().map(str::to_lowercase);
            models.retain(|model| begins(model).is_some_and(|name| name.starts_with(&prefix)));
        }
        match self.json {
            true => print_line(&answer)?,
            false => print(table(answer, OffsetDateTime::now_utc())?)?,
        }
        Ok(())
    }
}

fn table(answer: Value, now: OffsetDateTime) -> Result<String, CliError> {
    let tags: Tags = serde_json::from_value(answer)
        .map_err(|error| CliError::Server(format!("unexpected answer to /api/tags: {error}")))?;
    let mut rows = vec![["NAME", "ID", "SIZE", "MODIFIED"].map(str::to_owned)];
    rows.extend(tags.models.into_iter().map(|model| {
        let id = model.digest.chars().take(12).collect();
        let mut age = format::age(model.modified_at, now);
        if !model.damaged.is_empty() {
            age = format!("{age} (damaged: {})", model.damaged);
        }
        match model.library.as_str() {
            "same" => age += " (in the library)",
            "other" => age += " (the library has another model of this name)",
            "only" => age = "in the library only".to_owned(),
            _ => {}
        }
        [model.name, id, format::bytes(model.size), age]
    }));
    Ok(format::table(&rows))
}
