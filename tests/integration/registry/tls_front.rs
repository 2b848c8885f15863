//! A server that speaks TLS and passes on what it hears to another.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::docker_registry::fixture;

/// What a server that expects TLS says to plain HTTP.
#[derive(Debug, Clone, Copy)]
pub(super) enum ToPlain {
    /// In plain HTTP, that it expects TLS, as Go's and nginx do.
    Refuses,
    /// An alert, in the language of TLS.
    Alerts,
}

/// The server; it ends with this value.
pub(super) struct TlsFront {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl TlsFront {
    /// Starts a server with a certificate and its key, in front of the server at `inner`.
    pub(super) async fn start(certificate: &str, key: &str, inner: &str, to_plain: ToPlain) -> Self {
        let certificate = CertificateDer::from_pem_file(fixture(certificate)).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture(key)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let inner: SocketAddr = inner.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(pass_on(connection, acceptor.clone(), inner, to_plain));
            }
        });
        Self { address, task }
    }

    /// `localhost:port`.
    pub(super) fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client that hangs up is none of our business.
async fn pass_on(mut connection: TcpStream, acceptor: TlsAcceptor, inner: SocketAddr, to_plain: ToPlain) {
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    let is_plain = connection.peek(&mut first).await.is_ok() && first[0] != HANDSHAKE;
    if is_plain && matches!(to_plain, ToPlain::Refuses) {
        let text = "Client sent an HTTP request to an HTTPS server.\n";
        let answer = format!("HTTP/1.0 400 Bad Request\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        let _ = connection.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(mut secure) = acceptor.accept(connection).await else { return };
    let Ok(mut plain) = TcpStream::connect(inner).await else { return };
    let _ = tokio::io::copy_bidirectional(&mut secure, &mut plain).await;
}
