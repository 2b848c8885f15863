//! Credential helpers: programs that keep logins for Docker.
//!
//! `docker-credential-<name> get` reads the registry from its input and writes a JSON object with the user
//! and the secret (the protocol of the `docker-credential-helpers` project). What goes wrong it writes to its
//! output as well, as a text.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// The user that stands for an identity token.
pub(super) const TOKEN_USER: &str = "<token>";

/// Helpers may ask a service of a cloud, but nobody at a keyboard.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer, in bytes. Identity tokens of clouds take a few thousand.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// The most that is shown of what a helper says, in characters.
const LONGEST_MESSAGE: usize = 200;

/// What a helper says that works and has no login.
const NOT_FOUND: &str = "credentials not found";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// The user and the secret that a helper keeps for a registry, if it keeps any. It blocks.
///
/// # Errors
/// What the helper does instead of answering.
pub(super) fn ask(helper: &str, registry: &str) -> Result<Option<(String, String)>, String> {
    let mut command = Command::new(format!("docker-credential-{helper}"));
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => Running(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("is not installed where the server looks for programs (PATH)".to_owned());
        }
        Err(error) => return Err(format!("cannot be started: {error}")),
    };
    let deadline = Instant::now() + PATIENCE;
    let output =
        child.talk(registry).ok_or_else(|| format!("does not answer within {} s", PATIENCE.as_secs()))?;
    let is_success = child.ended_well(deadline);
    let text = String::from_utf8_lossy(&output);
    let text = text.trim();
    match serde_json::from_str::<Answer>(text) {
        Ok(Answer { user, secret }) if is_success => {
            Ok(Some((user, secret)).filter(|(_, secret)| !secret.is_empty()))
        }
        _ if text.contains(NOT_FOUND) => Ok(None),
        // What cannot be understood may hold a secret all the same.
        _ if is_success => Err("answers something that is not a login".to_owned()),
        _ => Err(format!("fails: {}", text.chars().take(LONGEST_MESSAGE).collect::<String>())),
    }
}

/// A helper; it ends with this value.
struct Running(Child);

impl Running {
    /// Asks, and reads the answer if it comes in time.
    fn talk(&mut self, registry: &str) -> Option<Vec<u8>> {
        // A helper that does not read its input may end first.
        if let Some(mut input) = self.0.stdin.take() {
            let _ = writeln!(input, "{registry}");
        }
        let output = self.0.stdout.take()?;
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            let read = output.take(LONGEST_ANSWER).read_to_end(&mut text);
            // Nobody may wait any more.
            let _ = sender.send(read.map(|_| text).unwrap_or_default());
        });
        answer.recv_timeout(PATIENCE).ok()
    }

    fn ended_well(&mut self, deadline: Instant) -> bool {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                Ok(None) | Err(_) => return false,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
