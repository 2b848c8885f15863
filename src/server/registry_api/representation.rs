//! The forms in which a model is served, each with bytes and a digest of its own.
//!
//! First of all it is what the store has. Of a list of manifests that is the one that is used here, unless
//! the client knows Ollama's lists. Clients that know OCI's manifests alone get the model as one, since they
//! refuse Ollama's layers in Docker's; by its digest everybody gets it.

use axum::http::{HeaderMap, header};

use super::refusal::Refusal;
use crate::model::{Digest, Manifest, ManifestList, OCI_MANIFEST, Reference, Repository};
use crate::store::{Store, StoreError, StoredManifest};

/// A form of a model, or another document.
pub(super) struct Representation {
    pub(super) kind: String,
    pub(super) bytes: Vec<u8>,
}

impl Representation {
    /// All forms of a model, the first for clients that do not say what they take.
    pub(super) fn all_of(model: &StoredManifest) -> Vec<Self> {
        let published = Self::of_manifest(&model.manifest, model.published().to_vec());
        let mut forms = vec![published];
        if ManifestList::from_bytes(&model.bytes).is_ok() {
            forms.push(Self { kind: ManifestList::MEDIA_TYPE.to_owned(), bytes: model.bytes.clone() });
        }
        if forms[0].kind != OCI_MANIFEST {
            forms.push(Self { kind: OCI_MANIFEST.to_owned(), bytes: model.manifest.to_oci() });
        }
        forms
    }

    /// The form of a model that a client takes, as its `Accept` says (RFC 9110, section 12.5.1).
    pub(super) fn accepted(model: &StoredManifest, headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let accepted: Vec<_> = lines
            .flat_map(|line| line.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
            .filter(|range| !range.is_empty())
            .collect();
        let mut forms = Self::all_of(model);
        let is_named = |form: &Self| accepted.contains(&form.kind);
        // Whoever knows lists takes everything else too.
        let list = |form: &Self| form.kind == ManifestList::MEDIA_TYPE;
        let index = forms.iter().position(|form| list(form) && is_named(form));
        let index = index.or_else(|| forms.iter().position(is_named)).unwrap_or(0);
        forms.swap_remove(index)
    }

    /// What has a digest among the models of a repository, and the manifests that their lists name.
    pub(super) fn of_digest(
        store: &Store,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Option<Self>, Refusal> {
        let models = store.list()?;
        let models: Vec<_> = models.iter().filter(|model| repository.holds(&model.name)).collect();
        let forms = models.iter().flat_map(|model| Self::all_of(model));
        if let Some(form) = forms.into_iter().find(|form| form.digest() == digest) {
            return Ok(Some(form));
        }
        for model in models {
            match store.find(&Reference::Pinned(model.name.clone(), digest)) {
                Ok(found) if found.digest == digest => {
                    return Ok(Some(Self::of_manifest(&found.manifest, found.bytes.clone())));
                }
                Ok(_) | Err(StoreError::ModelNotFound { .. } | StoreError::DamagedManifest { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The oldest manifests say nothing of their kind, and are all of one.
    fn of_manifest(manifest: &Manifest, bytes: Vec<u8>) -> Self {
        let kind = Some(manifest.media_type.as_str()).filter(|kind| !kind.is_empty());
        Self { kind: kind.unwrap_or(Manifest::MEDIA_TYPE).to_owned(), bytes }
    }
}
