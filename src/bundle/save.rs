//! Models from the store into a stream.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use tar::{Builder, EntryType, Header};

use super::error::BundleError;
use super::layout::{Element, INDEX, Index, MARKER, Marker, path_of};
use crate::model::Digest;
use crate::store::{Blob, Store, StoredManifest};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// How many blobs, without the manifests.
    pub blobs: usize,
    /// The sum of their lengths in bytes.
    pub bytes: u64,
}

/// What a bundle is going to hold.
struct Contents {
    elements: Vec<Element>,
    /// Manifests, which may be no blobs of the store.
    documents: Vec<Vec<u8>>,
    /// Leased, in the order of the models and their layers.
    blobs: Vec<Blob>,
}

/// Writes models to `sink`, in the order given; the same models give the same bytes. `goes_on` gets the
/// number of bytes of blobs written so far, and of all, and says whether to go on.
///
/// # Errors
/// What is wrong with a model, before anything is written; that the stream cannot be written.
pub fn save(
    store: &Store,
    models: &[Arc<StoredManifest>],
    sink: impl Write,
    goes_on: impl Fn(u64, u64) -> bool,
) -> Result<Saved, BundleError> {
    let contents = Contents::of(store, models)?;
    contents.write(sink, goes_on).map_err(BundleError::Write)
}

impl Contents {
    fn of(store: &Store, models: &[Arc<StoredManifest>]) -> Result<Self, BundleError> {
        let mut contents = Self { elements: Vec::new(), documents: Vec::new(), blobs: Vec::new() };
        let mut seen = BTreeSet::new();
        for model in models {
            store.ensure_parts(model)?;
            let manifest = model.manifest.to_oci();
            contents.elements.push(Element::new(&manifest, model.name.short(), model.digest));
            for document in [&manifest, &model.bytes] {
                if seen.insert(Digest::of(document)) {
                    contents.documents.push(document.clone());
                }
            }
            for blob in store.reached(model)? {
                if seen.insert(blob.digest()) {
                    store.ensure_whole(&blob, || true)?;
                    contents.blobs.push(blob);
                }
            }
        }
        Ok(contents)
    }

    fn write(self, sink: impl Write, goes_on: impl Fn(u64, u64) -> bool) -> io::Result<Saved> {
        let Self { elements, documents, blobs } = self;
        let total = blobs.iter().map(Blob::length).sum();
        let mut bundle = Builder::new(sink);
        append(&mut bundle, MARKER, &serde_json::to_vec(&Marker::new())?)?;
        append(&mut bundle, INDEX, &serde_json::to_vec(&Index::new(elements))?)?;
        for document in &documents {
            append(&mut bundle, &path_of(Digest::of(document)), document)?;
        }
        let mut written = 0;
        for blob in &blobs {
            let count = |bytes| {
                written += bytes;
                goes_on(written, total)
            };
            let counted = Counted { inner: blob.reader(), count };
            bundle.append_data(&mut header_of(blob.length()), path_of(blob.digest()), counted)?;
        }
        bundle.into_inner()?.flush()?;
        Ok(Saved { blobs: blobs.len(), bytes: total })
    }
}

fn append(bundle: &mut Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    bundle.append_data(&mut header_of(bytes.len() as u64), path, bytes)
}

/// A header without an owner or a time, so that bundles of the same models are the same.
fn header_of(length: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(length);
    header
}

/// A reader that tells how much was read, and can be stopped.
struct Counted<R, F> {
    inner: R,
    count: F,
}

impl<R: io::Read, F: FnMut(u64) -> bool> io::Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match (self.count)(count as u64) {
            true => Ok(count),
            false => Err(io::Error::other("interrupted")),
        }
    }
}
