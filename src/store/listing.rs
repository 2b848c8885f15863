//! Which models there are: the union of the trees of manifests, and of each list the manifest that is used.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::Shared;
use super::document::{Damage, Document, DocumentContent, LONGEST_DOCUMENT};
use super::entry::{Chosen, Content, Entry};
use super::index::Census;
use super::stored_manifest::StoredManifest;
use crate::locked::locked;
use crate::model::{
    Child, DEFAULT_NAMESPACE, Digest, Layer, ListElement, Manifest, ManifestList, Name, PUBLIC_HOST_ALIAS,
};

/// The runners of a list, the one first whose manifest is used. We work on GGUF files.
const RUNNERS: [&str; 5] = ["llamacpp", "ggml", "ollama", "", "mlx"];

/// The same for the anchor of a list: what the oldest versions can run.
const OLD_RUNNERS: [&str; 5] = ["ggml", "ollama", "llamacpp", "", "mlx"];

/// Models below these names, whose tags are digests, are conversions that Ollama has made of other models.
const SHADOWS: [&str; 4] = ["llamacpp", "ggml", "mlx", "ollama"];

/// The models of a store.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those whose manifests can be read.
    pub models: Vec<Arc<StoredManifest>>,
    /// Those whose manifests cannot.
    pub damaged: Vec<DamagedModel>,
}

/// A model whose manifest cannot be used.
#[derive(Debug, Clone)]
pub struct DamagedModel {
    /// The name that it should have been found under.
    pub name: Name,
    /// What is wrong with its manifest.
    pub problem: String,
    /// The digest of its entry, if that can be read.
    pub digest: Option<Digest>,
    /// When the name was made, if that can be told.
    pub modified: Option<SystemTime>,
}

/// A manifest of a list that is in the store.
pub(super) struct ListedManifest {
    runner: String,
    manifest: Manifest,
    bytes: Vec<u8>,
}

impl Shared {
    /// The models of a census.
    pub(super) fn listing(&self, census: &Census) -> Listing {
        let mut listing = Listing::default();
        for entry in winners(census) {
            let Some(name) = &entry.name else { continue };
            let damage = match &entry.content {
                Content::Model(manifest) if is_shadow(name, manifest.digest) => continue,
                Content::Model(manifest) => {
                    listing.models.push(Arc::clone(manifest));
                    continue;
                }
                Content::Document(document, modified) => {
                    match self.chosen(&entry.chosen, document, name, *modified) {
                        Ok(model) => {
                            listing.models.push(model);
                            continue;
                        }
                        Err(damage) => Damage { digest: Some(document.digest), ..damage },
                    }
                }
                Content::Damaged(damage) => damage.clone(),
                Content::Dangling(_) | Content::Foreign => continue,
            };
            let Damage { problem, digest, .. } = damage;
            let metadata = self.disk.metadata_of_link(&self.layout.root().join(&entry.place));
            let modified = metadata.and_then(|metadata| metadata.modified()).ok();
            listing.damaged.push(DamagedModel { name: name.clone(), problem, digest, modified });
        }
        listing
    }

    /// The model that a list stands for, as long as the same manifests are in the store.
    fn chosen(
        &self,
        known: &Chosen,
        document: &Document,
        name: &Name,
        modified: SystemTime,
    ) -> Result<Arc<StoredManifest>, Damage> {
        let DocumentContent::List(list) = &document.content else {
            return Err(Damage::unreadable("it is not a list"));
        };
        let there: Vec<bool> = list.elements.iter().map(|element| self.is_present(element)).collect();
        let mut known = locked(&known.0);
        if let Some((before, model)) = &*known
            && *before == there
        {
            return Ok(model.clone());
        }
        let model = Arc::new(self.model_of_list(document, name, modified)?);
        *known = Some((there, model.clone()));
        Ok(model)
    }

    /// The parts of all models that are read, of lists those of every manifest that is in the store.
    pub(super) fn parts(&self, census: &Census) -> Vec<(Name, Layer)> {
        let mut parts = Vec::new();
        for entry in winners(census) {
            let Some(name) = &entry.name else { continue };
            let manifests: Vec<Manifest> = match &entry.content {
                Content::Model(model) => vec![model.manifest.clone()],
                Content::Document(document, _) => {
                    let present = self.present(document).unwrap_or_default();
                    present.into_iter().map(|child| child.manifest.without_documents()).collect()
                }
                _ => Vec::new(),
            };
            let layers = manifests.iter().flat_map(Manifest::blobs);
            parts.extend(layers.map(|layer| (name.clone(), layer.clone())));
        }
        parts
    }

    /// The manifests of lists that are not in the store.
    pub(super) fn absent(&self, census: &Census) -> Vec<(Name, Digest)> {
        let mut absent = Vec::new();
        for entry in winners(census) {
            if let (Some(name), Content::Document(document, _)) = (&entry.name, &entry.content)
                && let DocumentContent::List(list) = &document.content
            {
                absent.extend(list.elements.iter().filter_map(|element| match element.child {
                    Child::Reference(digest) if !self.is_present(element) => Some((name.clone(), digest)),
                    _ => None,
                }));
            }
        }
        absent
    }

    fn is_present(&self, element: &ListElement) -> bool {
        match element.child {
            Child::Reference(digest) => self.disk.metadata(&self.layout.blob(digest)).is_ok(),
            Child::Inline(_) => true,
        }
    }

    /// The model that a list stands for.
    pub(super) fn model_of_list(
        &self,
        document: &Document,
        name: &Name,
        modified: SystemTime,
    ) -> Result<StoredManifest, Damage> {
        let present = self.present(document)?;
        // Each blob once, and the documents not at all.
        let sizes: BTreeMap<Digest, u64> = present
            .iter()
            .flat_map(|child| child.manifest.blobs())
            .filter(|layer| !layer.media_type.is_document())
            .map(|layer| (layer.digest, layer.size))
            .collect();
        let size = sizes.values().fold(0_u64, |sum, size| sum.saturating_add(*size));
        let Some(ListedManifest { manifest, bytes, .. }) = first_of(present, &RUNNERS) else {
            let problem = "none of the manifests that it lists is in the store".to_owned();
            let (digest, names) = (Some(document.digest), document.names.clone());
            return Err(Damage { problem, digest, names });
        };
        Ok(StoredManifest::of_list(document, (manifest, bytes), size, name.clone(), modified))
    }

    /// The manifest of a list that older versions can run.
    pub(super) fn oldest_of_list(&self, document: &Document) -> Result<Option<Manifest>, Damage> {
        Ok(first_of(self.present(document)?, &OLD_RUNNERS).map(|child| child.manifest))
    }

    /// The digests of the documents that a list refers to and that are in the store.
    pub(super) fn children_of(&self, list: &ManifestList) -> Vec<Digest> {
        let reference = |element: &ListElement| match element.child {
            Child::Reference(digest) if self.is_present(element) => Some(digest),
            _ => None,
        };
        list.elements.iter().filter_map(reference).collect()
    }

    /// The manifests of a list that are in the store.
    fn present(&self, document: &Document) -> Result<Vec<ListedManifest>, Damage> {
        let DocumentContent::List(list) = &document.content else { return Ok(Vec::new()) };
        let mut present = Vec::new();
        for element in list.elements.iter().filter(|element| element.is_manifest) {
            let (mut manifest, bytes) = match &element.child {
                Child::Inline(child) => (child.manifest.clone(), child.manifest.to_bytes()),
                Child::Reference(digest) => match self.child(*digest)? {
                    Some(child) => child,
                    None => continue,
                },
            };
            let or = |own: &mut String, theirs: &str| {
                if own.is_empty() {
                    theirs.clone_into(own);
                }
            };
            or(&mut manifest.runner, &element.runner);
            or(&mut manifest.format, &element.format);
            present.push(ListedManifest { runner: manifest.runner.to_ascii_lowercase(), manifest, bytes });
        }
        Ok(present)
    }

    /// A manifest that is a blob, and its bytes, if it is there.
    pub(super) fn child(&self, digest: Digest) -> Result<Option<(Manifest, Vec<u8>)>, Damage> {
        let damaged = |problem: String| Damage::unreadable(format!("its part {digest}: {problem}"));
        let Some(bytes) = self.read_document(digest).map_err(|error| damaged(error.kind().to_string()))?
        else {
            return Ok(None);
        };
        if bytes.len() > LONGEST_DOCUMENT || Digest::of(&bytes) != digest {
            return Err(damaged("its content has another digest".to_owned()));
        }
        let manifest = Manifest::from_bytes(&bytes).map_err(|error| damaged(error.to_string()))?;
        Ok(Some((manifest, bytes)))
    }
}

fn first_of(mut present: Vec<ListedManifest>, runners: &[&str]) -> Option<ListedManifest> {
    let rank = |child: &ListedManifest| {
        runners.iter().position(|runner| *runner == child.runner).unwrap_or(runners.len())
    };
    let best = (0..present.len()).min_by_key(|index| rank(&present[*index]))?;
    Some(present.swap_remove(best))
}

/// Of the entries of each name the one that is read: that in `manifests-v2`, and of older ones that under the
/// public registry's own name.
fn winners(census: &Census) -> Vec<&Arc<Entry>> {
    let readable = |entry: &&Arc<Entry>| {
        entry.name.is_some() && !matches!(entry.content, Content::Dangling(_) | Content::Foreign)
    };
    let in_tree = |tree: &'static str| {
        census.entries.iter().filter(readable).filter(move |entry| entry.place.starts_with(tree))
    };
    let mut winners: Vec<_> = in_tree("manifests/").collect();
    let is_alias = |entry: &&Arc<Entry>| {
        let host = entry.place.split('/').nth(1).unwrap_or_default();
        host.eq_ignore_ascii_case(PUBLIC_HOST_ALIAS) || host.contains('%')
    };
    if in_tree("manifests-v2/").next().is_none() && !winners.iter().any(is_alias) {
        return winners;
    }
    winners.sort_by_key(is_alias);
    let mut seen = HashSet::new();
    let mut union: Vec<_> = in_tree("manifests-v2/").chain(winners).collect();
    union.retain(|entry| entry.name.as_ref().is_some_and(|name| seen.insert(name.clone())));
    union.sort_by_cached_key(|entry| entry.name.as_ref().map(|name| name.to_string().to_ascii_lowercase()));
    union
}

/// Whether a model is a conversion that Ollama keeps under the digest of its manifest.
fn is_shadow(name: &Name, digest: Digest) -> bool {
    name.namespace() == DEFAULT_NAMESPACE
        && SHADOWS.contains(&name.model())
        && name.tag().eq_ignore_ascii_case(&digest.hex())
}
