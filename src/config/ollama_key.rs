//! The public keys of clients of Ollama's that are let in to the registry.

use ssh_key::PublicKey;

/// A public key, as `~/.ollama/id_ed25519.pub` holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OllamaKey {
    /// What the client calls it: the whole key in Base64.
    name: String,
    bytes: [u8; 32],
}

/// A text that is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidOllamaKey;

impl OllamaKey {
    /// Takes a line of OpenSSH's for a key: `ssh-ed25519`, the key, and perhaps a comment.
    ///
    /// # Errors
    /// It is none, or one of another kind.
    pub fn parse(text: &str) -> Result<Self, InvalidOllamaKey> {
        let key = PublicKey::from_openssh(text.trim()).map_err(|_| InvalidOllamaKey)?;
        let bytes = key.key_data().ed25519().ok_or(InvalidOllamaKey)?.0;
        let name = text.split_whitespace().nth(1).ok_or(InvalidOllamaKey)?.to_owned();
        Ok(Self { name, bytes })
    }

    /// What the client calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its 32 bytes.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_line_of_openssh() {
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIGH/zRZNWv2whUeY+YyOQWjEqHRmOYuxKJ1bcEfTnf8R";
        for good in [format!("ssh-ed25519 {key}"), format!(" ssh-ed25519 {key} me@example.com\n")] {
            assert_eq!(OllamaKey::parse(&good).map(|key| key.name), Ok(key.to_owned()), "{good}");
        }
        for bad in ["", "ssh-ed25519", key, "ssh-ed25519 AAAA", &format!("ssh-rsa {key}")] {
            assert_eq!(OllamaKey::parse(bad), Err(InvalidOllamaKey), "{bad}");
        }
    }
}
