//! The client's side of the API: of the server at `OLLAMA_HOST` or of one in this process.

use std::error::Error as _;

use reqwest::{Method, Response};
use serde::Serialize;
use serde_json::Value;

use super::progress::Progress;
use super::standard_output::OutputError;
use super::{CliError, Surroundings};
use crate::config::{ApiKey, Config, OpenStoreError};
use crate::store::Store;

/// A connection to a server.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<ApiKey>,
    /// The store of a server in this process.
    embedded: Option<Store>,
}

impl Drop for Client {
    /// What was left to be done in the background is done before the process ends.
    fn drop(&mut self) {
        if let Some(store) = &self.embedded {
            store.settle();
        }
    }
}

impl Client {
    /// The server at `OLLAMA_HOST`, or, when none answers there, one that lives as long as this
    /// process, on a port of its own and the store of `OLLAMA_MODELS`.
    pub(super) async fn connect(surroundings: &Surroundings) -> Result<Self, CliError> {
        Self::connect_over(surroundings, Config::open_store).await
    }

    /// The same for a command that only looks, which begins no store.
    pub(super) async fn connect_to_look(surroundings: &Surroundings) -> Result<Self, CliError> {
        Self::connect_over(surroundings, Config::open_existing_store).await
    }

    async fn connect_over(
        surroundings: &Surroundings,
        open: fn(&Config) -> Result<Store, OpenStoreError>,
    ) -> Result<Self, CliError> {
        let config = surroundings.config()?;
        // An error says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("the default settings are valid");
        let host = config.host.connectable();
        let key = config.api_key.clone();
        let remote = Self { http, base: host.to_string(), key, embedded: None };
        match remote.with_key(remote.http.head(&remote.base)).send().await {
            Ok(_) => Ok(remote),
            Err(error) if error.is_connect() && host.is_loopback() => {
                let store = open(config)?;
                let place = config.models.display();
                let said = format!("no server answers at {host}; working on the store in {place} itself");
                Progress::new(surroundings.quiet).line(&said);
                remote.embedded(surroundings, store).await
            }
            Err(error) => Err(remote.connection_error(&error)),
        }
    }

    async fn embedded(mut self, surroundings: &Surroundings, store: Store) -> Result<Self, CliError> {
        let config = surroundings.config()?;
        let address = (surroundings.embed)(config.clone(), store.clone()).await.map_err(CliError::Embed)?;
        self.base = format!("http://{address}");
        self.embedded = Some(store);
        Ok(self)
    }

    /// The store that the server works on, if it is the one of the settings here and belongs to this user.
    pub(super) async fn store(&self, surroundings: &Surroundings) -> Option<Store> {
        if self.embedded.is_some() {
            return self.embedded.clone();
        }
        let store = surroundings.config().ok()?.open_existing_store().ok()?;
        let own = store.identity().ok()??.to_string();
        if !store.is_own().ok()? {
            return None;
        }
        let theirs = self.get("/ollamake/v1/imports").await.ok()?;
        (theirs["store"] == own).then_some(store)
    }

    /// The server cannot be reached, or does not answer.
    pub(super) fn connection_error(&self, error: &reqwest::Error) -> CliError {
        let mut reason = error.source();
        while let Some(deeper) = reason.and_then(|cause| cause.source()) {
            reason = Some(deeper);
        }
        let reason = reason.map_or_else(|| error.to_string(), ToString::to_string);
        CliError::Connection { url: self.base.clone(), reason }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn with_key(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key.secret()),
            None => request,
        }
    }

    /// A request to the server that shows its key.
    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.with_key(self.http.request(method, self.url(path)))
    }

    /// Sends a request that must succeed.
    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.connection_error(&error))?;
        self.successful(response).await
    }

    /// The answer, or what the server says went wrong.
    pub(super) async fn successful(&self, response: Response) -> Result<Response, CliError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.text().await.map_err(|error| self.connection_error(&error))?;
        let body: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
        Err(CliError::Server(
            told_error(&body).unwrap_or_else(|| format!("the server answered {status}: {body}")),
        ))
    }

    /// A request with a JSON body, its answer thrown away.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(), CliError> {
        self.send(self.request(method, path).json(body)).await.map(drop)
    }

    /// A GET request's JSON answer.
    pub(super) async fn get(&self, path: &str) -> Result<Value, CliError> {
        let response = self.send(self.request(Method::GET, path)).await?;
        response.json().await.map_err(|error| self.connection_error(&error))
    }

    /// A POST request's JSON answer.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, CliError> {
        let response = self.send(self.request(Method::POST, path).json(body)).await?;
        response.json().await.map_err(|error| self.connection_error(&error))
    }

    /// The JSON answer to a request without a body.
    pub(super) async fn answer(&self, method: Method, path: &str) -> Result<Value, CliError> {
        let response = self.send(self.request(method, path)).await?;
        response.json().await.map_err(|error| self.connection_error(&error))
    }

    /// A job: posts `body` and shows its status lines until the last, which must be `success`.
    pub(super) async fn job(
        &self,
        path: &str,
        body: &impl Serialize,
        progress: &Progress,
    ) -> Result<(), CliError> {
        self.transfer(path, body, false, progress).await
    }

    /// The same of a transfer, whose lines may be wanted as they are.
    pub(super) async fn transfer(
        &self,
        path: &str,
        body: &impl Serialize,
        as_json: bool,
        progress: &Progress,
    ) -> Result<(), CliError> {
        let response = self.send(self.request(Method::POST, path).json(body)).await?;
        succeeded(&self.lines(response, |line| progress.tell(line, as_json)).await?)
    }

    /// The events of a job, until it ends, which must be with success.
    pub(super) async fn events(
        &self,
        path: &str,
        tell: impl Fn(&Value) -> Result<(), OutputError>,
    ) -> Result<(), CliError> {
        let response = self.send(self.request(Method::GET, path)).await?;
        succeeded(&self.lines(response, tell).await?)
    }

    /// A question that may take a job to answer: posts `body`, shows status lines, and returns the answer,
    /// which comes last or alone.
    pub(super) async fn question(
        &self,
        path: &str,
        body: &impl Serialize,
        progress: &Progress,
    ) -> Result<Value, CliError> {
        let response = self.send(self.request(Method::POST, path).json(body)).await?;
        let tell = |line: &Value| {
            if line["status"].is_string() {
                progress.status(line);
            }
            Ok(())
        };
        self.lines(response, tell).await
    }

    /// Reads lines of JSON, none of which must be an error, and returns the last.
    async fn lines(
        &self,
        mut response: Response,
        tell: impl Fn(&Value) -> Result<(), OutputError>,
    ) -> Result<Value, CliError> {
        let mut pending = Vec::new();
        let mut last = Value::Null;
        let mut read = |line: &[u8]| {
            let line: Value = serde_json::from_slice(line)
                .map_err(|error| CliError::Server(format!("a status line is not JSON: {error}")))?;
            if let Some(error) = told_error(&line) {
                return Err(CliError::Server(error));
            }
            tell(&line)?;
            last = line;
            Ok(())
        };
        while let Some(chunk) = response.chunk().await.map_err(|error| self.connection_error(&error))? {
            pending.extend_from_slice(&chunk);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                read(&pending.drain(..=end).collect::<Vec<_>>())?;
            }
        }
        if !pending.is_empty() {
            read(&pending)?;
        }
        Ok(last)
    }
}

/// Whether the last line of a job is that of success.
fn succeeded(last: &Value) -> Result<(), CliError> {
    if last["status"] == "success" {
        return Ok(());
    }
    Err(CliError::Server("the server ended the stream before the job was done".to_owned()))
}

/// The text of an error answer, which is a string (Ollama's API) or an object with a message (OpenAI's); with
/// the file that it is about and what to do about it, as far as they are told and the text does not say so
/// itself.
fn told_error(body: &Value) -> Option<String> {
    let error = &body["error"];
    let mut text = error.as_str().or_else(|| error["message"].as_str())?.to_owned();
    if let Some(file) = body["file"].as_str().filter(|file| !text.contains(file)) {
        text = format!("{file}: {text}");
    }
    if let Some(hint) = body["hint"].as_str().filter(|hint| !text.contains(hint)) {
        text = format!("{text}; {hint}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_beside_an_error_is_told_with_it() {
        for (body, text) in [
            (
                json!({"error": "unknown type", "file": "a.zip", "hint": "send GGUF"}),
                "a.zip: unknown type; send GGUF",
            ),
            (json!({"error": "file \"a\" is none", "file": "a"}), "file \"a\" is none"),
            (json!({"error": {"message": "no"}}), "no"),
        ] {
            assert_eq!(told_error(&body).as_deref(), Some(text));
        }
        assert_eq!(told_error(&json!({"status": "success"})), None);
    }
}
