//! The server as a registry: a blob of 2 GiB to `curl`, against nginx that sends the same file, in the same
//! run; and the server's memory while fifty clients pull at once.
//!
//! `cargo bench --bench registry_server`; needs curl and Debian's nginx. `OLLAMAKE_BENCH_BYTES` sets another
//! size, `TMPDIR` the place of the store. What is demanded stands at the constants.

#[path = "support/median.rs"]
mod median;
#[path = "support/memory.rs"]
mod memory;
#[path = "../tests/integration/support/noise.rs"]
mod noise;
#[path = "support/server.rs"]
mod server;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use median::median;
use memory::memory;
use noise::noise;
use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use ollamake::store::Store;
use server::Server;

/// Speed, to that of nginx.
const LEAST_SPEED: f64 = 0.7;
/// Mebibytes of the server for all pulls at once.
const MOST_MEMORY: f64 = 64.0;

const ROUNDS: usize = 5;
const PARALLEL: usize = 50;
/// Each of the parallel clients takes no more than so many bytes a second, so that all are at it at once.
const PACE: &str = "20M";

fn main() {
    let size = std::env::var("OLLAMAKE_BENCH_BYTES").ok().and_then(|text| text.parse().ok());
    let size: u64 = size.unwrap_or(2 << 30);
    let directory = tempfile::tempdir().expect("a directory");
    let digest = put_model(directory.path(), size);
    let server = Server::ollamake(directory.path());
    let nginx = nginx(directory.path());
    let ours = format!("http://{}/v2/library/mine/blobs/{digest}", server.address);
    let theirs = format!("http://{}/{}", nginx.address, digest.file_name());
    let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who comes first changes.
        let (first, second) = if round % 2 == 0 { (&ours, &theirs) } else { (&theirs, &ours) };
        let (first, second) = (fetch(first), fetch(second));
        let (mine, nginx) = if round % 2 == 0 { (first, second) } else { (second, first) };
        println!("round {round}: ollamake {mine:.2?}, nginx {nginx:.2?}");
        of_ours.push(mine);
        of_theirs.push(nginx);
    }
    let (mine, nginx) = (median(of_ours), median(of_theirs));
    let speed = |time: Duration| size as f64 / time.as_secs_f64() / f64::from(1 << 20);
    println!("ollamake {:.0} MiB/s, nginx {:.0} MiB/s", speed(mine), speed(nginx));
    let ratio = nginx.as_secs_f64() / mine.as_secs_f64();
    let verdict = if ratio >= LEAST_SPEED { "met" } else { "MISSED" };
    println!("speed to that of nginx: {ratio:.2} (at least {LEAST_SPEED}: {verdict})");

    let peak = memory_of_pulls(&server, &ours);
    let verdict = if peak <= MOST_MEMORY { "met" } else { "MISSED" };
    println!("MiB for {PARALLEL} pulls at once: {peak:.1} (at most {MOST_MEMORY}: {verdict})");
}

/// Puts a model with weights of so many bytes into a new store.
fn put_model(directory: &Path, size: u64) -> Digest {
    let store = Store::open(directory).expect("a store");
    let piece = noise(1, 1 << 20);
    let mut writer = store.create_blob();
    let mut left = size;
    while left > 0 {
        let count = left.min(piece.len() as u64) as usize;
        writer.write_all(&piece[..count]).expect("room for the blob");
        left -= count as u64;
    }
    let weights = writer.commit(None).expect("a blob").blob;
    let config = store.put_bytes(&ModelConfig::default().to_bytes()).expect("a blob").blob;
    let config = Layer::new(MediaType::Config, config.digest(), config.length());
    let layer = Layer::new(MediaType::Model, weights.digest(), size);
    let manifest = Manifest::new(config, vec![layer]).to_bytes();
    store.put_manifest(&"mine".parse().expect("a name"), &manifest).expect("a model");
    weights.digest()
}

/// nginx, which sends what is among the blobs as it does by default with `sendfile`.
fn nginx(models: &Path) -> Server {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
    let own = models.join("nginx");
    std::fs::create_dir(&own).expect("a directory");
    let file = own.join("nginx.conf");
    let configuration = format!(
        "daemon off; master_process off; pid {own}/pid; error_log {own}/errors; events {{}}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {own}/body;\n\
         proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi; uwsgi_temp_path {own}/uwsgi;\n\
         scgi_temp_path {own}/scgi; server {{ listen {address}; root {blobs}; }} }}\n",
        own = own.display(),
        blobs = models.join("blobs").display(),
    );
    std::fs::write(&file, configuration).expect("a configuration");
    let child = Command::new("/usr/sbin/nginx").arg("-c").arg(&file).arg("-p").arg(&own).spawn();
    let child = child.expect("nginx starts: apt-get install nginx-light");
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Server { child, address: address.to_string() }
}

fn curl(address: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--output", "/dev/null", address]);
    curl
}

/// How long `curl` takes to fetch something.
fn fetch(address: &str) -> Duration {
    let start = Instant::now();
    assert!(curl(address).status().expect("curl starts").success());
    start.elapsed()
}

/// The most mebibytes that the server had of its own at once while many pulled.
fn memory_of_pulls(server: &Server, address: &str) -> f64 {
    let pull =
        |_| curl(address).args(["--limit-rate", PACE, "--max-time", "10"]).spawn().expect("curl starts");
    let mut clients: Vec<Child> = (0..PARALLEL).map(pull).collect();
    let (start, mut peak) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(9) {
        peak = peak.max(memory(server.child.id(), "RssAnon").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    let under_way =
        clients.iter_mut().map(|client| client.try_wait()).filter(|ended| matches!(ended, Ok(None))).count();
    println!("{under_way} of {PARALLEL} pulls were under way at the end");
    for mut client in clients {
        let _ = client.kill();
        let _ = client.wait();
    }
    peak as f64 / f64::from(1 << 20)
}
