//! How much memory the C library's allocator keeps for threads.
#![expect(unsafe_code, reason = "the parameters of the allocator are set through C")]

/// Has all threads share a few arenas, gives large pieces back at once, and keeps little else; must be called
/// before there is a second thread.
///
/// glibc gives threads up to eight arenas for each core, and each arena keeps much of what was once needed in
/// it. It also takes pieces of up to 32 MiB from them, once such a piece has been freed. A server lives long
/// and its jobs have threads and buffers of their own, so its memory would grow for hours while little of it
/// is in use. On the other hand, an arena that gives back whatever its end is free has to ask for it again,
/// page by page, with every buffer of an upload: that alone was a seventh of what an upload took.
/// (mallopt(3); the limit of arenas is read when the first thread gets one.)
pub(crate) fn share() {
    const ARENAS: i32 = 2;
    /// In bytes. It is the default, which would change with use.
    const LARGE: i32 = 128 << 10;
    /// What an arena may keep free at its end, in bytes: the buffers of one upload.
    const KEPT: i32 = 8 << 20;
    // SAFETY: these set numbers within the allocator, and no other thread can be reading them yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}
