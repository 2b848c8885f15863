//! One blob from a registry: ranges side by side, handed over in order.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, RANGE};
use tokio::sync::Semaphore;

use super::Error;
use super::answer::Body;
use super::incoming::{Incoming, Piece};
use super::place::Place;
use super::session::Session;
use super::transport::Request;
use crate::model::Digest;

/// So many ranges of a blob are on their way at the same time.
const PARALLEL_RANGES: usize = 4;

/// An attempt that got so far was none in vain.
const WORTHWHILE: u64 = 64 * 1024;

/// From a registry without ranges, bytes are handed over in lots of this size.
const LOT: usize = 1024 * 1024;

/// The fetching of one blob.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) session: Arc<Session>,
    pub(crate) digest: Digest,
    /// Its length in bytes, as the manifest states.
    pub(crate) size: u64,
    /// The length of the ranges in bytes.
    pub(crate) piece: u64,
    /// Permits to hold a range in memory.
    pub(crate) memory: Arc<Semaphore>,
    /// The bytes that have arrived.
    pub(crate) received: AtomicU64,
    /// The storage service that the registry has led us to.
    pub(crate) storage: Mutex<Option<Place>>,
}

/// The answer to a request for a range.
struct Opened<'a> {
    body: Body<'a>,
    /// The registry does not know ranges: this is the whole blob.
    whole: bool,
}

impl Download {
    /// Fetches what is missing.
    pub(crate) async fn run(&self, incoming: &mut Incoming) -> Result<(), Error> {
        let start = incoming.start();
        self.received.store(start, Ordering::Relaxed);
        if start > self.size {
            return Err(self.wrong_size(format!("at least {start}")));
        }
        if start == self.size {
            return Ok(());
        }
        let first = start..(start + self.piece).min(self.size);
        let mut backoff = self.session.backoff();
        let opened = loop {
            match self.open(first.clone()).await {
                Ok(opened) => break opened,
                Err(error) => backoff.after(error).await?,
            }
        };
        if opened.whole {
            return self.in_one(opened, incoming).await;
        }
        let ranges = (0..).map_while(|index: u64| {
            let start = index.checked_mul(self.piece)?.checked_add(first.end)?;
            (start < self.size).then(|| start..(start + self.piece).min(self.size))
        });
        let mut opened = Some(opened);
        let ranges = std::iter::once(first.clone()).chain(ranges);
        let pieces = ranges.map(|range| self.range(range, opened.take()));
        let mut pieces = std::pin::pin!(stream::iter(pieces).buffered(PARALLEL_RANGES));
        while let Some(piece) = pieces.next().await {
            incoming.append(piece?).await?;
        }
        Ok(())
    }

    /// Fetches a range. What has arrived of it counts, however often the connection breaks.
    async fn range(&self, range: Range<u64>, mut opened: Option<Opened<'_>>) -> Result<Piece, Error> {
        let mut piece = Piece { bytes: Vec::new(), permit: self.memory.clone().acquire_owned().await.ok() };
        let mut position = range.start;
        let mut backoff = self.session.backoff();
        loop {
            let before = position;
            let attempt = match opened.take() {
                Some(opened) => Ok(opened),
                None => self.open(position..range.end).await,
            };
            let result = match attempt {
                Ok(Opened { whole: true, .. }) => Err(Error::Protocol {
                    registry: self.session.registry(),
                    reason: "it answers with a range once, and then without".to_owned(),
                }),
                Ok(Opened { mut body, .. }) => {
                    let read = self.read(&mut body, range.end, &mut position);
                    read.await.map(|bytes| piece.bytes.extend(bytes)).map_err(|(bytes, error)| {
                        piece.bytes.extend(bytes);
                        error
                    })
                }
                Err(error) => Err(error),
            };
            if position == range.end {
                return Ok(piece);
            }
            if position - before >= WORTHWHILE {
                backoff.forgive();
            }
            backoff.after(result.err().unwrap_or_else(|| self.cut_short())).await?;
        }
    }

    /// Reads until `end`; what was read before an error comes with it.
    async fn read(
        &self,
        body: &mut Body<'_>,
        end: u64,
        position: &mut u64,
    ) -> Result<Vec<Bytes>, (Vec<Bytes>, Error)> {
        let mut pieces = Vec::new();
        loop {
            match body.next().await {
                Ok(Some(bytes)) if bytes.len() as u64 > end - *position => {
                    return Err((pieces, self.wrong_size("more".to_owned())));
                }
                Ok(Some(bytes)) => {
                    *position += bytes.len() as u64;
                    self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    pieces.push(bytes);
                }
                Ok(None) => return Ok(pieces),
                Err(error) => return Err((pieces, error)),
            }
        }
    }

    /// Fetches the blob from a registry that does not know ranges: after a broken connection it is sent from
    /// the beginning, and what is here already is passed over.
    async fn in_one(&self, opened: Opened<'_>, incoming: &mut Incoming) -> Result<(), Error> {
        let mut position = incoming.start();
        let mut backoff = self.session.backoff();
        let mut opened = Some(opened);
        loop {
            let before = position;
            let attempt = match opened.take() {
                Some(opened) => Ok(opened),
                None => self.open(0..self.size).await,
            };
            let result = match attempt {
                Ok(Opened { mut body, .. }) => self.read_whole(&mut body, &mut position, incoming).await,
                Err(error) => Err(error),
            };
            if position == self.size && result.is_ok() {
                return Ok(());
            }
            if position - before >= WORTHWHILE {
                backoff.forgive();
            }
            backoff.after(result.err().unwrap_or_else(|| self.cut_short())).await?;
        }
    }

    async fn read_whole(
        &self,
        body: &mut Body<'_>,
        position: &mut u64,
        incoming: &mut Incoming,
    ) -> Result<(), Error> {
        let mut offset = 0;
        let mut lot = Vec::new();
        let mut lot_size = 0;
        let ended = loop {
            let bytes = match body.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let end: u64 = offset + bytes.len() as u64;
            if end > self.size {
                break Err(self.wrong_size("more".to_owned()));
            }
            let known = usize::try_from(position.saturating_sub(offset)).unwrap_or(usize::MAX);
            offset = end;
            if known >= bytes.len() {
                continue;
            }
            lot_size += bytes.len() - known;
            lot.push(bytes.slice(known..));
            *position = end;
            self.received.store(end, Ordering::Relaxed);
            if lot_size >= LOT {
                lot_size = 0;
                incoming.append(Piece { bytes: std::mem::take(&mut lot), permit: None }).await?;
            }
        };
        incoming.append(Piece { bytes: lot, permit: None }).await?;
        ended
    }

    /// Asks for a range, at the storage service if the registry has led us to one.
    async fn open(&self, range: Range<u64>) -> Result<Opened<'_>, Error> {
        let known = self.storage().clone();
        if let Some(place) = known {
            match self.open_at(Request::new(Method::GET, place), range.clone()).await {
                // The permission to read there has expired: the registry gives another.
                Err(Error::Denied { .. } | Error::NotFound { .. } | Error::Refused { status: 400..=499, .. }) => {
                    *self.storage() = None;
                }
                result => return result,
            }
        }
        let url = self.session.repository().blob(&self.digest);
        self.open_at(self.session.request(Method::GET, url), range).await
    }

    async fn open_at(&self, request: Request, range: Range<u64>) -> Result<Opened<'_>, Error> {
        let all = range.start == 0 && range.end == self.size;
        let request = match all {
            true => request,
            false => request.header(RANGE, &format!("bytes={}-{}", range.start, range.end - 1)),
        };
        let what = format!("blob {}", self.digest);
        let answer = self.session.ask_once(&request, &what, &[200, 206, 416]).await?;
        let header = answer.response.headers().get(CONTENT_RANGE);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let whole = match answer.response.status().as_u16() {
            200 => match answer.response.content_length() {
                Some(length) if length != self.size => return Err(self.wrong_size(length.to_string())),
                _ => !all,
            },
            206 => {
                let (sent, size) = content_range(&header).ok_or_else(|| Error::Protocol {
                    registry: self.session.registry(),
                    reason: format!("it sends a range with Content-Range {header:?}"),
                })?;
                if size.is_some_and(|size| size != self.size) {
                    return Err(self.wrong_size(size.unwrap_or_default().to_string()));
                }
                if sent.start != range.start || sent.end > range.end {
                    let reason = format!(
                        "it was asked for the bytes {}-{} and sends {header:?}",
                        range.start,
                        range.end - 1
                    );
                    return Err(Error::Protocol { registry: self.session.registry(), reason });
                }
                false
            }
            _ => return Err(self.wrong_size(format!("less ({header})"))),
        };
        if answer.place.url().origin() != self.session.repository().origin() {
            *self.storage() = Some(answer.place.clone());
        }
        Ok(Opened { body: self.session.body(answer), whole })
    }

    fn storage(&self) -> std::sync::MutexGuard<'_, Option<Place>> {
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrong_size(&self, got: String) -> Error {
        Error::WrongSize { registry: self.session.registry(), digest: self.digest, expected: self.size, got }
    }

    fn cut_short(&self) -> Error {
        let reason = "it ended before the blob did".to_owned();
        Error::Interrupted { registry: self.session.registry(), reason }
    }
}

/// The range, end excluded, and the size of the whole, if stated, of `bytes 0-9/100` (RFC 9110, 14.4).
fn content_range(header: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    let size = match size {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    (first <= last).then_some((first..last.checked_add(1)?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_answers() {
        assert_eq!(content_range("bytes 0-9/100"), Some((0..10, Some(100))));
        assert_eq!(content_range("bytes 5-5/*"), Some((5..6, None)));
        for bad in ["", "bytes", "bytes */100", "bytes 9-0/100", "bytes 0-18446744073709551615/1", "items 0-1/2"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
