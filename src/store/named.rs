//! What is remembered of what blobs name.

use std::sync::Arc;

use super::names::Names;

/// What a blob names, and whether it is a document.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) is_document: bool,
    pub(super) names: Arc<Names>,
}
