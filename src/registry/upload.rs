//! One blob to a registry (distribution specification, "Pushing blobs").
//!
//! A blob that fits into one piece goes with one `PUT`, a longer one in pieces with `PATCH`, so that after a
//! broken connection only a part of it is sent again: the registry is asked how much it has. Ollama's own
//! registry takes every blob in parts, which it may want to be sent to a storage service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream;
use md5::{Digest as _, Md5};
use reqwest::Method;
use reqwest::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderName, RANGE, TRANSFER_ENCODING,
};

use super::place::Place;
use super::progress::watch;
use super::session::Session;
use super::transport::{Answer, Payload, Request, Stream};
use super::{RegistryError, blocking};
use crate::store::{Blob, StoreError};

/// The unit in which a blob is read while it is sent.
const READ_SIZE: usize = 256 * 1024;

/// What is wanted of Ollama's registry: `1`, that it answers a piece with the place of a storage service that
/// takes it; `2`, that it names one for the whole blob (`server/upload.go`, `x/transfer/upload.go`).
const REDIRECT_UPLOADS: HeaderName = HeaderName::from_static("x-redirect-uploads");

/// Ollama's registry names here the session that goes on where `Location` leads to a storage service
/// (`server/upload.go`).
const SESSION_LOCATION: &str = "docker-upload-location";

/// Ollama's registry names here a storage service that takes the whole blob (`x/transfer/upload.go`).
const DIRECT_LOCATION: &str = "x-direct-upload-url";
/// Headers that this service wants to see begin so in the answer.
const SIGNED_HEADER: &str = "x-signed-header-";
/// Headers that belong to the connection, whatever was signed.
const OF_CONNECTION: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING];

/// The sending of one blob.
#[derive(Debug)]
pub(super) struct Upload<'a> {
    pub(super) session: &'a Session,
    pub(super) blob: Blob,
    /// A repository of the same registry that may have the blob already.
    pub(super) mount_from: Option<String>,
    /// The length of the pieces in which it is sent, in bytes.
    pub(super) piece: u64,
    /// The bytes that have been sent.
    completed: Arc<AtomicU64>,
}

/// A session of the registry that takes the bytes of a blob.
struct Begun {
    place: Place,
    direct: Option<Request>,
}

impl<'a> Upload<'a> {
    pub(super) fn new(session: &'a Session, blob: Blob, mount_from: Option<String>, piece: u64) -> Self {
        Self { session, blob, mount_from, piece, completed: Arc::default() }
    }

    /// Sends the blob unless the registry has it. `report` is told how many bytes the registry has: first
    /// what was there before.
    pub(super) async fn run(&self, report: impl Fn(u64)) -> Result<(), RegistryError> {
        let mut backoff = self.session.backoff();
        // An answer may be lost after the registry has taken the blob.
        while !self.is_there().await? {
            let sent = match self.begin().await {
                Ok(None) => break,
                Ok(Some(begun)) => self.send(begun, &report).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(error) => backoff.after(error).await?,
            }
        }
        report(self.blob.length());
        Ok(())
    }

    async fn is_there(&self) -> Result<bool, RegistryError> {
        let url = self.session.repository().blob(&self.blob.digest());
        let request = self.session.request(Method::HEAD, url);
        // A registry that does not answer this question can still be sent the blob.
        let answer = self.session.ask(&request, &self.what(), &[200, 404, 405, 501]).await?;
        Ok(answer.response.status().is_success())
    }

    /// Sends the blob to a session, and ends it.
    async fn send(&self, begun: Begun, report: impl Fn(u64)) -> Result<(), RegistryError> {
        self.completed.store(0, Ordering::Relaxed);
        let session = begun.place.clone();
        let sending = async {
            if let Some(direct) = begun.direct {
                self.session.ask_once(&direct, &self.what(), &[200, 201, 204]).await?;
                self.finish(&begun.place, Payload::Empty).await
            } else if self.session.repository().is_ollama() {
                self.send_parts(begun.place).await
            } else if self.blob.length() <= self.piece {
                self.finish(&begun.place, self.bytes(0, self.blob.length())).await
            } else if let Some(place) = self.send_pieces(begun.place).await? {
                self.finish(&place, Payload::Empty).await
            } else if let Some(begun) = self.begin().await? {
                self.finish(&begun.place, self.bytes(0, self.blob.length())).await
            } else {
                Ok(())
            }?;
            self.completed.store(self.blob.length(), Ordering::Relaxed);
            Ok(())
        };
        let sent = watch(sending, || self.completed.load(Ordering::Relaxed), report).await;
        if let Err(RegistryError::NoRoom { .. }) = &sent {
            self.cancel(&session).await;
        }
        sent
    }

    /// Ends a session that nobody goes on with, so that what it was sent takes no room any more.
    async fn cancel(&self, session: &Place) {
        let request = Request::new(Method::DELETE, session.clone());
        // A registry that does not know how gets rid of it in time.
        if let Err(error) = self.session.ask_once(&request, &self.what(), &[200, 202, 204]).await {
            tracing::debug!(%error, "an upload is not cancelled");
        }
    }

    /// Begins a session; nothing if the registry has found the blob in another repository.
    async fn begin(&self) -> Result<Option<Begun>, RegistryError> {
        let digest = self.blob.digest().to_string();
        let uploads = self
            .session
            .request(Method::POST, self.session.repository().uploads())
            .header(REDIRECT_UPLOADS, "2")
            .header(HeaderName::from_static("x-content-length"), &self.blob.length().to_string());
        if let Some(from) = &self.mount_from {
            let mut request = uploads.clone();
            request.place = uploads.place.with_query(&[("mount", &digest), ("from", from)]);
            match self.session.ask_once(&request, &self.what(), &[201, 202]).await {
                Ok(answer) if answer.response.status().as_u16() == 201 => return Ok(None),
                Ok(answer) => return self.session_of(answer).await.map(Some),
                // Perhaps we may not read the other repository; that does not matter.
                Err(error) => tracing::debug!(%error, from, "no mount"),
            }
        }
        let mut request = uploads;
        if self.session.repository().is_ollama() {
            request.place = request.place.with_query(&[("digest", &digest)]);
        }
        let answer = self.session.ask(&request, &self.what(), &[201, 202]).await?;
        if answer.response.status().as_u16() == 201 {
            return Ok(None);
        }
        self.session_of(answer).await.map(Some)
    }

    async fn session_of(&self, answer: Answer) -> Result<Begun, RegistryError> {
        let place = self.next_session(&answer).await?;
        let headers = answer.response.headers();
        let direct = headers.get(DIRECT_LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = direct else { return Ok(Begun { place, direct: None }) };
        let target = answer.leads_to(self.session.repository(), location).await?;
        let mut request = Request::new(Method::PUT, target)
            .header(CONTENT_TYPE, "application/octet-stream")
            .payload(self.bytes(0, self.blob.length()));
        for (name, value) in headers {
            let name = name.as_str().strip_prefix(SIGNED_HEADER);
            let name = name.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
            if let Some(name) = name.filter(|name| !OF_CONNECTION.contains(name)) {
                request.headers.insert(name, value.clone());
            }
        }
        Ok(Begun { place, direct: Some(request) })
    }

    /// Sends all bytes in pieces; nothing if the registry does not take pieces.
    async fn send_pieces(&self, mut place: Place) -> Result<Option<Place>, RegistryError> {
        let mut backoff = self.session.backoff();
        let (mut offset, mut most) = (0, 0);
        while offset < self.blob.length() {
            let end = (offset + self.piece).min(self.blob.length());
            let failure = match self.send_piece(&place, offset, end).await {
                Ok((next, reached)) => {
                    (place, offset) = (next, reached);
                    (reached < end).then(|| self.interrupted("it does not keep the bytes that it is sent"))
                }
                Err(error) => match error.status() {
                    Some(400 | 404 | 405 | 411 | 413 | 415 | 501) if offset == 0 => return Ok(None),
                    _ => Some(session_lost(error)),
                },
            };
            // A registry that loses what it had would otherwise be sent the same for ever.
            if backoff.got_on(offset.saturating_sub(most)) {
                most = offset;
            }
            if let Some(failure) = failure {
                backoff.after(failure).await?;
                (place, offset) = self.ask_progress(&place).await?;
            }
            self.completed.store(offset, Ordering::Relaxed);
        }
        Ok(Some(place))
    }

    /// Sends the blob to Ollama's own registry, which at the end compares what its storage service makes of
    /// the parts: the MD5 of their MD5s, and their number (`server/upload.go`).
    async fn send_parts(&self, mut place: Place) -> Result<(), RegistryError> {
        let (mut offset, mut parts, mut etag) = (0, 0, Md5::new());
        while offset < self.blob.length() {
            let end = (offset + self.piece).min(self.blob.length());
            let mut backoff = self.session.backoff();
            place = loop {
                match self.send_piece(&place, offset, end).await {
                    Ok((next, _)) => break next,
                    Err(error) => backoff.after(error).await.map_err(session_lost)?,
                }
            };
            etag.update(self.md5(offset, end).await?);
            (offset, parts) = (end, parts + 1);
            self.completed.store(offset, Ordering::Relaxed);
        }
        let etag = format!("{}-{parts}", hex::encode(etag.finalize()));
        self.finish(&place.with_query(&[("etag", &etag)]), Payload::Empty).await
    }

    async fn md5(&self, start: u64, end: u64) -> Result<[u8; 16], RegistryError> {
        let blob = self.blob.clone();
        let hashed = blocking(move || {
            let (mut hash, mut offset) = (Md5::new(), start);
            while offset < end {
                let bytes = read(&blob, offset, end)?;
                offset += bytes.len() as u64;
                hash.update(bytes);
            }
            Ok::<_, std::io::Error>(hash.finalize().into())
        });
        Ok(hashed.await?.map_err(StoreError::from)?)
    }

    /// Sends one piece; answers with the session's next place and the number of bytes it has.
    async fn send_piece(&self, place: &Place, start: u64, end: u64) -> Result<(Place, u64), RegistryError> {
        let request = Request::new(Method::PATCH, place.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(REDIRECT_UPLOADS, "1")
            .header(CONTENT_RANGE, &format!("{start}-{}", end - 1))
            .payload(self.bytes(start, end));
        let answer = self.session.ask_once(&request, &self.what(), &[201, 202, 204, 307]).await?;
        let next = self.next_session(&answer).await?;
        if answer.response.status().as_u16() == 307 {
            // The piece is wanted by a storage service; the registry only keeps the account.
            let target = answer.location(self.session.repository()).await?;
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
    async fn ask_progress(&self, place: &Place) -> Result<(Place, u64), RegistryError> {
        let request = Request::new(Method::GET, place.clone());
        let answer = self.session.ask(&request, &self.what(), &[200, 202, 204]).await;
        let answer = answer.map_err(session_lost)?;
        let reached = received(&answer).unwrap_or(0).min(self.blob.length());
        let has_location = answer.response.headers().contains_key(reqwest::header::LOCATION);
        let next = if has_location { self.next_session(&answer).await? } else { place.clone() };
        Ok((next, reached))
    }

    /// Ends a session: from now on the registry has the blob.
    async fn finish(&self, place: &Place, payload: Payload) -> Result<(), RegistryError> {
        let place = place.with_query(&[("digest", &self.blob.digest().to_string())]);
        let request = Request::new(Method::PUT, place)
            .header(CONTENT_TYPE, "application/octet-stream")
            .payload(payload)
            .laborious();
        self.session.ask_once(&request, &self.what(), &[200, 201, 202, 204]).await.map_err(session_lost)?;
        Ok(())
    }

    async fn next_session(&self, answer: &Answer) -> Result<Place, RegistryError> {
        let own = answer.response.headers().get(SESSION_LOCATION).and_then(|value| value.to_str().ok());
        match own {
            Some(location) => answer.leads_to(self.session.repository(), location).await,
            None => answer.location(self.session.repository()).await,
        }
    }

    fn bytes(&self, start: u64, end: u64) -> Payload {
        let (blob, completed) = (self.blob.clone(), self.completed.clone());
        Payload::Stream(Arc::new(BlobRange { blob, start, end, completed }))
    }

    fn interrupted(&self, reason: &str) -> RegistryError {
        RegistryError::Interrupted { registry: self.session.registry(), reason: reason.to_owned() }
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
fn session_lost(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::NotFound { registry, message, .. }
        | RegistryError::Refused { registry, message, status: 410 | 416, .. }
        | RegistryError::Storage { registry, message, status: 404 | 410 | 416, .. } => {
            RegistryError::Interrupted { registry, reason: message }
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
                let reading = blob.clone();
                let read = tokio::task::spawn_blocking(move || read(&reading, offset, end));
                let buffer = read.await.map_err(std::io::Error::other)??;
                let next = offset + buffer.len() as u64;
                Ok(Some((Bytes::from(buffer), (blob, completed, sent, next))))
            },
        ))
    }
}

/// The next bytes of a blob, some of those from `offset` to `end`.
fn read(blob: &Blob, offset: u64, end: u64) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; READ_SIZE.min(usize::try_from(end - offset).unwrap_or(READ_SIZE))];
    let count = blob.read_at(&mut buffer, offset)?;
    buffer.truncate(count);
    if buffer.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(buffer) }
}
