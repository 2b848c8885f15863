//! Uploads in several attempts, whatever the protocol: tus, or that of registries. Two requests may meet at
//! one upload, since a client whose connection has broken comes again before the server has noticed.

use std::time::{Duration, Instant};

use super::Shared;
use super::body::Incoming;
use super::errors::Failure;
use super::receiving::{BrokenOff, Chunks, Refused, receive_at_most};
use crate::store::{Checksum, FoundUpload, Store, StoreError, Upload, UploadId, UploadState, UploadWriter};

/// How long an earlier request has to end that works on the same upload: when its connection has broken, it
/// still writes what it received.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Opens an upload, after an earlier request has ended.
pub(super) async fn open<E: Refused>(server: &Shared, id: UploadId) -> Result<FoundUpload, E> {
    patiently(server, move |store| store.upload(id)).await
}

/// Forgets an upload, after an earlier request has ended.
pub(super) async fn remove<E: Refused>(server: &Shared, id: UploadId) -> Result<(), E> {
    patiently(server, move |store| store.remove_upload(id)).await
}

/// How an upload stands, and whether another request is at it still.
pub(super) async fn standing<E: Refused>(server: &Shared, id: UploadId) -> Result<(UploadState, bool), E> {
    let begin = Instant::now();
    let is_in_use = loop {
        let is_in_use = server.blocking_with(move |server| server.store().is_upload_in_use(id)).await??;
        if !is_in_use || begin.elapsed() >= PATIENCE {
            break is_in_use;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    let state = server.blocking_with(move |server| server.store().upload_state(id)).await??;
    Ok((state, is_in_use))
}

async fn patiently<T: Send + 'static, E: Refused>(
    server: &Shared,
    work: impl Fn(&Store) -> Result<T, StoreError> + Copy + Send + 'static,
) -> Result<T, E> {
    let begin = Instant::now();
    loop {
        match server.blocking_with(move |server| work(server.store())).await? {
            Err(StoreError::UploadInUse { .. }) if begin.elapsed() < PATIENCE => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            answer => return Ok(answer?),
        }
    }
}

/// Receives a body behind what is there of an upload; `end` says what becomes of the upload then. What came
/// of a body that has no end is kept.
pub(super) async fn receive<E: Refused>(
    server: &Shared,
    upload: Upload,
    checksum: Option<Checksum>,
    body: Incoming,
    end: impl FnOnce(UploadWriter) -> Result<UploadState, StoreError> + Send + 'static,
) -> Result<UploadState, E> {
    let length = upload.state().length.bound();
    let rest = length - upload.state().offset;
    let write = move |chunks| write(upload.writer(checksum), chunks, end);
    let too_long = || StoreError::UploadTooLong { length }.into();
    // A byte more than there may be is the store's to refuse.
    let state = receive_at_most::<_, E>(server, body, rest.saturating_add(1), too_long, write).await?;
    if let Some(digest) = state.digest {
        tracing::info!(%digest, length = state.offset, "upload finished");
    }
    Ok(state)
}

/// Ends an attempt that has brought nothing.
pub(super) async fn put_back(server: &Shared, upload: Upload) -> Result<(), Failure> {
    let put_back = move || {
        if let Err(error) = upload.writer(None).break_off() {
            tracing::warn!(%error, "an upload cannot be kept");
        }
    };
    server.blocking(put_back).await
}

/// Writes what comes in. Nothing is answered if there comes no end.
fn write(
    mut writer: UploadWriter,
    mut chunks: Chunks,
    end: impl FnOnce(UploadWriter) -> Result<UploadState, StoreError>,
) -> Result<Option<UploadState>, StoreError> {
    loop {
        match chunks.next() {
            Ok(Some(bytes)) => {
                if let Err(error) = writer.append(&bytes) {
                    writer.break_off()?;
                    return Err(error);
                }
            }
            Ok(None) => return end(writer).map(Some),
            Err(BrokenOff) => {
                writer.break_off()?;
                return Ok(None);
            }
        }
    }
}
