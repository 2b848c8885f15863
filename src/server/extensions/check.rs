//! `/ollamake/v1/store/fsck`: whether the store is whole.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::disk::Unread;
use crate::model::Digest;
use crate::server::Shared;
use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::request::Fields;
use crate::store::{BlobDamage, CheckReport, Store, StoreError};

/// What was found.
#[derive(Serialize, ToSchema)]
struct Checked {
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
    unread: Vec<Unread>,
    /// Links that lead nowhere.
    dangling: Vec<String>,
    /// Files among the blobs that are none.
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

/// `POST /ollamake/v1/store/fsck`. It reads all blobs, unless only the lengths are to be looked at, and ends
/// when the client goes away.
pub(super) async fn check(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let mut fields = Fields::read_or_nothing(&server, &headers, body, "CheckRequest").await?;
    let contents = fields.boolean("contents")?.unwrap_or(true);
    let repair = fields.boolean("repair")?.unwrap_or(false);
    let Ok(alone) = Arc::clone(&server.checks).try_acquire_owned() else {
        return Err(Failure::unavailable("the store is being checked already; wait for the end of that"));
    };
    let store = server.store().clone();
    let (stop, hurry) = (CancellationToken::new(), server.hurry.clone());
    let watch = stop.clone().drop_guard();
    let work = move || {
        let _alone = alone;
        let report = store.check_while(contents, |_| !stop.is_cancelled() && !hurry.is_cancelled())?;
        Checked::new(&store, report, repair)
    };
    let checked = server.blocking(work).await?;
    drop(watch);
    if server.hurry.is_cancelled() {
        return Err(Failure::unavailable("the server ends"));
    }
    Ok(json(&checked?))
}

impl Checked {
    fn new(store: &Store, report: CheckReport, repair: bool) -> Result<Self, StoreError> {
        let whole = report.is_clean();
        let CheckReport { blobs, bytes, manifests, damaged_blobs, damaged_manifests, .. } = report;
        let quarantine = |digest: Digest, damage: BlobDamage| match damage {
            BlobDamage::Content { .. } if repair => store.quarantine(digest),
            _ => Ok(false),
        };
        let damaged_blobs = damaged_blobs.into_iter().map(|blob| {
            let content = match blob.damage {
                BlobDamage::Content { got } => Some(got.to_string()),
                BlobDamage::Unreadable(_) => None,
            };
            let models = blob.holders.iter().map(ToString::to_string).collect();
            let repaired = quarantine(blob.digest, blob.damage)?;
            Ok(DamagedBlob { digest: blob.digest.to_string(), content, models, repaired })
        });
        let damaged_manifests = damaged_manifests
            .into_iter()
            .map(|(name, problem)| DamagedManifest { model: name.short(), problem });
        let missing_blobs = report.missing_blobs.into_iter().map(|missing| MissingBlob {
            model: missing.holder.to_string(),
            digest: missing.digest.to_string(),
            expected: missing.expected,
            got: missing.got,
        });
        Ok(Self {
            whole,
            blobs,
            bytes,
            manifests,
            damaged_blobs: damaged_blobs.collect::<Result<_, StoreError>>()?,
            damaged_manifests: damaged_manifests.collect(),
            missing_blobs: missing_blobs.collect(),
            unread: report.unread.into_iter().map(Unread::from).collect(),
            dangling: report.dangling,
            foreign: report.foreign,
        })
    }
}

/// What is to be checked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct CheckRequest {
    /// Whether blobs are read (as without it), or only their lengths looked at.
    contents: Option<bool>,
    /// Whether damaged blobs are taken out of the store.
    repair: Option<bool>,
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/ollamake/v1/store/fsck", "Looks whether every blob and every model is whole.")
            .takes::<CheckRequest>(false)
            .answers::<Checked>(200, "What was found."),
    ]
}
