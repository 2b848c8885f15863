//! Making the file of a part that cannot be taken as it is: shards to be merged, weights to be quantized.

use tokio_util::sync::CancellationToken;

use super::weights::Part;
use super::{CreateError, Description, Report, Workshop};
use crate::store::Committed;

/// Whether weights of this kind can be given the quantization `wanted`, in upper case.
pub(super) fn check_quantization(description: &Description, wanted: &str) -> Result<(), CreateError> {
    if description.file_type == wanted {
        return Ok(());
    }
    Err(CreateError::UnknownQuantization { got: wanted.to_owned(), supported: vec![description.file_type] })
}

/// Makes the file of `part`; nothing if its one source is already what it should be.
pub(super) fn make(
    _workshop: &Workshop,
    part: &Part,
    _quantize: Option<&str>,
    _report: Report<'_>,
    _stop: &CancellationToken,
) -> Result<Option<Committed>, CreateError> {
    if part.sources.len() == 1 {
        return Ok(None);
    }
    Err(CreateError::Shards { file: part.sources[0].file.clone(), problem: "cannot be merged".to_owned() })
}
