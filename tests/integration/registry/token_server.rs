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

/// What the server takes in place of the password (distribution project, "Oauth2 Token Authentication").
pub(crate) const IDENTITY_TOKEN: &str = "an identity token/1";

/// The server, which knows one user.
pub(crate) struct TokenServer {
    stub: Stub,
}

impl TokenServer {
    pub(crate) async fn start(user: &str, password: &str) -> Self {
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let user = user.to_owned();
        let stub = Stub::start(move |asked: &Asked| {
            if asked.method == "POST" {
                return answer_form(asked, &user);
            }
            if asked.header("authorization") != login {
                return answer(401, &[], r#"{"details":"incorrect username or password"}"#);
            }
            let pairs = url::form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes());
            let scopes = pairs.filter(|(key, _)| key == "scope").map(|(_, value)| value.into_owned());
            let token = sign(&claims(scopes, asked.query("service"), &user));
            answer(200, &[], json!({"token": token, "expires_in": 300}).to_string())
        });
        Self { stub: stub.await }
    }

    /// The `auth` section of a registry that trusts this server.
    pub(crate) fn registry_section(&self) -> String {
        format!(
            "  token: {{realm: \"http://{}/token\", service: tests, issuer: tests, rootcertbundle: {}}}",
            self.stub.host(),
            fixture("ca.pem").display()
        )
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.stub.asked()
    }
}

/// Answers who shows an identity token.
fn answer_form(asked: &Asked, user: &str) -> axum::response::Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let is_known = field("grant_type").as_deref() == Some("refresh_token")
        && field("refresh_token").as_deref() == Some(IDENTITY_TOKEN)
        && field("client_id").is_some_and(|client| !client.is_empty());
    if !is_known {
        return answer(401, &[], r#"{"details":"incorrect identity token"}"#);
    }
    let scopes = field("scope").unwrap_or_default();
    let scopes = scopes.split_whitespace().map(str::to_owned);
    let token = sign(&claims(scopes, field("service"), user));
    answer(200, &[], json!({"access_token": token, "expires_in": 300}).to_string())
}

/// Grants every scope that is asked for.
fn claims(scopes: impl Iterator<Item = String>, service: Option<String>, user: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let access: Vec<Value> = scopes
        .map(|scope| {
            let parts: Vec<&str> = scope.split(':').collect();
            let actions: Vec<&str> = parts[2].split(',').collect();
            json!({"type": parts[0], "name": parts[1], "actions": actions})
        })
        .collect();
    json!({
        "iss": "tests", "sub": user, "aud": service, "jti": now.to_string(),
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
