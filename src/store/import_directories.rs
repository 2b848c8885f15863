//! The directories that clients may name files in.
//!
//! A client must learn nothing about any other file, not even whether it is there. So a path outside of the
//! directories is not looked at, and one inside is followed by the operating system itself, which refuses to
//! leave the directory whatever links lie in it, and however they change meanwhile.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Directories, by their absolute paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportDirectories(Vec<PathBuf>);

/// Longer directories are not listed.
const MOST_ENTRIES: usize = 10_000;

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportEntry {
    /// What it is called there.
    pub name: String,
    /// Its bytes, if it is a file and not a directory.
    pub size: Option<u64>,
}

/// How files are opened: what is not a file is not waited for.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

impl ImportDirectories {
    /// These directories.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        Self(directories)
    }

    /// Their paths, as they were set.
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// Opens a file in one of them. Nothing is answered of what is elsewhere, not there, not to be read or
    /// not a file: these are not to be told apart.
    pub fn open(&self, path: &Path) -> Option<File> {
        let open = |(directory, inside): (&Path, &Path)| open_beneath(directory, inside).ok();
        let file = self.places(path).find_map(open)?;
        file.metadata().ok()?.is_file().then_some(file)
    }

    /// The entries of one of them, or of a directory in one: files and directories, links to such in it among
    /// them, in the order of their names. Nothing is answered where [`open`](Self::open) would answer
    /// nothing, nor of a directory with more entries than are listed.
    pub fn list(&self, path: &Path) -> Option<Vec<ImportEntry>> {
        let list = |(directory, inside): (&Path, &Path)| entries(directory, inside).ok();
        let mut entries = self.places(path).find_map(list)?;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Some(entries)
    }

    /// The directories that a path is in by its text, each with the path in it.
    fn places<'p>(&'p self, path: &'p Path) -> impl Iterator<Item = (&'p Path, &'p Path)> {
        let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        let is_plain = path.components().all(is_plain);
        let inside =
            move |directory: &'p PathBuf| Some((directory.as_path(), path.strip_prefix(directory).ok()?));
        self.0.iter().filter(move |_| is_plain).filter_map(inside)
    }
}

/// The entries of a directory that lies at a relative path below another.
fn entries(directory: &Path, inside: &Path) -> io::Result<Vec<ImportEntry>> {
    let listed = open_beneath(directory, inside)?;
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(&listed)? {
        // What is no text cannot be named in a request.
        let Ok(name) = String::from_utf8(entry?.file_name().to_bytes().to_vec()) else { continue };
        if name.starts_with('.') {
            continue;
        }
        // Behind a link there may be something else, or nothing that may be looked at.
        let Ok(metadata) = open_beneath(directory, &inside.join(&name)).and_then(|file| file.metadata())
        else {
            continue;
        };
        if metadata.is_file() || metadata.is_dir() {
            entries.push(ImportEntry { name, size: metadata.is_file().then_some(metadata.len()) });
        }
        if entries.len() > MOST_ENTRIES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(entries)
}

/// Opens what lies at a relative path below a directory, and never anything elsewhere.
fn open_beneath(directory: &Path, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    if path.as_os_str().is_empty() {
        return Ok(File::from(directory));
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::ResolveFlags;
        use rustix::io::Errno;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&directory, path, FLAGS, Mode::empty(), resolve) {
            // An old kernel, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            answer => return Ok(File::from(answer?)),
        }
    }
    open_without_links(directory.as_fd(), path)
}

/// The same step by step, where the operating system cannot do it in one: no link is followed at all.
fn open_without_links(directory: std::os::fd::BorrowedFd<'_>, path: &Path) -> io::Result<File> {
    let mut above = directory.try_clone_to_owned()?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_some() { FLAGS | OFlags::DIRECTORY } else { FLAGS };
        above = rustix::fs::openat(&above, part.as_os_str(), flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(File::from(above))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_as_long_as_they_stay_inside() {
        let place = tempfile::tempdir().unwrap();
        let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
        fs::create_dir_all(inside.join("deep")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(inside.join("deep/file"), "in").unwrap();
        fs::write(outside.join("file"), "out").unwrap();
        for (target, name) in [
            (Path::new("deep/file"), "near"),
            (Path::new("../inside/deep/file"), "around"),
            (Path::new("../outside/file"), "away"),
            (outside.join("file").as_path(), "absolute"),
            (inside.join("deep/file").as_path(), "absolute-near"),
            (outside.as_path(), "directory"),
            (Path::new("none"), "dangling"),
            (Path::new("loop"), "loop"),
            (Path::new("/proc/self/root"), "magic"),
        ] {
            symlink(target, inside.join(name)).unwrap();
        }
        let allowed = ImportDirectories::new(vec![inside.clone()]);
        let opens = |name: &str| allowed.open(&inside.join(name)).is_some();
        assert!(opens("deep/file"));
        #[cfg(target_os = "linux")]
        assert!(opens("near"));
        for no in [
            "",
            "deep",
            "none",
            "away",
            "around",
            "absolute",
            "absolute-near",
            "directory/file",
            "dangling",
            "loop",
            "magic/etc/passwd",
            "deep/../deep/file",
            "../outside/file",
            "../inside/deep/file",
        ] {
            assert!(!opens(no), "{no}");
        }
        for no in [outside.join("file"), place.path().join("insider/file"), PathBuf::from("deep/file")] {
            assert!(allowed.open(&no).is_none(), "{}", no.display());
        }
        let listed = allowed.list(&inside).unwrap();
        let named: Vec<_> = listed.iter().map(|entry| (entry.name.as_str(), entry.size)).collect();
        assert_eq!(named[0], ("deep", None));
        assert!(named[1..].iter().all(|entry| *entry == ("near", Some(2))), "{named:?}");
        assert_eq!(allowed.list(&inside.join("deep")).unwrap()[0].size, Some(2));
        for no in ["directory", "near", "none", "way/../deep"] {
            assert_eq!(allowed.list(&inside.join(no)), None, "{no}");
        }
        assert_eq!(allowed.list(place.path()), None);
        let step_by_step =
            |name: &str| open_without_links(File::open(&inside).unwrap().as_fd(), Path::new(name)).map(drop);
        assert!(step_by_step("deep/file").is_ok());
        for no in ["near", "directory/file", "absolute", "none", "deep/file/x"] {
            assert!(step_by_step(no).is_err(), "{no}");
        }
    }
}
