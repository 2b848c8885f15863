//! Whose word counts on a secure connection.
//!
//! A registry of one's own often has a certificate that signs itself, made by `openssl req -x509` as the
//! documentation of Docker's registry says. Such a certificate may also sign others, and the rules for
//! certificates of servers refuse one that may (webpki: `CaUsedAsEndEntity`). But who names exactly this
//! certificate as a root means this server; curl, Docker and Go take it so. Then it is its own anchor, and
//! its dates and names count.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

use super::RegistryError;

/// How secure connections are made: with the root certificates of the system, or of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`, and with those in `more`, in PEM.
pub(super) fn secure_connections(more: &[Vec<u8>]) -> Result<ClientConfig, RegistryError> {
    let setup = |reason: String| RegistryError::Setup { reason };
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some root certificates cannot be read");
    }
    let mut roots = found.certs;
    for pem in more {
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        roots.extend(parsed.map_err(|error| setup(format!("a root certificate is not PEM: {error}")))?);
    }
    if roots.is_empty() {
        // A machine without root certificates can still talk to plain registries.
        tracing::warn!("no root certificates: secure connections will fail");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(roots, provider.clone())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Checks certificates by the usual rules, and those that are trusted themselves.
#[derive(Debug)]
struct Verifier {
    /// None, if there is no root certificate.
    usual: Option<Arc<WebPkiServerVerifier>>,
    trusted: HashSet<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(
        roots: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, RegistryError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let usual = match store.is_empty() {
            true => None,
            false => {
                let builder = WebPkiServerVerifier::builder_with_provider(store.into(), provider.clone());
                Some(builder.build().map_err(|error| RegistryError::Setup { reason: error.to_string() })?)
            }
        };
        Ok(Self { usual, trusted: roots.into_iter().collect(), provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let unknown = TlsError::from(CertificateError::UnknownIssuer);
        let usual = self.usual.as_ref().ok_or(unknown.clone())?;
        match usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The dates have been checked before this is found (RFC 5280, as webpki goes through it; a test
            // watches over it).
            Err(error) if signs_others(&error) => {
                if !self.trusted.contains(end_entity) {
                    return Err(unknown);
                }
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a certificate was refused only because it may sign others.
fn signs_others(error: &TlsError) -> bool {
    let TlsError::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
