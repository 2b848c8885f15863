//! `ollamake jobs [--follow ID | --stop ID]`

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::client::Client;
use super::format;
use super::progress::Progress;
use super::standard_output::{print, print_line};
use super::{CliError, Surroundings};

/// What the server is at, and what it was at lately.
#[derive(Debug, Args)]
pub(super) struct Jobs {
    /// Show all that this job says, until it ends
    #[arg(long, value_name = "ID", conflicts_with = "stop")]
    follow: Option<String>,
    /// Stop this job
    #[arg(long, value_name = "ID")]
    stop: Option<String>,
    /// List only jobs in this state: queued, running, succeeded, failed, stopped or interrupted
    #[arg(long, conflicts_with_all = ["follow", "stop"])]
    state: Option<String>,
    /// Print the answer of /ollamake/v1/jobs; with --follow a line for each event
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Listed {
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    kind: String,
    model: String,
    state: String,
    #[serde(default)]
    error: String,
    #[serde(with = "time::serde::rfc3339")]
    asked_at: OffsetDateTime,
}

impl Jobs {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let client = match Client::connect_to_look(surroundings).await {
            // Where there is no store there has been no job.
            Err(CliError::OpenStore(error)) if error.is_absence() && self.lists() => {
                return self.list(json!({"jobs": []}));
            }
            client => client?,
        };
        if let Some(id) = &self.follow {
            return self.follow(&client, id, surroundings.quiet).await;
        }
        if let Some(id) = &self.stop {
            let answer = client.answer(Method::POST, &format!("{JOBS}/{}/stop", escaped(id))).await?;
            let state = answer["state"].as_str().unwrap_or_default();
            match self.json {
                true => print_line(&answer)?,
                false => print_line(format_args!("job {id} is {state}"))?,
            }
            return Ok(());
        }
        let state = self.state.as_ref().map(|state| format!("?state={}", escaped(state)));
        self.list(client.get(&format!("{JOBS}{}", state.unwrap_or_default())).await?)
    }

    fn lists(&self) -> bool {
        self.follow.is_none() && self.stop.is_none()
    }

    fn list(&self, answer: Value) -> Result<(), CliError> {
        match self.json {
            true => print_line(&answer)?,
            false => print(table(answer, OffsetDateTime::now_utc())?)?,
        }
        Ok(())
    }

    async fn follow(&self, client: &Client, id: &str, quiet: bool) -> Result<(), CliError> {
        let progress = Progress::new(quiet);
        let path = format!("{JOBS}/{}/events", escaped(id));
        client.events(&path, |line| progress.tell(line, self.json)).await
    }
}

const JOBS: &str = "/ollamake/v1/jobs";

/// A text as one part of a path.
fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn table(answer: Value, now: OffsetDateTime) -> Result<String, CliError> {
    let listed: Listed = serde_json::from_value(answer)
        .map_err(|error| CliError::Server(format!("unexpected answer to {JOBS}: {error}")))?;
    let mut rows = vec![["ID", "KIND", "MODEL", "STATE", "ASKED", ""].map(str::to_owned)];
    rows.extend(
        listed
            .jobs
            .into_iter()
            .map(|job| [job.id, job.kind, job.model, job.state, format::age(job.asked_at, now), job.error]),
    );
    Ok(format::table(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_a_table() {
        let job = json!({
            "id": "4f", "kind": "pull", "model": "m:latest", "state": "failed", "error": "no such model",
            "asked_at": "1970-01-01T00:00:00Z", "stage": "transfer",
        });
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::minutes(3);
        assert_eq!(
            table(json!({"jobs": [job]}), now).unwrap(),
            "ID    KIND    MODEL       STATE     ASKED\n\
             4f    pull    m:latest    failed    3 minutes ago    no such model\n"
        );
    }
}
