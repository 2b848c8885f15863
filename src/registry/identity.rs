//! The key with which a registry's challenge is signed, as Ollama does it (`auth/auth.go`,
//! `server/auth.go`): ed25519, in OpenSSH's format, one key for all registries.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use url::Url;

use super::Error;

/// The signing key, read when it is needed for the first time and made if there is none.
#[derive(Debug)]
pub(crate) struct Identity {
    path: Option<PathBuf>,
    key: OnceLock<Result<PrivateKey, String>>,
}

/// A URL of a token server, and the header that proves that we ask.
pub(crate) struct SignedQuestion {
    pub(crate) url: Url,
    pub(crate) authorization: String,
}

impl Identity {
    /// The key in the file `path`; without a file nothing can be signed.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self { path, key: OnceLock::new() }
    }

    /// Adds time and a nonce to the URL of a token server and signs the whole.
    ///
    /// What is signed: the method, the URL and the base64 of the hexadecimal digest of the empty
    /// body, with commas between.
    pub(crate) fn sign(&self, mut url: Url) -> Result<SignedQuestion, Error> {
        let key = self.key.get_or_init(|| load_or_make(self.path.as_deref()));
        let key = key.as_ref().map_err(|reason| Error::SigningKey { reason: reason.clone() })?;
        let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        let seconds = time::OffsetDateTime::now_utc().unix_timestamp();
        url.query_pairs_mut().append_pair("ts", &seconds.to_string()).append_pair("nonce", &nonce);
        let body = BASE64.encode(hex::encode(Sha256::digest([])));
        let text = format!("GET,{url},{body}");
        let signature =
            ed25519_signature(key, text.as_bytes()).map_err(|reason| Error::SigningKey { reason })?;
        let public = key.public_key().to_bytes();
        let public = public.map_err(|error| Error::SigningKey { reason: error.to_string() })?;
        let authorization = format!("{}:{}", BASE64.encode(public), BASE64.encode(signature));
        Ok(SignedQuestion { url, authorization })
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
    let path = path.ok_or("no home directory to keep it in")?;
    match std::fs::read(path) {
        Ok(text) => {
            PrivateKey::from_openssh(&text).map_err(|error| format!("the file is not a key: {error}"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make(path).map_err(|error| format!("it cannot be made: {error}"))
        }
        Err(error) => Err(format!("the file cannot be read: {error}")),
    }
}

/// Makes a key and puts it at `path`, readable by the owner only, with the public half beside it.
/// If another process was faster, its key is taken.
fn make(path: &Path) -> Result<PrivateKey, Box<dyn std::error::Error>> {
    let directory = path.parent().ok_or("it has no directory")?;
    std::fs::create_dir_all(directory)?;
    let key = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519)?;
    // A temporary file is readable by its owner only from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(key.to_openssh(LineEnding::LF)?.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            std::fs::write(path.with_extension("pub"), key.public_key().to_openssh()? + "\n")?;
            Ok(key)
        }
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(PrivateKey::from_openssh(std::fs::read(path)?)?)
        }
        Err(error) => Err(error.error.into()),
    }
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
    fn a_file_that_is_no_key_is_named_without_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let result = Identity::new(Some(file.path().to_owned())).sign("http://127.0.0.1/".parse().unwrap());
        let message = result.err().unwrap().to_string();
        assert!(!message.contains('/'), "{message}");
    }
}
