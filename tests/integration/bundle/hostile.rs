//! Bundles that mean harm and are too long to be kept as cases (`hostile::cases::bundles`), and what is cut
//! off.

use std::io::{self, Read};

use super::*;
use crate::hostile::cases::bundles::honest;

fn refused(case: &str, bundle: impl Read, says: &str) {
    let (directory, store) = target();
    let error = load(&store, bundle, |_| {}).unwrap_err().to_string();
    assert!(error.contains(says), "{case}: {error}");
    assert!(error.len() < 500, "{case}: {error}");
    assert!(store.list().unwrap().is_empty(), "{case}");
    for place in ["blobs", "ollamake/temporary"] {
        let left = std::fs::read_dir(directory.path().join(place)).unwrap().count();
        assert_eq!(left, 0, "{case}: something is left in {place}");
    }
}

/// The cases are refused for what is wrong with them, and not for what they have in common.
#[test]
fn what_the_cases_are_made_of_is_a_bundle() {
    let (_directory, store) = target();
    assert_eq!(loaded(&store, &honest()).len(), 1);
    assert!(store.check(true, |_| {}).unwrap().is_clean());
}

#[test]
fn what_is_cut_off_leaves_nothing() {
    let (_source, store) = source();
    let bundle = saved(&store);
    for part in 1..8 {
        refused("cut off", &bundle[..bundle.len() * part / 9], "");
    }
}

/// What stands before the contents of an entry could fill the memory.
#[test]
fn names_and_lists_without_end_are_given_up() {
    let endless = |kind: EntryType| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(1 << 40);
        header.set_cksum();
        io::Cursor::new(header.as_bytes().to_vec()).chain(io::repeat(b'7'))
    };
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        refused("without end", endless(kind), "too long");
    }
    // A file whose list of holes goes on and on.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    header.as_gnu_mut().unwrap().set_is_extended(true);
    header.set_cksum();
    let mut more = tar::GnuExtSparseHeader::new();
    more.set_is_extended(true);
    let more = more.as_bytes().to_vec().repeat(10_000);
    refused("holes without end", io::Cursor::new(header.as_bytes().to_vec()).chain(&more[..]), "too long");
}
