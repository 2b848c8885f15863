//! Whether the layers of a model can be read, before it appears: a pull that succeeds makes a model that can
//! be shown.

use super::manifest::invalid;
use super::session::Session;
use super::{RegistryError, blocking};
use crate::model::{Manifest, MediaType};
use crate::store::{Blob, StoreError};

/// Looks into the layers that are texts. Weights are not: another program may understand what we do not.
pub(super) async fn check(
    session: &Session,
    manifest: &Manifest,
    blobs: &[Blob],
) -> Result<(), RegistryError> {
    // Whatever it is called, it is read as the configuration.
    let config = std::iter::once((&manifest.config, MediaType::Config));
    let layers = manifest.layers.iter().map(|layer| (layer, layer.media_type.clone()));
    for (layer, kind) in config.chain(layers) {
        let Some(longest) = kind.longest() else { continue };
        let noun = kind.noun();
        let unusable =
            |problem: String| invalid(session, format!("blob {} is its {noun}, and {problem}", layer.digest));
        if layer.size > longest as u64 {
            return Err(unusable(format!("has {} bytes where at most {longest} are read", layer.size)));
        }
        let Some(blob) = blobs.iter().find(|blob| blob.digest() == layer.digest).cloned() else { continue };
        let checked = blocking(move || Ok::<_, StoreError>(kind.check(&blob.read(longest)?)));
        checked.await??.map_err(|error| unusable(format!("not what that should be: {error}")))?;
    }
    Ok(())
}
