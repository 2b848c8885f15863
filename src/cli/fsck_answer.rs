//! What a check of the store has found, as the server answers it to `POST /ollamake/v1/store/fsck`.

use serde_json::{Value, json};

use crate::model::Digest;
use crate::store::{BlobDamage, CheckReport, Unread};

/// The answer; `repaired` are the blobs that were taken out.
pub(super) fn answer(report: &CheckReport, repaired: &[Digest]) -> Value {
    let damaged_blobs = report.damaged_blobs.iter().map(|blob| {
        let mut told = json!({
            "digest": blob.digest.to_string(),
            "models": blob.holders.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "repaired": repaired.contains(&blob.digest),
        });
        if let BlobDamage::Content { got } = blob.damage {
            told["content"] = got.to_string().into();
        }
        told
    });
    let damaged_manifests = report.damaged_manifests.iter();
    let damaged_manifests =
        damaged_manifests.map(|(name, problem)| json!({"model": name.short(), "problem": problem}));
    let missing_blobs = report.missing_blobs.iter().map(|missing| {
        let mut told = json!({
            "model": missing.holder.to_string(),
            "digest": missing.digest.to_string(),
            "expected": missing.expected,
        });
        if let Some(got) = missing.got {
            told["got"] = got.into();
        }
        told
    });
    json!({
        "whole": report.is_clean(),
        "blobs": report.blobs,
        "bytes": report.bytes,
        "manifests": report.manifests,
        "damaged_blobs": damaged_blobs.collect::<Vec<_>>(),
        "damaged_manifests": damaged_manifests.collect::<Vec<_>>(),
        "missing_blobs": missing_blobs.collect::<Vec<_>>(),
        "unread": unread(&report.unread),
        "dangling": report.dangling,
        "foreign": report.foreign,
    })
}

/// What cannot be read or understood.
pub(super) fn unread(all: &[Unread]) -> Vec<Value> {
    let told = |unread: &Unread| {
        let mut told = json!({"place": unread.place, "problem": unread.problem});
        if let Some(model) = &unread.model {
            told["model"] = model.short().into();
        }
        told
    };
    all.iter().map(told).collect()
}
