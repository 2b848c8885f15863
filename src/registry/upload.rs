//! One blob to a registry (distribution specification, "Pushing blobs").
//!
//! A blob that fits into one piece goes with one `PUT`, a longer one in pieces with `PATCH`, so that after a
//! broken connection only a part of it is sent again: the registry is asked how much it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream;
use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE};

use super::Error;
use super::place::Place;
use super::session::Session;
use super::transport::{Answer, Payload, Request, Stream};
use crate::store::Blob;

/// The unit in which a blob is read while it is sent.
const READ_SIZE: usize = 256 * 1024;

/// Ollama's registry names here the session that goes on where `Location` leads to a storage service
/// (`server/upload.go`).
const SESSION_LOCATION: &str = "docker-upload-location";

/// Ollama's registry names here a storage service that takes the whole blob (`x/transfer/upload.go`).
const DIRECT_LOCATION: &str = "x-direct-upload-url";
/// Headers that this service wants to see begin so in the answer.
const SIGNED_HEADER: &str = "x-signed-header-";

/// The sending of one blob.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) session: &'a Session,
    pub(crate) blob: Blob,
    /// A repository of the same registry that may have the blob already.
    pub(crate) mount_from: Option<String>,
    /// The length of the pieces in which it is sent, in bytes.
    pub(crate) piece: u64,
    /// The bytes that have been sent.
    pub(crate) completed: Arc<AtomicU64>,
}

/// A session of the registry that takes the bytes of a blob.
struct Begun {
    place: Place,
    direct: Option<Request>,
}

impl Upload<'_> {
    /// Sends the blob unless the registry has it.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        let mut backoff = self.session.backoff();
        // An answer may be lost after the registry has taken the blob.
        while !self.is_there().await? {
            match self.send().await {
                Ok(()) => break,
                Err(error) => backoff.after(error).await?,
            }
        }
        self.completed.store(self.blob.length(), Ordering::Relaxed);
        Ok(())
    }

    async fn is_there(&self) -> Result<bool, Error> {
        let url = self.session.repository().blob(&self.blob.digest());
        let request = self.session.request(Method::HEAD, url);
        let answer = self.session.ask(&request, &self.what(), &[200, 404]).await?;
        Ok(answer.response.status().is_success())
    }

    async fn send(&self) -> Result<(), Error> {
        self.completed.store(0, Ordering::Relaxed);
        let Some(begun) = self.begin().await? else { return Ok(()) };
        if let Some(direct) = begun.direct {
            self.session.ask_once(&direct, &self.what(), &[200, 201, 204]).await?;
            return self.finish(&begun.place, Payload::Empty).await;
        }
        if self.blob.length() <= self.piece {
            return self.finish(&begun.place, self.bytes(0, self.blob.length())).await;
        }
        match self.send_pieces(begun.place).await? {
            Some(place) => self.finish(&place, Payload::Empty).await,
            None => {
                let Some(begun) = self.begin().await? else { return Ok(()) };
                self.finish(&begun.place, self.bytes(0, self.blob.length())).await
            }
        }
    }

    /// Begins a session; nothing if the registry has found the blob in another repository.
    async fn begin(&self) -> Result<Option<Begun>, Error> {
        let digest = self.blob.digest().to_string();
        let uploads = self.session.request(Method::POST, self.session.repository().uploads());
        if let Some(from) = &self.mount_from {
            let mut request = uploads.clone();
            request.place = uploads.place.with_query(&[("mount", &digest), ("from", from)]);
            match self.session.ask_once(&request, &self.what(), &[201, 202]).await {
                Ok(answer) if answer.response.status().as_u16() == 201 => return Ok(None),
                Ok(answer) => return self.begun(answer).map(Some),
                // Perhaps we may not read the other repository; that does not matter.
                Err(error) => tracing::debug!(%error, from, "no mount"),
            }
        }
        let mut request = uploads
            .header(HeaderName::from_static("x-redirect-uploads"), "2")
            .header(HeaderName::from_static("x-content-length"), &self.blob.length().to_string());
        if self.session.repository().is_ollama() {
            request.place = request.place.with_query(&[("digest", &digest)]);
        }
        let answer = self.session.ask(&request, &self.what(), &[201, 202]).await?;
        if answer.response.status().as_u16() == 201 {
            return Ok(None);
        }
        self.begun(answer).map(Some)
    }

    fn begun(&self, answer: Answer) -> Result<Begun, Error> {
        let place = self.next_session(&answer)?;
        let headers = answer.response.headers();
        let direct = headers.get(DIRECT_LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = direct else { return Ok(Begun { place, direct: None }) };
        let target = answer.leads_to(self.session.repository(), location)?;
        let mut request = Request::new(Method::PUT, target)
            .header(CONTENT_TYPE, "application/octet-stream")
            .payload(self.bytes(0, self.blob.length()));
        for (name, value) in headers {
            let name = name.as_str().strip_prefix(SIGNED_HEADER);
            if let Some(name) = name.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()) {
                request.headers.insert(name, value.clone());
            }
        }
        Ok(Begun { place, direct: Some(request) })
    }

    /// Sends all bytes in pieces; nothing if the registry does not take pieces.
    async fn send_pieces(&self, mut place: Place) -> Result<Option<Place>, Error> {
        let mut backoff = self.session.backoff();
        let mut offset = 0;
        while offset < self.blob.length() {
            let end = (offset + self.piece).min(self.blob.length());
            match self.send_piece(&place, offset, end).await {
                Ok((next, reached)) => {
                    backoff.forgive();
                    (place, offset) = (next, reached);
                }
                Err(
                    Error::Refused { status: 400 | 405 | 411 | 413 | 415 | 501, .. } | Error::NotFound { .. },
                ) if offset == 0 => {
                    return Ok(None);
                }
                Err(error) => {
                    backoff.after(session_lost(error)).await?;
                    let (next, reached) = self.ask_progress(&place).await?;
                    if reached > offset {
                        backoff.forgive();
                    }
                    (place, offset) = (next, reached);
                }
            }
            self.completed.store(offset, Ordering::Relaxed);
        }
        Ok(Some(place))
    }

    /// Sends one piece; answers with the session's next place and the number of bytes it has.
    async fn send_piece(&self, place: &Place, start: u64, end: u64) -> Result<(Place, u64), Error> {
        let request = Request::new(Method::PATCH, place.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_RANGE, &format!("{start}-{}", end - 1))
            .payload(self.bytes(start, end));
        let answer = self.session.ask_once(&request, &self.what(), &[201, 202, 204, 307]).await?;
        let next = self.next_session(&answer)?;
        if answer.response.status().as_u16() == 307 {
            // The piece is wanted by a storage service; the registry only keeps the account.
            let target = answer.location(self.session.repository())?;
            let request = Request::new(Method::PUT, target)
                .header(CONTENT_TYPE, "application/octet-stream")
                .payload(self.bytes(start, end));
            self.session.ask(&request, &self.what(), &[200, 201, 202, 204]).await?;
            return Ok((next, end));
        }
        let reached = received(&answer).filter(|reached| (start..=end).contains(reached));
        Ok((next, reached.unwrap_or(end)))
    }

    /// Asks a session how many bytes it has.
    async fn ask_progress(&self, place: &Place) -> Result<(Place, u64), Error> {
        let request = Request::new(Method::GET, place.clone());
        let answer = self.session.ask(&request, &self.what(), &[200, 202, 204]).await;
        let answer = answer.map_err(session_lost)?;
        let reached = received(&answer).unwrap_or(0).min(self.blob.length());
        let has_location = answer.response.headers().contains_key(reqwest::header::LOCATION);
        let next = if has_location { self.next_session(&answer)? } else { place.clone() };
        Ok((next, reached))
    }

    /// Ends a session: from now on the registry has the blob.
    async fn finish(&self, place: &Place, payload: Payload) -> Result<(), Error> {
        let place = place.with_query(&[("digest", &self.blob.digest().to_string())]);
        let request = Request::new(Method::PUT, place)
            .header(CONTENT_TYPE, "application/octet-stream")
            .payload(payload)
            .laborious();
        self.session.ask_once(&request, &self.what(), &[200, 201, 202, 204]).await.map_err(session_lost)?;
        Ok(())
    }

    fn next_session(&self, answer: &Answer) -> Result<Place, Error> {
        let own = answer.response.headers().get(SESSION_LOCATION).and_then(|value| value.to_str().ok());
        match own {
            Some(location) => answer.leads_to(self.session.repository(), location),
            None => answer.location(self.session.repository()),
        }
    }

    fn bytes(&self, start: u64, end: u64) -> Payload {
        let (blob, completed) = (self.blob.clone(), self.completed.clone());
        Payload::Stream(Arc::new(BlobRange { blob, start, end, completed }))
    }

    fn what(&self) -> String {
        format!("blob {}", self.blob.digest())
    }
}

/// How many bytes of a blob the registry has, by the header `Range` (`0-<last>`). A registry that has
/// none says `0-0`.
fn received(answer: &Answer) -> Option<u64> {
    let range = answer.response.headers().get(RANGE)?.to_str().ok()?;
    let (_, last) = range.trim_start_matches("bytes=").split_once('-')?;
    match last.trim().parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}

/// A registry may forget a session, or disagree about how much it has: another session may do.
///
/// The distribution project's own registry cancels a session when a piece was cut short, since the place it
/// has given us no longer tells the truth (`registry/handlers/blobupload.go`).
fn session_lost(error: Error) -> Error {
    match error {
        Error::NotFound { registry, message, .. }
        | Error::Refused { registry, message, status: 410 | 416, .. } => {
            Error::Interrupted { registry, reason: message }
        }
        other => other,
    }
}

/// Some bytes of a blob, as the body of a request.
#[derive(Debug)]
struct BlobRange {
    blob: Blob,
    start: u64,
    end: u64,
    completed: Arc<AtomicU64>,
}

impl Stream for BlobRange {
    fn length(&self) -> u64 {
        self.end - self.start
    }

    fn open(&self, sent: Arc<AtomicU64>) -> reqwest::Body {
        let (start, end) = (self.start, self.end);
        let state = (self.blob.clone(), self.completed.clone(), sent, start);
        reqwest::Body::wrap_stream(stream::try_unfold(
            state,
            move |(blob, completed, sent, offset)| async move {
                sent.store(offset - start, Ordering::Relaxed);
                completed.store(offset, Ordering::Relaxed);
                if offset == end {
                    return Ok::<_, std::io::Error>(None);
                }
                let length = READ_SIZE.min(usize::try_from(end - offset).unwrap_or(READ_SIZE));
                let reading = blob.clone();
                let read = tokio::task::spawn_blocking(move || {
                    let mut buffer = vec![0; length];
                    let count = reading.read_at(&mut buffer, offset)?;
                    buffer.truncate(count);
                    Ok::<_, std::io::Error>(buffer)
                });
                let buffer = read.await.map_err(std::io::Error::other)??;
                if buffer.is_empty() {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                let next = offset + buffer.len() as u64;
                Ok(Some((Bytes::from(buffer), (blob, completed, sent, next))))
            },
        ))
    }
}
