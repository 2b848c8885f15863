//! A token server for `docker-registry`, after the distribution project's "Token Authentication
//! Specification": JSON web tokens, signed with RS256, with the certificate of the key in the header.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::docker_registry::fixture;
use super::stub::{Asked, Stub, answer};

/// The server, which knows one user.
pub(super) struct TokenServer {
    stub: Stub,
}

impl TokenServer {
    pub(super) async fn start(user: &str, password: &str) -> Self {
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let user = user.to_owned();
        let stub = Stub::start(move |asked: &Asked| {
            if asked.header("authorization") != login {
                return answer(401, &[], r#"{"details":"incorrect username or password"}"#);
            }
            let token = sign(&claims(asked, &user));
            answer(200, &[], json!({"token": token, "expires_in": 300}).to_string())
        });
        Self { stub: stub.await }
    }

    /// The `auth` section of a registry that trusts this server.
    pub(super) fn registry_section(&self) -> String {
        format!(
            "  token: {{realm: \"http://{}/token\", service: tests, issuer: tests, rootcertbundle: {}}}",
            self.stub.host(),
            fixture("ca.pem").display()
        )
    }

    /// What it was asked.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.stub.asked()
    }
}

/// Grants every scope that is asked for.
fn claims(asked: &Asked, user: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let pairs = url::form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes());
    let scopes = pairs.filter(|(key, _)| key == "scope").map(|(_, value)| value.into_owned());
    let access: Vec<Value> = scopes
        .map(|scope| {
            let parts: Vec<&str> = scope.split(':').collect();
            let actions: Vec<&str> = parts[2].split(',').collect();
            json!({"type": parts[0], "name": parts[1], "actions": actions})
        })
        .collect();
    json!({
        "iss": "tests", "sub": user, "aud": asked.query("service"), "jti": now.to_string(),
        "iat": now, "nbf": now - 10, "exp": now + 300, "access": access,
    })
}

fn sign(claims: &Value) -> String {
    let certificate = CertificateDer::from_pem_file(fixture("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).unwrap();
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [STANDARD.encode(&certificate)]});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(claims));
    let signature = signer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
