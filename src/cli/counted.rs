//! The bytes that a server tells of, blob by blob, as one sum.

use std::collections::HashMap;

use serde_json::Value;

use super::format::{bytes, count_of};

/// Smaller blobs are not told one by one.
const SMALL: u64 = 1 << 20;

/// A status line that counts bytes.
pub(super) struct LineOfBytes<'l> {
    pub(super) status: &'l str,
    digest: &'l str,
    pub(super) total: u64,
    completed: u64,
}

impl<'l> LineOfBytes<'l> {
    /// The line as such a one, if it is.
    pub(super) fn of(line: &'l Value) -> Option<Self> {
        Some(Self {
            status: line["status"].as_str().unwrap_or_default(),
            digest: line["digest"].as_str().unwrap_or_default(),
            total: line["total"].as_u64()?,
            completed: line["completed"].as_u64().unwrap_or(0),
        })
    }

    pub(super) fn is_small(&self) -> bool {
        self.is_blob() && self.total < SMALL
    }

    /// Whether it is about one of several blobs, and not about all that is done.
    fn is_blob(&self) -> bool {
        self.digest.starts_with("sha256:")
    }

    /// What is done: `pulling` of a blob, or the whole status.
    fn what(&self) -> &'l str {
        match self.status.split_once(' ') {
            Some((verb, _)) if self.is_blob() => verb,
            _ => self.status,
        }
    }
}

/// What is done to blobs, and how far each of them is.
pub(super) struct Counted {
    what: String,
    /// The last line's status.
    status: String,
    is_of_blobs: bool,
    /// Bytes that there are and bytes that are done, by digest.
    blobs: HashMap<String, (u64, u64)>,
}

impl Counted {
    /// Nothing yet of what this line tells.
    pub(super) fn new(line: &LineOfBytes<'_>) -> Self {
        Self {
            what: line.what().to_owned(),
            status: String::new(),
            is_of_blobs: line.is_blob(),
            blobs: HashMap::new(),
        }
    }

    /// Whether a line tells more of the same.
    pub(super) fn is_of(&self, line: &LineOfBytes<'_>) -> bool {
        self.what == line.what()
    }

    /// Takes in what a line tells; whether it is the first of its blob.
    pub(super) fn note(&mut self, line: &LineOfBytes<'_>) -> bool {
        line.status.clone_into(&mut self.status);
        self.blobs.insert(line.digest.to_owned(), (line.total, line.completed)).is_none()
    }

    pub(super) fn total(&self) -> u64 {
        self.blobs.values().fold(0, |sum, (total, _)| sum.saturating_add(*total))
    }

    pub(super) fn completed(&self) -> u64 {
        self.blobs.values().fold(0, |sum, (_, completed)| sum.saturating_add(*completed))
    }

    /// What is done to what.
    pub(super) fn name(&self) -> String {
        match self.blobs.len() {
            1 => self.status.clone(),
            count => format!("{} {}", self.what, count_of(count, "blob")),
        }
    }

    /// What was done to small blobs, if there were any.
    pub(super) fn small(&self) -> Option<String> {
        let small = self.blobs.values().filter(|(total, _)| self.is_of_blobs && *total < SMALL);
        let (count, sum) = small.fold((0, 0), |(count, sum), (total, _)| (count + 1, sum + total));
        (count > 0).then(|| format!("{} {} ({})", self.what, count_of(count, "small blob"), bytes(sum)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blobs_are_summed_and_small_ones_collapsed() {
        let line = |number: u8, total: u64, completed: u64| {
            let digest = format!("sha256:{number}");
            let status = format!("pulling {number}");
            json!({"status": status, "digest": digest, "total": total, "completed": completed})
        };
        let lines =
            [line(1, 5_000_000, 0), line(2, 900, 900), line(1, 5_000_000, 2_000_000), line(3, 100, 0)];
        let mut counted = Counted::new(&LineOfBytes::of(&lines[0]).unwrap());
        let new: Vec<bool> = lines.iter().map(|line| counted.note(&LineOfBytes::of(line).unwrap())).collect();
        assert_eq!(new, [true, true, false, true]);
        assert_eq!((counted.total(), counted.completed()), (5_001_000, 2_000_900));
        assert_eq!(counted.name(), "pulling 3 blobs");
        assert_eq!(counted.small().as_deref(), Some("pulling 2 small blobs (1.0 KiB)"));
        let other = json!({"status": "pushing 1", "digest": "sha256:1", "total": 5});
        assert!(!counted.is_of(&LineOfBytes::of(&other).unwrap()));
        assert!(LineOfBytes::of(&json!({"status": "success"})).is_none());
    }
}
