//! Commands that write files hear Ctrl-C, so that they leave nothing unfinished behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Becomes true on Ctrl-C, so that unfinished files can be removed.
pub(super) fn interruption() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // The thread ends with the process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime
            && runtime.block_on(tokio::signal::ctrl_c()).is_ok()
        {
            flag.store(true, Ordering::Relaxed);
        }
    });
    interrupted
}
