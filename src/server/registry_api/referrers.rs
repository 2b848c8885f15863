//! What refers to a manifest: signatures, attestations and the like, each a manifest with a `subject`
//! (distribution specification, "Listing Referrers").

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::model::{Digest, OCI_INDEX, Repository};
use crate::server::headers::set;
use crate::store::{LONGEST_DOCUMENT, Store};

/// Tells that only those were listed that were asked for.
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// What is asked for.
#[derive(Default)]
struct Asked {
    artifact_type: Option<String>,
    /// The digest that the page before ended with.
    last: Option<String>,
}

/// `GET /v2/NAME/referrers/DIGEST`: an index of them. One that is longer than a document may be is cut, and
/// followed by a link to the rest.
pub(super) fn read(
    store: &Store,
    repository: &Repository,
    subject: Digest,
    query: &str,
) -> Result<Response, Refusal> {
    let mut asked = Asked::default();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "artifactType" => asked.artifact_type = Some(value.into_owned()),
            "last" => asked.last = Some(value.into_owned()),
            _ => {}
        }
    }
    let mut referring = store.guests_of(repository)?;
    referring.retain(|guest| guest.subject == Some(subject));
    referring.sort_unstable_by_key(|guest| guest.digest);
    referring.dedup_by_key(|guest| guest.digest);
    let index = |listed: &[Value]| json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed});
    let (mut listed, mut next): (Vec<Value>, _) = (Vec::new(), None);
    let mut length = index(&listed).to_string().len();
    for entry in referring {
        if asked.last.as_ref().is_some_and(|last| entry.digest.to_string() <= *last) {
            continue;
        }
        let Some(guest) = store.guest(repository, &entry.label)? else { continue };
        let document = guest.document;
        if asked.artifact_type.as_ref().is_some_and(|wanted| *wanted != document.artifact_type) {
            continue;
        }
        let mut described = json!({
            "mediaType": document.media_type,
            "digest": guest.digest,
            "size": guest.bytes.len(),
        });
        if !document.artifact_type.is_empty() {
            described["artifactType"] = document.artifact_type.into();
        }
        if !document.annotations.is_empty() {
            described["annotations"] = json!(document.annotations);
        }
        // And the comma before it.
        length += described.to_string().len() + 1;
        if length > LONGEST_DOCUMENT
            && let Some(last) = listed.last()
        {
            next = last["digest"].as_str().map(str::to_owned);
            break;
        }
        listed.push(described);
    }
    let mut answer = index(&listed).to_string().into_response();
    let answered = answer.headers_mut();
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
    if let Some(last) = next {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("last", &last);
        query.extend_pairs(asked.artifact_type.iter().map(|wanted| ("artifactType", wanted)));
        let path = format!("/v2/{repository}/referrers/{subject}");
        set(answered, header::LINK, format!("<{path}?{}>; rel=\"next\"", query.finish()));
    }
    if asked.artifact_type.is_some() {
        set(answered, FILTERS, "artifactType");
    }
    Ok(answer)
}
