//! Reading answers: in small pieces, to a limit, and never for ever.

use bytes::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;

use super::RegistryError;
use super::come_back::ComeBack;
use super::encoding::decoded;
use super::place::display;
use super::repository::Repository;
use super::transport::{Answer, Transport};

/// The most that is read of an error's text, in bytes.
const LONGEST_ERROR: u64 = 64 * 1024;

/// The most that is shown of an error's text, in characters.
const LONGEST_MESSAGE: usize = 500;

/// An answer has to bring at least so many bytes in the time that we are patient.
const LEAST_PROGRESS: usize = 4 * 1024;

/// An answer that has to be small may take so many times our patience as a whole.
const SMALL_ANSWER_PATIENCE: u32 = 4;

/// The body of an answer, piece by piece.
#[derive(Debug)]
pub(super) struct Body<'a> {
    transport: &'a Transport,
    repository: &'a Repository,
    answer: Answer,
    deadline: tokio::time::Instant,
    progress: usize,
}

impl<'a> Body<'a> {
    /// The body of `answer`.
    pub(super) fn new(transport: &'a Transport, repository: &'a Repository, answer: Answer) -> Self {
        let deadline = tokio::time::Instant::now() + transport.patience();
        Self { transport, repository, answer, deadline, progress: 0 }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let waiting = self.transport.wait_for(self.repository);
        let piece = match tokio::time::timeout_at(self.deadline, self.answer.response.chunk()).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => {
                return Err(self.transport.connection_error(
                    self.repository,
                    self.answer.place.url(),
                    &error,
                ));
            }
            Err(_) => {
                let registry = self.repository.registry().to_owned();
                return Err(RegistryError::Silent { registry, silence: self.transport.patience() });
            }
        };
        drop(waiting);
        self.progress += piece.as_ref().map_or(0, Bytes::len);
        if self.progress >= LEAST_PROGRESS {
            self.progress = 0;
            self.deadline = tokio::time::Instant::now() + self.transport.patience();
        }
        Ok(piece)
    }

    /// The whole body, which must not be longer than `limit` bytes, packed or not.
    pub(super) async fn read(mut self, what: &str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let registry = self.repository.registry().to_owned();
        let encoding = self.answer.encoding();
        let longest = self.transport.patience() * SMALL_ANSWER_PATIENCE;
        let too_large = RegistryError::TooLarge { registry: registry.clone(), what: what.to_owned(), limit };
        if self.answer.response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large);
        }
        let reading = async {
            let mut contents = Vec::new();
            while let Some(piece) = self.next().await? {
                if (contents.len() + piece.len()) as u64 > limit {
                    return Err(too_large);
                }
                contents.extend_from_slice(&piece);
            }
            Ok(contents)
        };
        match tokio::time::timeout(longest, reading).await {
            Ok(contents) => decoded(&registry, what, &encoding, contents?, limit),
            Err(_) => Err(RegistryError::Silent { registry, silence: longest }),
        }
    }
}

/// What a registry says about an error: its own message, or as much of its text as can be shown.
pub(super) async fn message_of(transport: &Transport, repository: &Repository, answer: Answer) -> String {
    let status = answer.response.status();
    message_in(&text_of(transport, repository, answer).await, status)
}

/// The text of an error, or its beginning.
async fn text_of(transport: &Transport, repository: &Repository, answer: Answer) -> Vec<u8> {
    let mut body = Body::new(transport, repository, answer);
    let mut text = Vec::new();
    let reading = async {
        while let Ok(Some(piece)) = body.next().await {
            text.extend_from_slice(&piece);
            if text.len() as u64 > LONGEST_ERROR {
                break;
            }
        }
    };
    // What has come until then is enough to show.
    let _ = tokio::time::timeout(transport.patience(), reading).await;
    text
}

fn message_in(text: &[u8], status: StatusCode) -> String {
    match registry_message(text) {
        message if message.is_empty() => status.to_string(),
        message => message,
    }
}

/// The error that an answer stands for.
pub(super) async fn error_of(
    transport: &Transport,
    repository: &Repository,
    answer: Answer,
    what: &str,
    advice: &str,
) -> RegistryError {
    let status = answer.response.status();
    let come_back = ComeBack::of(answer.response.headers()).map(Box::new);
    let storage = answer.is_elsewhere(repository).then(|| display(answer.place.url()));
    let registry = repository.registry().to_owned();
    let text = text_of(transport, repository, answer).await;
    let (message, what, status) = (message_in(&text, status), what.to_owned(), status.as_u16());
    if storage.is_none() && tells_of_no_room(status, &text) {
        return RegistryError::NoRoom { registry, what, message };
    }
    if let Some(storage) = storage {
        return RegistryError::Storage { registry, storage, status, what, message, come_back };
    }
    match status {
        401 | 403 => RegistryError::Denied { registry, message, advice: advice.to_owned() },
        404 => RegistryError::NotFound { registry, what, message },
        _ => RegistryError::Refused { registry, status, what, message, come_back },
    }
}

/// Whether an error means that the disk of a registry is full, or the share of it that it may use. That of
/// the distribution project answers 500 to it, with the error of its storage as Go writes it: in words, or by
/// the number that Linux has for it.
fn tells_of_no_room(status: u16, text: &[u8]) -> bool {
    const WORDS: [&str; 4] = ["no space left on device", "disk quota exceeded", "\"err\":28", "\"err\":122"];
    let text = String::from_utf8_lossy(text).to_lowercase();
    status == 507 || (status >= 500 && WORDS.iter().any(|words| text.contains(words)))
}

/// The form of errors in the distribution specification, and the simpler one of others.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<ErrorEntry>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn registry_message(text: &[u8]) -> String {
    let message = match serde_json::from_slice::<ErrorBody>(text) {
        Ok(body) if !body.errors.is_empty() => {
            let entries = body.errors.iter().take(3).map(|entry| match (&*entry.code, &*entry.message) {
                ("", message) => message.to_owned(),
                (code, "") => code.to_owned(),
                (code, message) => format!("{message} ({code})"),
            });
            entries.collect::<Vec<_>>().join("; ")
        }
        Ok(ErrorBody { error: Some(error), .. }) => error,
        Ok(ErrorBody { details: Some(details), .. }) => details,
        _ => String::from_utf8_lossy(text).into_owned(),
    };
    // What is shown on a terminal must not steer it.
    let words = message.split(|character: char| character.is_whitespace() || character.is_control());
    let clean = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    clean.chars().take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_registries() {
        for (text, message) in [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                "manifest unknown (MANIFEST_UNKNOWN)",
            ),
            (r#"{"errors":[{"code":"DENIED"},{"message":"second"}]}"#, "DENIED; second"),
            (r#"{"error":"Repository not found"}"#, "Repository not found"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            ("<h1>502\n\x1b[31m Bad\tGateway</h1>", "<h1>502 [31m Bad Gateway</h1>"),
            ("", ""),
        ] {
            assert_eq!(registry_message(text.as_bytes()), message);
        }
        assert_eq!(registry_message(&[b'x'; 10_000]).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_full_disk_in_the_words_of_registries() {
        let of_go = br#"{"errors":[{"code":"UNKNOWN","detail":{"Op":"write","Path":"/data","Err":28}}]}"#;
        let in_words = b"write /data/x: no space left on device";
        assert!(
            tells_of_no_room(507, b"") && tells_of_no_room(500, of_go) && tells_of_no_room(500, in_words)
        );
        assert!(!tells_of_no_room(500, br#"{"errors":[{"detail":{"Err":2}}]}"#));
        assert!(!tells_of_no_room(400, in_words));
    }
}
