//! Three servers on one library, killed again and again while clients create, quantize, pull, delete and
//! look, with caches that hold a few models only.
//!
//! `cargo test` runs it for a few seconds, with a registry that keeps its blobs in a directory. For long,
//! with SeaweedFS behind the registry as its S3:
//!
//! ```sh
//! OLLAMAKE_WEED=weed OLLAMAKE_STORM_SECONDS=300 cargo test --test integration library::storm -- --nocapture
//! ```
//!
//! When it is over, everything that was reported as published is in the library and comes back whole, every
//! store is whole, every model that a server lists can be opened, and each cache has come down to its limit.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ollamake::store::Store;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::Machine;
use super::servers::{Server, ask, bytes_in, weights};
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::support::process::{run, text};

const SERVERS: usize = 3;
const CLIENTS: usize = 3;
/// Names that the clients share.
const NAMES: u32 = 8;
/// Models that a cache has room for.
const ROOM: u64 = 4;
/// However long a server takes to come down to its limit.
const LONGEST: Duration = Duration::from_secs(120);

/// SeaweedFS as the S3 of a registry; it ends with this value.
struct Weed {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Weed {
    /// Starts it, with a bucket, if `OLLAMAKE_WEED` names the program.
    async fn start() -> Option<Self> {
        let program = std::env::var_os("OLLAMAKE_WEED")?;
        let directory = tempfile::tempdir().unwrap();
        let ports: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        // They are free from here on: weed is to have them.
        let ports: Vec<u16> = ports.into_iter().map(|port| port.local_addr().unwrap().port()).collect();
        let mut command = Command::new(program);
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-filer"]);
        command.args(["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.arg(format!("-dir={}", directory.path().display()));
        command.args(["-volume.max=50", "-master.volumeSizeLimitMB=64"]);
        let names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"];
        let names = names.into_iter().chain(["filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"]);
        command.args(names.zip(&ports).map(|(name, port)| format!("-{name}={port}")));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut weed = Self { process, port: ports[6], _directory: directory };
        // It answers before it can take anything.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        let start = Instant::now();
        let bucket = format!("http://127.0.0.1:{}/models", weed.port);
        while !http.put(&bucket).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(weed.process.try_wait().unwrap().is_none(), "weed has ended");
            assert!(start.elapsed() < Duration::from_secs(60), "weed does not make a bucket");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Some(weed)
    }

    /// The `storage` section of a registry.
    fn section(&self) -> String {
        format!(
            "{{redirect: {{disable: true}}, s3: {{accesskey: tests, secretkey: secret, region: us-east-1, \
             regionendpoint: 'http://127.0.0.1:{}', bucket: models, secure: false, v4auth: true}}}}",
            self.port
        )
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What clients have heard to be in the library.
type Promised = Arc<Mutex<BTreeSet<String>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_the_library_holds_is_lost_in_a_storm() {
    let seconds =
        std::env::var("OLLAMAKE_STORM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let seed = std::env::var("OLLAMAKE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    println!("OLLAMAKE_SEED={seed}");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let weed = Weed::start().await;
    let setup = Setup { storage: weed.as_ref().map(Weed::section), ..Setup::default() };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    let limit = ROOM * weights(0).len() as u64;
    let limit_text = limit.to_string();
    let settings = [("OLLAMAKE_CACHE_SIZE", limit_text.as_str()), ("OLLAMAKE_PUBLISH", "1")];
    let servers: Vec<_> =
        (0..SERVERS).map(|_| Arc::new(RwLock::new(Server::of(&registry.host(), &settings)))).collect();
    let promised = Promised::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let clients = (0..SERVERS * CLIENTS).map(|number| {
        let (server, promised) = (servers[number % SERVERS].clone(), promised.clone());
        tokio::spawn(client(server, promised, StdRng::seed_from_u64(seed + number as u64), end))
    });
    let clients: Vec<_> = clients.collect();
    let (mut kills, mut most) = (0, 0);
    let mut random = StdRng::seed_from_u64(seed);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(random.random_range(200..1500))).await;
        let server = &servers[random.random_range(0..SERVERS)];
        let mut server = server.write().await;
        most = most.max(bytes_in(&server.directory.path().join("blobs")));
        tokio::task::block_in_place(|| server.restart());
        kills += 1;
    }
    let mut operations = [0; 2];
    for client in clients {
        let [done, broken] = client.await.unwrap();
        operations = [operations[0] + done, operations[1] + broken];
    }
    let promised = std::mem::take(&mut *promised.lock().unwrap());
    println!(
        "{kills} kills, {} operations done, {} broken, {} names promised; a cache of {limit} had {most} \
         bytes at most",
        operations[0],
        operations[1],
        promised.len()
    );
    for server in &servers {
        settle(&*server.read().await, limit).await;
    }
    check_library(&registry, &promised).await;
}

/// One client: what it did, and what broke off.
async fn client(
    server: Arc<RwLock<Server>>,
    promised: Promised,
    mut random: StdRng,
    end: Instant,
) -> [usize; 2] {
    let mut operations = [0; 2];
    while Instant::now() < end {
        let (number, other) = (random.random_range(0..NAMES), random.random_range(0..NAMES));
        let name = format!("m{number}");
        let seed = random.random();
        let outcome = match random.random_range(0..10) {
            0..=2 => create(&server, &name, seed).await,
            3..=4 => {
                let request =
                    json!({"model": format!("q{number}"), "from": format!("m{other}"), "quantize": "q8_0"});
                job(&server, "/api/create", &request).await.map(|done| done.then(|| format!("q{number}")))
            }
            5..=6 => job(&server, "/api/pull", &json!({"model": name})).await.map(|_| None),
            7 => {
                let body = json!({"model": name}).to_string();
                send(&server, "DELETE", "/api/delete", body.into_bytes()).await.map(|_| None)
            }
            _ => look(&server).await,
        };
        match outcome {
            Some(made) => {
                operations[0] += 1;
                promised.lock().unwrap().extend(made);
            }
            None => operations[1] += 1,
        }
    }
    operations
}

/// An answer, unless the server is killed meanwhile.
async fn send(server: &RwLock<Server>, method: &str, path: &str, body: Vec<u8>) -> Option<(u16, String)> {
    let address = server.read().await.process.address.clone();
    ask(&address, method, path, body).await.ok()
}

/// Whether a job has succeeded, unless the server is killed meanwhile.
async fn job(server: &RwLock<Server>, path: &str, body: &Value) -> Option<bool> {
    let (_, text) = send(server, "POST", path, body.to_string().into_bytes()).await?;
    let last: Value = serde_json::from_str(text.lines().last()?).ok()?;
    Some(last["status"] == "success")
}

/// Makes a model and hears that it is published.
async fn create(server: &RwLock<Server>, name: &str, seed: u8) -> Option<Option<String>> {
    let bytes = weights(seed);
    let digest = ollamake::model::Digest::of(&bytes);
    let (status, _) = send(server, "POST", &format!("/api/blobs/{digest}"), bytes).await?;
    if status >= 300 {
        return Some(None);
    }
    let request = json!({"model": name, "files": {"model.gguf": digest.to_string()}});
    job(server, "/api/create", &request).await.map(|done| done.then(|| name.to_owned()))
}

fn models(tags: &str) -> Vec<Value> {
    let tags: Value = serde_json::from_str(tags).unwrap();
    tags["models"].as_array().unwrap().clone()
}

/// Opens a model that is listed; it may have gone since.
async fn look(server: &RwLock<Server>) -> Option<Option<String>> {
    let (status, text) = send(server, "GET", "/api/tags", Vec::new()).await?;
    assert_eq!(status, 200, "{text}");
    for model in models(&text) {
        let path = format!("/ollamake/v1/models/{}/metadata", model["name"].as_str().unwrap());
        // It may have gone, and come back, since it was listed; but not each time.
        let mut said = String::new();
        for look in 0..5 {
            let (status, text) = send(server, "GET", &path, Vec::new()).await?;
            let (_, listed) = send(server, "GET", "/api/tags", Vec::new()).await?;
            // Another name may have the same model.
            let is_it = |other: &Value| other["name"] == model["name"] && other["digest"] == model["digest"];
            if status == 200 || !models(&listed).iter().any(is_it) {
                said.clear();
                break;
            }
            said = format!("{path} answers {status} at look {look}: {text}");
        }
        assert!(said.is_empty(), "{said}");
    }
    Some(None)
}

fn job_path(job: &Value) -> String {
    format!("/ollamake/v1/jobs/{}", job["id"].as_str().unwrap())
}

/// Waits until a server has nothing to do any more, and looks at its store.
async fn settle(server: &Server, limit: u64) {
    let (start, root) = (Instant::now(), server.directory.path());
    let is_busy = async || {
        let jobs = server.get("/ollamake/v1/jobs").await;
        jobs["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|job| matches!(job["state"].as_str(), Some("queued" | "running")))
    };
    // What a job needs stays as long as it may be gone on with, and those that a kill has interrupted are
    // not.
    for job in server.get("/ollamake/v1/jobs?state=interrupted").await["jobs"].as_array().unwrap() {
        let (status, text) = server.send("DELETE", &job_path(job), Vec::new()).await;
        assert!(status < 300, "{status} {text}");
    }
    let store = Store::open_existing(root).unwrap();
    // What clients have uploaded for models that they did not get is nobody's yet, and stays for an hour.
    let named = || bytes_in(&root.join("blobs")).saturating_sub(store.account().unwrap().unnamed.bytes);
    // What another server has published another model under the name of is nowhere else, and stays.
    let shelved = async || {
        let tags = server.get("/api/tags?library=true").await;
        tags["models"].as_array().unwrap().iter().filter(|model| model["library"] == "same").count()
    };
    while is_busy().await || (named() > limit && shelved().await > 1) {
        assert!(start.elapsed() < LONGEST, "{} bytes: {}", named(), server.process.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = run(root, &["fsck"]);
    assert!(output.status.success(), "{}", text(&output));
    for model in server.get("/api/tags").await["models"].as_array().unwrap() {
        let path = format!("/ollamake/v1/models/{}/tensors", model["name"].as_str().unwrap());
        server.get(&path).await;
    }
}

/// Everything that was promised is in the library, and all that is there comes back whole.
async fn check_library(registry: &DockerRegistry, promised: &BTreeSet<String>) {
    let machine = Machine::of(&registry.host());
    let shelved = machine.client.shelved().await.unwrap();
    let names: BTreeSet<_> = shelved.iter().map(|model| model.name.model().to_owned()).collect();
    assert!(promised.is_subset(&names), "{promised:?} {names:?}");
    for model in shelved {
        let placed = machine.fetch(&model.name.short()).await.unwrap().unwrap();
        assert_eq!(placed.model.digest, model.digest);
        for layer in placed.model.manifest.blobs() {
            machine.store.verify(layer.digest).unwrap();
        }
    }
}
