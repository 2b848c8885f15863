//! `ollamake jobs [--follow ID | --stop ID]`

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::client::Client;
use super::format;
use super::progress::Progress;
use super::{CliError, Surroundings};

/// What the server is at, and what it was at lately.
#[derive(Debug, Args)]
pub(super) struct Jobs {
    /// Show all that a job says, until it ends
    #[arg(long, value_name = "ID", conflicts_with = "stop")]
    follow: Option<String>,
    /// Stop a job
    #[arg(long, value_name = "ID")]
    stop: Option<String>,
    /// Only jobs in this state: queued, running, succeeded, failed, stopped or interrupted
    #[arg(long, conflicts_with_all = ["follow", "stop"])]
    state: Option<String>,
    /// Print the answer as it is; with --follow a line for each event
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
        let client = Client::connect(surroundings).await?;
        match (&self.follow, &self.stop) {
            (Some(id), _) => return self.follow(&client, id).await,
            (None, Some(id)) => {
                let answer = client.answer(Method::POST, &format!("{JOBS}/{}/stop", escaped(id))).await?;
                match self.json {
                    true => println!("{answer}"),
                    false => println!("job {id} is {}", answer["state"].as_str().unwrap_or_default()),
                }
                return Ok(());
            }
            (None, None) => {}
        }
        let state = self.state.as_ref().map(|state| format!("?state={}", escaped(state)));
        let answer = client.get(&format!("{JOBS}{}", state.unwrap_or_default())).await?;
        match self.json {
            true => println!("{answer}"),
            false => print!("{}", table(answer, OffsetDateTime::now_utc())?),
        }
        Ok(())
    }

    async fn follow(&self, client: &Client, id: &str) -> Result<(), CliError> {
        let progress = Progress::new();
        let tell = |line: &Value| match self.json {
            true => println!("{line}"),
            false => progress.status(line),
        };
        client.events(&format!("{JOBS}/{}/events", escaped(id)), tell).await
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
    use serde_json::json;

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
