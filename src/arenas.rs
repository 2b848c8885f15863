//! How much memory the C library's allocator keeps for threads.
#![expect(unsafe_code, reason = "the parameters of the allocator are set through C")]

/// Has all threads share a few arenas; must be called before there is a second thread.
///
/// glibc gives threads up to eight arenas for each core, and each arena keeps much of what was once needed in it. A
/// server lives long and its jobs have threads of their own, so its memory would grow for hours. Where time counts
/// nothing is allocated. (mallopt(3); the limit is read when the first thread gets an arena.)
pub(crate) fn share() {
    const ARENAS: i32 = 2;
    // SAFETY: this sets a number within the allocator, and no other thread can be reading it yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}
