//! What is named: the one answer to the question which blobs somebody needs. Pruning, deleting, replacing and
//! checking all ask here.
//!
//! Named is everything that any entry of any directory of manifests reaches: under a valid name or not, seen
//! by readers or hidden behind a newer entry, through lists, lists in lists, the manifests that a list refers
//! to, and the documents that other programs name in order to keep them. In doubt a blob is named. Where
//! something cannot be read or understood it is [`Unread`], and then nobody knows what is named, so nothing
//! may be removed.
//!
//! Three things name nothing and stop nothing: a link that leads nowhere, a document that is named and is not
//! there, and a file with a leading dot that has no digest in it. A damaged document that was taken out of
//! the store goes on naming what its text names. So does the record of a job that is not over
//! (`recorded.rs`), and what was pushed and is no model (`guests.rs`).

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::Shared;
use super::digests::digests_in;
use super::disk::{read_full_at, read_up_to};
use super::document::{Document, LONGEST_DOCUMENT};
use super::index::Census;
use super::named::Named;
use super::names::{Names, Role};
use crate::model::{Digest, Name};

/// Longer files that were taken out of the store are searched only if they begin as a document does.
const LONGEST_SEARCHED: u64 = 16 << 20;

/// What keeps every blob, because nobody knows what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Where it is, below the directory of the store.
    pub place: String,
    /// The model that it is of, if it is of one.
    pub model: Option<Name>,
    /// Why it cannot be read or understood.
    pub problem: String,
}

/// A way along everything that is named.
pub(super) struct Reach<'s> {
    store: &'s Shared,
    /// Documents that were followed.
    followed: HashMap<Digest, Role>,
    pub(super) unread: Vec<Unread>,
}

impl Shared {
    /// Calls `visit` with every digest that is named in a census; answers with what keeps all blobs besides.
    pub(super) fn reach(&self, census: &Census, visit: &mut impl FnMut(Digest)) -> io::Result<Vec<Unread>> {
        let mut reach = Reach::new(self);
        for (entry, damage) in census.damaged() {
            let (place, problem) = (entry.place.clone(), damage.problem.clone());
            reach.unread.push(Unread { place, model: entry.name.clone(), problem });
        }
        for entry in &census.entries {
            if let Some(names) = entry.content.names() {
                reach.follow(names, entry.name.as_ref(), visit);
            }
        }
        for name in self.list_or_nothing(self.layout.quarantine())? {
            match self.read_quarantined(&name) {
                Ok(names) => reach.follow(&names, None, visit),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let place = format!("ollamake/quarantine/{name}");
                    reach.unread.push(Unread { place, model: None, problem: error.kind().to_string() });
                }
            }
        }
        let (guests, records) = (self.guests_name(visit)?, self.recorded(visit)?);
        reach.unread.extend(guests.into_iter().chain(records));
        Ok(reach.unread)
    }

    /// What a file names that was taken out of the store.
    fn read_quarantined(&self, name: &str) -> io::Result<Arc<Names>> {
        self.quarantined.get(&*self.disk, &self.layout.quarantine().join(name), |file| {
            Ok(Arc::new(match file.metadata()?.len() {
                0..=LONGEST_SEARCHED => {
                    let text = read_up_to(&*self.disk, file, LONGEST_SEARCHED as usize)?;
                    Names::in_document(&text).unwrap_or_else(|_| Names::in_text(&text))
                }
                _ => Names::of(self.search(file)?, Role::Unknown),
            }))
        })
    }

    /// The digests in a long file, if it begins as a document does.
    fn search(&self, file: &File) -> io::Result<HashSet<Digest>> {
        /// Longer than a digest in its longest spelling, so that none is cut in two.
        const OVERLAP: usize = 128;
        let mut found = HashSet::new();
        let mut buffer = vec![0; 1 << 20];
        let (mut kept, mut position) = (0, 0);
        loop {
            let count = read_full_at(&*self.disk, file, &mut buffer[kept..], position)?;
            if count == 0 || (position == 0 && !buffer[..count].trim_ascii_start().starts_with(b"{")) {
                return Ok(found);
            }
            position += count as u64;
            let filled = kept + count;
            found.extend(digests_in(&buffer[..filled]));
            kept = filled.min(OVERLAP);
            buffer.copy_within(filled - kept..filled, 0);
        }
    }
}

impl<'s> Reach<'s> {
    pub(super) fn new(store: &'s Shared) -> Self {
        Self { store, followed: HashMap::new(), unread: Vec::new() }
    }

    /// Calls `visit` with what is named here, and with what that names in turn. No document is followed
    /// twice.
    pub(super) fn follow(&mut self, names: &Names, model: Option<&Name>, visit: &mut impl FnMut(Digest)) {
        let mut pending: Vec<(Digest, Role)> = Vec::new();
        let mut note = |names: &Names, pending: &mut Vec<_>| {
            for (digest, role) in names.iter() {
                visit(digest);
                if role != Role::Leaf {
                    pending.push((digest, role));
                }
            }
        };
        note(names, &mut pending);
        while let Some((digest, role)) = pending.pop() {
            if self.followed.get(&digest).is_some_and(|followed| *followed >= role) {
                continue;
            }
            self.followed.insert(digest, role);
            match self.store.document(digest, role) {
                Ok(names) => note(&names, &mut pending),
                Err(Unclear { problem, names }) => {
                    note(&names, &mut pending);
                    let place = format!("blobs/{}", digest.file_name());
                    self.unread.push(Unread { place, model: model.cloned(), problem });
                }
            }
        }
    }
}

/// A document in `blobs/` that is there and cannot be understood, and what its text names all the same.
struct Unclear {
    problem: String,
    names: Names,
}

impl Shared {
    /// What a blob names that is a document, or may be one. Nothing if it is not there. A blob does not
    /// change, so that is found out once for each.
    fn document(&self, digest: Digest, role: Role) -> Result<Arc<Names>, Unclear> {
        let must_be_one = role == Role::Document;
        match self.documents.get(digest) {
            Some(known) if known.is_document || !must_be_one => return Ok(known.names),
            _ => {}
        }
        let unclear = |problem: String, names| Err(Unclear { problem, names });
        let bytes = match self.read_document(digest) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Arc::default()),
            Err(error) => return unclear(error.kind().to_string(), Names::default()),
        };
        if bytes.len() > LONGEST_DOCUMENT && !must_be_one {
            return Ok(Arc::default());
        }
        let got = Digest::of(&bytes);
        let is_whole = got == digest || bytes.len() > LONGEST_DOCUMENT;
        let seems_to_name = || bytes.trim_ascii_start().starts_with(b"{") || !digests_in(&bytes).is_empty();
        if !is_whole && (must_be_one || seems_to_name()) {
            return unclear(format!("its content is {got}"), Names::in_text(&bytes));
        }
        let text_names = Names::in_document(&bytes);
        let (is_document, names) = match Document::parse(bytes) {
            Ok(document) => (true, document.names),
            Err(damage) if must_be_one => return unclear(damage.problem, damage.names),
            Err(damage) => (false, text_names.unwrap_or(damage.names)),
        };
        let named = Named { is_document, names: Arc::new(names) };
        if is_whole {
            let is_there = |other| !matches!(self.length_of(other), Ok(None));
            self.documents.insert(digest, named.clone(), is_there);
        }
        Ok(named.names)
    }

    /// The bytes of a blob, or those of the longest document and one more. It is not leased: whoever asks may
    /// have claimed it.
    pub(super) fn read_document(&self, digest: Digest) -> io::Result<Option<Vec<u8>>> {
        let path = self.layout.blob(digest);
        match self.disk.open(&path) {
            // A blob may lie on another disk, which is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.disk.is_listed(&path) => Ok(None),
            answer => read_up_to(&*self.disk, &answer?, LONGEST_DOCUMENT).map(Some),
        }
    }
}
