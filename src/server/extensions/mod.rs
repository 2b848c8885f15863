//! What this server answers beyond Ollama's interface: all of it lies under `/ollamake/v1/`.
//!
//! | file | its routes |
//! |---|---|
//! | `models` | what a model holds: metadata, tensors, the file itself |
//! | `blobs` | the bytes of a blob |
//! | `comparison` | how two models differ |
//! | `types` | what models can be quantized to |
//! | `disk` | what the store takes, and what could go |
//!
//! `download` sends files, whole or in ranges.

mod blobs;
mod comparison;
mod disk;
mod download;
mod models;
mod types;

use axum::routing::{get, post};

use super::route::Route;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    const READ: &str = "HEAD, GET";
    vec![
        Route::new("/ollamake/v1/models/{*path}", READ, get(models::look)),
        Route::new("/ollamake/v1/blobs/{digest}", READ, get(blobs::read)),
        Route::new("/ollamake/v1/compare", READ, get(comparison::compare)),
        Route::new("/ollamake/v1/types", READ, get(types::list)),
        Route::new("/ollamake/v1/store", READ, get(disk::usage)),
        Route::new("/ollamake/v1/store/prune", "POST", post(disk::prune)),
    ]
}
