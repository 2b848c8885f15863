//! The server is killed while detached jobs run. They go on when it is started again, make nothing twice but
//! what was not durable yet, and end as if nothing had been.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ollamake::gguf::Metadata;
use ollamake::tensor::ElementType;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::api::{Api, Outcome};
use super::material::{File, Material};
use super::registry::Registry;
use super::{seed, setting};
use crate::in_process;
use crate::registry::resumable_registry::ResumableRegistry;
use crate::support::process::{Process, run, text};

/// So much may be made again; and a chunk, and what the writer holds back.
const CHECKPOINT: u64 = 128 << 10;
const HELD_BACK: u64 = 128 << 10;
/// A job that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A request that is made again and again.
struct Errand {
    path: &'static str,
    body: Value,
    /// The digests of what it makes, by name.
    expected: BTreeMap<String, String>,
    /// The length of the one file that it makes, if its progress tells of one.
    length: Option<u64>,
    job: Option<Job>,
}

/// A job under way.
struct Job {
    id: String,
    /// How much of the file was seen to be written, in any process.
    reached: u64,
    /// What it has said in this process.
    said: Arc<Mutex<Vec<Value>>>,
}

/// A server and how to ask it.
struct Server {
    process: Process,
    http: reqwest::Client,
}

impl Server {
    fn start(root: &Path) -> Self {
        let checkpoint = CHECKPOINT.to_string();
        let settings = [("OLLAMAKE_CHECKPOINT", checkpoint.as_str()), ("OLLAMAKE_JOB_MEMORY", "1048576")];
        // An error says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let process = Process::start(root, &settings);
        Self { process, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.address)
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    /// Follows a job until it ends or its server does.
    fn follow(&self, id: &str) -> Arc<Mutex<Vec<Value>>> {
        let said = Arc::<Mutex<Vec<Value>>>::default();
        let request = self.http.get(self.url(&format!("/ollamake/v1/jobs/{id}/events")));
        let telling = said.clone();
        tokio::spawn(async move {
            let Ok(mut answer) = request.send().await else { return };
            let mut rest = Vec::new();
            while let Ok(Some(bytes)) = answer.chunk().await {
                rest.extend_from_slice(&bytes);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    telling.lock().unwrap().push(serde_json::from_slice(&line).unwrap());
                }
            }
        });
        said
    }

    async fn begin(&self, errand: &mut Errand) {
        let answer = self.http.post(self.url(errand.path)).json(&errand.body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        let answer: Value = answer.json().await.unwrap();
        let id = answer["job"].as_str().unwrap().to_owned();
        let said = self.follow(&id);
        errand.job = Some(Job { id, reached: 0, said });
    }

    /// Looks how a job stands; one that has succeeded has made what it should, which is removed again.
    async fn look(&self, errand: &mut Errand) {
        let Some(job) = &errand.job else { return };
        let told = self.get(&format!("/ollamake/v1/jobs/{}", job.id)).await;
        match told["state"].as_str() {
            Some("queued" | "running") => return,
            // It is about to go on.
            Some("interrupted") => return,
            Some("succeeded") => {}
            _ => panic!("{told}"),
        }
        let models = told["models"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let made: BTreeMap<_, _> =
            models.iter().map(|model| (text(&model["model"]), text(&model["digest"]))).collect();
        assert!(
            errand.expected.is_empty() || errand.expected == made,
            "{told}: expected {:?}",
            errand.expected
        );
        if errand.path != "/api/push" {
            for model in made.keys() {
                let request = self.http.delete(self.url("/api/delete")).json(&json!({"model": model}));
                assert!(request.send().await.unwrap().status().is_success());
            }
        }
        errand.expected = made;
        errand.job = None;
    }

    /// Waits until all jobs have succeeded.
    async fn finish(&self, errands: &mut [Errand]) {
        let start = Instant::now();
        while errands.iter().any(|errand| errand.job.is_some()) {
            assert!(start.elapsed() < PATIENCE, "a job hangs");
            for errand in &mut *errands {
                self.look(errand).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Errand {
    fn new(path: &'static str, mut body: Value) -> Self {
        body["detach"] = true.into();
        Self { path, body, expected: BTreeMap::new(), length: None, job: None }
    }

    /// Takes in what a job has said before its server was killed; answers with how often it went on with what
    /// was there.
    fn take_in(&mut self) -> u64 {
        let (Some(job), Some(length)) = (&mut self.job, self.length) else { return 0 };
        let mut went_on = 0;
        for line in job.said.lock().unwrap().drain(..) {
            let status = line["status"].as_str().unwrap_or_default();
            if let Some(rest) = status.strip_prefix("going on after ") {
                let present: u64 = rest.split(' ').next().unwrap().parse().unwrap();
                assert!(present + CHECKPOINT + HELD_BACK >= job.reached, "{present} of {}", job.reached);
                went_on += 1;
            }
            assert!(!status.starts_with("beginning anew"), "{line}");
            if let (Some(completed), Some(total)) = (line["completed"].as_u64(), line["total"].as_u64()) {
                let reached = u128::from(length) * u128::from(completed) / u128::from(total);
                job.reached = job.reached.max(u64::try_from(reached).unwrap());
            }
        }
        went_on
    }
}

/// A model of two million weights in F16.
fn weights(name: &str) -> File {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.name", name);
    metadata.set("general.file_type", 1_u32);
    metadata.set("llama.block_count", 1_u32);
    let shape: &[u64] = &[256, 2048];
    let names = ["token_embd.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight", "output.weight"];
    File::new("m.gguf", in_process::gguf(&metadata, &names.map(|name| (name, shape, ElementType::F16))))
}

async fn upload(api: &Api, files: &[File]) -> Value {
    let mut named = serde_json::Map::new();
    for file in files {
        let digest = file.digest.to_string();
        assert_eq!(api.upload(&digest, &file.bytes, Duration::ZERO).await, Outcome::Done);
        named.insert(file.name.clone(), digest.into());
    }
    named.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn detached_jobs_go_on_after_every_kill() {
    let kills = setting("OLLAMAKE_KILLS", 5);
    let mut random = StdRng::seed_from_u64(seed());
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let material = Material::new();
    let (sending, receiving) = (Registry::start(&material).await, ResumableRegistry::start().await);

    let server = Server::start(root);
    let api = Api::new(&server.process.address);
    let one = upload(&api, &[weights("one")]).await;
    let two = upload(&api, &[weights("two")]).await;
    let checkpoint = upload(&api, &material.checkpoint(1)).await;
    let pushed = format!("http://{}/team/pushed", receiving.address());
    let kept = weights("pushed");
    let kept_files = upload(&api, std::slice::from_ref(&kept)).await;
    assert_eq!(api.job("create", &json!({"model": pushed, "files": kept_files})).await, Outcome::Done);
    let outputs = json!([{"model": "small", "quantize": "q2_K"}, {"model": "large", "quantize": "q8_0"}]);
    let mut errands = vec![
        Errand::new("/api/create", json!({"model": "quantized", "files": one, "quantize": "q4_K_M"})),
        Errand::new("/api/create", json!({"files": two, "outputs": outputs})),
        Errand::new("/api/create", json!({"model": "converted", "files": checkpoint, "quantize": "q8_0"})),
        Errand::new(
            "/api/pull",
            json!({"model": format!("http://{}/team/pulled-0", sending.address), "insecure": true}),
        ),
        Errand::new("/api/push", json!({"model": pushed, "insecure": true})),
    ];
    let dry = json!({"model": "quantized", "files": one, "quantize": "q4_K_M", "dry_run": true});
    let plan = server.http.post(server.url("/api/create")).json(&dry).send().await.unwrap();
    let plan: Value = plan.json().await.unwrap();
    errands[0].length = plan["outputs"][0]["layers"][0]["size"].as_u64();
    assert!(errands[0].length.is_some(), "{plan}");

    // Once without being disturbed.
    let start = Instant::now();
    for errand in &mut errands {
        server.begin(errand).await;
    }
    server.finish(&mut errands).await;
    let duration = start.elapsed();
    println!("everything once takes {duration:?}");
    drop(server);

    let (mut went_on, mut ended) = (0, 0);
    for kill in 0..kills {
        let mut server = Server::start(root);
        let output = run(root, &["fsck"]);
        assert!(output.status.success(), "{}", text(&output));
        for errand in &mut errands {
            server.look(errand).await;
            match &mut errand.job {
                Some(job) => job.said = server.follow(&job.id),
                None => {
                    ended += 1;
                    server.begin(errand).await;
                }
            }
        }
        // At times before anything could be done.
        let longest = if kill % 4 == 3 { duration / 20 } else { duration };
        tokio::time::sleep(longest.mul_f64(random.random_range(0.0..1.0))).await;
        server.process.kill();
        let log = server.process.log();
        assert!(!log.contains("panicked"), "{log}");
        went_on += errands.iter_mut().map(Errand::take_in).sum::<u64>();
    }
    let server = Server::start(root);
    for errand in &mut errands {
        if let Some(job) = &mut errand.job {
            job.said = server.follow(&job.id);
        }
    }
    server.finish(&mut errands).await;
    assert!(receiving.has(&kept.bytes));
    let output = run(root, &["fsck"]);
    assert!(output.status.success(), "{}", text(&output));
    let left: Vec<_> = std::fs::read_dir(root.join("ollamake/outputs")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    println!("{kills} kills, {ended} jobs begun anew, {went_on} times a file went on from where it was");
    assert!(kills < 50 || went_on > 0);
}
