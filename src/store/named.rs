//! What is remembered of what files name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::names::Names;
use super::stamp::Stamp;

/// What a blob names, and whether it is a document.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) is_document: bool,
    pub(super) names: Arc<Names>,
}

/// What is known of files that do not change, or not without another stamp.
#[derive(Debug, Default)]
pub(super) struct Quarantined(pub(super) Mutex<HashMap<String, (Stamp, Arc<Names>)>>);
