//! What this server answers beyond Ollama's interface: all of it lies under `/ollamake/v1/`.
//!
//! | file | its routes |
//! |---|---|
//! | `models` | what a model holds: metadata, tensors, the file itself |
//! | `blobs` | the bytes of a blob |
//! | `comparison` | how two models differ |
//! | `types` | what models can be quantized to |
//! | `architectures` | which model classes are converted |
//! | `settings` | what the operator has set |
//! | `disk` | what the store takes, and what could go |
//! | `check` | whether the store is whole |
//! | `links` | one download without the key |
//! | `imports` | which files beside the server it takes |
//! | `jobs` | what runs, what ran lately, and what it says |
//! | `uploads` | uploads that go on after a lost connection |
//!
//! `download` sends files, whole or in ranges; `tus` knows the headers of the protocol that uploads speak.

mod architectures;
mod blobs;
mod check;
mod comparison;
mod disk;
pub(super) mod download;
mod imports;
mod jobs;
mod links;
mod models;
mod settings;
mod tus;
mod types;
mod uploads;

use axum::routing::{get, options, post};

use super::operation::Operation;
use super::route::Route;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    const READ: &str = "HEAD, GET";
    vec![
        Route::new("/ollamake/v1/models/{*path}", "HEAD, GET, POST", get(models::look).post(links::make)),
        Route::new("/ollamake/v1/links/{secret}", "GET", get(links::follow)),
        Route::new("/ollamake/v1/blobs/{digest}", READ, get(blobs::read)),
        Route::new("/ollamake/v1/compare", READ, get(comparison::compare)),
        Route::new("/ollamake/v1/types", READ, get(types::list)),
        Route::new("/ollamake/v1/architectures", READ, get(architectures::list)),
        Route::new("/ollamake/v1/settings", READ, get(settings::list)),
        Route::new("/ollamake/v1/imports", READ, get(imports::list)),
        Route::new("/ollamake/v1/imports/entries", READ, get(imports::entries)),
        Route::new("/ollamake/v1/jobs", READ, get(jobs::list)),
        Route::new("/ollamake/v1/jobs/{id}", "HEAD, GET, DELETE", get(jobs::one).delete(jobs::forget)),
        Route::new("/ollamake/v1/jobs/{id}/events", READ, get(jobs::events)),
        Route::new("/ollamake/v1/jobs/{id}/stop", "POST", post(jobs::stop)),
        Route::new("/ollamake/v1/jobs/{id}/resume", "POST", post(jobs::resume)),
        Route::new(
            "/ollamake/v1/uploads",
            uploads::ALLOW_ALL,
            options(uploads::capabilities).post(uploads::begin),
        ),
        Route::new(
            "/ollamake/v1/uploads/{id}",
            uploads::ALLOW_ONE,
            options(uploads::capabilities_of_one)
                .head(uploads::look)
                .patch(uploads::add)
                .delete(uploads::end)
                .post(uploads::meant),
        ),
        Route::new("/ollamake/v1/store", READ, get(disk::usage)),
        Route::new("/ollamake/v1/store/prune", "POST", post(disk::prune)),
        Route::new("/ollamake/v1/store/fsck", "POST", post(check::check)),
    ]
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = models::operations();
    operations.extend(links::operations());
    operations.extend(blobs::operations());
    operations.extend(comparison::operations());
    operations.extend(types::operations());
    operations.extend(architectures::operations());
    operations.extend(settings::operations());
    operations.extend(imports::operations());
    operations.extend(jobs::operations());
    operations.extend(disk::operations());
    operations.extend(check::operations());
    operations.extend(uploads::operations());
    operations
}
