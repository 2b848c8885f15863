//! One entry of a directory of manifests, whatever it is.
//!
//! An entry is a manifest or a list of manifests, or a symbolic link to the blob that holds one (Ollama from
//! 0.35 on). Its kind is found out before it is opened, and nothing outside `blobs/` is read through a link:
//! what lies there may be secret, and may change at any time.

use std::fs::{FileType, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use super::digests::digests_in;
use super::disk::{Disk, read_up_to};
use super::document::{Damage, Document, DocumentContent, LONGEST_DOCUMENT};
use super::layout::Layout;
use super::names::{Names, Role};
use super::stamp::{Stamp, identity};
use super::stored_manifest::StoredManifest;
use crate::model::{Digest, Name};

/// What was found under a directory of manifests.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it is, below the directory of the store.
    pub(super) place: String,
    /// The model that it is of, where the place is one for models.
    pub(super) name: Option<Name>,
    pub(super) content: Content,
    /// Of a list, the model that it stands for.
    pub(super) chosen: Chosen,
}

/// Which manifests of a list are in the store, and the model that it stands for then.
#[derive(Debug, Default)]
pub(super) struct Chosen(pub(super) Mutex<Option<(Vec<bool>, Arc<StoredManifest>)>>);

/// What file systems of others leave in every directory that somebody looks into.
const LITTER: [&str; 4] = ["Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r"];

/// What an entry holds.
#[derive(Debug)]
pub(super) enum Content {
    /// The manifest of a model.
    Model(Arc<StoredManifest>),
    /// A list, or a manifest that has no name, and when it was written.
    Document(Box<Document>, SystemTime),
    /// A link that leads nowhere, and what it names: a blob that may be there all the same.
    Dangling(Names),
    /// A file that has no digest in it, with a leading dot or one of [`LITTER`]: something of the system's,
    /// or of another program's.
    Foreign,
    /// Anything else. Nobody knows all that it names.
    Damaged(Damage),
}

impl Entry {
    /// Whether it is a manifest that says the same, and said it at the same time: then the configuration that
    /// was read for it can be kept.
    pub(super) fn says(&self, content: &Content) -> bool {
        match (&self.content, content) {
            (Content::Model(known), Content::Model(read)) => {
                known.digest == read.digest && known.modified == read.modified
            }
            _ => false,
        }
    }
}

impl Content {
    /// What an entry of this document holds.
    pub(super) fn of(document: Document, modified: SystemTime, name: Option<&Name>) -> Self {
        match name {
            Some(name) if matches!(document.content, DocumentContent::Manifest(_)) => {
                match StoredManifest::of(document, name.clone(), modified) {
                    Ok(manifest) => Self::Model(Arc::new(manifest)),
                    Err(damage) => Self::Damaged(damage),
                }
            }
            _ => Self::Document(Box::new(document), modified),
        }
    }

    /// What is known to be named here.
    pub(super) fn names(&self) -> Option<&Names> {
        match self {
            Self::Model(manifest) => Some(&manifest.names),
            Self::Document(document, _) => Some(&document.names),
            Self::Dangling(names) => Some(names),
            Self::Damaged(damage) => Some(&damage.names),
            Self::Foreign => None,
        }
    }

    /// Reads an entry that is not a directory. A file that was written to just now may be half of one, since
    /// Ollama writes in place; it is given a moment.
    ///
    /// # Errors
    /// What the operating system says, [`NotFound`](io::ErrorKind::NotFound) also of a link that leads
    /// nowhere.
    ///
    /// With it comes the state in which it was read, unless it may change without another.
    pub(super) fn read(
        disk: &dyn Disk,
        layout: &Layout,
        path: &Path,
        name: Option<&Name>,
    ) -> io::Result<(Option<Stamp>, Self)> {
        let mut attempts = 0..5;
        loop {
            let is_link = disk.link(path)?.is_some();
            let (stamp, content) = match is_link {
                true => read_link(disk, layout, path, name)?,
                false => read_file(disk, path, name)?,
            };
            let is_half_written = matches!(content, Self::Damaged(_))
                && stamp.length() <= LONGEST_DOCUMENT as u64
                && !stamp.is_settled();
            if !is_half_written || attempts.next().is_none() {
                // What is wrong with a link may be mended without a trace at its end.
                let is_reliable = stamp.is_settled() && !(is_link && matches!(content, Self::Damaged(_)));
                return Ok((is_reliable.then_some(stamp), content));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What a link that leads nowhere stands for.
    pub(super) fn dangling(disk: &dyn Disk, path: &Path) -> Self {
        let target = disk.link(path).ok().flatten();
        let digest = target.and_then(|target| blob_named_by(&target));
        Self::Dangling(Names::of(digest, Role::Unknown))
    }
}

/// The digest in the last component of a path, if it is called like a blob.
pub(super) fn blob_named_by(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with("sha256-") { Digest::in_any_spelling(name).ok() } else { None }
}

/// Ollama's rule: the link must end at the very file that is the blob of the digest by which its target is
/// called, and the content must have that digest.
fn read_link(
    disk: &dyn Disk,
    layout: &Layout,
    path: &Path,
    name: Option<&Name>,
) -> io::Result<(Stamp, Content)> {
    let metadata = disk.metadata(path)?;
    let stamp = Stamp::from(&metadata);
    let is_same = |blob: &Metadata| identity(blob) == identity(&metadata);
    let is_blob = |digest: &Digest| {
        metadata.is_file() && disk.metadata(&layout.blob(*digest)).is_ok_and(|blob| is_same(&blob))
    };
    let Some(digest) = blob_named_by(&disk.resolve(path)?).filter(is_blob) else {
        let damage = Damage::unreadable("it is a link, but does not lead to a blob of this store");
        return Ok((stamp, Content::Damaged(damage)));
    };
    let file = disk.open(&layout.blob(digest))?;
    let bytes = read_up_to(disk, &file, LONGEST_DOCUMENT)?;
    let got = Digest::of(&bytes);
    if bytes.len() <= LONGEST_DOCUMENT && got != digest {
        let problem = format!("it is a link to blob {digest}, whose content is {got}");
        let names = Names::in_text(&bytes).with_leaf(digest);
        return Ok((stamp, Content::Damaged(Damage { problem, digest: Some(got), names })));
    }
    // A blob gets a new time whenever it is used; the link is as old as the name.
    let modified = disk.metadata_of_link(path)?.modified()?;
    Ok((stamp, understand(bytes, modified, name)))
}

fn read_file(disk: &dyn Disk, path: &Path, name: Option<&Name>) -> io::Result<(Stamp, Content)> {
    let metadata = disk.metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        let damage = Damage::unreadable(format!("it is {}", kind(metadata.file_type())));
        return Ok((Stamp::from(&metadata), Content::Damaged(damage)));
    }
    let file = disk.open(path)?;
    let metadata = file.metadata()?;
    let bytes = read_up_to(disk, &file, LONGEST_DOCUMENT)?;
    let is_foreign = path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with('.') || LITTER.iter().any(|litter| name.eq_ignore_ascii_case(litter))
    });
    let content = match is_foreign && bytes.len() <= LONGEST_DOCUMENT && digests_in(&bytes).is_empty() {
        true => Content::Foreign,
        false => understand(bytes, metadata.modified()?, name),
    };
    Ok((Stamp::from(&metadata), content))
}

/// What the bytes of an entry are.
fn understand(bytes: Vec<u8>, modified: SystemTime, name: Option<&Name>) -> Content {
    match Document::parse(bytes) {
        Ok(document) => Content::of(document, modified, name),
        Err(damage) => Content::Damaged(damage),
    }
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
