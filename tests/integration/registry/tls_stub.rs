//! A server that speaks TLS and always says the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::docker_registry::fixture;

/// The server; its thread waits for connections as long as the process lives.
pub(super) struct TlsStub {
    address: SocketAddr,
}

impl TlsStub {
    /// Starts a server that answers every request with these bytes.
    pub(super) fn start(answer: &str) -> Self {
        let certificate = CertificateDer::from_pem_file(fixture("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = answer.to_owned();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                serve(connection, config.clone(), &answer);
            }
        });
        Self { address }
    }

    /// `host:port`, as names of models hold it.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }
}

/// Answers one request; a client that hangs up is none of our business.
fn serve(connection: TcpStream, config: Arc<ServerConfig>, answer: &str) {
    let stream = StreamOwned::new(ServerConnection::new(config).unwrap(), connection);
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
        line.clear();
    }
    let _ = reader.get_mut().write_all(answer.as_bytes());
    reader.get_mut().conn.send_close_notify();
    let _ = reader.get_mut().flush();
}
