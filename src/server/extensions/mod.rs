//! What this server answers beyond Ollama's interface: all of it lies under `/ollamake/v1/`.
//!
//! | file | its routes |
//! |---|---|
//! | `models` | what a model holds: metadata, tensors, the file itself |
//! | `blobs` | the bytes of a blob |
//! | `comparison` | how two models differ |
//! | `types` | what models can be quantized to |
//! | `disk` | what the store takes, and what could go |
//! | `jobs` | what runs, what ran lately, and what it says |
//!
//! `download` sends files, whole or in ranges.

mod blobs;
mod comparison;
mod disk;
pub(super) mod download;
mod jobs;
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
        Route::new("/ollamake/v1/jobs", READ, get(jobs::list)),
        Route::new("/ollamake/v1/jobs/{id}", "HEAD, GET, DELETE", get(jobs::one).delete(jobs::forget)),
        Route::new("/ollamake/v1/jobs/{id}/events", READ, get(jobs::events)),
        Route::new("/ollamake/v1/jobs/{id}/stop", "POST", post(jobs::stop)),
        Route::new("/ollamake/v1/jobs/{id}/resume", "POST", post(jobs::resume)),
        Route::new("/ollamake/v1/store", READ, get(disk::usage)),
        Route::new("/ollamake/v1/store/prune", "POST", post(disk::prune)),
    ]
}
