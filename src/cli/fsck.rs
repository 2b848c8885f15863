//! `ollamake fsck [--repair]`

use clap::Args;

use super::format::{bytes, count_of, row};
use super::progress::Progress;
use super::{CliError, Surroundings};
use crate::model::Name;
use crate::store::{
    Account, BlobDamage, CheckReport, DamagedBlob, Holder, MissingBlob, Store, StoreError, Tally, Unread,
};

/// Exits with 0 if the store is whole, 1 if it is not, and 2 if that could not be found out. A server may be
/// running on the store.
#[derive(Debug, Args)]
pub(super) struct Fsck {
    /// Take damaged blobs out of the store, so that they can be uploaded or pulled again
    #[arg(long)]
    repair: bool,
}

impl Fsck {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let report = self.look(surroundings).map_err(|error| CliError::Unchecked(Box::new(error)))?;
        match report.findings() {
            0 => Ok(()),
            findings => Err(CliError::Findings { findings }),
        }
    }

    fn look(&self, surroundings: &Surroundings) -> Result<CheckReport, CliError> {
        let config = surroundings.config()?;
        let store = config.open_existing_store()?;
        let account = store.account()?;
        let bar = Progress::new().bar(format!("checking {}", config.models.display()), 0);
        let report = store.check(true, |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.read);
        })?;
        bar.finish_and_clear();
        println!(
            "{} ({}) and {} checked",
            count_of(report.blobs, "blob"),
            bytes(report.bytes),
            count_of(report.manifests, "model"),
        );
        print_account(&account);
        for blob in &report.damaged_blobs {
            self.print_damaged(&store, blob)?;
        }
        for (name, problem) in &report.damaged_manifests {
            let model = name.short();
            println!("\ndamaged manifest of {model}: {problem}");
            println!("  to mend: make the model again, or remove it with \"ollamake rm {model}\"");
        }
        for unread in &report.unread {
            print_unread(unread);
        }
        for place in &report.dangling {
            println!("\n{place} is a link that leads nowhere");
            println!("  to mend: pull or create the model again, or remove it");
        }
        for place in &report.foreign {
            println!("\n{place} is not a blob\n  to mend: move it out of the store, or remove it");
        }
        for (model, digest) in &report.absent {
            println!("manifest {digest} of {} is not in the store, which is no problem", model.short());
        }
        for missing in &report.missing_blobs {
            print_missing(missing);
        }
        if report.is_clean() {
            println!("the store is whole");
        }
        Ok(report)
    }

    fn print_damaged(&self, store: &Store, blob: &DamagedBlob) -> Result<(), StoreError> {
        println!("\ndamaged blob {}", blob.digest);
        match blob.holders.as_slice() {
            [] => println!("  needed by: no model"),
            holders => println!("  needed by: {}", row(holders)),
        }
        match blob.damage {
            BlobDamage::Unreadable(kind) => {
                println!("  cannot be read: {kind}");
                println!("  to mend: check the permissions of the store and the disk that it is on");
            }
            BlobDamage::Content { got } => {
                println!("  its content is {got}");
                if !self.repair {
                    println!("  to mend: \"ollamake fsck --repair\" takes it out of the store");
                } else if store.quarantine(blob.digest)? {
                    println!("  repaired: it now lies in ollamake/quarantine/{}", blob.digest.file_name());
                } else {
                    println!("  repaired: it has been removed or replaced meanwhile");
                }
                if !blob.holders.is_empty() {
                    println!("  then upload the blob again, or pull, push or create these again");
                }
            }
        }
        Ok(())
    }
}

fn print_unread(unread: &Unread) {
    let Unread { place, model, problem } = unread;
    println!("\n{place} cannot be understood: {problem}");
    match model.as_ref().map(Name::short) {
        Some(model) => {
            println!("  needed by: {model}\n  to mend: pull or create the model again, or remove it")
        }
        None => println!("  to mend: mend or remove it by hand"),
    }
    println!("  until then no blob is removed");
}

fn print_missing(missing: &MissingBlob) {
    let MissingBlob { holder, digest, expected, got } = missing;
    match got {
        None => println!("\nmissing blob {digest}\n  needed by: {holder}"),
        Some(got) => {
            println!("\nblob {digest} has {got} bytes, its manifest states {expected}\n  needed by: {holder}")
        }
    }
    match holder {
        Holder::Model(_) => println!("  to mend: upload the blob again, or pull or create the model again"),
        Holder::Guest(_) => println!("  to mend: push it again"),
    }
}

/// What is no problem, but should be known.
fn print_account(account: &Account) {
    let tell = |tally: Tally, thing: &str, remark: &str| {
        if tally.files > 0 {
            println!("{} ({}) {remark}", count_of(tally.files, thing), bytes(tally.bytes));
        }
    };
    tell(account.leased, "blob", "in use by jobs or transfers");
    tell(account.unnamed, "blob", "of no model; \"ollamake prune\" removes what is old enough");
    tell(account.under_way, "temporary file", "being written");
    tell(account.left_over, "temporary file", "left over; \"ollamake prune\" removes what nobody writes");
    tell(account.partial_downloads, "partial download", "to be resumed or pruned");
    tell(account.uploads, "upload", "to be gone on with, or pruned when expired");
    tell(account.guests, "manifest", "of images or artifacts, pushed to this server as a registry");
    tell(
        account.foreign_downloads,
        "unfinished part",
        "of Ollama's own downloads; \"ollamake prune\" removes what is old enough",
    );
    tell(
        account.old_names,
        "blob",
        "with the name of an old version of Ollama; \"ollamake serve\" renames them",
    );
    tell(account.quarantined, "damaged blob", "in ollamake/quarantine, to be removed by hand");
}
