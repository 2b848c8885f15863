//! What tells one state of a file or directory from another.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Stat};

/// A file whose time of change is nearer than this to the moment of reading may have changed again without
/// a new time. The coarsest file systems count in two seconds.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// What tells a file or directory from all others that there are at the moment, under whatever name.
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The state of a file or directory. Two stamps that differ are of two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    is_directory: bool,
    inode: u64,
    links: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Whether a change after this moment is sure to give another stamp.
    pub(super) fn is_settled(&self) -> bool {
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(self.changed.0.max(0).unsigned_abs());
        changed.elapsed().is_ok_and(|elapsed| elapsed > CLOCK_GRAIN)
    }

    /// The length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether it is a directory's.
    pub(super) fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// Whether the count of links tells that a directory has `entries` entries, all of them directories:
    /// each has a link to its parent. File systems that do not count say 1.
    pub(super) fn counts(&self, entries: usize) -> bool {
        self.is_directory && self.links == entries as u64 + 2
    }
}

/// The stamp of a file as text: length, inode, links, and when its contents and when anything of it changed,
/// in seconds and nanoseconds.
impl fmt::Display for Stamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inode, links, length, modified, changed, is_directory: _ } = self;
        writeln!(
            formatter,
            "{length} {inode} {links} {} {} {} {}",
            modified.0, modified.1, changed.0, changed.1
        )
    }
}

impl FromStr for Stamp {
    type Err = ();

    /// Whatever is not the whole text of a stamp is none.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.strip_suffix('\n').ok_or(())?.split(' ');
        let mut next = || numbers.next().ok_or(());
        let mut count = || next()?.parse::<u64>().map_err(drop);
        let (length, inode, links) = (count()?, count()?, count()?);
        let mut time = || Ok::<_, ()>((next()?.parse().map_err(drop)?, next()?.parse().map_err(drop)?));
        let (modified, changed) = (time()?, time()?);
        match numbers.next() {
            None => Ok(Self { is_directory: false, inode, links, length, modified, changed }),
            Some(_) => Err(()),
        }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            is_directory: metadata.is_dir(),
            inode: metadata.ino(),
            links: metadata.nlink(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl From<&Stat> for Stamp {
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_lossless,
        reason = "the types of the fields differ between operating systems"
    )]
    fn from(stat: &Stat) -> Self {
        Self {
            is_directory: FileType::from_raw_mode(stat.st_mode as _) == FileType::Directory,
            inode: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            length: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_asking_give_the_same_stamp() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"12345").unwrap();
        for path in [directory.path(), &file] {
            let stamp = Stamp::from(&std::fs::metadata(path).unwrap());
            assert_eq!(stamp, Stamp::from(&rustix::fs::stat(path).unwrap()));
            assert_eq!(stamp.is_directory(), path == directory.path());
            assert!(!stamp.is_settled());
        }
    }

    #[test]
    fn a_stamp_survives_as_text_and_half_of_one_does_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = Stamp::from(&std::fs::metadata(file.path()).unwrap());
        let text = stamp.to_string();
        assert_eq!(text.parse(), Ok(stamp));
        for end in 0..text.len() {
            assert_eq!(text[..end].parse::<Stamp>(), Err(()), "{:?}", &text[..end]);
        }
        assert!(format!("{} 1\n", text.trim_end()).parse::<Stamp>().is_err());
    }
}
