//! The key with which a registry's challenge is signed, as Ollama does it (`auth/auth.go`,
//! `server/auth.go`): ed25519, in OpenSSH's format, one key for all registries.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use url::Url;

use super::RegistryError;

/// The signing key, read when it is needed for the first time and made if there is none.
#[derive(Debug)]
pub(super) struct Identity {
    path: Option<PathBuf>,
    key: OnceLock<PrivateKey>,
}

/// A URL of a token server, and the header that proves that we ask.
pub(super) struct SignedQuestion {
    pub(super) url: Url,
    pub(super) authorization: String,
}

impl Identity {
    /// The key in the file `path`; without a file nothing can be signed.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, key: OnceLock::new() }
    }

    /// Adds time and a nonce to the URL of a token server and signs the whole.
    ///
    /// What is signed: the method, the URL and the base64 of the hexadecimal digest of the empty
    /// body, with commas between.
    pub(super) fn sign(&self, mut url: Url) -> Result<SignedQuestion, RegistryError> {
        let key = self.key().map_err(|reason| RegistryError::SigningKey { reason })?;
        let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        let seconds = time::OffsetDateTime::now_utc().unix_timestamp();
        url.query_pairs_mut().append_pair("ts", &seconds.to_string()).append_pair("nonce", &nonce);
        let body = BASE64.encode(hex::encode(Sha256::digest([])));
        let text = format!("GET,{url},{body}");
        let signature =
            ed25519_signature(key, text.as_bytes()).map_err(|reason| RegistryError::SigningKey { reason })?;
        let public = key.public_key().to_bytes();
        let public = public.map_err(|error| RegistryError::SigningKey { reason: error.to_string() })?;
        let authorization = format!("{}:{}", BASE64.encode(public), BASE64.encode(signature));
        Ok(SignedQuestion { url, authorization })
    }

    /// A failure is not remembered: it may be mended while the server runs.
    fn key(&self) -> Result<&PrivateKey, String> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = load_or_make(self.path.as_deref())?;
        Ok(self.key.get_or_init(|| key))
    }
}

/// The 64 bytes of an ed25519 signature, without OpenSSH's envelope.
fn ed25519_signature(key: &impl ssh_key::SigningKey, text: &[u8]) -> Result<Vec<u8>, String> {
    let signature = key.try_sign(text).map_err(|_| "it is locked by a passphrase")?;
    if signature.algorithm() != Algorithm::Ed25519 {
        return Err("it is not an ed25519 key".to_owned());
    }
    Ok(signature.as_bytes().to_vec())
}

/// Messages name no path: they are shown to clients.
fn load_or_make(path: Option<&Path>) -> Result<PrivateKey, String> {
    let path = path.ok_or("the server has no home directory to keep it in")?;
    match std::fs::read(path) {
        Ok(text) => {
            PrivateKey::from_openssh(&text).map_err(|error| format!("the file is not a key: {error}"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path).map_err(|reason| format!("it cannot be made: {reason}"))
        }
        Err(error) => Err(format!("the file cannot be read: {}", error.kind())),
    }
}

/// Makes a key and puts it at `path`, readable by the owner only, with the public half beside it.
/// If another process was faster, its key is taken.
fn make(path: &Path) -> Result<PrivateKey, String> {
    let directory = path.parent().ok_or("it has no directory")?;
    // The error of a temporary file names its path.
    let failed = |error: io::Error| error.kind().to_string();
    std::fs::create_dir_all(directory).map_err(failed)?;
    let key = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519).map_err(text)?;
    // A temporary file is readable by its owner only from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(key.to_openssh(LineEnding::LF).map_err(text)?.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            let public = key.public_key().to_openssh().map_err(text)? + "\n";
            if let Err(error) = std::fs::write(path.with_extension("pub"), public) {
                tracing::warn!(%error, "the public half of the signing key cannot be written");
            }
            Ok(key)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            PrivateKey::from_openssh(std::fs::read(path).map_err(failed)?).map_err(text)
        }
        Err(error) => Err(failed(error.error)),
    }
}

fn text(error: ssh_key::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_missing_key_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/id_ed25519");
        let question = "http://127.0.0.1/token?service=s";
        let public = |identity: Identity| {
            let signed = identity.sign(question.parse().unwrap()).unwrap();
            signed.authorization.split_once(':').unwrap().0.to_owned()
        };
        let first = public(Identity::new(Some(path.clone())));
        assert_eq!(first, public(Identity::new(Some(path.clone()))));
        let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some(first.as_str()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_stands_in_the_way_can_be_removed() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join(".ollama");
        std::fs::write(&directory, "not a directory").unwrap();
        let identity = Identity::new(Some(directory.join("id_ed25519")));
        let sign = || identity.sign("http://127.0.0.1/".parse().unwrap());
        let message = sign().err().unwrap().to_string();
        assert!(message.contains("ssh-keygen") && !message.contains('/'), "{message}");
        std::fs::remove_file(&directory).unwrap();
        // The public half cannot be written; the key serves all the same.
        std::fs::create_dir_all(directory.join("id_ed25519.pub")).unwrap();
        let signed = sign().unwrap();
        let again = Identity::new(Some(directory.join("id_ed25519")));
        let again = again.sign("http://127.0.0.1/".parse().unwrap()).unwrap();
        let public = |question: &SignedQuestion| question.authorization.split(':').next().unwrap().to_owned();
        assert_eq!(public(&signed), public(&again));
    }

    /// Nobody makes files there.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_key_that_cannot_be_made_tells_no_path() {
        let result =
            Identity::new(Some("/proc/id_ed25519".into())).sign("http://127.0.0.1/".parse().unwrap());
        let message = result.err().unwrap().to_string();
        assert!(message.contains("cannot be made") && !message.contains('/'), "{message}");
    }

    #[test]
    fn a_file_that_is_no_key_is_named_without_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let result = Identity::new(Some(file.path().to_owned())).sign("http://127.0.0.1/".parse().unwrap());
        let message = result.err().unwrap().to_string();
        assert!(!message.contains('/'), "{message}");
    }
}
