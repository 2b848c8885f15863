//! `ollamake prune [--dry-run]`

use std::time::Duration;

use clap::Args;

use super::format::{bytes, count_of};
use super::{CliError, Surroundings};
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
}

impl Prune {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let store = surroundings.config()?.open_existing_store()?;
        let grace = Duration::from_secs(self.grace);
        let report = store.prune(PruneOptions { grace, dry_run: self.dry_run })?;
        self.print(&report);
        if report.unread.is_empty() { Ok(()) } else { Err(CliError::Unpruned { unread: report.unread }) }
    }

    fn print(&self, report: &PruneReport) {
        if self.dry_run {
            for (digest, length) in &report.blobs {
                println!("{digest}  {}", bytes(*length));
            }
        }
        println!(
            "{} {} ({} bytes): {}, {}, {}, {}",
            if self.dry_run { "would free" } else { "freed" },
            bytes(report.freed),
            report.freed,
            count_of(report.blobs.len(), "blob"),
            count_of(report.partial_downloads, "partial download"),
            count_of(report.uploads, "upload"),
            count_of(report.leftovers.files, "temporary file"),
        );
    }
}
