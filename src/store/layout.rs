//! Where things are. No other room makes a path in the store.
//!
//! `blobs/`, `manifests/` and `manifests-v2/` are Ollama's (`manifest/paths.go`); `ollamake/` is ours alone.
//! Whatever is foreign to Ollama in `blobs/` it removes, so nothing of ours ever lies there.

use std::path::{Path, PathBuf};

use super::tree::Tree;
use crate::model::Digest;

#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    blobs: PathBuf,
    manifests: PathBuf,
    manifests_v2: PathBuf,
    own: PathBuf,
    temporary: PathBuf,
    partial: PathBuf,
    uploads: PathBuf,
    made: PathBuf,
    measured: PathBuf,
    quarantine: PathBuf,
    verified: PathBuf,
    jobs: PathBuf,
    provenance: PathBuf,
    outputs: PathBuf,
    guests: PathBuf,
    used: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        let own = root.join("ollamake");
        Self {
            root: root.to_owned(),
            blobs: root.join("blobs"),
            manifests: root.join("manifests"),
            manifests_v2: root.join("manifests-v2"),
            temporary: own.join("temporary"),
            partial: own.join("partial"),
            uploads: own.join("uploads"),
            made: own.join("made"),
            measured: own.join("measured"),
            quarantine: own.join("quarantine"),
            verified: own.join("verified"),
            jobs: own.join("jobs"),
            provenance: own.join("provenance"),
            outputs: own.join("outputs"),
            guests: own.join("guests"),
            used: own.join("used"),
            own,
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn blobs(&self) -> &Path {
        &self.blobs
    }

    pub(super) fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs.join(digest.file_name())
    }

    pub(super) fn manifests(&self) -> &Path {
        &self.manifests
    }

    /// The roots of the trees of manifests that are read, the older first.
    pub(super) fn trees(&self) -> [&Path; 2] {
        [&self.manifests, &self.manifests_v2]
    }

    /// The root of a tree of manifests.
    pub(super) fn tree(&self, tree: Tree) -> &Path {
        match tree {
            Tree::Legacy => &self.manifests,
            Tree::New => &self.manifests_v2,
        }
    }

    /// The directory of what is only ours.
    pub(super) fn own(&self) -> &Path {
        &self.own
    }

    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Downloads that outlive their process.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Uploads that take several attempts.
    pub(super) fn uploads(&self) -> &Path {
        &self.uploads
    }

    /// What was made from what.
    pub(super) fn made(&self) -> &Path {
        &self.made
    }

    pub(super) fn made_by(&self, recipe: Digest) -> PathBuf {
        self.made.join(recipe.file_name())
    }

    /// What was measured of blobs.
    pub(super) fn measured(&self) -> &Path {
        &self.measured
    }

    pub(super) fn measured_of(&self, blob: Digest) -> PathBuf {
        self.measured.join(blob.file_name())
    }

    /// Where blobs go whose content does not match their name.
    pub(super) fn quarantine(&self) -> &Path {
        &self.quarantine
    }

    /// What is remembered of blobs that are whole.
    pub(super) fn verified(&self) -> &Path {
        &self.verified
    }

    pub(super) fn verified_record(&self, blob: Digest) -> PathBuf {
        self.verified.join(blob.file_name())
    }

    /// The records of jobs.
    pub(super) fn jobs(&self) -> &Path {
        &self.jobs
    }

    /// How models were made.
    pub(super) fn provenance(&self) -> &Path {
        &self.provenance
    }

    pub(super) fn provenance_of(&self, manifest: Digest) -> PathBuf {
        self.provenance.join(manifest.file_name())
    }

    /// When models were used.
    pub(super) fn used(&self) -> &Path {
        &self.used
    }

    pub(super) fn used_of(&self, manifest: Digest) -> PathBuf {
        self.used.join(manifest.file_name())
    }

    /// What was begun of blobs that take long to make.
    pub(super) fn outputs(&self) -> &Path {
        &self.outputs
    }

    /// What was pushed and is no model, a directory for each repository.
    pub(super) fn guests(&self) -> &Path {
        &self.guests
    }

    /// Every directory that a store has, parents first.
    pub(super) fn directories(&self) -> [&Path; 13] {
        [
            &self.root,
            &self.blobs,
            &self.manifests,
            &self.own,
            &self.temporary,
            &self.partial,
            &self.uploads,
            &self.made,
            &self.quarantine,
            &self.verified,
            &self.jobs,
            &self.provenance,
            &self.outputs,
        ]
    }
}
