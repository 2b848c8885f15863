//! `ollamake prune [--dry-run]`

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::format::{bytes, count_of};
use super::standard_output::{print, print_line};
use super::{CliError, Surroundings};
use crate::library::UnreadEntry;
use crate::model::Digest;
use crate::store::{PruneOptions, PruneReport};

/// What a running server, or another command, is using stays.
#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Only tell what would be removed, blob by blob
    #[arg(long)]
    dry_run: bool,
    /// Keep what is younger than this: its model may be on its way
    #[arg(long, value_name = "SECONDS", default_value_t = PruneOptions::default().grace.as_secs())]
    grace: u64,
    /// Print a JSON object: freed, blobs with digest and size, partial_downloads, uploads, temporary_files,
    /// unread
    #[arg(long)]
    json: bool,
}

impl Prune {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let store = surroundings.config()?.open_existing_store()?;
        let grace = Duration::from_secs(self.grace);
        let report = store.prune(PruneOptions { grace, dry_run: self.dry_run })?;
        match self.json {
            true => print_line(answer(&report))?,
            false => print(self.describe(&report))?,
        }
        if report.unread.is_empty() { Ok(()) } else { Err(CliError::Unpruned { unread: report.unread }) }
    }

    fn describe(&self, report: &PruneReport) -> String {
        let shown = if self.dry_run { report.blobs.as_slice() } else { &[] };
        let blobs = shown.iter().map(|(digest, length)| format!("{digest}  {}\n", bytes(*length)));
        blobs.collect::<String>()
            + &format!(
                "{} {} ({} bytes): {}, {}, {}, {}\n",
                if self.dry_run { "would free" } else { "freed" },
                bytes(report.freed),
                report.freed,
                count_of(report.blobs.len(), "blob"),
                count_of(report.partial_downloads, "partial download"),
                count_of(report.uploads, "upload"),
                count_of(report.leftovers.files, "temporary file"),
            )
    }
}

fn answer(report: &PruneReport) -> Value {
    let blob = |(digest, size): &(Digest, u64)| json!({"digest": digest.to_string(), "size": size});
    json!({
        "freed": report.freed,
        "blobs": report.blobs.iter().map(blob).collect::<Vec<_>>(),
        "partial_downloads": report.partial_downloads,
        "uploads": report.uploads,
        "temporary_files": report.leftovers.files,
        "unread": report.unread.iter().map(UnreadEntry::from).collect::<Vec<_>>(),
    })
}
