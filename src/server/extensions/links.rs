//! `/ollamake/v1/models/NAME/link` and `/ollamake/v1/links/SECRET`: one download without the key.

use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

use super::download::{self, send};
use super::models::Opened;
use crate::model::Reference;
use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::links::{self, Target};
use crate::server::operation::Operation;
use crate::server::request::Fields;
use crate::server::{Server, Shared, times};

/// A link, as its owner gets it.
#[derive(Serialize, ToSchema)]
struct Link {
    /// Where to get the file, on this server.
    path: String,
    /// What it is called.
    file: String,
    /// Its bytes.
    size: u64,
    #[serde(serialize_with = "times::time")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: SystemTime,
}

/// `POST /ollamake/v1/models/NAME/link`. Names have slashes themselves.
pub(super) async fn make(
    State(server): State<Shared>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let Some(name) = path.strip_suffix("/link") else {
        let message = format!("nothing can be posted to {path:?}");
        return Err(Failure::not_found(message).with_hint("post to /ollamake/v1/models/NAME/link"));
    };
    let reference: Reference = name.parse()?;
    let mut fields = Fields::read_or_nothing(&server, &headers, body, "LinkRequest").await?;
    let shard = match fields.value("shard")? {
        None => None,
        Some(number) => {
            let message = || format!("shard must be a whole number, got {number}");
            let shard = number.as_u64().and_then(|number| usize::try_from(number).ok());
            Some(shard.ok_or_else(|| Failure::bad_request(message()))?)
        }
    };
    let find = move |server: &Server| {
        let opened = Opened::find(server, &reference)?;
        let (blob, name) = opened.file(shard)?;
        Ok::<_, Failure>((Target { blob: blob.digest(), name }, blob.length()))
    };
    let (target, size) = server.blocking_with(find).await??;
    let file = target.name.clone();
    let secret = server.links.make(target).map_err(|links::TooManyLinks| {
        Failure::unavailable("too many links are waiting to be used")
            .with_hint("use them, or wait five minutes")
    })?;
    let path = format!("{}{secret}", links::PATH);
    Ok(json(&Link { path, file, size, expires_at: SystemTime::now() + links::LIFETIME }))
}

/// `GET /ollamake/v1/links/SECRET`
pub(super) async fn follow(
    State(server): State<Shared>,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let over = || {
        Failure::not_found("the link has been used, has expired, or never was")
            .with_hint("ask for another: POST /ollamake/v1/models/NAME/link")
    };
    let Target { blob, name } = server.links.take(&secret).ok_or_else(over)?;
    let blob = server.blocking_with(move |server| server.store().blob(blob)).await??;
    Ok(send(blob, &name, &headers))
}

/// Which file is to be downloaded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct LinkRequest {
    /// Which of the files of a split model, the first being 1.
    shard: Option<u64>,
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    let about = "The file of a link, once. The link is the key.";
    let file = download::described("/ollamake/v1/links/{secret}", about)
        .with("secret", "the secret that the link ends with");
    vec![
        Operation::post("/ollamake/v1/models/{name}/link", "A link for one download within five minutes.")
            .with("name", "the name of a model, in which there may be slashes")
            .takes::<LinkRequest>(false)
            .answers::<Link>(200, "The link.")
            .fails(&[404]),
        // HEAD would use it up.
        Operation { methods: vec![HttpMethod::Get], ..file.open() },
    ]
}
