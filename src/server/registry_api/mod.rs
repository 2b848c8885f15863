//! `/v2/`: the store as a registry (OCI distribution specification 1.1).
//!
//! A repository of two parts is a model of the default host, `NAMESPACE/MODEL`; its tags are the model's.
//! What is pushed and is a model lands as one; all else is a guest of the store, which it serves again. What
//! is served are the bytes that the store has. Ollama's own client pulls from here, too: it wants a
//! `Location` beside a blob, and asks there for ranges.
//!
//! | file | what it knows |
//! |---|---|
//! | `endpoint` | what a path asks for |
//! | `manifests` | manifests by tag and by digest |
//! | `representation` | the forms in which a model is served |
//! | `acceptance` | whether a manifest is taken, and where it goes |
//! | `blobs` | blobs, whole or in ranges |
//! | `uploads`, `content_range` | blobs on their way in |
//! | `listing`, `referrers` | repositories, tags, and what refers to a manifest, page by page |
//! | `sign_in` | tokens for clients that sign in as Ollama's does |
//! | `address` | whole addresses of this server |
//! | `refusal` | errors in the words of the specification |

mod acceptance;
mod address;
mod blobs;
mod content_range;
mod endpoint;
mod listing;
mod manifests;
mod referrers;
mod refusal;
mod representation;
mod sign_in;
mod uploads;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::percent_decode_str;
use utoipa::openapi::path::HttpMethod;

use super::Shared;
use super::body::{Incoming, json};
use super::headers::set;
use super::operation::{BYTES, Operation};
use super::route::Route;
use crate::config::Config;
use address::address;
use endpoint::{Endpoint, Subject};
pub(super) use refusal::unauthorized;
use refusal::{Code, Errors, Refusal};
pub(super) use sign_in::is_signed;

/// Below this path everything belongs to the registry.
pub(super) const PATH: &str = "/v2/";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    const ALL: &str = "HEAD, GET, POST, PUT, PATCH, DELETE";
    let below = get(answer).post(answer).put(answer).patch(answer).delete(answer);
    vec![
        Route::new(PATH, "HEAD, GET", get(|| async { marked(json(&serde_json::json!({}))) })),
        Route::new(sign_in::PATH, "GET", get(sign_in::give)),
        Route::new("/v2/{*path}", ALL, below),
    ]
}

/// Whether a request only reads what is public where the registry is open to all.
pub(super) fn is_reading(method: &Method, path: &str) -> bool {
    let Some(below) = path.strip_prefix(PATH) else { return false };
    // Decided on the text that is answered, in which no letter is written in another way.
    let Ok(below) = percent_decode_str(below).decode_utf8() else { return false };
    // A token lets in to everything, and an upload is its client's alone.
    let is_public = match Endpoint::parse(&below) {
        Ok(Endpoint::Catalog) => true,
        Ok(Endpoint::Of(_, subject)) => !matches!(subject, Subject::Uploads | Subject::Upload(_)),
        Err(_) => path != sign_in::PATH,
    };
    is_public && [Method::GET, Method::HEAD].contains(method)
}

/// How a client shows who it is. Some look for that in the first answer alone, even if reading is open and
/// they want to write later. Where clients of Ollama's may sign, their way comes first, since they know no
/// other.
pub(super) fn challenges(config: &Config, asked: &HeaderMap) -> HeaderMap {
    let mut told = HeaderMap::new();
    if !config.ollama_keys.is_empty() {
        let challenge = format!("Bearer realm=\"{}\",service=\"ollamake\"", address(asked, sign_in::PATH));
        set(&mut told, header::WWW_AUTHENTICATE, challenge);
    }
    let basic = HeaderValue::from_static("Basic realm=\"ollamake\"");
    told.append(header::WWW_AUTHENTICATE, basic);
    told
}

/// The operations; what they mean in full is said in the distribution specification.
pub(super) fn operations() -> Vec<Operation> {
    let about = "Tells that this is a registry (OCI distribution specification).";
    let root = Operation::read(PATH, about).answers::<serde_json::Value>(200, "It is a registry.");
    let about = "`_catalog`, `NAME/tags/list`, `NAME/manifests/TAG`, `NAME/blobs/DIGEST` and their kin.";
    let whole = "A listing, a manifest, a blob, or how an upload stands.";
    let read = Operation::read("/v2/{path}", about)
        .asks::<u32>("n", "Of a listing: how many names.")
        .asks::<String>("last", "Of a listing: the name that the page before ended with.")
        .asks::<String>("artifactType", "Of referrers: which alone are wanted.")
        .hears("Accept", "Of a manifest: the media types that the client takes.")
        .answers_any(200, whole)
        .answers_any(206, "The range of a blob that was asked for.")
        .answers_nothing(204, "The state of an upload is in the headers.")
        .answers_nothing(304, "The client has the current file.")
        .fails(&[400, 404, 405, 412, 416]);
    let write = |method, about| Operation::new(method, "/v2/{path}", about).fails(&[400, 404, 405]);
    let session = |operation: Operation, status| {
        operation.tells(status, "Location", "Where the next bytes go.").tells(
            status,
            "Range",
            "Which bytes are there.",
        )
    };
    let begin =
        write(HttpMethod::Post, "`NAME/blobs/uploads/`: begins to push a blob, or pushes it at once.")
            .asks::<String>("digest", "The digest of the bytes that come along.")
            .asks::<String>("mount", "The digest of a blob that may be here already.")
            .asks::<String>("from", "The repository where it was seen.")
            .takes_bytes(BYTES)
            .answers_nothing(201, "The blob is here.")
            .answers_nothing(202, "The upload has begun.")
            .fails(&[507]);
    let append = write(HttpMethod::Patch, "`NAME/blobs/uploads/ID`: pushes bytes of a blob.")
        .hears("Content-Range", "The places of the first byte and of the last, such as `0-1023`.")
        .takes_bytes(BYTES)
        .answers_nothing(202, "The bytes are stored.")
        .fails(&[416, 507]);
    let put = write(HttpMethod::Put, "Ends the push of a blob, or pushes a manifest.")
        .asks::<String>("digest", "The digest of a blob.")
        .hears("Content-Range", "The same as with PATCH.")
        .takes_bytes(BYTES)
        .answers_nothing(201, "What was pushed is here.")
        .tells(201, "Location", "Where it is.")
        .tells(201, "Docker-Content-Digest", "Its digest.")
        .fails(&[403, 416, 507]);
    let delete =
        write(HttpMethod::Delete, "Removes a tag, a manifest, a blob that nothing needs, or an upload.")
            .answers_nothing(202, "What was named has been removed.")
            .answers_nothing(204, "The upload has been removed.");
    [root, sign_in::operation(), read, session(begin, 202), session(append, 202), put, delete]
        .map(|operation| operation.fails_as::<Errors>())
        .into()
}

/// What is below `/v2/`: names of repositories have slashes, so the path is taken apart here.
async fn answer(
    State(server): State<Shared>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let query = query.unwrap_or_default();
    let answer = match Endpoint::parse(&path) {
        Ok(endpoint) => of_endpoint(&server, method, endpoint, query, headers, body).await,
        Err(refusal) => {
            Incoming::new(body, server.config().limits.stall).discard_rest();
            Err(refusal)
        }
    };
    marked(answer)
}

async fn of_endpoint(
    server: &Shared,
    method: Method,
    endpoint: Endpoint,
    query: String,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let allow = endpoint.allow();
    let store = server.store().clone();
    let is_question = method == Method::HEAD;
    let is_read = is_question || method == Method::GET;
    let blocking = match (method.as_str(), endpoint) {
        ("GET" | "HEAD", Endpoint::Of(repository, Subject::Upload(id))) => {
            return uploads::look(server, &repository, id, &headers).await;
        }
        ("POST", Endpoint::Of(repository, Subject::Uploads)) => {
            return uploads::begin(server, &repository, &query, &headers, body).await;
        }
        ("PATCH", Endpoint::Of(repository, Subject::Upload(id))) => {
            return uploads::append(server, &repository, id, &headers, body).await;
        }
        ("PUT", Endpoint::Of(repository, Subject::Upload(id))) => {
            return uploads::finish(server, &repository, id, &query, &headers, body).await;
        }
        ("DELETE", Endpoint::Of(_, Subject::Upload(id))) => return uploads::cancel(server, id).await,
        ("PUT", Endpoint::Of(repository, Subject::Manifest(label))) => {
            return manifests::write(server, repository, label, &headers, body).await;
        }
        (_, endpoint) if allow.split(", ").any(|allowed| allowed == method.as_str()) => {
            move || match endpoint {
                Endpoint::Catalog => listing::catalog(&store, &query),
                Endpoint::Of(repository, Subject::Tags) => listing::tags(&store, &repository, &query),
                Endpoint::Of(repository, Subject::Referrers(digest)) => {
                    referrers::read(&store, &repository, digest, &query)
                }
                Endpoint::Of(repository, Subject::Manifest(label)) if is_read => {
                    manifests::read(&store, &repository, &label, &headers)
                }
                Endpoint::Of(repository, Subject::Manifest(label)) => {
                    manifests::remove(&store, &repository, &label)
                }
                Endpoint::Of(repository, Subject::Blob(digest)) if is_read => {
                    blobs::read(&store, is_question, &repository, digest, &headers)
                }
                Endpoint::Of(_, Subject::Blob(digest)) => blobs::remove(&store, digest),
                Endpoint::Of(_, Subject::Uploads | Subject::Upload(_)) => Err(not_allowed("POST")),
            }
        }
        _ => {
            Incoming::new(body, server.config().limits.stall).discard_rest();
            return Err(not_allowed(allow));
        }
    };
    server.blocking(blocking).await?
}

fn not_allowed(allow: &'static str) -> Refusal {
    let message = format!("only {allow} can be asked for here");
    let allow = HeaderMap::from_iter([(header::ALLOW, HeaderValue::from_static(allow))]);
    Refusal::with_status(Code::Unsupported, StatusCode::METHOD_NOT_ALLOWED, message).telling(allow)
}

/// Clients of Docker look for this before they believe that it is a registry.
fn marked(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    let version = HeaderValue::from_static("registry/2.0");
    answer.headers_mut().insert("docker-distribution-api-version", version);
    answer
}
