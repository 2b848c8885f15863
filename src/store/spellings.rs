//! In which letter case the entries of large directories are spelled.
//!
//! A name that does not exist as it is written may exist in another letter case. To know, a directory has to
//! be listed, which takes a time that grows with its entries. What was listed is kept beside the stamp of
//! the directory, and is carried on over the changes that we make ourselves.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::disk::Disk;
use super::stamp::Stamp;
use crate::locked::locked;

/// Directories of fewer entries are listed anew each time: that costs no more than looking here.
const LARGE: usize = 64;

/// What large directories were found to hold.
#[derive(Debug, Default)]
pub(super) struct Spellings(Mutex<HashMap<PathBuf, Listing>>);

#[derive(Debug)]
struct Listing {
    stamp: Stamp,
    /// Each name, after the same in lower case.
    names: BTreeSet<(String, String)>,
}

impl Listing {
    /// Whether as long as the directory has this stamp, it has these entries. A new stamp alone does not
    /// tell: somebody else may have changed the directory within the same tick of its clock; then it has
    /// another number of entries.
    fn is_reliable(&self) -> bool {
        self.stamp.is_settled() || self.stamp.counts(self.names.len())
    }

    fn find(&self, part: &str) -> Option<String> {
        let folded = part.to_ascii_lowercase();
        let (other, name) = self.names.range((folded.clone(), String::new())..).next()?;
        (*other == folded).then(|| name.clone())
    }
}

fn entry(name: &str) -> (String, String) {
    (name.to_ascii_lowercase(), name.to_owned())
}

impl Spellings {
    /// The first of the entries of a directory that differ from `part` in nothing but letter case.
    pub(super) fn find(&self, disk: &dyn Disk, directory: &Path, part: &str) -> io::Result<Option<String>> {
        let stamp = Stamp::from(&disk.metadata(directory)?);
        if let Some(listing) = locked(&self.0).get(directory)
            && listing.stamp == stamp
        {
            return Ok(listing.find(part));
        }
        let listed = disk.list(directory)?;
        let names: BTreeSet<_> = listed.iter().filter_map(|name| name.to_str().map(entry)).collect();
        let is_whole = names.len() == listed.len();
        let listing = Listing { stamp, names };
        let found = listing.find(part);
        // What cannot be spelled is not counted.
        if is_whole && listing.names.len() >= LARGE && listing.is_reliable() {
            locked(&self.0).insert(directory.to_owned(), listing);
        }
        Ok(found)
    }

    /// Makes or removes an entry by `change`, and carries on what is known about its directory.
    pub(super) fn carry_over(
        &self,
        disk: &dyn Disk,
        path: &Path,
        is_there: bool,
        change: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let named = path.parent().zip(path.file_name().and_then(|name| name.to_str()));
        let Some((directory, name)) = named else { return change() };
        let stamp = || disk.metadata(directory).map(|metadata| Stamp::from(&metadata)).ok();
        let mut listings = locked(&self.0);
        let Some(listing) = listings.get_mut(directory) else {
            drop(listings);
            return change();
        };
        let was_known = stamp() == Some(listing.stamp);
        change()?;
        if is_there {
            listing.names.insert(entry(name));
        } else {
            listing.names.remove(&entry(name));
        }
        let is_large = listing.names.len() >= LARGE;
        match stamp().filter(|now| was_known && is_large && now.counts(listing.names.len())) {
            Some(now) => listing.stamp = now,
            None => drop(listings.remove(directory)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often a directory is listed.
    #[derive(Default)]
    struct CountingDisk(AtomicUsize);

    impl Disk for CountingDisk {
        fn list(&self, path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            crate::store::LocalDisk.list(path)
        }
    }

    #[test]
    fn a_large_directory_is_listed_once_and_foreign_changes_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        (0..LARGE).for_each(|index| fs::create_dir(root.join(format!("Model{index}"))).unwrap());
        if !Stamp::from(&fs::metadata(root).unwrap()).counts(LARGE) {
            println!("the file system does not count links of directories");
            return;
        }
        let (disk, spellings) = (CountingDisk::default(), Spellings::default());
        let find = |part: &str| spellings.find(&disk, root, part).unwrap();
        let carry_over = |path: &Path, is_there, change: &dyn Fn() -> io::Result<()>| {
            spellings.carry_over(&disk, path, is_there, change)
        };
        let listed = || disk.0.load(Ordering::Relaxed);
        assert_eq!(find("model7").as_deref(), Some("Model7"));
        assert_eq!(find("model"), None);
        assert_eq!(find("zebra"), None);
        for index in 0..10 {
            let path = root.join(format!("Own{index}"));
            carry_over(&path, true, &|| fs::create_dir(&path)).unwrap();
            carry_over(&path, true, &|| fs::create_dir(&path)).unwrap_err();
            assert_eq!(find(&format!("oWN{index}")), Some(format!("Own{index}")));
        }
        let path = root.join("Own3");
        carry_over(&path, false, &|| fs::remove_dir(&path)).unwrap();
        assert_eq!(find("own3"), None);
        assert_eq!(listed(), 1);
        // Somebody else's, also one made at the same time as our own.
        fs::create_dir(root.join("Foreign")).unwrap();
        assert_eq!(find("foreign").as_deref(), Some("Foreign"));
        let both = || fs::create_dir(root.join("Other")).and_then(|()| fs::create_dir(&path));
        carry_over(&path, true, &both).unwrap();
        assert_eq!(find("other").as_deref(), Some("Other"));
        assert_eq!(listed(), 3);
        // A change of our own does not hide that others changed as much before.
        fs::rename(root.join("Other"), root.join("Another")).unwrap();
        carry_over(&path, false, &|| fs::remove_dir(&path)).unwrap();
        assert_eq!(find("another").as_deref(), Some("Another"));
    }
}
