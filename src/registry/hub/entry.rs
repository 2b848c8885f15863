//! One page of the list of a repository's files.

use serde::Deserialize;

use crate::model::Digest;

/// A file of a repository at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// Its path in the repository.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// What its bytes are known by.
    pub content: HubContent,
}

/// What the bytes of a file are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubContent {
    /// The digest of a file that Git LFS keeps.
    Large(Digest),
    /// The name of the object in git: the SHA-1 of `blob LENGTH\0` and the bytes.
    Git([u8; 20]),
}

/// What is needed of an entry.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    oid: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl HubFile {
    /// The files that a page lists.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn page(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let entries: Vec<Entry> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        entries.into_iter().filter(|entry| entry.kind == "file").map(Self::of).collect()
    }

    fn of(entry: Entry) -> Result<Self, String> {
        let Entry { path, oid, size, lfs, .. } = entry;
        let content = match lfs {
            Some(lfs) if lfs.size != size => {
                return Err(format!(
                    "file {path:?} has {size} bytes in one place and {} in another",
                    lfs.size
                ));
            }
            Some(lfs) => {
                let digest = format!("sha256:{}", lfs.oid).parse();
                HubContent::Large(
                    digest.map_err(|_| format!("file {path:?} has the LFS digest {:?}", lfs.oid))?,
                )
            }
            None => {
                let mut name = [0; 20];
                hex::decode_to_slice(&oid, &mut name)
                    .map_err(|_| format!("file {path:?} has the object {oid:?}, which is none of git's"))?;
                HubContent::Git(name)
            }
        };
        Ok(Self { path, size, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_files_are_read_and_directories_are_not() {
        let hex = "ab".repeat(32);
        let page = format!(
            r#"[{{"type":"directory","oid":"x","size":0,"path":"d"}},
                {{"type":"file","oid":"{0}","size":2,"path":"config.json","xetHash":null}},
                {{"type":"file","oid":"{0}","size":7,"path":"m.safetensors",
                  "lfs":{{"oid":"{hex}","size":7,"pointerSize":134}}}}]"#,
            "01".repeat(20)
        );
        let files = HubFile::page(page.as_bytes()).unwrap();
        let content = |name: &str| files.iter().find(|file| file.path == name).unwrap().content;
        assert_eq!(content("config.json"), HubContent::Git([1; 20]));
        assert_eq!(content("m.safetensors"), HubContent::Large(Digest::from_bytes([0xab; 32])));
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let entry = |size: u64, oid: &str, lfs: &str| {
            HubFile::page(
                format!(r#"[{{"type":"file","path":"f","size":{size},"oid":"{oid}","lfs":{lfs}}}]"#)
                    .as_bytes(),
            )
        };
        let (git, large) = ("01".repeat(20), "ab".repeat(32));
        assert!(entry(1, &git, "null").is_ok());
        for (oid, lfs, says) in [
            (&git[2..], "null".to_owned(), "none of git's"),
            (&git, format!(r#"{{"oid":"{large}","size":2}}"#), "in another"),
            (&git, format!(r#"{{"oid":"{git}","size":1}}"#), "the LFS digest"),
            (&git, r#"{"oid":"../../x","size":1}"#.to_owned(), "the LFS digest"),
        ] {
            assert!(entry(1, oid, &lfs).unwrap_err().contains(says), "{oid} {lfs}");
        }
        assert!(HubFile::page(b"{}").is_err() && HubFile::page(b"<html>").is_err());
    }
}
