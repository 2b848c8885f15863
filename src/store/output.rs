//! Blobs under way that outlive their process.
//!
//! What takes long to make is not made again from its beginning. A blob that a recipe makes, and that is not
//! short, lies in `ollamake/outputs/` while it is made, under the name of its recipe. That name stands for
//! the plan and for what the sources hold, so bytes that lie there are those of this very blob. When there is
//! much of it, or it has taken a while, what there is of it is synced, and beside it a note says how many
//! bytes are durable, and which digest they have. Whoever goes on hashes so many bytes again, and believes
//! them if they have that digest.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::ignore_absence;
use super::prune::is_old;
use super::temporary::TemporaryFile;
use super::{PruneOptions, Shared, Store, Tally, lease};
use crate::model::Digest;

/// Nothing that is made takes longer to be durable.
const LONGEST: Duration = Duration::from_secs(5);

/// A note is this long.
const LONGEST_NOTE: usize = 128;

/// When an output becomes durable as far as it has come.
#[derive(Debug)]
pub(super) struct Checkpoints {
    pub(super) recipe: Digest,
    /// So many bytes are made again at most.
    interval: u64,
    last: (u64, Instant),
    /// Whether there was one.
    pub(super) is_noted: bool,
}

/// What there is of an output.
pub(super) struct BegunOutput {
    pub(super) file: TemporaryFile,
    /// So many bytes are durable, with this digest.
    pub(super) length: u64,
    pub(super) digest: Digest,
}

impl Checkpoints {
    /// Those of an output of which so many bytes are durable already.
    pub(super) fn new(recipe: Digest, interval: u64, present: u64) -> Self {
        let last = (present, Instant::now());
        Self { recipe, interval: interval.max(1), last, is_noted: present > 0 }
    }

    /// Whether it is time for one, so many bytes being written: when half of what may be lost could be. The
    /// one before has to be done by then, so no more than the whole ever is.
    pub(super) fn is_due(&self, written: u64) -> bool {
        let (bytes, time) = (written.saturating_sub(self.last.0), self.last.1.elapsed());
        bytes >= self.interval.div_ceil(2) || (bytes > 0 && time >= LONGEST / 2)
    }

    /// Notes that one is under way.
    pub(super) fn begin(&mut self, written: u64) {
        (self.last, self.is_noted) = ((written, Instant::now()), true);
    }
}

impl Store {
    /// How many bytes of what a recipe makes are durable, of a blob that was not finished.
    pub fn present_of(&self, recipe: Digest) -> u64 {
        self.0.noted_of(recipe).map_or(0, |(length, _)| length)
    }

    /// Removes what is left of the making of a blob that is there. Whoever asks has the turn at the recipe.
    pub fn clear_output(&self, recipe: Digest) {
        // A process that ends between a blob's last step and this leaves the note. Pruning finds it as well.
        if let Err(error) = self.0.remove_output(recipe) {
            tracing::debug!(%error, "what is left of an output is not removed");
        }
    }
}

impl Shared {
    pub(super) fn output_paths(&self, recipe: Digest) -> (PathBuf, PathBuf) {
        let directory = self.layout.outputs();
        (directory.join(recipe.file_name()), directory.join(format!("{}.note", recipe.file_name())))
    }

    /// How many bytes are durable of what a recipe makes, and their digest.
    fn noted_of(&self, recipe: Digest) -> Option<(u64, Digest)> {
        let (path, note_path) = self.output_paths(recipe);
        let note = self.read_hint_text(&note_path, LONGEST_NOTE)?;
        let (length, digest) = note.split_once(' ')?;
        let noted = (length.parse().ok()?, digest.parse().ok()?);
        (self.disk.metadata(&path).ok()?.len() >= noted.0).then_some(noted)
    }

    /// Has the bytes of an output outlive a loss of power, and notes that so many of them, with this digest,
    /// do.
    pub(super) fn checkpoint(
        &self,
        recipe: Digest,
        file: &File,
        length: u64,
        digest: Digest,
    ) -> io::Result<()> {
        self.disk.sync(file)?;
        let (_, note_path) = self.output_paths(recipe);
        let note = || {
            let mut note = self.write_temporary(format!("{length} {digest}").as_bytes())?;
            note.replace(&note_path)?;
            self.disk.sync_directory(self.layout.outputs())
        };
        if let Err(error) = note() {
            tracing::debug!(%error, "how far an output has come is not noted");
        }
        Ok(())
    }

    /// What there is of what a recipe makes, leased. Whoever asks has the turn at the recipe.
    pub(super) fn begun_output(&self, recipe: Digest) -> io::Result<Option<BegunOutput>> {
        let Some((length, digest)) = self.noted_of(recipe) else { return Ok(None) };
        let (path, _) = self.output_paths(recipe);
        let file = Arc::new(self.disk.update(&path)?);
        if !lease::hold(&*self.disk, &file)? || file.metadata()?.len() < length {
            return Ok(None);
        }
        // What comes after it may have been written in part.
        file.set_len(length)?;
        let file = TemporaryFile::adopt(self.disk.clone(), path, file);
        Ok(Some(BegunOutput { file, length, digest }))
    }

    /// Removes what there is of what a recipe makes.
    pub(super) fn remove_output(&self, recipe: Digest) -> io::Result<()> {
        // First the note, which says something of the file.
        let (path, note_path) = self.output_paths(recipe);
        ignore_absence(self.disk.remove(&note_path))?;
        ignore_absence(self.disk.remove(&path))?;
        Ok(())
    }

    /// Whether a job that this process does not run is to go on with what a recipe makes.
    pub(super) fn is_output_needed(&self, recipe: Digest) -> bool {
        // In doubt it is.
        self.needed_by_jobs().map_or(true, |needed| needed.is_none_or(|needed| needed.contains(&recipe)))
    }

    /// Removes what was begun, nobody works on and no job is to go on with, but for what is young.
    pub(super) fn prune_outputs(&self, options: PruneOptions) -> io::Result<Tally> {
        let names = self.list_or_nothing(self.layout.outputs())?;
        let recipes = names.iter().map(|name| name.strip_suffix(".note").unwrap_or(name).parse());
        let mut claimed = Vec::new();
        for recipe in recipes.flatten().collect::<HashSet<Digest>>() {
            let (path, note_path) = self.output_paths(recipe);
            let Ok(file) = self.disk.open(&path).or_else(|_| self.disk.open(&note_path)) else { continue };
            let metadata = file.metadata()?;
            // Of one that is not noted nobody can make anything.
            let is_old = is_old(&metadata, options.grace) || self.noted_of(recipe).is_none();
            if is_old && lease::claim(&*self.disk, &file) {
                claimed.push((recipe, file, metadata.len()));
            }
        }
        let mut tally = Tally::default();
        // Only now, as with blobs.
        let Some(needed) = self.needed_by_jobs()?.filter(|_| !claimed.is_empty()) else { return Ok(tally) };
        for (recipe, _file, length) in claimed.into_iter().filter(|(recipe, ..)| !needed.contains(recipe)) {
            if !options.dry_run {
                self.remove_output(recipe)?;
            }
            tally.add(length);
        }
        Ok(tally)
    }
}
