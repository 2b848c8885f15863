//! What tus 1.0.0 says in headers (<https://tus.io/protocols/resumable-upload>).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::LONGEST_METADATA;
use crate::server::errors::Failure;
use crate::server::headers::set;
use crate::store::{Checksum, Length, UploadState};

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSIONS: &str = "creation,creation-with-upload,termination,expiration,checksum";
const ALGORITHMS: &str = "sha1,sha256";
/// What the body of a request with bytes has to be called.
pub(super) const BYTES: &str = "application/offset+octet-stream";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// The blob that an upload has become.
const OLLAMAKE_DIGEST: HeaderName = HeaderName::from_static("ollamake-digest");

/// What a page of an allowed origin may send,
const ALLOWED: &str = "Tus-Resumable,Upload-Length,Upload-Offset,Upload-Metadata,Upload-Checksum,\
    X-HTTP-Method-Override";
/// and what it may see.
const EXPOSED: &str = "Location,Tus-Resumable,Tus-Version,Tus-Extension,Tus-Max-Size,Tus-Checksum-Algorithm,\
    Upload-Length,Upload-Offset,Upload-Metadata,Upload-Expires,Ollamake-Digest";

/// What the server can do, for a client or a browser that asks.
pub(super) fn capabilities(longest: u64, allow: &'static str) -> Response {
    let headers = [
        (TUS_VERSION, VERSION),
        (TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS)),
        (TUS_MAX_SIZE, HeaderValue::from(longest)),
        (TUS_CHECKSUM_ALGORITHM, HeaderValue::from_static(ALGORITHMS)),
        (header::ALLOW, HeaderValue::from_static(allow)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED)),
    ];
    marked((StatusCode::NO_CONTENT, headers))
}

/// An answer as tus wants it marked.
pub(super) fn marked(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let is_of_another_version = response.status() == StatusCode::PRECONDITION_FAILED;
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, VERSION);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if is_of_another_version {
        headers.insert(TUS_VERSION, VERSION);
    }
    response
}

/// How an upload stands.
pub(super) fn standing(state: &UploadState) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(UPLOAD_OFFSET, state.offset.into());
    set(&mut headers, UPLOAD_EXPIRES, httpdate::fmt_http_date(state.expires));
    if let Some(digest) = state.digest {
        set(&mut headers, OLLAMAKE_DIGEST, digest.to_string());
    }
    headers
}

/// What was said when it began.
pub(super) fn beginning(state: &UploadState) -> HeaderMap {
    let length = match state.length {
        Length::Exactly(bytes) => (UPLOAD_LENGTH, bytes.into()),
        Length::AtMost(_) => (UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    let mut headers = HeaderMap::from_iter([length]);
    if !state.metadata.is_empty() {
        set(&mut headers, UPLOAD_METADATA, &state.metadata);
    }
    headers
}

/// Refuses clients that speak another version.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.get(TUS_RESUMABLE) == Some(&VERSION) {
        return Ok(());
    }
    let message = match headers.get(TUS_RESUMABLE) {
        None => "the header Tus-Resumable is missing; send \"Tus-Resumable: 1.0.0\"".to_owned(),
        Some(other) => format!("Tus-Resumable is {other:?}; this server speaks 1.0.0"),
    };
    Err(Failure::new(StatusCode::PRECONDITION_FAILED, message))
}

/// The method that is meant, where a client cannot send it.
pub(super) fn method_meant(headers: &HeaderMap) -> Option<&str> {
    headers.get(METHOD_OVERRIDE)?.to_str().ok()
}

/// Whether the body is bytes of an upload.
pub(super) fn has_bytes(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().eq_ignore_ascii_case(BYTES.as_bytes()))
}

pub(super) fn wrong_content() -> Failure {
    let message = format!("the bytes of an upload have to come with \"Content-Type: {BYTES}\"");
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

/// Where the bytes of a request belong.
pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Failure> {
    number(headers, &UPLOAD_OFFSET, "Upload-Offset")
}

/// The length of an upload that is to begin.
pub(super) fn length(headers: &HeaderMap) -> Result<u64, Failure> {
    if headers.contains_key(UPLOAD_DEFER_LENGTH) {
        let message = "Upload-Defer-Length is not supported; state the length in Upload-Length";
        return Err(Failure::bad_request(message));
    }
    number(headers, &UPLOAD_LENGTH, "Upload-Length")
}

fn number(headers: &HeaderMap, name: &HeaderName, shown: &str) -> Result<u64, Failure> {
    let Some(value) = headers.get(name) else {
        return Err(Failure::bad_request(format!("the header {shown} is missing")));
    };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| {
        Failure::bad_request(format!("{shown} must be a whole number of bytes, got {:.40}", text_of(value)))
    })
}

/// What the client tells about an upload: pairs of a key and a value in Base64, which may be missing, with
/// commas between.
pub(super) fn metadata(headers: &HeaderMap) -> Result<&str, Failure> {
    let Some(value) = headers.get(UPLOAD_METADATA) else { return Ok("") };
    if value.len() > LONGEST_METADATA {
        let message = format!("Upload-Metadata must not be longer than {LONGEST_METADATA} bytes");
        return Err(Failure::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message));
    }
    let invalid = || {
        let message = "Upload-Metadata must be pairs of a key and a value in Base64, separated by commas";
        Failure::bad_request(message)
    };
    let text = value.to_str().map_err(|_| invalid())?.trim();
    let mut keys = Vec::new();
    for pair in text.split(',').filter(|_| !text.is_empty()) {
        let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        if key.is_empty() || keys.contains(&key) || STANDARD.decode(value.trim()).is_err() {
            return Err(invalid());
        }
        keys.push(key);
    }
    Ok(text)
}

/// The checksum that the bytes of a request should have, if one is stated.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Failure> {
    let Some(value) = headers.get(UPLOAD_CHECKSUM) else { return Ok(None) };
    let text = text_of(value);
    let (algorithm, sum) = text.split_once(' ').unwrap_or((&text, ""));
    let sum = STANDARD.decode(sum.trim()).unwrap_or_default();
    let checksum = match algorithm {
        "sha1" => sum.try_into().ok().map(Checksum::Sha1),
        "sha256" => sum.try_into().ok().map(Checksum::Sha256),
        _ => {
            let message = format!("Upload-Checksum names {algorithm:.40?}; known are {ALGORITHMS}");
            return Err(Failure::bad_request(message));
        }
    };
    let invalid =
        || Failure::bad_request(format!("Upload-Checksum must be {algorithm} and its value in Base64"));
    checksum.map(Some).ok_or_else(invalid)
}

fn text_of(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(offset(&with(UPLOAD_OFFSET, "18446744073709551615")).unwrap(), u64::MAX);
        for bad in ["", "-1", "+1", "1.0", "0x1", "18446744073709551616", "1, 1"] {
            assert!(offset(&with(UPLOAD_OFFSET, bad)).is_err(), "{bad}");
        }
        assert!(offset(&HeaderMap::new()).is_err());
        assert!(length(&with(UPLOAD_DEFER_LENGTH, "1")).is_err());
    }

    #[test]
    fn metadata_is_pairs() {
        for good in ["", "name d29ybGQ=", "name d29ybGQ=,is_confidential", "a YQ==, b YQ=="] {
            assert_eq!(metadata(&with(UPLOAD_METADATA, good)).unwrap(), good);
        }
        for bad in [",", "a b c", "a YQ==,a YQ==", "a !", "a YQ==,,b"] {
            assert!(metadata(&with(UPLOAD_METADATA, bad)).is_err(), "{bad}");
        }
        assert!(metadata(&with(UPLOAD_METADATA, &"x".repeat(4097))).is_err());
    }

    #[test]
    fn checksums_name_their_algorithm() {
        let sha1 = with(UPLOAD_CHECKSUM, "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
        assert!(matches!(checksum(&sha1), Ok(Some(Checksum::Sha1(_)))));
        let zeros = format!("sha256 {}", STANDARD.encode([0; 32]));
        assert!(matches!(checksum(&with(UPLOAD_CHECKSUM, &zeros)), Ok(Some(Checksum::Sha256(_)))));
        for bad in ["", "sha1", "sha1 AAAA", "sha1 !", "md5 AAAA", "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0="] {
            assert!(checksum(&with(UPLOAD_CHECKSUM, bad)).is_err(), "{bad}");
        }
        assert!(matches!(checksum(&HeaderMap::new()), Ok(None)));
    }
}
