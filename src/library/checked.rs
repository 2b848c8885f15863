//! What a check of the store has found, as `ollamake fsck --json` prints it and the server answers it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Digest, Name};
use crate::store::{self, BlobDamage, CheckReport, Unread};

/// What was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checked {
    /// Whether nothing is wrong.
    whole: bool,
    /// How many blobs were looked at, and their bytes.
    blobs: usize,
    bytes: u64,
    manifests: usize,
    damaged_blobs: Vec<DamagedBlob>,
    damaged_manifests: Vec<DamagedManifest>,
    missing_blobs: Vec<MissingBlob>,
    /// What else cannot be read or understood; as long as there is anything, no blob is removed.
    unread: Vec<UnreadEntry>,
    /// Links that lead nowhere.
    dangling: Vec<String>,
    /// Files among the blobs that are not blobs.
    foreign: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct DamagedBlob {
    digest: String,
    /// The digest of what it holds, if it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// The models that need it, and what else was pushed here.
    models: Vec<String>,
    /// Whether it was taken out of the store.
    repaired: bool,
}

#[derive(Serialize, ToSchema)]
struct DamagedManifest {
    model: String,
    problem: String,
}

#[derive(Serialize, ToSchema)]
struct MissingBlob {
    /// The model, or what else was pushed here.
    model: String,
    digest: String,
    /// The length that the manifest states.
    expected: u64,
    /// The length that it has, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<u64>,
}

/// What cannot be understood.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnreadEntry {
    /// Where in the store.
    place: String,
    /// The model that it is of, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    problem: String,
}

impl Checked {
    /// `repaired` are the blobs that were taken out.
    pub(crate) fn new(report: &CheckReport, repaired: &[Digest]) -> Self {
        let damaged_blob = |blob: &store::DamagedBlob| DamagedBlob {
            digest: blob.digest.to_string(),
            content: match blob.damage {
                BlobDamage::Content { got } => Some(got.to_string()),
                BlobDamage::Unreadable(_) => None,
            },
            models: blob.holders.iter().map(ToString::to_string).collect(),
            repaired: repaired.contains(&blob.digest),
        };
        let damaged_manifest = |(name, problem): &(Name, String)| DamagedManifest {
            model: name.short(),
            problem: problem.clone(),
        };
        let missing_blob = |missing: &store::MissingBlob| MissingBlob {
            model: missing.holder.to_string(),
            digest: missing.digest.to_string(),
            expected: missing.expected,
            got: missing.got,
        };
        Self {
            whole: report.is_clean(),
            blobs: report.blobs,
            bytes: report.bytes,
            manifests: report.manifests,
            damaged_blobs: report.damaged_blobs.iter().map(damaged_blob).collect(),
            damaged_manifests: report.damaged_manifests.iter().map(damaged_manifest).collect(),
            missing_blobs: report.missing_blobs.iter().map(missing_blob).collect(),
            unread: report.unread.iter().map(UnreadEntry::from).collect(),
            dangling: report.dangling.clone(),
            foreign: report.foreign.clone(),
        }
    }
}

impl From<&Unread> for UnreadEntry {
    fn from(unread: &Unread) -> Self {
        let Unread { place, model, problem } = unread;
        Self { place: place.clone(), model: model.as_ref().map(Name::short), problem: problem.clone() }
    }
}
