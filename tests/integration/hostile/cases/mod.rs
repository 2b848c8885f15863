//! Hostile inputs as data: what is sent, and what the answer has to be. The tests send each to a server
//! within the test's process, the benchmark to the program itself, whose memory it measures.

pub(crate) mod bundles;
mod checkpoints;
pub(crate) mod client;
mod gguf_files;
mod hubs;
mod pushes;
mod quantization;
pub(crate) mod raw_gguf;
mod registries;
mod requests;
mod stores;
mod templates;
mod uploads;

use std::sync::LazyLock;

use serde_json::{Value, json};

pub(crate) use client::{Outcome, send};
use stores::Planted;

/// One hostile input.
pub(crate) struct Case {
    /// The kind of attack, a row of [`ROWS`](super::rows).
    pub(crate) row: &'static str,
    /// Which of its kind.
    pub(crate) name: String,
    pub(crate) input: Input,
    /// The status of the answer.
    pub(crate) status: u16,
    /// What the answer says.
    pub(crate) says: Vec<String>,
}

/// What is sent.
pub(crate) enum Input {
    /// Files to be uploaded, and a create request that names them and has these fields beside.
    Create { files: Vec<(String, Vec<u8>)>, fields: Value },
    /// The bytes of a request.
    Request(Vec<u8>),
    /// Blobs to be uploaded, and the bytes of a request that may name them.
    Push { blobs: Vec<Vec<u8>>, request: Vec<u8> },
    /// A bundle to be loaded.
    Bundle(Vec<u8>),
    /// What lies at places of the store, and the bytes of a request.
    Store { planted: Vec<(String, Planted)>, request: Vec<u8> },
    /// A pull from a registry that answers requests whose path contains a text.
    Pull(Vec<RegistryAnswer>),
    /// A create from the Hugging Face Hub, whose place somebody has taken who answers so.
    Hub(Vec<RegistryAnswer>),
}

/// What a registry answers; `HOST` in its head stands for the registry's own address.
#[derive(Clone)]
pub(crate) struct RegistryAnswer {
    pub(crate) path_contains: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The body is repeated until nobody listens.
    pub(crate) endless: bool,
}

impl Input {
    /// How many bytes the attacker sends; of an endless answer, once its body.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Create { files, fields } => {
                files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + fields.to_string().len()
            }
            Self::Request(bytes) | Self::Bundle(bytes) => bytes.len(),
            Self::Push { blobs, request } => blobs.iter().map(Vec::len).sum::<usize>() + request.len(),
            Self::Store { planted, request } => {
                planted.iter().map(|(_, planted)| planted.length()).sum::<usize>() + request.len()
            }
            Self::Pull(answers) | Self::Hub(answers) => {
                answers.iter().map(|answer| answer.head.len() + answer.body.len()).sum()
            }
        }
    }

    /// Starts what the server has to be told of before it starts: where the Hub is.
    pub(crate) fn hub(&self) -> Option<String> {
        match self {
            Self::Hub(answers) => Some(format!("http://{}", client::registry(answers.clone()))),
            _ => None,
        }
    }
}

impl Case {
    /// What is wrong with an answer.
    pub(crate) fn fault(&self, outcome: &Outcome) -> Option<String> {
        let body = outcome.body.to_lowercase();
        let unsaid = self.says.iter().find(|text| !body.contains(&text.to_lowercase()));
        match unsaid {
            _ if outcome.status != self.status => Some(format!("the status should be {}", self.status)),
            Some(text) => Some(format!("it does not say {text:?}")),
            None => None,
        }
    }

    fn new(row: &'static str, name: impl Into<String>, input: Input, status: u16, says: &[&str]) -> Self {
        let says = says.iter().map(|&text| text.to_owned()).collect();
        Self { row, name: name.into(), input, status, says }
    }

    /// A model of one file.
    fn file(row: &'static str, name: &str, file: &str, bytes: Vec<u8>, says: &[&str]) -> Self {
        let input = Input::Create { files: vec![(file.to_owned(), bytes)], fields: json!({}) };
        Self::new(row, name, input, 400, &[&[file], says].concat())
    }
}

/// A request of these parts.
fn input(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Input {
    Input::Request(client::raw(method, path, headers, body))
}

/// All cases.
pub(crate) fn all() -> &'static [Case] {
    static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let mut cases = requests::cases();
        cases.extend(uploads::cases());
        cases.extend(pushes::cases());
        cases.extend(gguf_files::cases());
        cases.extend(checkpoints::cases());
        cases.extend(quantization::cases());
        cases.extend(templates::cases());
        cases.extend(registries::cases());
        cases.extend(hubs::cases());
        cases.extend(bundles::cases());
        cases.extend(stores::cases());
        cases
    });
    &ALL
}
