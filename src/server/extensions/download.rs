//! Sending files: whole, in part, or not at all when the client has them (RFC 9110, sections 8.8, 13 and 14).

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http_range_header::parse_range_header;
use tokio::task::{self, JoinHandle};

use crate::server::errors::Failure;
use crate::server::headers::{has_already, names, set};
use crate::server::operation::Operation;
use crate::store::Blob;

/// What is read at once, in bytes: enough that changing threads for it is not what a fast connection waits
/// for, and little enough that many downloads at once, each with that much on its way and as much read ahead,
/// are cheap.
const READ: u64 = 256 << 10;
/// What is read lies in pieces of so many bytes, which the C library keeps for the next (`arenas.rs`).
const PIECE: usize = 64 << 10;

/// What of a file is sent.
#[derive(Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    Part(Range<u64>),
    /// The client has it already.
    Nothing,
}

/// Answers with a blob, or with what the client wants of it; a browser keeps it under `name`.
pub(in crate::server) fn send(blob: Blob, name: &str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", blob.digest());
    let length = blob.length();
    let extent = match extent(&tag, length, headers) {
        Ok(extent) => extent,
        Err(failure) => return *failure,
    };
    let (status, range) = match extent {
        Extent::Nothing => (StatusCode::NOT_MODIFIED, 0..0),
        Extent::Whole => (StatusCode::OK, 0..length),
        Extent::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let mut answer = status.into_response();
    let answered = answer.headers_mut();
    set(answered, header::ETAG, tag);
    set(answered, header::ACCEPT_RANGES, "bytes");
    // Under a digest there is never anything else.
    set(answered, header::CACHE_CONTROL, "private, max-age=31536000, immutable");
    if status == StatusCode::NOT_MODIFIED {
        return answer;
    }
    if status == StatusCode::PARTIAL_CONTENT {
        set(answered, header::CONTENT_RANGE, format!("bytes {}-{}/{length}", range.start, range.end - 1));
    }
    set(answered, header::CONTENT_TYPE, "application/octet-stream");
    set(answered, header::CONTENT_LENGTH, (range.end - range.start).to_string());
    set(answered, header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", plain(name)));
    *answer.body_mut() = body(blob, range);
    answer
}

/// What of a file with this tag and length is to be sent.
fn extent(tag: &str, length: u64, headers: &HeaderMap) -> Result<Extent, Box<Response>> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_MATCH).is_some_and(|tags| !names(tags, tag)) {
        let failure = Failure::new(StatusCode::PRECONDITION_FAILED, "the file is another one: see If-Match");
        return Err(Box::new(failure.into_response()));
    }
    if has_already(headers, tag) {
        return Ok(Extent::Nothing);
    }
    let is_current = text(header::IF_RANGE).is_none_or(|condition| condition.trim() == tag);
    let Some(Ok(parsed)) = text(header::RANGE).filter(|_| is_current).map(parse_range_header) else {
        // What is no range, or one in another unit, is passed over.
        return Ok(Extent::Whole);
    };
    match parsed.validate(length).as_deref() {
        Ok([range]) => Ok(Extent::Part(*range.start()..range.end() + 1)),
        // Several at once may be answered with everything.
        Ok(_) => Ok(Extent::Whole),
        Err(_) => {
            let message = format!("the range does not lie in the file, which has {length} bytes");
            let mut response = Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, message).into_response();
            set(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{length}"));
            Err(Box::new(response))
        }
    }
}

/// A file name in which nothing means anything to a header or a file system.
fn plain(name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    name.chars().map(|character| if is_plain(character) { character } else { '-' }).collect()
}

/// The bytes of a blob, read as the client takes them.
fn body(blob: Blob, range: Range<u64>) -> Body {
    let sending = Sending { blob: Arc::new(blob), rest: range, ready: VecDeque::new(), reading: None };
    Body::from_stream(stream::try_unfold(sending, async |mut sending: Sending| {
        Ok::<_, io::Error>(sending.next().await?.map(|piece| (piece, sending)))
    }))
}

/// A blob on its way to a client. While some of it is being sent, what comes next is being read.
struct Sending {
    blob: Arc<Blob>,
    /// What is not even being read.
    rest: Range<u64>,
    ready: VecDeque<Bytes>,
    reading: Option<JoinHandle<io::Result<VecDeque<Bytes>>>>,
}

impl Sending {
    /// The next bytes, or nothing at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.ready.is_empty() {
            let reading = self.reading.take().or_else(|| self.read_on());
            if let Some(reading) = reading {
                self.ready = reading.await.map_err(io::Error::other)??;
                self.reading = self.read_on();
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Begins to read what comes next, if there is more.
    fn read_on(&mut self) -> Option<JoinHandle<io::Result<VecDeque<Bytes>>>> {
        let range = self.rest.start..self.rest.end.min(self.rest.start + READ);
        self.rest.start = range.end;
        let blob = self.blob.clone();
        (!range.is_empty()).then(|| task::spawn_blocking(move || pieces(&blob, range)))
    }
}

/// Reads a range of a blob.
fn pieces(blob: &Blob, range: Range<u64>) -> io::Result<VecDeque<Bytes>> {
    let piece = |start: u64| {
        let mut buffer = vec![0; PIECE.min((range.end - start) as usize)];
        match blob.read_at(&mut buffer, start)? {
            count if count == buffer.len() => Ok(Bytes::from(buffer)),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    };
    range.clone().step_by(PIECE).map(piece).collect()
}

/// What is described of a route that sends a file.
pub(super) fn described(path: &'static str, about: &'static str) -> Operation {
    let length = |operation: Operation, status| {
        operation.tells(status, "ETag", "The digest of the file.").tells(
            status,
            "Content-Disposition",
            "The name to save the file under.",
        )
    };
    let operation = Operation::read(path, about)
        .hears("Range", "a range of bytes")
        .hears("If-Range", "the tag that the range is for")
        .hears("If-Match", "tags of which the file must have one")
        .hears("If-None-Match", "tags of files that the client has")
        .answers_bytes(200, "The file.")
        .answers_bytes(206, "A part of the file.")
        .tells(206, "Content-Range", "Which part.")
        .answers_nothing(304, "The client has the current file.")
        .fails(&[400, 404, 412, 416]);
    length(length(operation, 200), 206)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"sha256:1\"";

    fn extent_of(headers: &[(&'static str, &'static str)]) -> Result<Extent, StatusCode> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        extent(TAG, 100, &headers.collect()).map_err(|failure| failure.status())
    }

    #[test]
    fn ranges_and_conditions_decide_what_is_sent() {
        let part = |range| Ok(Extent::Part(range));
        for (headers, expected) in [
            (&[][..], Ok(Extent::Whole)),
            (&[("range", "bytes=0-9")], part(0..10)),
            (&[("range", "bytes=90-")], part(90..100)),
            (&[("range", "bytes=-5")], part(95..100)),
            (&[("range", "bytes=90-200")], part(90..100)),
            (&[("range", "bytes=0-1,5-6")], Ok(Extent::Whole)),
            (&[("range", "lines=0-1")], Ok(Extent::Whole)),
            (&[("range", "bytes=100-")], Err(StatusCode::RANGE_NOT_SATISFIABLE)),
            (&[("range", "bytes=0-9"), ("if-range", TAG)], part(0..10)),
            (&[("range", "bytes=0-9"), ("if-range", "\"other\"")], Ok(Extent::Whole)),
            (&[("if-none-match", "\"a\", W/\"sha256:1\"")], Ok(Extent::Nothing)),
            (&[("if-none-match", "*")], Ok(Extent::Nothing)),
            (&[("if-match", "\"a\"")], Err(StatusCode::PRECONDITION_FAILED)),
            (&[("if-match", TAG)], Ok(Extent::Whole)),
        ] {
            assert_eq!(extent_of(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(plain("a b/c\"d\r\né.gguf"), "a-b-c-d---.gguf");
    }
}
