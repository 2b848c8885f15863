//! `ollamake fsck [--repair]`

use clap::Args;
use serde_json::json;

use super::format::{bytes, count_of, row};
use super::progress::Progress;
use super::standard_output::{print, print_line};
use super::{CliError, Surroundings};
use crate::library::Checked;
use crate::model::{Digest, Name};
use crate::store::{Account, BlobDamage, CheckReport, DamagedBlob, Holder, MissingBlob, Tally, Unread};

/// Exits with 0 if the store is whole, 1 if it is not, and 2 if that could not be found out. A server may be
/// running on the store.
#[derive(Debug, Args)]
pub(super) struct Fsck {
    /// Take damaged blobs out of the store, so that they can be uploaded or pulled again
    #[arg(long)]
    repair: bool,
    /// Print what was found as JSON, as the server answers it
    #[arg(long)]
    json: bool,
}

impl Fsck {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let report = self.look(surroundings).map_err(|error| match error {
            CliError::Output(_) => error,
            error => CliError::Unchecked(Box::new(error)),
        })?;
        match report.findings() {
            0 => Ok(()),
            findings => Err(CliError::Findings { findings }),
        }
    }

    fn look(&self, surroundings: &Surroundings) -> Result<CheckReport, CliError> {
        let config = surroundings.config()?;
        let store = config.open_existing_store()?;
        let account = store.account()?;
        let progress = Progress::new(surroundings.quiet);
        let task = progress.task(&format!("checking {}", config.models.display()), 0);
        let report = store.check(true, |progress| {
            task.set_length(progress.total);
            task.set_position(progress.read);
        })?;
        task.finish();
        let repaired = if self.repair { store.repair(&report)? } else { Vec::new() };
        match self.json {
            true => print_line(json!(Checked::new(&report, &repaired)))?,
            false => print(self.describe(&report, &account, &repaired))?,
        }
        Ok(report)
    }

    fn describe(&self, report: &CheckReport, account: &Account, repaired: &[Digest]) -> String {
        let mut lines = vec![format!(
            "{} ({}) and {} checked",
            count_of(report.blobs, "blob"),
            bytes(report.bytes),
            count_of(report.manifests, "model"),
        )];
        lines.extend(what_should_be_known(account));
        lines.extend(report.damaged_blobs.iter().map(|blob| self.damaged(blob, repaired)));
        lines.extend(report.damaged_manifests.iter().map(|(name, problem)| {
            let model = name.short();
            format!(
                "\ndamaged manifest of {model}: {problem}\n  to mend: make the model again, or remove it \
                 with \"ollamake rm {model}\""
            )
        }));
        lines.extend(report.unread.iter().map(unread));
        lines.extend(report.dangling.iter().map(|place| {
            format!(
                "\n{place} is a link that leads nowhere\n  to mend: pull or create the model again, or \
                 remove it"
            )
        }));
        lines.extend(report.foreign.iter().map(|place| {
            format!("\n{place} is not a blob\n  to mend: move it out of the store, or remove it")
        }));
        lines.extend(report.absent.iter().map(|(model, digest)| {
            format!("manifest {digest} of {} is not in the store, which is no problem", model.short())
        }));
        lines.extend(report.missing_blobs.iter().map(missing));
        if report.is_clean() {
            lines.push("the store is whole".to_owned());
        }
        lines.join("\n") + "\n"
    }

    fn damaged(&self, blob: &DamagedBlob, repaired: &[Digest]) -> String {
        let mut lines = vec![format!("\ndamaged blob {}", blob.digest)];
        lines.push(match blob.holders.as_slice() {
            [] => "  needed by: no model".to_owned(),
            holders => format!("  needed by: {}", row(holders)),
        });
        match blob.damage {
            BlobDamage::Unreadable(kind) => {
                lines.push(format!("  cannot be read: {kind}"));
                lines.push(
                    "  to mend: check the permissions of the store and the disk that it is on".to_owned(),
                );
            }
            BlobDamage::Content { got } => {
                lines.push(format!("  its content is {got}"));
                lines.push(if !self.repair {
                    "  to mend: \"ollamake fsck --repair\" takes it out of the store".to_owned()
                } else if repaired.contains(&blob.digest) {
                    format!("  repaired: it now lies in ollamake/quarantine/{}", blob.digest.file_name())
                } else {
                    "  repaired: it has been removed or replaced meanwhile".to_owned()
                });
                if !blob.holders.is_empty() {
                    lines
                        .push("  then upload the blob again, or pull, push or create these again".to_owned());
                }
            }
        }
        lines.join("\n")
    }
}

fn unread(unread: &Unread) -> String {
    let Unread { place, model, problem } = unread;
    let mend = match model.as_ref().map(Name::short) {
        Some(model) => {
            format!("  needed by: {model}\n  to mend: pull or create the model again, or remove it")
        }
        None => "  to mend: mend or remove it by hand".to_owned(),
    };
    format!("\n{place} cannot be understood: {problem}\n{mend}\n  until then no blob is removed")
}

fn missing(missing: &MissingBlob) -> String {
    let MissingBlob { holder, digest, expected, got } = missing;
    let what = match got {
        None => format!("missing blob {digest}"),
        Some(got) => format!("blob {digest} has {got} bytes, its manifest states {expected}"),
    };
    let mend = match holder {
        Holder::Model(_) => "upload the blob again, or pull or create the model again",
        Holder::Guest(_) => "push it again",
    };
    format!("\n{what}\n  needed by: {holder}\n  to mend: {mend}")
}

/// What is no problem, but should be known.
fn what_should_be_known(account: &Account) -> impl Iterator<Item = String> {
    let tell = |tally: Tally, thing: &str, remark: &str| {
        let is_any = tally.files > 0;
        is_any.then(|| format!("{} ({}) {remark}", count_of(tally.files, thing), bytes(tally.bytes)))
    };
    let told = [
        tell(account.leased, "blob", "in use by jobs or transfers"),
        tell(account.unnamed, "blob", "of no model; \"ollamake prune\" removes what is old enough"),
        tell(account.under_way, "temporary file", "being written"),
        tell(account.left_over, "temporary file", "left over; \"ollamake prune\" removes what nobody writes"),
        tell(account.partial_downloads, "partial download", "to be resumed or pruned"),
        tell(account.uploads, "upload", "to be gone on with, or pruned when expired"),
        tell(account.guests, "manifest", "of images or artifacts, pushed to this server as a registry"),
        tell(
            account.foreign_downloads,
            "unfinished part",
            "of Ollama's own downloads; \"ollamake prune\" removes what is old enough",
        ),
        tell(
            account.old_names,
            "blob",
            "with the name of an old version of Ollama; \"ollamake serve\" renames them",
        ),
        tell(account.quarantined, "damaged blob", "in ollamake/quarantine, to be removed by hand"),
    ];
    told.into_iter().flatten()
}
