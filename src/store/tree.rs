//! The trees of manifests, and how hosts are called in them.

use crate::model::{Name, PUBLIC_HOST, PUBLIC_HOST_ALIAS};

/// A tree of manifests that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// `manifests`, of every version.
    Legacy,
    /// `manifests-v2`, whose entries win.
    New,
}

impl Tree {
    /// How a host is written in the tree, and how else it is read there.
    pub(super) fn hosts(self, host: &str) -> Vec<String> {
        let pair = if host == PUBLIC_HOST {
            [PUBLIC_HOST.to_owned(), PUBLIC_HOST_ALIAS.to_owned()]
        } else if host.contains(':') {
            [host.to_owned(), host.replace(':', "%3A")]
        } else {
            return vec![host.to_owned()];
        };
        let mut hosts = Vec::from(pair);
        if self == Self::New {
            hosts.reverse();
        }
        hosts
    }
}

/// The name whose directories are called so.
pub(super) fn name_of_directories([host, namespace, model, tag]: [&str; 4]) -> Option<Name> {
    let host = host.replace("%3A", ":").replace("%3a", ":");
    Name::from_parts(&host, namespace, model, tag).ok()
}
