//! Limits that nobody can set, of the server and of jobs. Those of the rooms below stand there; the table has
//! them too.

/// Uploads that are received at once; each takes two threads and less than half a megabyte.
pub(crate) const UPLOADS: usize = 256;

/// Bytes that a connection receives at once. Uploads are written from this memory and not from a copy. Larger
/// pieces save little, and the C library would map and unmap each of them (`arenas.rs`).
pub(crate) const CHUNK: usize = 64 << 10;

/// Chunks of an upload that are always let in while others are written and hashed.
pub(crate) const CHUNKS_OF_ONE_UPLOAD: usize = 4;

/// Chunks that one upload may have on their way beyond these.
pub(crate) const SPARE_CHUNKS_OF_ONE_UPLOAD: usize = 96;

/// Chunks that all uploads together may have on their way beyond those that each has.
pub(crate) const SPARE_CHUNKS: usize = 192;

/// Uploads in several attempts that are known at once, those that have become blobs among them.
pub(crate) const BEGUN_UPLOADS: usize = 4096;

/// What a client may tell about an upload, in bytes.
pub(crate) const LONGEST_METADATA: usize = 4096;

/// Long JSON bodies that are read and decoded at once; each may take twice its length and 32 MiB of memory.
pub(crate) const LONG_BODIES: usize = 4;

/// The most memory, in bytes, that a JSON body may take decoded, beside its own text.
pub(crate) const LARGEST_TREE: usize = 32 << 20;

/// Brackets of a JSON body that may be open at once.
pub(crate) const MAX_DEPTH: usize = 100;

/// Create requests that are checked at once; each may have a large tokenizer in memory.
pub(crate) const PREPARATIONS: usize = 16;

/// Links for a download without a key that are good at once.
pub(crate) const LINKS: usize = 1024;
/// Tokens for clients of the registry that are good at once.
pub(crate) const TOKENS: usize = 1024;

/// Jobs that only write metadata, at once. They wait for the disk more than they compute.
pub(crate) const QUICK_JOBS: usize = 64;

/// Jobs that have ended of which the store keeps records; older ones go, and those that ended a week ago.
pub(crate) const RECORDED_JOBS: usize = 1000;

/// Lines that a record keeps of what its job has said, the last ones.
pub(crate) const RECORDED_LINES: usize = 1000;
