//! A client that does everything at random, and knows what it was promised.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Outcome};
use super::material::{File, Material};
use super::registry::{self, Registry};
use super::snapshot::{self, Snapshot};
use crate::support::noise::noise;
use crate::support::process::command;

/// Pruning spares blobs that were used so shortly ago.
const GRACE: Duration = Duration::from_secs(6);
/// An operation that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(90);
/// The model that nobody touches.
pub(super) const CONSTANT: &str = "constant:latest";

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Upload,
    WrongUpload,
    LongUpload,
    Push,
    Import,
    Quantize,
    Convert,
    Derive,
    Copy,
    Delete,
    Pull,
    Prune,
    Look,
}

/// Everything, and how often it is done among a hundred operations.
pub(super) const KINDS: [(Kind, u32); 13] = [
    (Kind::Upload, 10),
    (Kind::WrongUpload, 3),
    (Kind::LongUpload, 8),
    (Kind::Push, 10),
    (Kind::Import, 15),
    (Kind::Quantize, 15),
    (Kind::Convert, 10),
    (Kind::Derive, 10),
    (Kind::Copy, 8),
    (Kind::Delete, 12),
    (Kind::Pull, 10),
    (Kind::Prune, 2),
    (Kind::Look, 5),
];

/// What all clients share.
pub(super) struct World {
    pub(super) root: PathBuf,
    pub(super) material: Material,
    pub(super) registry: Registry,
    pub(super) counts: Mutex<BTreeMap<Kind, u64>>,
    /// Refusals that are in order, by their beginning.
    pub(super) refusals: Mutex<BTreeMap<String, u64>>,
    /// What each recipe makes, which must be the same every time.
    made: Mutex<HashMap<String, Digest>>,
    /// Processes that prune.
    pub(super) pruning: Mutex<Vec<Arc<Mutex<Child>>>>,
}

impl World {
    pub(super) async fn new(root: PathBuf) -> Arc<Self> {
        let material = Material::new();
        Arc::new(Self {
            root,
            registry: Registry::start(&material).await,
            material,
            counts: Mutex::default(),
            refusals: Mutex::default(),
            made: Mutex::default(),
            pruning: Mutex::default(),
        })
    }

    /// Makes the model that nobody touches.
    pub(super) async fn make_constant(&self, api: &Api) {
        let file = self.material.gguf(u64::MAX);
        assert_eq!(api.upload(&file.digest.to_string(), &file.bytes, Duration::ZERO).await, Outcome::Done);
        let made = api.create(CONSTANT, &[file], &json!({"system": "constant"})).await;
        assert_eq!(made, Outcome::Done);
    }

    fn constant(&self) -> Made {
        Made {
            weights: Weights::Are(self.material.gguf(u64::MAX).digest),
            system: Some(Digest::of(b"constant")),
        }
    }

    /// Whether the store holds what was promised.
    fn matches(&self, promised: Option<&Made>, found: Option<&snapshot::Model>) -> bool {
        let (Some(made), Some(found)) = (promised, found) else {
            return promised.is_none() && found.is_none();
        };
        let weights = found.weights.expect("every model has weights");
        made.system == found.system
            && match &made.weights {
                Weights::Are(digest) => *digest == weights,
                Weights::Come(recipe) => {
                    *self.made.lock().unwrap().entry(recipe.clone()).or_insert(weights) == weights
                }
            }
    }
}

/// What a model consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    weights: Weights,
    system: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Weights {
    Are(Digest),
    /// From this recipe.
    Come(String),
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Promise {
    now: Option<Made>,
    /// What an operation would leave that has not ended.
    pending: Option<Option<Made>>,
}

/// How a client treats names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It has names of its own and knows what is behind each.
    Careful,
    /// It shares names with its like, and some of its operations it breaks off.
    Careless,
}

/// An upload in several attempts.
struct Begun {
    file: File,
    path: String,
    /// So many bytes the server has promised to have, and when.
    acknowledged: (usize, Instant),
}

/// A model on its way to the server as a registry.
struct Pushing {
    file: File,
    /// Where its weights go.
    path: String,
    /// So many bytes the server has promised to have, and when.
    acknowledged: (usize, Instant),
}

/// A client.
pub(super) struct Client {
    world: Arc<World>,
    number: usize,
    manner: Manner,
    random: StdRng,
    counter: u64,
    promises: BTreeMap<String, Promise>,
    /// Uploads of the last moments, and when they began.
    uploads: Vec<(Digest, Instant)>,
    /// An upload that was not finished, perhaps since the server was killed.
    begun: Option<Begun>,
    /// The same of a push.
    pushing: Option<Pushing>,
    pub(super) doing: Arc<Mutex<Option<Kind>>>,
}

impl Client {
    pub(super) fn new(world: &Arc<World>, number: usize, manner: Manner, seed: u64) -> Self {
        Self {
            world: world.clone(),
            number,
            manner,
            random: StdRng::seed_from_u64(seed ^ (number as u64) << 32),
            counter: 0,
            promises: BTreeMap::new(),
            uploads: Vec::new(),
            begun: None,
            pushing: None,
            doing: Arc::default(),
        }
    }

    /// Works until the time is over. An error says what a server left unanswered.
    pub(super) async fn work(&mut self, servers: &[Api], end: Instant) -> Result<(), String> {
        while Instant::now() < end {
            let mut draw = self.random.random_range(0..KINDS.iter().map(|(_, weight)| weight).sum());
            let kind = KINDS.iter().find(|(_, weight)| {
                let hit = draw < *weight;
                draw = draw.wrapping_sub(*weight);
                hit
            });
            let (kind, _) = kind.expect("the draw is less than the sum");
            let api = servers[self.random.random_range(0..servers.len())].clone();
            self.operate(*kind, &api).await?;
        }
        Ok(())
    }

    /// Does everything once.
    pub(super) async fn work_once(&mut self, api: &Api) -> Result<(), String> {
        for (kind, _) in KINDS {
            self.operate(kind, api).await?;
        }
        Ok(())
    }

    async fn operate(&mut self, kind: Kind, api: &Api) -> Result<(), String> {
        *self.doing.lock().unwrap() = Some(kind);
        *self.world.counts.lock().unwrap().entry(kind).or_default() += 1;
        let breaks_off =
            self.manner == Manner::Careless && kind != Kind::Prune && self.random.random_bool(0.3);
        let patience =
            if breaks_off { Duration::from_millis(self.random.random_range(0..300)) } else { PATIENCE };
        let manner = self.manner;
        let outcome = match tokio::time::timeout(patience, self.perform(kind, api)).await {
            Ok(outcome) => outcome,
            Err(_) if breaks_off => Outcome::Done,
            Err(_) => panic!("{kind:?} hangs"),
        };
        *self.doing.lock().unwrap() = None;
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Broken(error) => Err(format!("{kind:?}: {error}")),
            Outcome::Refused(text) => match in_order(kind, manner, &text) {
                Some(reason) => {
                    let reason = format!("{kind:?}: {reason}");
                    *self.world.refusals.lock().unwrap().entry(reason).or_default() += 1;
                    Ok(())
                }
                None => panic!("{kind:?} by client {}: {text}", self.number),
            },
        }
    }

    async fn perform(&mut self, kind: Kind, api: &Api) -> Outcome {
        match kind {
            Kind::Upload => {
                let length = self.random.random_range(1..1_500_000);
                let file = File::new("blob", noise(self.random.random(), length));
                let begin = Instant::now();
                let outcome = self.upload(api, &file).await;
                if outcome == Outcome::Done {
                    self.uploads.push((file.digest, begin));
                }
                outcome
            }
            Kind::WrongUpload => {
                let file = File { digest: Digest::of(b"another"), ..File::new("blob", noise(1, 300_000)) };
                self.upload(api, &file).await
            }
            Kind::LongUpload => self.go_on(api).await.unwrap_or_else(|outcome| outcome),
            Kind::Push => self.push(api).await.unwrap_or_else(|outcome| outcome),
            Kind::Import => {
                let seed = self.seed();
                let file = self.world.material.gguf(seed);
                let weights = Weights::Are(file.digest);
                self.make(api, vec![file], weights, json!({})).await
            }
            Kind::Quantize => {
                let seed = self.seed();
                let file = self.world.material.gguf(seed);
                let to = ["q4_K_M", "q2_K", "q8_0"][self.random.random_range(0..3)];
                let weights = Weights::Come(format!("{} as {to}", file.digest));
                self.make(api, vec![file], weights, json!({"quantize": to})).await
            }
            Kind::Convert => {
                let seed = self.seed();
                let files = self.world.material.checkpoint(seed);
                let weights = files.last().unwrap().digest;
                if self.random.random() {
                    self.make(api, files, Weights::Come(weights.to_string()), json!({})).await
                } else {
                    let recipe = Weights::Come(format!("{weights} as q8_0"));
                    self.make(api, files, recipe, json!({"quantize": "q8_0"})).await
                }
            }
            Kind::Derive => {
                let (base, made) = self.source();
                let (system, text) = self.system();
                let made = Made { system: Some(system), ..made };
                let name = self.name();
                let body = json!({"model": name, "from": base, "system": text});
                self.attempt(&name, Some(made), api.job("create", &body)).await
            }
            Kind::Copy => {
                let (source, made) = self.source();
                let name = self.name();
                let body = json!({"source": source, "destination": name});
                self.attempt(&name, Some(made), api.call(Method::POST, "copy", &body)).await
            }
            Kind::Delete => {
                let name = match self.manner {
                    Manner::Careless => self.name(),
                    Manner::Careful => match self.owned() {
                        Some((name, _)) => name,
                        None => return Outcome::Done,
                    },
                };
                let body = json!({"model": name});
                self.attempt(&name, None, api.call(Method::DELETE, "delete", &body)).await
            }
            Kind::Pull => {
                let number = self.random.random_range(0..registry::MODELS);
                let owner = if self.manner == Manner::Careful { self.number } else { 1000 };
                let name = format!("{}/c{owner}/pulled-{number}:latest", self.world.registry.address);
                let weights = Digest::of(&self.world.registry.models[number].blobs[0]);
                let made = Made { weights: Weights::Are(weights), system: None };
                self.attempt(&name, Some(made), api.job("pull", &json!({"model": name}))).await
            }
            Kind::Prune => self.prune().await,
            Kind::Look => self.look(api).await,
        }
    }

    /// Uploads files and makes a model of them.
    async fn make(&mut self, api: &Api, files: Vec<File>, weights: Weights, mut more: Value) -> Outcome {
        for file in &files {
            let outcome = self.upload(api, file).await;
            if outcome != Outcome::Done {
                return outcome;
            }
        }
        let (system, text) = self.system();
        more["system"] = text.into();
        let name = self.name();
        let made = Made { weights, system: Some(system) };
        self.attempt(&name, Some(made), api.create(&name, &files, &more)).await
    }

    /// Begins an upload in several attempts, or goes on with it, until it is whole.
    async fn go_on(&mut self, api: &Api) -> Result<Outcome, Outcome> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => {
                let length = self.random.random_range(1..1_500_000);
                let file = File::new("blob", noise(self.random.random(), length));
                let path = api.begin_upload(length).await?;
                Begun { file, path, acknowledged: (0, Instant::now()) }
            }
        };
        let (path, bytes) = (begun.path.clone(), begun.file.bytes.clone());
        let mut pieces = Vec::new();
        for _ in 0..20 {
            pieces.push(self.random.random_range(1..700_000));
        }
        let pause = Duration::from_micros(self.random.random_range(0..3000));
        let (acknowledged, when) = begun.acknowledged;
        let digest = begun.file.digest;
        // Whoever breaks off or finds the server gone goes on another time.
        let begun = self.begun.insert(begun);
        let (mut offset, mut became) = api.upload_at(&path).await?;
        // A blob that nobody needed for so long may have gone.
        assert!(offset >= acknowledged || when.elapsed() > GRACE, "{offset} of {acknowledged} are left");
        let mut begin = None;
        for piece in pieces {
            if became.is_some() {
                break;
            }
            begin = Some(Instant::now());
            let part = bytes.slice(offset..bytes.len().min(offset.saturating_add(piece)));
            (offset, became) = match api.go_on(&path, offset, &part, pause).await {
                // An earlier request, which was broken off, is still at it.
                Err(Outcome::Refused(text)) if text.starts_with("423") || text.starts_with("409") => {
                    api.upload_at(&path).await?
                }
                answer => answer?,
            };
            begun.acknowledged = (offset, Instant::now());
        }
        if let Some(became) = became {
            assert_eq!(became, digest.to_string());
            self.begun = None;
            self.uploads.extend(begin.map(|begin| (digest, begin)));
        }
        Ok(Outcome::Done)
    }

    /// Pushes a model to the server as a registry, or goes on with a push, and gives it a name.
    async fn push(&mut self, api: &Api) -> Result<Outcome, Outcome> {
        const REPOSITORY: &str = "library/on-its-way";
        let pushing = match self.pushing.take() {
            Some(pushing) => pushing,
            None => {
                let seed = self.seed();
                let file = self.world.material.gguf(seed);
                let path = api.begin_push(REPOSITORY).await?;
                Pushing { file, path, acknowledged: (0, Instant::now()) }
            }
        };
        let mut pieces = Vec::new();
        for _ in 0..20 {
            pieces.push(self.random.random_range(1..1_500_000));
        }
        let pause = Duration::from_micros(self.random.random_range(0..3000));
        let (file, path, (acknowledged, when)) =
            (pushing.file.clone(), pushing.path.clone(), pushing.acknowledged);
        // Whoever breaks off or finds the server gone goes on another time.
        let pushing = self.pushing.insert(pushing);
        match api.push_at(&path).await {
            Ok(mut offset) => {
                assert!(offset >= acknowledged, "{offset} of {acknowledged} are left");
                pushing.acknowledged = (offset, Instant::now());
                for piece in pieces {
                    let part = file.bytes.slice(offset..file.bytes.len().min(offset.saturating_add(piece)));
                    if part.is_empty() {
                        break;
                    }
                    offset = match api.push_on(&path, offset, &part, pause).await {
                        // An earlier request, which was broken off, is still at it.
                        Err(Outcome::Refused(text)) if text.starts_with("503") || text.starts_with("416") => {
                            api.push_at(&path).await?
                        }
                        answer => answer?,
                    };
                    pushing.acknowledged = (offset, Instant::now());
                }
                if offset < file.bytes.len() {
                    return Ok(Outcome::Done);
                }
                api.end_push(&path, file.digest).await?;
            }
            // The end was not heard. A blob that nobody needed for so long may have gone.
            Err(Outcome::Refused(text)) if text.starts_with("404") => {
                assert!(acknowledged == file.bytes.len(), "an upload is lost: {text}");
                let is_there = api.has(file.digest).await?;
                assert!(is_there || when.elapsed() > GRACE, "a blob that was pushed is lost");
                if !is_there {
                    self.pushing = None;
                    return Ok(Outcome::Done);
                }
            }
            Err(outcome) => return Err(outcome),
        }
        self.pushing = None;
        let (system, text) = self.system();
        let config = ModelConfig::default().to_bytes();
        for blob in [&config[..], text.as_bytes()] {
            api.push_blob(REPOSITORY, blob).await?;
        }
        let layer = |kind, bytes: &[u8]| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
        let layers = vec![layer(MediaType::Model, &file.bytes), layer(MediaType::System, text.as_bytes())];
        let manifest = Manifest::new(layer(MediaType::Config, &config), layers).to_bytes();
        let number = self.random.random_range(0..4);
        let (repository, name) = match self.manner {
            Manner::Careful => {
                let name = format!("c{}-{number}", self.number);
                (format!("library/{name}"), format!("{name}:latest"))
            }
            Manner::Careless => (format!("library/pushed-{number}"), String::new()),
        };
        let made = Made { weights: Weights::Are(file.digest), system: Some(system) };
        Ok(self.attempt(&name, Some(made), api.push_manifest(&repository, "latest", manifest)).await)
    }

    async fn upload(&mut self, api: &Api, file: &File) -> Outcome {
        let pause = Duration::from_micros(self.random.random_range(0..3000));
        api.upload(&file.digest.to_string(), &file.bytes, pause).await
    }

    /// An operation that is to leave `made` behind a name.
    async fn attempt(
        &mut self,
        name: &str,
        made: Option<Made>,
        work: impl Future<Output = Outcome>,
    ) -> Outcome {
        if self.manner == Manner::Careless {
            return work.await;
        }
        self.promises.entry(name.to_owned()).or_default().pending = Some(made.clone());
        let outcome = work.await;
        let promise = self.promises.entry(name.to_owned()).or_default();
        match outcome {
            Outcome::Done => *promise = Promise { now: made, pending: None },
            Outcome::Refused(_) => promise.pending = None,
            Outcome::Broken(_) => {}
        }
        outcome
    }

    async fn look(&mut self, api: &Api) -> Outcome {
        match api.tags().await {
            Err(error) => Outcome::Broken(error.to_string()),
            Ok(names) => {
                for (name, promise) in &self.promises {
                    if promise.now.is_some() {
                        assert!(names.contains(name), "{name} is not listed");
                    }
                }
                assert!(names.iter().any(|name| name == CONSTANT));
                api.call(Method::POST, "show", &json!({"model": CONSTANT})).await
            }
        }
    }

    /// Runs the program in another process beside the server.
    async fn prune(&mut self) -> Outcome {
        let grace = GRACE.as_secs().to_string();
        let mut command = command(&self.world.root, &["prune", "--grace", &grace]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let child = Arc::new(Mutex::new(child));
        {
            let mut pruning = self.world.pruning.lock().unwrap();
            pruning.retain(|child| Arc::strong_count(child) > 1);
            pruning.push(child.clone());
        }
        loop {
            match child.lock().unwrap().try_wait().unwrap() {
                Some(status) if status.success() => return Outcome::Done,
                Some(status) if status.code().is_none() => return Outcome::Broken(status.to_string()),
                Some(status) => return Outcome::Refused(status.to_string()),
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether everything is there that was promised and nothing that was not; what was pending is settled.
    pub(super) fn check(&mut self, snapshot: &Snapshot) {
        assert!(self.world.matches(Some(&self.world.constant()), snapshot.models.get(CONSTANT)));
        for (name, promise) in &mut self.promises {
            let found = snapshot.models.get(name);
            if let Some(pending) = promise.pending.take()
                && self.world.matches(pending.as_ref(), found)
            {
                promise.now = pending;
            }
            let now = promise.now.as_ref();
            assert!(self.world.matches(now, found), "{name} should be {now:?}, is {found:?}");
        }
        self.promises.retain(|_, promise| promise.now.is_some());
        for (digest, begin) in self.uploads.drain(..) {
            // Until here the reading of the snapshot has taken some time.
            if begin.elapsed() < GRACE {
                assert!(snapshot.blobs.contains(&digest), "upload {digest} is lost");
            }
        }
    }

    /// A seed that others have too, or nobody else.
    fn seed(&mut self) -> u64 {
        self.counter += 1;
        if self.random.random() {
            self.random.random_range(0..3)
        } else {
            (self.number as u64 + 1) << 32 | self.counter
        }
    }

    /// A system prompt that no other model has.
    fn system(&mut self) -> (Digest, String) {
        self.counter += 1;
        let text = format!("prompt {} of {}", self.counter, self.number);
        (Digest::of(text.as_bytes()), text)
    }

    /// A name for something new.
    fn name(&mut self) -> String {
        let number = self.random.random_range(0..4);
        match self.manner {
            Manner::Careful => format!("c{}-{number}:latest", self.number),
            // One that is not there is asked for at the registry, in vain.
            Manner::Careless => format!("{}/shared/any-{number}:latest", self.world.registry.address),
        }
    }

    /// A model of one's own that is there.
    fn owned(&mut self) -> Option<(String, Made)> {
        let there = |(name, promise): (&String, &Promise)| Some((name.clone(), promise.now.clone()?));
        let mut there: Vec<_> = self.promises.iter().filter_map(there).collect();
        if there.is_empty() {
            None
        } else {
            Some(there.swap_remove(self.random.random_range(0..there.len())))
        }
    }

    /// A model to make another of.
    fn source(&mut self) -> (String, Made) {
        let constant = (CONSTANT.to_owned(), self.world.constant());
        match self.manner {
            Manner::Careful => self.owned().unwrap_or(constant),
            Manner::Careless => (self.name(), constant.1),
        }
    }
}

/// Why a refusal is in order, if it is.
fn in_order(kind: Kind, manner: Manner, text: &str) -> Option<&'static str> {
    let absent = ["not found", "does not exist", "Not Found"].iter().any(|words| text.contains(words));
    let absent_blob = absent || text.contains("is not in the store");
    match kind {
        Kind::WrongUpload if text.contains("digest mismatch") => Some("digest mismatch"),
        // The model that had the blob went between upload and use, and the blob with it.
        Kind::Import | Kind::Quantize | Kind::Convert if absent_blob => Some("blob not found"),
        Kind::Push if text.contains("is not here") => Some("blob not found"),
        // Another has removed the model.
        Kind::Derive | Kind::Copy | Kind::Delete if manner == Manner::Careless && absent => {
            Some("model not found")
        }
        _ => None,
    }
}
