//! Debian's `docker-registry` on a free port of this machine.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A registry process; it ends with this value.
pub(crate) struct DockerRegistry {
    process: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

/// How the registry is configured.
#[derive(Default)]
pub(crate) struct Setup {
    /// The `auth` section.
    pub(crate) authentication: Option<String>,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// The registry that it is a mirror of.
    pub(crate) mirror_of: Option<String>,
    /// The `storage` section, if it is not a directory of its own.
    pub(crate) storage: Option<String>,
}

/// A file of this topic's fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/registry").join(name)
}

impl DockerRegistry {
    /// Starts a registry; nothing, and a line that says so, where the program is not installed and
    /// `OLLAMAKE_REQUIRE_DOCKER_REGISTRY` does not ask for it.
    pub(crate) fn start(setup: &Setup) -> Option<Self> {
        for _ in 0..5 {
            let directory = tempfile::tempdir().unwrap();
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let file = directory.path().join("config.yml");
            std::fs::write(&file, configuration(setup, directory.path(), address)).unwrap();
            let process = match serve(directory.path()) {
                Ok(process) => process,
                Err(error) => {
                    let is_required = std::env::var_os("OLLAMAKE_REQUIRE_DOCKER_REGISTRY").is_some();
                    assert!(!is_required, "docker-registry cannot be started: {error}");
                    println!("skipped: docker-registry cannot be started here ({error})");
                    return None;
                }
            };
            let mut registry = Self { process, address, directory };
            if registry.answers() {
                return Some(registry);
            }
        }
        panic!("docker-registry does not listen");
    }

    /// Ends the process; what it holds stays.
    pub(crate) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.process = serve(self.directory.path()).unwrap();
        assert!(self.answers(), "docker-registry does not listen again");
    }

    /// Where it keeps what it holds, unless that is elsewhere.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// `host:port`, as names of models hold it.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it listens; another program may have been given the port.
    fn answers(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline && self.process.try_wait().unwrap().is_none() {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The program, with the configuration in a directory.
fn serve(directory: &Path) -> std::io::Result<Child> {
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(directory.join("config.yml"));
    // Its S3 client cannot use this, and does not start.
    command.env_remove("AWS_CA_BUNDLE");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn configuration(setup: &Setup, directory: &Path, address: SocketAddr) -> String {
    let own = format!("{{filesystem: {{rootdirectory: {}}}}}", directory.join("data").display());
    let mut text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {}\n\
         http:\n  addr: {address}\n",
        setup.storage.as_ref().unwrap_or(&own)
    );
    if setup.tls {
        let (certificate, key) = (fixture("server.pem"), fixture("server-key.pem"));
        writeln!(text, "  tls: {{certificate: {}, key: {}}}", certificate.display(), key.display()).unwrap();
    }
    if let Some(address) = &setup.mirror_of {
        writeln!(text, "proxy: {{remoteurl: \"{address}\"}}").unwrap();
    }
    if let Some(section) = &setup.authentication {
        writeln!(text, "auth:\n{section}").unwrap();
    }
    text
}
