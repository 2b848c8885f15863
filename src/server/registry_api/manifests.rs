//! Manifests, by tag and by digest, byte for byte.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::acceptance::accept;
use super::refusal::{Code, Refusal};
use super::representation::Representation;
use crate::model::{Digest, Label, Repository};
use crate::server::Shared;
use crate::server::body::read_at_most;
use crate::server::headers::{CONTENT_DIGEST, has_already, set};
use crate::store::{LONGEST_DOCUMENT, Store, StoreError};

/// Tells that what was pushed will be among the referrers of its subject (distribution specification).
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// `GET /v2/NAME/manifests/REFERENCE`
pub(super) fn read(
    store: &Store,
    repository: &Repository,
    label: &Label,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let Representation { kind, bytes } = find(store, repository, label, headers)?;
    let digest = Digest::of(&bytes);
    let tag = format!("\"{digest}\"");
    let mut answer = match has_already(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => bytes.into_response(),
    };
    let answered = answer.headers_mut();
    set(answered, header::CONTENT_TYPE, kind);
    set(answered, header::ETAG, tag);
    set(answered, header::VARY, "Accept");
    set(answered, CONTENT_DIGEST, digest.to_string());
    Ok(answer)
}

fn find(
    store: &Store,
    repository: &Repository,
    label: &Label,
    headers: &HeaderMap,
) -> Result<Representation, Refusal> {
    let form = match label {
        Label::Digest(digest) => Representation::of_digest(store, repository, *digest)?,
        Label::Tag(tag) => match repository.model(tag).map(|name| store.manifest(&name)) {
            None | Some(Err(StoreError::ModelNotFound { .. })) => None,
            Some(model) => Some(Representation::accepted(&*model?, headers)),
        },
    };
    if let Some(form) = form {
        return Ok(form);
    }
    let guest = store.guest(repository, label)?;
    let guest = guest.map(|guest| Representation { kind: guest.document.media_type, bytes: guest.bytes });
    guest.ok_or_else(|| unknown(repository, label))
}

/// `PUT /v2/NAME/manifests/REFERENCE`
pub(super) async fn write(
    server: &Shared,
    repository: Repository,
    label: Label,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let read = read_at_most(server, headers, body, LONGEST_DOCUMENT as u64).await;
    let (bytes, _turn) = read.map_err(|failure| match failure.parts() {
        (status @ StatusCode::PAYLOAD_TOO_LARGE, message) => {
            Refusal::with_status(Code::ManifestInvalid, status, message)
        }
        _ => failure.into(),
    })?;
    let stated = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let stated = stated.and_then(|kind| kind.split(';').next()).map(|kind| kind.trim().to_owned());
    let (of, what) = (repository.clone(), label.clone());
    let accepted = server.blocking_with(move |server| {
        let accepted = accept(server.store(), &of, &what, stated.as_deref(), &bytes)?;
        server.workshop.clear(accepted.given_up.iter().copied());
        Ok::<_, Refusal>(accepted)
    });
    let accepted = accepted.await??;
    tracing::info!(%repository, %label, digest = %accepted.digest, "manifest taken");
    let mut answer = StatusCode::CREATED.into_response();
    let answered = answer.headers_mut();
    set(answered, header::LOCATION, format!("/v2/{repository}/manifests/{}", accepted.digest));
    set(answered, CONTENT_DIGEST, accepted.digest.to_string());
    if let Some(subject) = accepted.subject {
        set(answered, OCI_SUBJECT, subject.to_string());
    }
    Ok(answer)
}

/// `DELETE /v2/NAME/manifests/REFERENCE`: a tag, or by its digest a manifest with all its tags.
pub(super) fn remove(store: &Store, repository: &Repository, label: &Label) -> Result<Response, Refusal> {
    let names = match label {
        Label::Tag(tag) => repository.model(tag).into_iter().collect(),
        Label::Digest(digest) => {
            let models = store.list()?;
            let is_it = |form: &Representation| form.digest() == *digest;
            let of_it = models.iter().filter(|model| {
                repository.holds(&model.name) && Representation::all_of(model).iter().any(is_it)
            });
            of_it.map(|model| model.name.clone()).collect::<Vec<_>>()
        }
    };
    let mut is_found = false;
    for name in names {
        match store.remove(&name) {
            Err(StoreError::ModelNotFound { .. }) => {}
            removed => {
                removed?;
                is_found = true;
            }
        }
    }
    if let Some(named) = store.dismiss_guest(repository, label)? {
        store.remove_unused(&named)?;
        is_found = true;
    }
    match is_found {
        true => Ok(StatusCode::ACCEPTED.into_response()),
        false => Err(unknown(repository, label)),
    }
}

fn unknown(repository: &Repository, label: &Label) -> Refusal {
    let message = match label {
        Label::Tag(tag) => format!("{repository} has no tag {tag}"),
        Label::Digest(digest) => format!("{repository} has no manifest {digest}"),
    };
    Refusal::new(Code::ManifestUnknown, message)
}
