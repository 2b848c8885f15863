//! One blob from a registry: ranges side by side, or the whole from its beginning where there are no ranges.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, RANGE};
use url::Url;

use super::RegistryError;
use super::answer::Body;
use super::incoming::{Incoming, Writer};
use super::place::Place;
use super::session::Session;
use super::transport::Request;
use crate::locked::locked;
use crate::model::Digest;

/// So many ranges of a blob are on their way at the same time.
const PARALLEL_RANGES: usize = 4;

/// The fetching of one blob.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) session: Arc<Session>,
    pub(super) digest: Digest,
    /// Its length in bytes, as the manifest states.
    pub(super) size: u64,
    /// Where the registry has it.
    pub(super) url: Url,
    /// The length of the ranges in bytes.
    pub(super) piece: u64,
    /// The storage service that the registry has led us to.
    pub(super) storage: Mutex<Option<Place>>,
}

/// Why the fetching of ranges ends early.
enum Stop<'a> {
    Failed(RegistryError),
    /// The registry does not know ranges, and has begun to send the whole.
    NoRanges(Box<Opened<'a>>),
}

impl From<RegistryError> for Stop<'_> {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error)
    }
}

/// The answer to a request for a range.
struct Opened<'a> {
    body: Body<'a>,
    /// The registry does not know ranges: this is the whole blob.
    whole: bool,
}

impl Download {
    /// Fetches what is missing.
    pub(super) async fn run(&self, incoming: &Incoming) -> Result<(), RegistryError> {
        let pieces = incoming.missing(self.piece);
        let Some(first) = pieces.first() else { return Ok(()) };
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
        let mut opened = Some(opened);
        let pieces = pieces.into_iter().map(|piece| self.in_pieces(piece, opened.take(), incoming));
        match stream::iter(pieces).buffer_unordered(PARALLEL_RANGES).try_collect().await {
            Ok(()) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::NoRanges(opened)) => self.in_one(*opened, incoming).await,
        }
    }

    /// Fetches a range. What has arrived of it counts, however often the connection breaks.
    async fn in_pieces<'a>(
        &'a self,
        piece: Range<u64>,
        mut opened: Option<Opened<'a>>,
        incoming: &Incoming,
    ) -> Result<(), Stop<'a>> {
        let mut writer = incoming.writer(piece.start);
        let mut backoff = self.session.backoff();
        while writer.position() < piece.end {
            let before = writer.position();
            let attempt = match opened.take() {
                Some(opened) => Ok(opened),
                None => self.open(before..piece.end).await,
            };
            let result = match attempt {
                // The bytes at hand count there, too.
                Ok(opened @ Opened { whole: true, .. }) => {
                    writer.finish().await?;
                    return Err(Stop::NoRanges(Box::new(opened)));
                }
                Ok(Opened { body, .. }) => self.read(body, piece.end, &mut writer).await,
                Err(error) => Err(error),
            };
            backoff.got_on(writer.position() - before);
            if let Err(error) = result {
                backoff.after(error).await?;
            }
        }
        Ok(writer.finish().await?)
    }

    /// Fetches the blob from a registry that does not know ranges: after a broken connection it is sent from
    /// the beginning.
    async fn in_one(&self, opened: Opened<'_>, incoming: &Incoming) -> Result<(), RegistryError> {
        let mut backoff = self.session.backoff();
        let mut opened = Some(opened);
        loop {
            let before = incoming.received();
            let attempt = match opened.take() {
                Some(opened) => Ok(opened),
                None => self.open(0..self.size).await,
            };
            let mut writer = incoming.writer(0);
            let result = match attempt {
                Ok(Opened { body, .. }) => self.read(body, self.size, &mut writer).await,
                Err(error) => Err(error),
            };
            writer.finish().await?;
            let Err(error) = result else { return Ok(()) };
            backoff.got_on(incoming.received() - before);
            backoff.after(error).await?;
        }
    }

    /// Takes in the bytes of an answer, which must end exactly at `end`.
    async fn read(&self, mut body: Body<'_>, end: u64, writer: &mut Writer<'_>) -> Result<(), RegistryError> {
        while let Some(bytes) = body.next().await? {
            if bytes.len() as u64 > end - writer.position() {
                return Err(self.wrong_size("more".to_owned()));
            }
            writer.append(bytes).await?;
        }
        if writer.position() < end {
            let reason = "the answer ended too early".to_owned();
            return Err(RegistryError::Interrupted { registry: self.session.registry(), reason });
        }
        Ok(())
    }

    /// Asks for a range, at the storage service if the registry has led us to one.
    async fn open(&self, range: Range<u64>) -> Result<Opened<'_>, RegistryError> {
        let known = self.storage().clone();
        if let Some(place) = known {
            match self.open_at(Request::new(Method::GET, place), range.clone()).await {
                // The permission to read there has expired: the registry gives another.
                Err(RegistryError::Storage { status: 400..=499, .. }) => *self.storage() = None,
                result => return result,
            }
        }
        let request = self.session.request(Method::GET, self.url.clone());
        match self.open_at(request.clone(), range.clone()).await {
            // Some registries keep the permissions that they give, and hand out one that has expired.
            Err(RegistryError::Storage { status: 400..=499, .. }) => self.open_at(request, range).await,
            result => result,
        }
    }

    async fn open_at(&self, request: Request, range: Range<u64>) -> Result<Opened<'_>, RegistryError> {
        let all = range.start == 0 && range.end == self.size;
        let request = match all {
            true => request,
            false => request.header(RANGE, &format!("bytes={}-{}", range.start, range.end - 1)),
        };
        let what = format!("blob {}", self.digest);
        let answer = self.session.ask_once(&request, &what, &[200, 206, 416]).await?;
        let encoding = answer.encoding();
        if !matches!(encoding.as_str(), "" | "identity") {
            let reason = format!(
                "it sends {what} with Content-Encoding {encoding:?}, which was not asked for: its digest is \
                 that of the plain bytes"
            );
            return Err(RegistryError::Protocol { registry: self.session.registry(), reason });
        }
        let header = answer.response.headers().get(CONTENT_RANGE);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let whole = match answer.response.status().as_u16() {
            200 => match answer.response.content_length() {
                Some(length) if length != self.size => return Err(self.wrong_size(length.to_string())),
                _ => !all,
            },
            206 => {
                let (sent, size) = content_range(&header).ok_or_else(|| RegistryError::Protocol {
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
                    return Err(RegistryError::Protocol { registry: self.session.registry(), reason });
                }
                false
            }
            _ => return Err(self.wrong_size(format!("less ({header})"))),
        };
        if answer.is_elsewhere(self.session.repository()) {
            *self.storage() = Some(answer.place.clone());
        }
        Ok(Opened { body: self.session.body(answer), whole })
    }

    fn storage(&self) -> std::sync::MutexGuard<'_, Option<Place>> {
        locked(&self.storage)
    }

    fn wrong_size(&self, got: String) -> RegistryError {
        RegistryError::WrongSize {
            registry: self.session.registry(),
            digest: self.digest,
            expected: self.size,
            got,
        }
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
        for bad in
            ["", "bytes", "bytes */100", "bytes 9-0/100", "bytes 0-18446744073709551615/1", "items 0-1/2"]
        {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
