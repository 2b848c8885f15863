//! Models by digest, and what a model lacks.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use super::document::{Document, LONGEST_DOCUMENT};
use super::entry::Content;
use super::present::Present;
use super::reach::Reach;
use super::stamp::Stamp;
use super::stored_manifest::StoredManifest;
use super::{Blob, Shared, Store, StoreError};
use crate::locked::locked;
use crate::model::{
    DEFAULT_NAMESPACE, DEFAULT_TAG, Digest, Manifest, MediaType, Name, PUBLIC_HOST, Reference,
};

/// How many digits the beginning of a digest may have that is taken for it.
const PREFIX: std::ops::RangeInclusive<usize> = 12..=63;

impl Store {
    /// The model that a reference means.
    ///
    /// # Errors
    /// [`StoreError::ModelNotFound`], also of a blob that is not a manifest; [`StoreError::DamagedManifest`],
    /// or what the operating system says.
    pub fn find(&self, reference: &Reference) -> Result<Arc<StoredManifest>, StoreError> {
        match reference {
            Reference::Digest(digest) => {
                let name = name_of(*digest)?;
                self.0.model_of_blob(*digest, &name)?.ok_or(not_found(name))
            }
            Reference::Pinned(name, digest) => {
                let model = self.manifest(name)?;
                let mut is_reached = false;
                Reach::new(&self.0).follow(&model.names, None, &mut |reached| {
                    is_reached |= reached == *digest;
                });
                match is_reached && model.digest != *digest {
                    true => self.0.model_of_blob(*digest, &model.name)?.ok_or(not_found(name.clone())),
                    false if is_reached => Ok(model),
                    false => Err(not_found(name.clone())),
                }
            }
            Reference::Name(name) => match (self.manifest(name), prefix(name)) {
                (Err(StoreError::ModelNotFound { .. }), Some(prefix)) => {
                    let digests = self.0.list_blobs()?;
                    let mut alike = digests.into_iter().filter(|digest| digest.hex().starts_with(&prefix));
                    match (alike.next(), alike.next()) {
                        (Some(digest), None) => {
                            self.0.model_of_blob(digest, &name_of(digest)?)?.ok_or(not_found(name.clone()))
                        }
                        _ => Err(not_found(name.clone())),
                    }
                }
                (answer, _) => answer,
            },
        }
    }

    /// Makes sure that all parts of a model are in the store, in the lengths that it states.
    ///
    /// # Errors
    /// [`StoreError::LacksBlob`], [`StoreError::DamagedBlob`], or what the operating system says.
    pub fn ensure_parts(&self, model: &StoredManifest) -> Result<(), StoreError> {
        for layer in model.manifest.blobs() {
            match self.size(layer.digest)? {
                Some(length) if length == layer.size => {}
                Some(length) => return Err(StoreError::of_length(layer, length)),
                None => {
                    let (name, noun) = (Box::new(model.name.clone()), layer.media_type.noun());
                    return Err(StoreError::LacksBlob { name, noun, digest: layer.digest });
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the layers of a model which are texts can be read, so that what appears can be shown.
    /// Weights are not looked at: another program may understand what we do not.
    ///
    /// # Errors
    /// [`StoreError::InvalidManifest`], or what the operating system says.
    pub fn ensure_readable(&self, manifest: &Manifest, blobs: &[Blob]) -> Result<(), StoreError> {
        // Whatever it is called, it is read as the configuration.
        let config = std::iter::once((&manifest.config, MediaType::Config));
        let layers = manifest.layers.iter().map(|layer| (layer, layer.media_type.clone()));
        for (layer, kind) in config.chain(layers) {
            let Some(longest) = kind.longest() else { continue };
            let noun = kind.noun();
            let unusable = |problem: String| StoreError::InvalidManifest {
                problem: format!("blob {} is its {noun}, and {problem}", layer.digest),
            };
            if layer.size > longest as u64 {
                return Err(unusable(format!("has {} bytes where at most {longest} are read", layer.size)));
            }
            let Some(blob) = blobs.iter().find(|blob| blob.digest() == layer.digest) else { continue };
            let checked = kind.check(&blob.read(longest)?);
            checked.map_err(|error| unusable(format!("not what that should be: {error}")))?;
        }
        Ok(())
    }

    /// The blobs that are there now. As long as their directory does not change, they are not listed again.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn present(&self) -> Result<Arc<Present>, StoreError> {
        let stamp = match self.0.disk.metadata(self.0.layout.blobs()) {
            Ok(metadata) => Some(Stamp::from(&metadata)).filter(Stamp::is_settled),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let mut known = locked(&self.0.present);
        if let Some(present) = &*known
            && stamp.is_some()
            && present.stamp == stamp
        {
            return Ok(present.clone());
        }
        let digests = self.0.list_blobs()?.into_iter().collect();
        let present = Arc::new(Present { stamp, digests });
        *known = Some(present.clone());
        Ok(present)
    }
}

impl Shared {
    /// The model whose manifest is this blob, if it is one.
    fn model_of_blob(&self, digest: Digest, name: &Name) -> Result<Option<Arc<StoredManifest>>, StoreError> {
        let bytes = match self.read_document(digest) {
            Ok(Some(bytes)) if bytes.len() <= LONGEST_DOCUMENT && Digest::of(&bytes) == digest => bytes,
            Ok(_) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Ok(document) = Document::parse(bytes) else { return Ok(None) };
        let metadata = self.disk.metadata(&self.layout.blob(digest));
        let modified =
            metadata.and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
        let model = self.model_of(name, &Content::of(document, modified, Some(name)));
        let problem = |problem| StoreError::DamagedManifest { name: Box::new(name.clone()), problem };
        model.map(Some).map_err(problem)
    }
}

fn not_found(name: Name) -> StoreError {
    StoreError::ModelNotFound { name: Box::new(name) }
}

/// What a model is called that is known by its digest alone.
fn name_of(digest: Digest) -> Result<Name, StoreError> {
    let name = digest.file_name().parse::<Name>();
    name.map_err(|_| StoreError::InvalidManifest { problem: "it has no name".to_owned() })
}

/// The digits of a name that may be the beginning of a digest.
fn prefix(name: &Name) -> Option<String> {
    let [host, namespace, model, tag] = name.parts();
    let is_bare = (host, namespace, tag) == (PUBLIC_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG);
    let is_hex = model.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_bare && is_hex && PREFIX.contains(&model.len())).then(|| model.to_ascii_lowercase())
}
