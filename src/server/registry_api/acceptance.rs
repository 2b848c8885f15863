//! Whether a manifest that is pushed is taken, and where it goes.
//!
//! A model that has a name goes where models are. Everything else is a guest of the store: images, artifacts,
//! what a repository has that no model can be called by, and what is pushed by its digest alone.

use std::collections::HashMap;

use axum::http::StatusCode;

use super::refusal::{Code, Refusal};
use super::representation::Representation;
use crate::model::{
    Child, Digest, IndexElement, LONGEST_CONFIG, Label, Manifest, ManifestList, ModelConfig, Name, OCI_INDEX,
    OCI_MANIFEST, OciContent, OciDocument, Repository, layer_json,
};
use crate::store::{Blob, GuestName, LONGEST_DOCUMENT, Store, StoreError};

/// What has been taken.
pub(super) struct Accepted {
    pub(super) digest: Digest,
    /// The manifest that it tells something about.
    pub(super) subject: Option<Digest>,
    /// What its label named before.
    pub(super) given_up: Vec<Digest>,
}

/// Takes a manifest, which was sent as `stated`, or refuses it.
pub(super) fn accept(
    store: &Store,
    repository: &Repository,
    label: &Label,
    stated: Option<&str>,
    bytes: &[u8],
) -> Result<Accepted, Refusal> {
    if bytes.len() > LONGEST_DOCUMENT {
        let message = format!("a manifest must not be larger than {LONGEST_DOCUMENT} bytes");
        return Err(Refusal::with_status(Code::ManifestInvalid, StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let document = OciDocument::parse(bytes, stated)?;
    let digest = Digest::of(bytes);
    if let Label::Digest(expected) = label
        && *expected != digest
    {
        return Err(StoreError::DigestMismatch { expected: *expected, got: digest }.into());
    }
    let pushed = Pushed { store, repository, label, bytes, document: &document };
    let leases = match &document.content {
        OciContent::Manifest { .. } => pushed.blobs()?,
        OciContent::Index(children) => pushed.children(children)?,
    };
    let given_up = match pushed.model(&leases)? {
        Some(name) => pushed.become_model(&name, &leases)?,
        None => pushed.become_guest(&leases)?,
    };
    Ok(Accepted { digest, subject: document.subject, given_up })
}

struct Pushed<'p> {
    store: &'p Store,
    repository: &'p Repository,
    label: &'p Label,
    bytes: &'p [u8],
    document: &'p OciDocument,
}

impl Pushed<'_> {
    /// The blobs that a manifest names, leased; each is there, whole and as long as it says.
    fn blobs(&self) -> Result<Vec<Blob>, Refusal> {
        let mut leases: HashMap<Digest, Blob> = HashMap::new();
        for part in self.document.blobs() {
            let blob = match leases.get(&part.digest) {
                Some(blob) => blob.clone(),
                None => self.store.whole_blob(part.digest, None, || true)?.ok_or_else(|| {
                    let message = format!("blob {} is not here: push it before its manifest", part.digest);
                    Refusal::new(Code::ManifestBlobUnknown, message)
                })?,
            };
            ensure_size(part.digest, part.size, blob.length())?;
            leases.insert(part.digest, blob);
        }
        Ok(leases.into_values().collect())
    }

    /// Those manifests of a list that are in the store as blobs, leased. Some may be missing, as runners do
    /// not need them all, but not every one.
    fn children(&self, children: &[IndexElement]) -> Result<Vec<Blob>, Refusal> {
        let mut known: HashMap<Digest, u64> = HashMap::new();
        for guest in self.store.guests_of(self.repository)? {
            known.insert(guest.digest, guest.size);
        }
        for model in self.store.list()?.iter().filter(|model| self.repository.holds(&model.name)) {
            let forms = Representation::all_of(model).into_iter();
            known.extend(forms.map(|form| (form.digest(), form.bytes.len() as u64)));
        }
        let (mut leases, mut found) = (Vec::new(), 0);
        for child in children {
            let size = match self.store.whole_blob(child.digest, None, || true)? {
                Some(blob) => {
                    leases.push(blob.clone());
                    blob.length()
                }
                None => match known.get(&child.digest) {
                    Some(size) => *size,
                    None => continue,
                },
            };
            ensure_size(child.digest, child.size.unwrap_or(size), size)?;
            found += 1;
        }
        if found == 0 && !children.is_empty() {
            let message =
                format!("of the {} manifests that it lists none is here: push them first", children.len());
            return Err(Refusal::new(Code::ManifestBlobUnknown, message));
        }
        Ok(leases)
    }

    /// The model that it is, if it is one.
    fn model(&self, leases: &[Blob]) -> Result<Option<Name>, Refusal> {
        let Label::Tag(tag) = self.label else { return Ok(None) };
        let Some(name) = self.repository.model(tag).filter(|_| self.document.is_model()) else {
            return Ok(None);
        };
        if let OciContent::Manifest { config, layers } = &self.document.content
            && layers.is_empty()
        {
            // A model that lives elsewhere, or an image of nothing.
            let blob = leases.iter().find(|blob| blob.digest() == config.digest);
            let text = blob.map(|blob| blob.read(LONGEST_CONFIG)).transpose();
            let text = text.ok().flatten().unwrap_or_default();
            let config = layer_json::<ModelConfig>(&text).unwrap_or_default();
            return Ok((!config.remote_host.is_empty()).then_some(name));
        }
        Ok(Some(name))
    }

    fn become_model(&self, name: &Name, leases: &[Blob]) -> Result<Vec<Digest>, Refusal> {
        self.ensure_kind(Manifest::MEDIA_TYPE, ManifestList::MEDIA_TYPE)?;
        let invalid = |error: serde_json::Error| Refusal::new(Code::ManifestInvalid, error.to_string());
        let placed = match &self.document.content {
            OciContent::Manifest { .. } => {
                let manifest = Manifest::from_bytes(self.bytes).map_err(invalid)?;
                self.store.ensure_readable(&manifest, leases)?;
                self.store.put_manifest(name, self.bytes)?
            }
            OciContent::Index(_) => {
                let list = ManifestList::from_bytes(self.bytes).map_err(invalid)?;
                // Where names are read, the manifests of a list are blobs.
                let _children = self.children_as_blobs(&list)?;
                self.store.restore(name, self.bytes)?
            }
        };
        // What had the label before is not seen any more.
        let guest = self.store.dismiss_guest(self.repository, self.label)?;
        Ok(placed.given_up.into_iter().chain(guest.unwrap_or_default()).collect())
    }

    fn children_as_blobs(&self, list: &ManifestList) -> Result<Vec<Blob>, Refusal> {
        let mut leases = Vec::new();
        for element in &list.elements {
            let Child::Reference(digest) = element.child else { continue };
            if self.store.contains(digest)? {
                continue;
            }
            let guest = self.store.guest(self.repository, &Label::Digest(digest))?;
            let bytes = match guest {
                Some(guest) => Some(guest.bytes),
                None => {
                    Representation::of_digest(self.store, self.repository, digest)?.map(|form| form.bytes)
                }
            };
            if let Some(bytes) = bytes {
                leases.push(self.store.put_bytes(&bytes)?.blob);
            }
        }
        Ok(leases)
    }

    fn become_guest(&self, leases: &[Blob]) -> Result<Vec<Digest>, Refusal> {
        self.ensure_kind(OCI_MANIFEST, OCI_INDEX)?;
        if let Label::Tag(tag) = self.label
            && let Some(name) = self.repository.model(tag)
            && !matches!(self.store.manifest(&name), Err(StoreError::ModelNotFound { .. }))
        {
            let message = format!(
                "{} is a model here, and what is pushed is none: delete the model first, or take another tag",
                name.short()
            );
            return Err(Refusal::new(Code::Denied, message));
        }
        let name = GuestName { repository: self.repository.clone(), label: self.label.clone() };
        Ok(self.store.keep_guest(&name, self.bytes, leases)?)
    }

    /// Refuses what could not be served as what it is, since it says it only beside its bytes.
    fn ensure_kind(&self, of_manifest: &str, of_list: &str) -> Result<(), Refusal> {
        let silent = match &self.document.content {
            OciContent::Manifest { .. } => of_manifest,
            OciContent::Index(_) => of_list,
        };
        match self.document.says_kind || self.document.media_type == silent {
            true => Ok(()),
            false => {
                let message = format!("it has no \"mediaType\", and is no {silent}: let it say what it is");
                Err(Refusal::new(Code::ManifestInvalid, message))
            }
        }
    }
}

fn ensure_size(digest: Digest, stated: u64, got: u64) -> Result<(), Refusal> {
    match stated == got {
        true => Ok(()),
        false => {
            let message = format!("{digest} has {got} bytes, and the manifest states {stated}");
            Err(Refusal::new(Code::ManifestInvalid, message))
        }
    }
}
