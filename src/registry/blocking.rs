//! Work that blocks, beside transfers that must not.

use super::RegistryError;

/// A thread of ours has panicked.
pub(super) fn defect(error: tokio::task::JoinError) -> RegistryError {
    tracing::error!(%error, "a thread of a transfer failed");
    RegistryError::Defect
}

/// Runs what blocks on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RegistryError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(defect)
}
