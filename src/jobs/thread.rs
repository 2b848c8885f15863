//! The threads that stages run on, and what else must not keep others waiting.

use std::io;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How much lower than the server's own the priority of a job is (the "nice value"). Between the two, the
/// operating system gives the threads that answer requests about nine tenths of a core that both want, and
/// lets them interrupt a job that runs; without anybody else a job has the whole machine all the same.
const NICENESS: i32 = 10;

/// Runs `work` on a thread of its own, in the runtime of the caller. Nothing is received if it panics.
///
/// # Errors
/// The operating system has no more threads.
pub(super) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let runtime = Handle::current();
    let (sender, receiver) = oneshot::channel();
    let body = move || {
        let _entered = runtime.enter();
        lower_priority();
        // Nobody may be left who wants to know.
        let _ = sender.send(work());
    };
    std::thread::Builder::new().name("job".to_owned()).spawn(body)?;
    Ok(receiver)
}

/// Does what blocks on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // A runtime that ends takes its tasks with it, this one too.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Lowers the priority of this thread. The threads that it starts inherit that: those that compute, hash and
/// write.
#[cfg(target_os = "linux")]
fn lower_priority() {
    // Where it is not allowed, jobs compete with requests, and nothing else is lost.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
fn lower_priority() {
    let _ = NICENESS;
}
