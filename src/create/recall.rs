//! What another machine has made already is not made again, if the library remembers it.

use super::fetch::{receiving, until_stopped};
use super::planned_file::PlannedFile;
use super::{CreateError, Event, Monitor, Workshop};
use crate::model::Digest;
use crate::store::Blob;

/// The file that a plan comes to, from the library. Whatever keeps it from coming only costs work.
///
/// # Errors
/// [`CreateError::Cancelled`].
pub(super) fn recall(
    workshop: &Workshop,
    file: &PlannedFile,
    recipe: Digest,
    monitor: Monitor<'_>,
) -> Result<Option<Blob>, CreateError> {
    let Ok(client) = workshop.registries() else { return Ok(None) };
    let Some(library) = client.library() else { return Ok(None) };
    let sources = file.sources_by_digest();
    let asking = client.recall(recipe, &sources, file.exact_size(), receiving(monitor));
    match until_stopped(asking, monitor)? {
        // Nobody but the library says that this came of the recipe. The header can be looked at.
        Ok(Some(blob)) if !file.may_be(&blob) => {
            tracing::warn!(%library, blob = %blob.digest(), "what the library remembers is another file");
            Ok(None)
        }
        Ok(Some(blob)) => {
            monitor.tell(Event::Recalled { library: library.to_string() });
            Ok(Some(blob))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            tracing::warn!(%library, %error, "the library does not tell what it remembers");
            Ok(None)
        }
    }
}
