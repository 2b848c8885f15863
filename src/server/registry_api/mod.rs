//! `/v2/`: the models of the store as a registry has them (OCI distribution specification 1.1), to pull.
//!
//! A repository is a model of the default host, `NAMESPACE/MODEL`; its tags are the model's. What is served
//! are the bytes that the store has. Ollama's own client pulls from here, too: it wants a `Location` beside a
//! blob, and asks there for ranges.
//!
//! | file | what it knows |
//! |---|---|
//! | `endpoint` | what a path asks for |
//! | `manifests` | manifests by tag and by digest |
//! | `blobs` | blobs, whole or in ranges |
//! | `listing` | repositories, tags, referrers, page by page |
//! | `refusal` | errors in the words of the specification |

mod blobs;
mod endpoint;
mod listing;
mod manifests;
mod refusal;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Shared;
use super::body::json;
use super::operation::Operation;
use super::route::Route;
use endpoint::{Endpoint, Subject};
pub(super) use refusal::unauthorized;
use refusal::{Errors, Refusal};

/// Below this path everything belongs to the registry.
pub(super) const PATH: &str = "/v2/";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    const READ: &str = "HEAD, GET";
    vec![
        Route::new(PATH, READ, get(|| async { marked(json(&serde_json::json!({}))) })),
        Route::new("/v2/{*path}", READ, get(read)),
    ]
}

/// The operations; what they mean in full is said in the distribution specification.
pub(super) fn operations() -> Vec<Operation> {
    let about = "Tells that this is a registry (OCI distribution specification).";
    let root = Operation::read(PATH, about).answers::<serde_json::Value>(200, "It is one.");
    let about = "`_catalog`, `NAME/tags/list`, `NAME/manifests/TAG`, `NAME/blobs/DIGEST` and their kin.";
    let whole = "A listing, a manifest, or a blob.";
    let read = Operation::read("/v2/{path}", about)
        .asks::<u32>("n", "Of a listing: how many names.")
        .asks::<String>("last", "Of a listing: the name that the page before ended with.")
        .answers_any(200, whole)
        .answers_any(206, "The range of a blob that was asked for.")
        .answers_nothing(304, "The client has it.")
        .fails(&[400, 404, 412, 416]);
    [root, read].map(|operation| operation.fails_as::<Errors>()).into()
}

/// `GET /v2/…`: names of repositories have slashes, so the path is taken apart here.
async fn read(
    State(server): State<Shared>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let endpoint = Endpoint::parse(&path)?;
    let store = server.store().clone();
    let query = query.unwrap_or_default();
    let answer = server.blocking(move || match endpoint {
        Endpoint::Catalog => listing::catalog(&store, &query),
        Endpoint::Of(repository, Subject::Tags) => listing::tags(&store, &repository, &query),
        Endpoint::Of(repository, Subject::Manifest(reference)) => {
            manifests::read(&store, &repository, &reference, &headers)
        }
        Endpoint::Of(_, Subject::Referrers) => Ok(listing::referrers()),
        Endpoint::Of(repository, Subject::Blob(digest)) => blobs::read(&store, &repository, digest, &headers),
    });
    Ok(marked(answer.await??))
}

/// Clients of Docker look for this before they believe that it is a registry.
fn marked(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    let version = HeaderValue::from_static("registry/2.0");
    answer.headers_mut().insert("docker-distribution-api-version", version);
    answer
}
