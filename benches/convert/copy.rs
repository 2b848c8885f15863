//! The least that one can do with the bytes of a model: put them into a file on disk, and know their digest.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use sha2::{Digest, Sha256};

const BUFFER: usize = 1 << 20;

/// Copies files into one, hashing on a second thread meanwhile, and waits until the copy is on disk.
pub(crate) fn while_hashing(files: &[PathBuf], output: &Path) {
    let mut output = File::create(output).expect("create the copy");
    let (full, to_hash) = channel::<(Vec<u8>, usize)>();
    let (hashed, free) = channel();
    for _ in 0..4 {
        hashed.send(vec![0; BUFFER]).expect("room for a buffer");
    }
    let digest = std::thread::spawn(move || {
        let mut hasher = Sha256::new();
        for (buffer, count) in to_hash {
            hasher.update(&buffer[..count]);
            // Nobody waits for the last ones.
            let _ = hashed.send(buffer);
        }
        hasher.finalize()
    });
    for file in files {
        let mut file = File::open(file).expect("open the weights");
        loop {
            let mut buffer = free.recv().expect("a free buffer");
            let count = file.read(&mut buffer).expect("read the weights");
            output.write_all(&buffer[..count]).expect("write the copy");
            full.send((buffer, count)).expect("hash the copy");
            if count == 0 {
                break;
            }
        }
    }
    drop(full);
    output.sync_all().expect("sync the copy");
    print!("{}", hex::encode(digest.join().expect("the digest")));
}
